"""Uploads a file that is evidence against a chargeback. The bank does not get it by that.

The content stands in the effect's own request: it is the record of what was uploaded. The file has
our id as its name at Stripe, where it is looked for.
"""

from __future__ import annotations

import base64
import hashlib
import io
from typing import Any
from uuid import UUID

from service.aggregates.contradiction import Contradiction
from service.aggregates.escrow import EscrowCase, load_case_of_effect
from service.domain import ids
from service.domain.evidence import FileType
from service.domain.records.chargeback import Chargeback
from service.domain.records.effect import Effect, EffectKind
from service.domain.states.effect import EffectState
from service.domain.unit import UnitOfWork
from service.effects.kind import Answer, Kind, no_change
from service.effects.lookup import since
from service.effects.renew import renew
from service.stripe.gateway import Client, Object, Options, SdkObject

PURPOSE = "dispute_evidence"


def file_id_of(chargeback_id: UUID, content: bytes) -> UUID:
    """The same content is one file of a chargeback, however often it is uploaded."""
    digest = hashlib.sha256(content).hexdigest()
    return ids.derive(chargeback_id, f"{EffectKind.UPLOAD_EVIDENCE}:{digest}")


def plan(
    unit: UnitOfWork, known: Chargeback, content: bytes, kind: FileType, before: Effect | None
) -> Effect:
    """``before`` is the effect where it was uploaded before, or refused."""
    if before is not None:
        if before.state is EffectState.REJECTED:
            renew(unit, before)
        return before
    file_id = file_id_of(known.chargeback_id, content)
    return unit.plan(
        EffectKind.UPLOAD_EVIDENCE,
        file_id,
        subject_id=known.chargeback_id,
        escrow_id=known.escrow_id,
        request={
            "purpose": PURPOSE,
            "filename": f"{ids.show(ids.EVIDENCE_FILE, file_id)}.{kind.suffix}",
            "content": base64.b64encode(content).decode(),
        },
    )


def content_of(effect: Effect) -> bytes:
    return base64.b64decode(effect.request["content"])


async def _send(client: Client, effect: Effect, options: Options) -> SdkObject:
    file: Any = io.BytesIO(content_of(effect))
    file.name = effect.request["filename"]  # which the SDK sends
    params = {"purpose": effect.request["purpose"], "file": file}
    answer: SdkObject = await client.v1.files.create_async(params, options)
    return answer


async def _find(client: Client, effect: Effect, options: Options) -> Object | None:
    params = {"purpose": PURPOSE, "created": since(effect), "limit": 100}
    listed = await client.v1.files.list_async(params, options)
    async for item in listed.auto_paging_iter():
        found: Object = item.to_dict()
        if found.get("filename") == effect.request["filename"]:
            return found
    return None


def _succeed(_: UnitOfWork, __: EscrowCase, effect: Effect, answer: Answer) -> None:
    """Raises Contradiction: it is another file."""
    asked = effect.request["filename"], len(content_of(effect))
    if (answer.get("filename"), answer.get("size")) != asked:
        raise Contradiction("the answer is of another file")


UPLOAD_EVIDENCE = Kind(_send, _find, load_case_of_effect, _succeed, reject=no_change)

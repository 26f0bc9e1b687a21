"""What staging and submitting evidence share: one update of the dispute at Stripe.

Stripe takes evidence for good, and once. The call carries our id in the dispute's metadata, where
it is looked for before it is sent again; and it is not sent to a dispute that has moved on.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

from service.aggregates.chargeback import observe_answer
from service.aggregates.contradiction import Contradiction
from service.aggregates.escrow import EscrowCase
from service.domain import ids
from service.domain.records.chargeback import Chargeback
from service.domain.records.effect import Effect
from service.domain.states.chargeback import ChargebackState
from service.domain.unit import UnitOfWork
from service.effects.kind import Answer
from service.stripe.gateway import Client, Object, Options, SdkObject
from service.stripe.objects.dispute import parse_dispute
from service.stripe.objects.values import Unreadable, part
from service.stripe.outcomes import NotAsked

WAITS: Mapping[ChargebackState, str] = {
    ChargebackState.INQUIRY: "warning_needs_response",
    ChargebackState.NEEDS_RESPONSE: "needs_response",
}
"""Stripe's status of a dispute that takes evidence."""
MOVED = "dispute_moved"


def parameters(
    known: Chargeback, fields: Mapping[str, str], effect: tuple[UUID, int], *, submit: bool
) -> dict[str, Any]:
    """Of the update, with the dispute that it is of, and the status in which it may be made."""
    effect_id, generation = effect
    return {
        "dispute": known.stripe_dispute,
        "status": WAITS[known.state],
        "evidence": dict(fields),
        "submit": submit,
        "metadata": {_mark(submit=submit): f"{ids.show(ids.EFFECT, effect_id)}:{generation}"},
    }


def _mark(*, submit: bool) -> str:
    return "evidence_submitted" if submit else "evidence_staged"


async def send(client: Client, effect: Effect, options: Options) -> SdkObject:
    request = dict(effect.request)
    dispute, status = request.pop("dispute"), request.pop("status")
    shown = (await client.v1.disputes.retrieve_async(dispute, {}, {})).to_dict()
    if shown.get("status") != status:
        raise NotAsked(MOVED, f"The dispute takes no evidence now: it is {shown.get('status')}.")
    answer: SdkObject = await client.v1.disputes.update_async(dispute, request, options)
    return answer


async def find(client: Client, effect: Effect, _: Options) -> Object | None:
    """The dispute, if it shows that this very call was made."""
    shown: Object = (
        await client.v1.disputes.retrieve_async(effect.request["dispute"], {}, {})
    ).to_dict()
    return shown if _is_ours(effect, shown) else None


def _is_ours(effect: Effect, shown: Mapping[str, Any]) -> bool:
    return effect.request["metadata"].items() <= part(shown, "metadata").items()


def succeed(unit: UnitOfWork, case: EscrowCase, effect: Effect, answer: Answer) -> None:
    """Raises Contradiction: the answer is of another dispute, or another call."""
    if answer.get("id") != effect.request["dispute"] or not _is_ours(effect, answer):
        raise Contradiction("the answer shows nothing of this evidence")
    case.touch()
    known = next(c for c in case.records.chargebacks if c.chargeback_id == effect.subject_id)
    did = "submitted" if effect.request["submit"] else "staged"
    unit.note = f"{known.public_id}: evidence is {did}"
    with suppress(Unreadable):  # it is done all the same; an event will tell where the dispute is
        observe_answer(case, known, parse_dispute(answer))

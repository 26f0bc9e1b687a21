"""An operator names the object at Stripe that a call has made there."""

from __future__ import annotations

import re
from collections.abc import Mapping

from escrow.v1.operator_service_pb2 import SettleEffectRequest, SettleEffectResponse
from service.aggregates.contradiction import Contradiction
from service.aggregates.escrow import EscrowCase
from service.aggregates.payment import transaction_source
from service.aggregates.release import CONFIRMS, arrived_converted
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import (
    FieldViolation,
    InvalidField,
    MakesNoObject,
    ObjectDoesNotFit,
)
from service.domain.journal import Part
from service.domain.postings import JournalKind
from service.domain.records.effect import Effect
from service.domain.states.effect import EffectState
from service.domain.unit import UnitOfWork
from service.effects.table import KINDS
from service.operations.mutation import mutation
from service.operations.operators.messages import effect_message
from service.operations.operators.repair import (
    check_unknown,
    end_by_word_of_stripe,
    load_for_repair,
    note,
    read_effect,
)
from service.runtime import Runtime
from service.store.balance_transactions import find_booked
from service.store.commit import StripeObjectTaken
from service.stripe.objects.values import Object, Unreadable, id_of, our_id, text
from service.stripe.outcomes import Succeeded

RECOGNIZED: Mapping[str, JournalKind] = {
    JournalKind.EXTERNAL_BROUGHT: JournalKind.EXTERNAL_BROUGHT_RECOGNIZED,
    JournalKind.EXTERNAL_TOOK: JournalKind.EXTERNAL_TOOK_RECOGNIZED,
}
"""What takes back how the movement of an account was booked."""
IS_ID = re.compile(r"[a-zA-Z]+_\w+", re.ASCII)


async def settle_effect(
    runtime: Runtime, call: Call, request: SettleEffectRequest
) -> SettleEffectResponse:
    """Ends the effect by the object, which is fetched and held against what was asked for.

    Raises:
        InvalidField: that is no id of Stripe.
        EffectMissing, StaleEtag, EffectUnderWay, StripeUnavailable.
        WrongState: it has not been sent, or has ended.
        MakesNoObject: a look-up is all there is.
        ObjectDoesNotFit: it is another one. StripeRefused: there is no such object.
    """
    if not IS_ID.fullmatch(request.stripe_object):
        raise InvalidField(FieldViolation("stripe_object", "must be an id of Stripe: tr_..."))
    known = await read_effect(runtime, call, ids.parse(request.effect_id))
    made: Object = {}
    if known.state is EffectState.UNKNOWN:
        made = await _fetch(runtime, known, request.stripe_object)

    @mutation(SettleEffectResponse, of="settle_effect")
    async def story(
        runtime: Runtime, unit: UnitOfWork, request: SettleEffectRequest
    ) -> SettleEffectResponse:
        subject, effect = await load_for_repair(runtime, unit, known, request.etag)
        check_unknown(effect)
        await _recognize(runtime, unit, subject, effect, made)
        try:
            end_by_word_of_stripe(unit, subject, effect, Succeeded(dict(made)))
        except (Contradiction, Unreadable) as problem:
            raise _misfit(effect, request.stripe_object, str(problem)) from problem
        note(unit, subject, effect, request.stripe_object)
        answer = SettleEffectResponse(effect=effect_message(effect))
        return answer if request.validate_only else await runtime.save(unit, answer)

    try:
        return await story(runtime, call, request)
    except StripeObjectTaken as taken:
        says = "another record, or another booking, has it"
        raise _misfit(known, request.stripe_object, says) from taken


async def _recognize(
    runtime: Runtime, unit: UnitOfWork, subject: object, effect: Effect, made: Object
) -> None:
    """Before the object had the effect's id, the sweep may have booked what it moved: at the
    platform as unexplained or as another product's, in the payee's account as the payee's own.
    """
    source = id_of(made, "destination_payment") or text(made, "id")
    booked = await find_booked(
        runtime.pool,
        effect.tenant_id,
        id_of(made, "balance_transaction") or "",
        account=effect.request.get("destination") or effect.stripe_account or "",
        source=source,
    )
    for each in booked:
        if each.account is None:
            if isinstance(subject, EscrowCase) and each.kind in CONFIRMS:
                subject.booked_as = JournalKind(each.kind)
                subject.explained |= {each.transaction_id}
        elif kind := RECOGNIZED.get(each.kind):
            part = Part({"account": each.account}, {"amount": abs(each.net_minor)})
            unit.post(kind, transaction_source(each.transaction_id), each.currency, [part])
            if isinstance(subject, EscrowCase):
                release = subject.release_of(effect.subject_id)
                if release.transfer[1] != each.currency:
                    posting = arrived_converted(effect, release, each.net_minor)
                    unit.post(*posting, settled_currency=each.currency)


async def _fetch(runtime: Runtime, effect: Effect, object_id: str) -> Object:
    """The object, which bears the effect's id."""
    fetch = KINDS[effect.kind].fetch
    if fetch is None:
        raise MakesNoObject(effect_id=effect.public_id, kind=effect.kind)
    try:
        made = await runtime.stripe[effect.tenant_id].fetch_made(effect, fetch, object_id)
    except Unreadable as problem:
        raise _misfit(effect, object_id, str(problem)) from problem
    if our_id(made, "effect") != effect.effect_id:
        says = (
            f'its metadata names another effect, or none. If it is this one\'s, set "effect" to'
            f" {effect.public_id} in its metadata at Stripe, and send this again"
        )
        raise _misfit(effect, object_id, says)
    return made


def _misfit(effect: Effect, object_id: str, problem: str) -> ObjectDoesNotFit:
    return ObjectDoesNotFit(
        f"{object_id} is not what this call asked for: {problem}.",
        effect_id=effect.public_id,
        stripe_object=object_id,
    )

"""Amounts that may not move: frozen when Stripe moves or threatens money that we did not ask for,
or by an operator, and lifted by an operator.

What a source threatens is covered by what is held of the payment, milestone by milestone, each with
its part of the payer's fee. What is left over has been released before: it stops the transfers of
that payment that have not been requested yet.
"""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from service.aggregates.deadlines import due_again, leave_time
from service.aggregates.disputed import held_by_disputes, hold_again, yield_to
from service.aggregates.escrow import EscrowCase
from service.aggregates.release import transfer_rejected
from service.domain.dispute import LEAST_LEFT
from service.domain.errors import (
    AmountAboveHeld,
    AmountFrozen,
    FreezeMissing,
    FreezeOfDispute,
    check_multiples,
)
from service.domain.money import charge_step_minor
from service.domain.records.escrow import Milestone
from service.domain.records.freeze import Freeze, FreezeReason
from service.domain.records.payment import Payment
from service.domain.states.effect import EffectEvent, EffectState
from service.domain.states.freeze import FreezeEvent, FreezeState
from service.domain.states.refund import UNDONE
from service.domain.states.release import ReleaseState
from service.runtime import Runtime
from service.store.effects import find_effect
from service.store.payments import FoundPayment
from service.store.tables import EscrowRecords
from service.stripe.objects.payment_intent import PaymentObservation
from service.stripe.outcomes import ENDED_BY_OPERATOR, NEVER_EXECUTED

FROZEN = "frozen"
"""Why a transfer was not sent: the code of its refusal."""
NOT_OF_STRIPE = frozenset({None, FROZEN, NEVER_EXECUTED, ENDED_BY_OPERATOR})
"""Why a transfer was not made, where Stripe did not refuse it."""


GIVE_WAY = frozenset({FreezeReason.CHARGEBACK, FreezeReason.DISPUTE})
"""For what money is frozen that a lost chargeback may take."""


class Cause(NamedTuple):
    """Why something is frozen. ``source`` is the id of its cause at Stripe. A lifted source
    freezes again by another ``fact``: an inquiry that became a chargeback, a balance transaction
    that took the money.
    """

    reason: FreezeReason
    source: str
    fact: str


def freeze(case: EscrowCase, payment: Payment, amount_minor: int, cause: Cause) -> bool:
    """Freezes so much of a payment. False when the source has frozen it and was not lifted, and
    when it was lifted and nothing is new.

    ``amount_minor`` is in the payment's currency and includes the payer's fee, as a refund does.
    """
    known = [each for each in case.records.freezes if each.source == cause.source]
    if any(each.is_open or each.fact == cause.fact for each in known):
        return False
    case.touch()
    most_minor = min(amount_minor, payment.amount_minor)
    parts, beyond_minor = _cover(case, payment.payment_id, most_minor)
    if not parts:
        parts = [(_of_payment(case, payment.payment_id)[0], 0)]
    for milestone, part_minor in parts:
        yield_to(case, milestone, part_minor)
        _add(case, milestone, payment.payment_id, part_minor, cause)
    case.records.freezes[-1].beyond_minor = beyond_minor
    return True


async def freeze_and_hold_back(
    runtime: Runtime,
    case: EscrowCase,
    payment: Payment,
    amount_minor: int,
    cause: Cause,
) -> None:
    """Freezes so much of a payment, as ``freeze`` does. If that reaches beyond what is held, a part
    that was released goes back to payable (posting 7d) while its transfer was certainly not sent.
    """
    freeze(case, payment, amount_minor, cause)
    if not stops_transfers(case.records, payment.payment_id):
        return
    for release in case.records.releases:
        on_its_way = release.state is ReleaseState.IN_FLIGHT and release.effect_id
        if release.payment_id != payment.payment_id or not on_its_way:
            continue
        effect = await find_effect(runtime.pool, release.tenant_id, on_its_way)
        # A call that was put off may follow one whose answer was lost: only a key that was never
        # used says that nothing was sent.
        if effect is not None and effect.state is EffectState.PLANNED and not effect.key_used_at:
            case.unit.advance(effect, EffectEvent.WITHDRAW)
            effect.error = {"code": FROZEN}
            transfer_rejected(case, release, effect, FROZEN)


def threatened_part(payment: Payment | FoundPayment, shown_minor: int, currency: str) -> int:
    """What an amount that Stripe shows is of a payment, in its currency: all of the payment where
    Stripe shows another currency, for the rate is not known.
    """
    return shown_minor if currency == payment.currency else payment.amount_minor


def lift(case: EscrowCase, freeze_id: UUID) -> None:
    """Lets all that the same source froze move again, but for what others threaten of the payment.

    Raises:
        FreezeMissing, WrongState, PartyNotAllowed.
        FreezeOfDispute: the parties' dispute has to end.
    """
    found = next((f for f in case.records.freezes if f.freeze_id == freeze_id), None)
    if found is None:
        raise FreezeMissing
    if found.reason is FreezeReason.DISPUTE:
        raise FreezeOfDispute(freeze_id=found.public_id, dispute_id=found.source)
    case.unit.advance(found, FreezeEvent.LIFT)
    case.touch()
    _free_part(case, found)
    if found.keeps_refund:  # else time pays it to the payee before an operator can refund it
        leave_time(case.unit, case.records, found.milestone_id, LEAST_LEFT)
    for sister in case.records.freezes:
        if sister.source == found.source and sister.is_open:
            case.unit.advance(sister, FreezeEvent.LIFT)
            _free_part(case, sister)
    let_move(case, found.payment_id)


def let_move(case: EscrowCase, payment_id: UUID) -> None:
    """After a freeze has ended: others take its place, and what none of them stops moves on."""
    cover_more(case, payment_id)
    due_again(case.unit, case.records)
    if not stops_transfers(case.records, payment_id):
        for release in case.records.releases:
            if release.payment_id == payment_id and release.state is ReleaseState.WAITING:
                release.transfer_at = case.unit.now
                case.unit.put(release)


def lift_source(case: EscrowCase, payment_id: UUID, source: str) -> None:
    """Lets all move again that a source froze which threatens nothing any more, but for what others
    threaten of the payment.
    """
    if end_freezes(case, source):
        case.touch()
        let_move(case, payment_id)


def place(case: EscrowCase, milestone: Milestone, amount_minor: int | None, cause: Cause) -> None:
    """Freezes so much of what is held, or all that is not frozen yet when None, for an operator.

    Raises:
        AmountNotMultiple. AmountFrozen, AmountAboveHeld: so much is not held, or frozen already.
    """
    currency = case.escrow.currency
    free_minor = milestone.releasable_minor + held_by_disputes(case.records, milestone)
    wanted_minor = free_minor if amount_minor is None else amount_minor
    check_multiples({"amount_minor": wanted_minor}, charge_step_minor(currency), currency)
    if milestone.payment_id is None or not 0 < wanted_minor <= free_minor:
        held_minor, frozen_minor = milestone.held_minor, milestone.frozen_minor
        facts = {"amount_minor": wanted_minor, "held_minor": held_minor, "currency": currency}
        if frozen_minor:
            raise AmountFrozen(**facts, frozen_minor=frozen_minor)
        raise AmountAboveHeld(**facts)
    case.touch()
    yield_to(case, milestone, wanted_minor)
    _add(case, milestone, milestone.payment_id, wanted_minor, cause)


def keep_for_payer(case: EscrowCase, milestone: Milestone, amount_minor: int, cause: Cause) -> None:
    """Freezes so much of what is free, beside what the parties argue about."""
    if amount_minor and milestone.payment_id:
        _add(case, milestone, milestone.payment_id, amount_minor, cause)


def end_freezes(case: EscrowCase, source: str) -> list[Milestone]:
    """Ends the freezes of a source: of a refund or a reversal that was adopted, and what they froze
    is for it; or of what is over. Answers the milestones of which they froze something.
    """
    thawed = set()
    for each in case.records.freezes:
        if each.source == source and each.is_open:
            case.unit.advance(each, FreezeEvent.LIFT)
            _free_part(case, each)
            thawed.add(each.milestone_id)
    return [each for each in case.records.milestones if each.milestone_id in thawed]


def cover_more(case: EscrowCase, payment_id: UUID) -> None:
    """Covers what open freezes threaten beyond what was held, by what is held and free now."""
    for each in [f for f in case.records.freezes if f.payment_id == payment_id and f.is_open]:
        if not each.beyond_minor:
            continue
        parts, left_minor = _cover(case, payment_id, each.beyond_minor)
        if parts:
            each.beyond_minor = left_minor
            case.unit.put(each)
        for milestone, part_minor in parts:
            yield_to(case, milestone, part_minor)
            if milestone.milestone_id == each.milestone_id:
                each.amount_minor += part_minor
                _freeze_part(case, milestone, part_minor)
            else:
                cause = Cause(each.reason, each.source, each.fact)
                _add(case, milestone, payment_id, part_minor, cause)
    hold_again(case, payment_id)


def give_way(case: EscrowCase, payment: Payment, source: str, short_minor: int) -> bool:
    """Lets a dispute that is settled take so much of what other disputes of the payment froze, also
    those of the parties: what is lost goes before what is threatened, whichever froze first. False
    where they hold nothing.
    """
    step_minor, left_minor = charge_step_minor(case.escrow.currency), short_minor
    for each in case.records.freezes:
        other = each.reason in GIVE_WAY and each.source != source
        part_minor = min(each.amount_minor, -(-left_minor // step_minor) * step_minor)
        ours = each.is_open and each.payment_id == payment.payment_id
        if not (other and ours) or part_minor <= 0:
            continue
        _freeze_part(case, case.milestone(each.milestone_id), -part_minor)
        each.amount_minor -= part_minor
        case.unit.put(each)
        left_minor -= part_minor
    _reach_beyond(case, payment, source)
    return left_minor < short_minor


def _reach_beyond(case: EscrowCase, payment: Payment, source: str) -> None:
    """What the freezes of other chargebacks hold no longer of what is threatened, the payer's fee
    with it, is beyond.
    """
    step_minor = charge_step_minor(case.escrow.currency)
    for known in case.records.chargebacks:
        if known.payment_id != payment.payment_id or known.stripe_dispute == source:
            continue
        ours = [f for f in case.records.freezes if f.source == known.stripe_dispute and f.is_open]
        threatened_minor = min(known.threatens_minor(payment), payment.amount_minor)
        held_minor = sum(_with_fee(case, each, step_minor) for each in ours)
        for each in ours:
            last = each is ours[-1]
            each.beyond_minor = max(threatened_minor - held_minor, 0) if last else 0
            case.unit.put(each)


def _with_fee(case: EscrowCase, each: Freeze, step_minor: int) -> int:
    fee_minor = case.milestone(each.milestone_id).payer_fee_of(
        each.amount_minor, step_minor=step_minor
    )
    return each.amount_minor + fee_minor


def stops_transfers(records: EscrowRecords, payment_id: UUID) -> bool:
    """Whether money of this payment that was released may not be sent on its way now."""
    return any(
        each.is_open and each.beyond_minor and each.payment_id == payment_id
        for each in records.freezes
    )


def explains(records: EscrowRecords, payment: Payment, seen: PaymentObservation) -> bool:
    """Whether freezes, open or lifted, chargebacks and refunds of ours account for what Stripe
    shows as taken back; if they do not, its news is still on the way.
    """
    ours = [each for each in records.freezes if each.payment_id == payment.payment_id]
    reasons = {each.reason for each in ours}
    refunded_minor = sum(
        refund.amount_minor
        for refund in records.refunds
        if refund.payment_id == payment.payment_id
        and refund.state not in UNDONE
        and refund.chargeback_id is None
    )
    refunded = FreezeReason.REFUND in reasons or seen.refunded_minor <= refunded_minor
    disputed = any(each.payment_id == payment.payment_id for each in records.chargebacks)
    return refunded and (disputed or FreezeReason.CHARGEBACK in reasons or not seen.disputed)


def _of_payment(case: EscrowCase, payment_id: UUID) -> list[Milestone]:
    """What it funds; when it came too late for that, the whole escrow."""
    ours = [m for m in case.records.milestones if m.payment_id == payment_id]
    return ours or case.records.milestones


def _cover(
    case: EscrowCase, payment_id: UUID, amount_minor: int
) -> tuple[list[tuple[Milestone, int]], int]:
    """The held amounts that cover it, and what is left over: first of what the parties argue about,
    for that is taken to be the same money, else in the order of the milestones.
    """
    step_minor = charge_step_minor(case.escrow.currency)
    parts, left_minor = [], amount_minor
    of_it = [(each, held_by_disputes(case.records, each)) for each in _of_payment(case, payment_id)]
    for milestone, disputed_minor in sorted(of_it, key=lambda each: not each[1]):
        free_minor = milestone.releasable_minor + disputed_minor
        if milestone.payment_id != payment_id or not free_minor or left_minor <= 0:
            continue
        whole_minor = free_minor + milestone.payer_fee_of(free_minor, step_minor=step_minor)
        part_minor = free_minor
        if left_minor < whole_minor:  # whole steps, for what remains has to be releasable
            part_minor = min(free_minor, -(-left_minor // step_minor) * step_minor)
        parts.append((milestone, part_minor))
        left_minor -= whole_minor
    return parts, max(left_minor, 0)


def _add(
    case: EscrowCase,
    milestone: Milestone,
    payment_id: UUID,
    amount_minor: int,
    cause: Cause,
) -> None:
    unit = case.unit
    row = Freeze(
        tenant_id=case.escrow.tenant_id,
        freeze_id=unit.new_id(),
        escrow_id=case.escrow.escrow_id,
        milestone_id=milestone.milestone_id,
        payment_id=payment_id,
        state=FreezeState.OPEN,
        reason=cause.reason,
        source=cause.source,
        fact=cause.fact,
        amount_minor=amount_minor,
        beyond_minor=0,
        created_at=unit.now,
        updated_at=unit.now,
    )
    case.records.freezes.append(row)
    unit.create(row)
    _freeze_part(case, milestone, amount_minor)


def _free_part(case: EscrowCase, freeze_: Freeze) -> None:
    milestone = case.milestone(freeze_.milestone_id)
    milestone.frozen_minor -= freeze_.amount_minor
    case.unit.put(milestone)


def _freeze_part(case: EscrowCase, milestone: Milestone, amount_minor: int) -> None:
    milestone.frozen_minor += amount_minor
    case.unit.put(milestone)

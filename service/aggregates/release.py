"""A payee's money after a release: split off a milestone, then on its way to their account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from uuid import UUID

from service.aggregates.contradiction import Contradiction
from service.aggregates.escrow import EscrowCase, effect_source
from service.aggregates.frozen import amount_frozen
from service.aggregates.receivable import net_recalled
from service.aggregates.split import divide, payees_of
from service.domain.errors import AmountAboveHeld, check_multiples
from service.domain.journal import Part, Source
from service.domain.money import charge_step_minor
from service.domain.postings import JournalKind
from service.domain.records.balance_transaction import BalanceTransaction
from service.domain.records.effect import Effect
from service.domain.records.escrow import Milestone, MilestonePayee
from service.domain.records.payment import Payment
from service.domain.records.release import Release
from service.domain.states.milestone import MilestoneEvent, MilestoneState
from service.domain.states.release import ReleaseEvent, ReleaseState

DOES_NOT_FIT = "answer_does_not_fit"
"""Why a transfer in flight waits for a person, in the place of a refusal's code."""
CONFIRMS: Mapping[JournalKind | None, JournalKind] = {
    None: JournalKind.TRANSFER_CONFIRMED,
    JournalKind.TAKEN_UNEXPLAINED: JournalKind.TRANSFER_EXPLAINED,
    JournalKind.OTHER_BUSINESS_TOOK: JournalKind.TRANSFER_RECOGNIZED,
}
"""What confirms a transfer, by the kind of the journal that has booked its movement already."""
FIRST_TRANSFER_RETRY = timedelta(minutes=1)
LONGEST_TRANSFER_RETRY = timedelta(hours=6)


def split_off(
    case: EscrowCase,
    milestone: Milestone,
    amount_minor: int | None,
    *,
    whole: MilestoneEvent,
    part: MilestoneEvent,
    among: Mapping[UUID, int] | None = None,
) -> list[Release]:
    """Gives the payees a part of what is held (all that is not frozen when None): postings 5, 5p.
    It is a release for each payee and each payment that it comes from.

    ``among`` says what each of several payees gets; else it is pro rata of their parts.
    The milestone moves by the event ``whole`` when nothing stays held, else by ``part``.

    Raises:
        WrongState, PartyNotAllowed.
        AmountNotMultiple: of the step that the currency is charged in.
        AmountAboveHeld: it is more than what is held. AmountFrozen: a part of that is frozen.
    """
    amount = milestone.releasable_minor if amount_minor is None else amount_minor
    everything = amount == milestone.held_minor
    case.advance(milestone, whole if everything else part)
    step_minor = charge_step_minor(case.escrow.currency)
    check_multiples({"amount_minor": amount}, step_minor, case.escrow.currency)
    if not 0 < amount <= milestone.releasable_minor:
        wanted_minor = amount or milestone.held_minor
        if milestone.frozen_minor:
            raise amount_frozen(case, milestone, wanted_minor)
        raise AmountAboveHeld(
            amount_minor=wanted_minor,
            held_minor=milestone.held_minor,
            currency=case.escrow.currency,
        )
    case.unit.decided()
    releases: list[Release] = []
    divided = divide(case.records, milestone, amount, step_minor)
    if among is not None:
        divided = _given(payees_of(case.records, milestone.milestone_id), among)
    for to, part_minor in divided:
        releases.append(_new_release(case, milestone, to, part_minor))
    for release in releases:
        if release.payee_share_minor == 0:
            nothing_to_transfer(case, release)
    return releases


def _given(
    payees: Iterable[MilestonePayee], among: Mapping[UUID, int]
) -> list[tuple[MilestonePayee | None, int]]:
    """What each payee gets of each of their parts."""
    divided: list[tuple[MilestonePayee | None, int]] = []
    left = dict(among)
    for to in payees:
        if part_minor := min(left.get(to.payee_id, 0), to.left_minor):
            left[to.payee_id] -= part_minor
            divided.append((to, part_minor))
    return divided


def _new_release(
    case: EscrowCase,
    milestone: Milestone,
    to: MilestonePayee | None,
    amount_minor: int,
) -> Release:
    """``to`` is whose part it is, where the milestone has several payees."""
    unit, escrow = case.unit, case.escrow
    step_minor = charge_step_minor(escrow.currency)
    payer_fee_minor = milestone.payer_fee_of(amount_minor, step_minor=step_minor)
    payee_fee_minor = (to or milestone).payee_fee_of(amount_minor, step_minor=step_minor)
    if to is not None:
        to.gone_minor += amount_minor
        unit.put(to)
    milestone.released_minor += amount_minor
    milestone.payer_fee_gone_minor += payer_fee_minor
    assert milestone.payment_id is not None  # held money came by a payment
    release = Release(
        tenant_id=escrow.tenant_id,
        release_id=unit.new_id(),  # releases are read in the order of their ids
        escrow_id=escrow.escrow_id,
        milestone_id=milestone.milestone_id,
        payee_id=to.payee_id if to else escrow.payee_id,
        payment_id=milestone.payment_id,
        amount_minor=amount_minor,
        payee_share_minor=amount_minor - payee_fee_minor,
        currency=escrow.currency,
        state=ReleaseState.WAITING,
        effect_id=None,
        transfer_at=unit.now,
        created_at=unit.now,
        updated_at=unit.now,
        payer_fee_minor=payer_fee_minor,
    )
    case.records.releases.append(release)
    unit.create(release)
    amounts = {
        "payee_share": release.payee_share_minor,
        "payee_fee": payee_fee_minor,
        "payer_fee": payer_fee_minor,
    }
    source = Source("release", release.public_id)
    case.post(JournalKind.RELEASED, source, release, amounts)
    convert_fees(case, case.payment(milestone.payment_id), release)
    return release


def transfer_requested(case: EscrowCase, release: Release, effect: Effect) -> None:
    """Posting 7a: the payee's money is in flight with this effect."""
    case.touch()
    case.unit.advance(release, ReleaseEvent.REQUEST_TRANSFER)
    release.effect_id = effect.effect_id
    release.sent_minor, release.destination = release.unsent_minor, effect.request["destination"]
    kind = JournalKind.TRANSFER_REQUESTED
    _post_transfer(case, kind, release, effect, converted=JournalKind.TRANSFER_CONVERTED)


def nothing_to_transfer(case: EscrowCase, release: Release) -> None:
    """Ends a part of which nothing is left for a transfer: the fee took it, or the payee's debt."""
    case.touch()
    case.unit.advance(release, ReleaseEvent.NOTHING_TO_TRANSFER)
    end_when_transferred(case, case.milestone(release.milestone_id))


def nothing_left(case: EscrowCase, release: Release) -> None:
    """Posting 7x of a part so small that nothing is left of it in the settled currency: there is no
    transfer of nothing. What it is worth goes with the next part, for ``Payment.convert`` adds up.
    """
    _, currency = release.transfer
    case.post(
        JournalKind.TRANSFER_CONVERTED,
        Source("release", release.public_id),
        release,
        {"amount": release.taken_minor, "settled": 0},
        settled_currency=currency,
    )
    nothing_to_transfer(case, release)


def transfer_succeeded(
    case: EscrowCase,
    release: Release,
    effect: Effect,
    transfer: str,
    transaction: BalanceTransaction,
) -> None:
    """Postings 7b and 7c. ``transfer`` is Stripe's id of it.

    Raises:
        Contradiction: it took another amount, or another currency.
    """
    took = -transaction.net_minor, transaction.currency
    if took != release.transfer:
        raise Contradiction(f"{transaction.id} took {took}, not {release.transfer}")
    case.touch()
    case.unit.advance(release, ReleaseEvent.TRANSFER_SUCCEEDED)
    release.stripe_transfer, release.refusal_code = transfer, None
    _post_confirmed(case, release, effect, transaction)
    end_when_transferred(case, case.milestone(release.milestone_id))


def transfer_rejected(case: EscrowCase, release: Release, effect: Effect, code: str) -> None:
    """Posting 7d: the money goes back to payable, and is sent again later, but for what was
    refunded to the payer meanwhile.
    """
    case.touch()
    case.unit.advance(release, ReleaseEvent.TRANSFER_REJECTED)
    pause = min(FIRST_TRANSFER_RETRY * 2 ** min(release.refusals, 10), LONGEST_TRANSFER_RETRY)
    release.refusals += 1
    release.refusal_code = code
    release.transfer_at = case.unit.now + pause
    kind = JournalKind.TRANSFER_REFUSED
    _post_transfer(case, kind, release, effect, converted=JournalKind.TRANSFER_CONVERTED_BACK)
    net_recalled(case, release, effect_source(effect))
    release.sent_minor = None
    if not release.amount_minor and not release.unsent_minor:
        case.unit.advance(release, ReleaseEvent.RETURN)
        end_when_transferred(case, case.milestone(release.milestone_id))
    elif not release.unsent_minor:
        nothing_to_transfer(case, release)


def transfer_does_not_fit(case: EscrowCase, release: Release) -> None:
    """What Stripe answers is not what was asked for: the money stays in flight, and it is shown."""
    if release.refusal_code != DOES_NOT_FIT:
        release.refusal_code = DOES_NOT_FIT
        case.unit.put(release)
        case.touch()


def end_when_transferred(case: EscrowCase, milestone: Milestone) -> None:
    """Ends a milestone of which nothing is held, and nothing on its way to a payee."""
    ours = [r for r in case.records.releases if r.milestone_id == milestone.milestone_id]
    if milestone.state is MilestoneState.RELEASING and all(
        release.state in (ReleaseState.TRANSFERRED, ReleaseState.RETURNED) for release in ours
    ):
        case.advance(milestone, MilestoneEvent.TRANSFERRED)


def _post_transfer(
    case: EscrowCase,
    kind: JournalKind,
    release: Release,
    effect: Effect,
    *,
    converted: JournalKind,
) -> None:
    """Between payable and in flight: 7a or 7d, or 7x where the two are of different currencies."""
    amount_minor, currency = release.transfer
    amounts = {"amount": release.taken_minor, "settled": amount_minor}
    if currency == release.currency:
        case.post(kind, effect_source(effect), release, amounts)
    else:
        source = effect_source(effect)
        case.post(converted, source, release, amounts, settled_currency=currency)


def _post_confirmed(
    case: EscrowCase, release: Release, effect: Effect, transaction: BalanceTransaction
) -> None:
    amount_minor, currency = release.transfer
    # The account that it was sent to: the payee may have another by now.
    names = {"account": effect.request["destination"], "balance_transaction": transaction.id}
    case.unit.post(
        CONFIRMS[case.booked_as],
        effect_source(effect),
        currency,
        [Part(names, {"amount": amount_minor})],
        transaction=None if case.booked_as else transaction,
    )


def arrived_converted(
    effect: Effect, release: Release, settled_minor: int
) -> tuple[JournalKind, Source, str, list[Part]]:
    """Posting 7cx: what a transfer came to in an account that holds another currency."""
    amount_minor, currency = release.transfer
    names = {"account": effect.request["destination"]}
    part = Part(names, {"amount": amount_minor, "settled": settled_minor})
    return JournalKind.ARRIVED_CONVERTED, effect_source(effect), currency, [part]


def convert_transfer(case: EscrowCase, release: Release, payment: Payment) -> None:
    """Says what the transfer takes where the payment was settled in another currency: Stripe wants
    the currency of the charge's balance transaction. A transfer that is tried again takes the same.
    """
    if payment.settled_currency and release.transfer_minor is None:
        release.transfer_currency = payment.settled_currency
        release.transfer_minor = payment.convert(release.unsent_minor)
        case.unit.put(payment)


def convert_fees(case: EscrowCase, payment: Payment, release: Release) -> None:
    """Posting 2r: what the platform earned of a release, in the currency that came."""
    if payment.settled_currency is None:
        return
    amounts = {"payee_fee": release.payee_fee_minor, "payer_fee": release.payer_fee_minor}
    settled = {f"settled_{name}": payment.convert(minor) for name, minor in amounts.items()}
    if not any(amounts.values()):
        return
    release.settled_payee_fee_minor = settled["settled_payee_fee"]
    release.settled_payer_fee_minor = settled["settled_payer_fee"]
    case.unit.put(release)
    case.unit.put(payment)
    case.post(
        JournalKind.FEES_CONVERTED,
        Source("release", release.public_id),
        release,
        amounts | settled,
        settled_currency=payment.settled_currency,
    )

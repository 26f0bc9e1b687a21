"""Where the money of a refund is taken from, before anything is written.

What is held goes first: nobody has to give it back. Then what was released and has not been sent,
then what payees have already; within each, pro rata of what stands, by largest remainder. A request
can say otherwise, source by source.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple
from uuid import UUID

from service.aggregates.escrow import EscrowCase
from service.aggregates.freeze import stops_transfers
from service.aggregates.frozen import amount_frozen
from service.aggregates.refund_parts import (
    SENT,
    held_parts,
    in_places,
    released_parts,
    suspense_part,
)
from service.aggregates.split import payees_of
from service.domain import ids
from service.domain.errors import (
    FieldViolation,
    InvalidField,
    PaymentDisputed,
    PaymentNotSettled,
    RefundAboveLeft,
    RefundDoesNotFit,
    ReleaseMissing,
    check_multiples,
)
from service.domain.money import charge_step_minor, split_pro_rata
from service.domain.records.escrow import Milestone
from service.domain.records.freeze import FreezeReason
from service.domain.records.payment import Payment
from service.domain.records.refund import RefundPart
from service.domain.records.release import Release
from service.domain.states.milestone import MILESTONE, MilestoneEvent


class Chosen(NamedTuple):
    """So much of the price, from a release or from what is held: for one of several payees, or for
    all of them.
    """

    release_id: UUID | None
    price_minor: int
    payee_id: UUID | None = None


class Source(NamedTuple):
    """Where a part of the price is: held, where there is no release, for one of several payees or
    for all of them.
    """

    release: Release | None
    price_minor: int
    payee_id: UUID | None = None


def plan_refund(
    case: EscrowCase,
    milestone: Milestone,
    price_minor: int | None,
    chosen: Sequence[Chosen],
    refund_id: UUID,
) -> list[RefundPart]:
    """The parts of a refund of so much of the price (all that is left when None), or of what was
    chosen. The payer's fee goes back with them.

    It counts up what of the payment has been converted: commit what it returns, or drop the case.

    Raises:
        WrongState, PartyNotAllowed, AmountNotMultiple, ReleaseMissing.
        PaymentDisputed: a dispute takes the money back itself.
        AmountFrozen: a part of it may not move. RefundAboveLeft: so much is not left.
    """
    event, party = MilestoneEvent.REFUND_PART, case.unit.party
    MILESTONE.follow(milestone.public_id, milestone.state, event, party)
    payment = case.payment(milestone.payment_id)
    check_refundable(case, payment)
    step_minor = charge_step_minor(case.escrow.currency)
    if chosen:
        sources = list(_chosen(case, milestone, chosen))
    else:
        left_minor = milestone.releasable_minor + milestone.released_minor
        wanted_minor = left_minor if price_minor is None else price_minor
        check_multiples({"amount_minor": wanted_minor}, step_minor, case.escrow.currency)
        _check_left(case, milestone, wanted_minor)
        sources = list(_in_order(case, milestone, wanted_minor, step_minor))
    if any(source.release for source in sources) and stops_transfers(
        case.records, payment.payment_id
    ):
        raise amount_frozen(case, milestone, sum(source.price_minor for source in sources))
    return in_places(_parts(case, milestone, payment, sources, refund_id))


def plan_held(
    case: EscrowCase, payment: Payment, milestones: Iterable[Milestone], refund_id: UUID
) -> list[RefundPart]:
    """The parts of a refund of all that is held of these milestones, which one payment has paid.

    It counts up as ``plan_refund`` does.

    Raises:
        PaymentNotSettled, PaymentDisputed. AmountFrozen: a part of it may not move.
    """
    check_refundable(case, payment)
    parts: list[RefundPart] = []
    for milestone in milestones:
        held_minor = milestone.held_minor
        if milestone.frozen_minor:
            raise amount_frozen(case, milestone, held_minor)
        fee_minor = milestone.payer_fee_of(held_minor, step_minor=_step(case))
        parts += held_parts(case, milestone, payment, held_minor, refund_id, fee_minor)
    return in_places(parts)


def plan_disputed(
    case: EscrowCase, milestone: Milestone, price_minor: int, refund_id: UUID
) -> list[RefundPart]:
    """The parts of a refund of so much of what is held, of every payee's part: what a dispute
    between the parties gives the payer. ``check_refundable`` comes before.

    It counts up as ``plan_refund`` does.
    """
    payment = case.payment(milestone.payment_id)
    fee_minor = milestone.payer_fee_of(price_minor, step_minor=_step(case))
    return in_places(held_parts(case, milestone, payment, price_minor, refund_id, fee_minor))


def check_refundable(case: EscrowCase, payment: Payment) -> None:
    """Raises PaymentNotSettled, PaymentDisputed."""
    if not payment.confirmed:
        raise PaymentNotSettled(payment_id=payment.public_id)
    check_disputed(case, payment)


def check_disputed(case: EscrowCase, payment: Payment) -> None:
    """Raises PaymentDisputed: the payer's bank takes the money itself, or threatens to."""
    for each in case.records.freezes:
        chargeback = each.reason is FreezeReason.CHARGEBACK and each.is_open
        if chargeback and each.payment_id == payment.payment_id:
            raise PaymentDisputed(payment_id=payment.public_id, dispute=each.source)


def _check_left(case: EscrowCase, milestone: Milestone, wanted_minor: int) -> None:
    left_minor = milestone.releasable_minor + milestone.released_minor
    if 0 < wanted_minor <= left_minor:
        return
    if milestone.frozen_minor:
        raise amount_frozen(case, milestone, wanted_minor)
    raise RefundAboveLeft(
        amount_minor=wanted_minor, left_minor=left_minor, currency=case.escrow.currency
    )


def _standing(case: EscrowCase, milestone: Milestone) -> list[Release]:
    ours = [r for r in case.records.releases if r.milestone_id == milestone.milestone_id]
    return [release for release in ours if release.amount_minor]


def _in_order(
    case: EscrowCase, milestone: Milestone, wanted_minor: int, step_minor: int
) -> Iterator[Source]:
    held_minor = min(wanted_minor, milestone.releasable_minor)
    if held_minor:
        yield Source(None, held_minor)
    left_minor = wanted_minor - held_minor
    standing = _standing(case, milestone)
    for sent in (False, True):
        releases = [each for each in standing if (each.state in SENT) is sent]
        most_minor = sum(release.amount_minor for release in releases)
        part_minor = min(left_minor, most_minor)
        left_minor -= part_minor
        weights = [release.amount_minor // step_minor for release in releases]
        shares = split_pro_rata(part_minor // step_minor, weights) if part_minor else []
        for release, share in zip(releases, shares, strict=False):
            if share:
                yield Source(release, share * step_minor)


def _chosen(case: EscrowCase, milestone: Milestone, chosen: Sequence[Chosen]) -> Iterator[Source]:
    step_minor, currency = charge_step_minor(case.escrow.currency), case.escrow.currency
    named = {(each.release_id, each.payee_id) for each in chosen}
    of_everybody = (None, None) in named and any(each.payee_id for each in chosen)
    if len(named) < len(chosen) or of_everybody:
        raise InvalidField(FieldViolation("sources", "must name each source once"))
    standing = {release.release_id: release for release in _standing(case, milestone)}
    held_left_minor = milestone.releasable_minor
    for index, each in enumerate(chosen):
        field = f"sources[{index}].amount_minor"
        check_multiples({field: each.price_minor}, step_minor, currency)
        if each.release_id is None:
            if each.price_minor > held_left_minor and milestone.frozen_minor:
                raise amount_frozen(case, milestone, each.price_minor)
            left_minor = held_left_minor
            if each.payee_id is not None:
                left_minor = min(left_minor, _left_of(case, milestone, each.payee_id, index))
            held_left_minor -= each.price_minor
        elif each.payee_id is not None:
            problem = "cannot be given beside release_id, whose payee is known"
            raise InvalidField(FieldViolation(f"sources[{index}].payee_id", problem))
        elif each.release_id in standing:
            left_minor = standing[each.release_id].amount_minor
        else:
            raise ReleaseMissing(release_id=ids.show(ids.RELEASE, each.release_id))
        if not 0 < each.price_minor <= left_minor:
            raise RefundAboveLeft(
                amount_minor=each.price_minor, left_minor=left_minor, currency=currency
            )
        release = standing[each.release_id] if each.release_id else None
        yield Source(release, each.price_minor, each.payee_id)


def _left_of(case: EscrowCase, milestone: Milestone, payee_id: UUID, index: int) -> int:
    """What is held for one of several payees."""
    payees = payees_of(case.records, milestone.milestone_id)
    theirs = [each.left_minor for each in payees if each.payee_id == payee_id]
    if not theirs:
        problem = "is no payee of a part of this milestone"
        raise InvalidField(FieldViolation(f"sources[{index}].payee_id", problem))
    return sum(theirs)


def _parts(
    case: EscrowCase,
    milestone: Milestone,
    payment: Payment,
    sources: Iterable[Source],
    refund_id: UUID,
) -> Iterator[RefundPart]:
    step_minor, held_minor, fee_steps = _step(case), 0, Fraction()
    for release, price_minor, payee_id in sources:
        if release is None:
            before_minor = milestone.payer_fee_of(held_minor, step_minor=step_minor)
            held_minor += price_minor
            fee_minor = milestone.payer_fee_of(held_minor, step_minor=step_minor) - before_minor
            yield from held_parts(
                case, milestone, payment, price_minor, refund_id, fee_minor, payee_id
            )
            continue
        # What one release's fee loses by rounding, the next one's gets.
        fee_steps += Fraction(
            release.payer_fee_minor * price_minor, release.amount_minor * step_minor
        )
        fee_minor = int(fee_steps) * step_minor
        fee_steps %= 1
        yield from released_parts(
            case, milestone, payment, release, price_minor, refund_id, fee_minor
        )


def plan_chosen(
    case: EscrowCase,
    payment: Payment,
    chosen: Mapping[UUID, Sequence[Chosen]],
    refund_id: UUID,
) -> list[RefundPart]:
    """The parts of what was chosen of a payment, by milestone, where its bank took it.

    Raises:
        As ``plan_refund``, but for what is disputed. InvalidField: another payment paid it.
    """
    parts: list[RefundPart] = []
    for milestone_id, of_it in chosen.items():
        milestone = case.milestone(milestone_id)
        if milestone.payment_id != payment.payment_id:
            problem = f"{milestone.public_id} was not paid by {payment.public_id}"
            raise InvalidField(FieldViolation("sources.milestone_id", problem))
        sources = list(_chosen(case, milestone, of_it))
        parts += _parts(case, milestone, payment, sources, refund_id)
    return in_places(parts)


def plan_adopted(
    case: EscrowCase,
    payment: Payment,
    amount_minor: int,
    first: Sequence[Milestone],
    suspense_minor: int,
    refund_id: UUID,
) -> list[RefundPart]:
    """Where a refund that somebody made at Stripe has taken its money: first what its freeze held
    back, then what else is held of the payment, then what was released of it, and what is in
    suspense. Price and fee are taken in their proportion, for Stripe does not say what it was for.

    Raises:
        RefundDoesNotFit: so much is not left of the payment.
    """
    paid = [m for m in case.records.milestones if m.payment_id == payment.payment_id]
    milestones = [*first, *(each for each in paid if each not in first)]
    left_minor, parts = amount_minor, list[RefundPart]()
    for milestone, release in _places(case, milestones):
        if release is None:
            fee_minor = milestone.payer_fee_minor - milestone.payer_fee_gone_minor
            if milestone.frozen_minor:
                free_minor = milestone.releasable_minor
                fee_minor = milestone.payer_fee_of(free_minor, step_minor=_step(case))
            whole = milestone.releasable_minor, fee_minor
        else:
            whole = release.amount_minor, release.payer_fee_minor
        price, fee = _in_proportion(case, left_minor, *whole)
        left_minor -= price + fee
        if price + fee and release is None:
            parts += held_parts(case, milestone, payment, price, refund_id, fee)
        elif price + fee and release is not None:
            parts += released_parts(case, milestone, payment, release, price, refund_id, fee)
    if 0 < left_minor <= suspense_minor:
        parts.append(suspense_part(case, payment, left_minor, refund_id))
    elif left_minor:
        found_minor = amount_minor - left_minor
        raise RefundDoesNotFit(
            amount_minor=amount_minor, left_minor=found_minor, currency=payment.currency
        )
    return in_places(parts)


def _places(
    case: EscrowCase, milestones: Sequence[Milestone]
) -> Iterator[tuple[Milestone, Release | None]]:
    """Where money of these milestones is: held first, then released, then sent."""
    for milestone in milestones:
        if milestone.held_minor:  # of what was never funded there is no fee either
            yield milestone, None
    for sent in (False, True):
        for milestone in milestones:
            for release in _standing(case, milestone):
                if (release.state in SENT) is sent:
                    yield milestone, release


def _step(case: EscrowCase) -> int:
    return charge_step_minor(case.escrow.currency)


def _in_proportion(
    case: EscrowCase, wanted_minor: int, price_minor: int, fee_minor: int
) -> tuple[int, int]:
    """So much of a price and its fee, or all of both where that is less."""
    step_minor, whole_minor = _step(case), price_minor + fee_minor
    if wanted_minor >= whole_minor:
        return price_minor, fee_minor
    weights = [price_minor, fee_minor]
    price, fee = (n * step_minor for n in split_pro_rata(wanted_minor // step_minor, weights))
    if price == price_minor:  # of a price that is gone nobody would ever earn the rest of the fee
        price, fee = price - step_minor, fee + step_minor
    return price, fee

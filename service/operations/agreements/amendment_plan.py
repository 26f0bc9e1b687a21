"""What an amendment that is asked for would change, and what it would cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from escrow.v1.agreement_service_pb2 import (
    AddedMilestone,
    AmendedMilestone,
    ProposeAmendmentRequest,
)
from service.aggregates.amendment import terms_of
from service.aggregates.escrow import EscrowCase
from service.aggregates.split import Share, fee_shares, price_shares
from service.domain import ids
from service.domain.amendment import Change, PayeePart, Terms
from service.domain.errors import FieldViolation, InvalidField, check_multiples
from service.domain.fees import Fees
from service.domain.money import charge_step_minor
from service.domain.states.milestone import MilestoneState
from service.operations.escrows.shares import shares_of
from service.operations.settling import check_chargeable


def planned(case: EscrowCase, request: ProposeAmendmentRequest) -> list[Change]:
    """Each milestone with what it is and what it would be, fees by the policy of the escrow.

    Raises:
        InvalidField, AmountNotMultiple, MilestoneMissing.
        AmountBeyondLimits: one of them could not be paid by itself.
    """
    _check_request(case, request)
    currency = case.escrow.currency
    amounts = [m.amount_minor for m in request.milestones if m.HasField("amount_minor")]
    amounts += [m.amount_minor for m in request.added]
    check_chargeable(case.policy, currency, amounts, case.escrow.conversion)
    changes = [_changed(case, place, wanted) for place, wanted in enumerate(request.milestones)]
    fees = _fees_of_added(case, changes, [each.amount_minor for each in request.added])
    added = [
        _added(case, place, wanted, fee)
        for place, (wanted, fee) in enumerate(zip(request.added, fees, strict=True))
    ]
    return changes + added


def _check_request(case: EscrowCase, request: ProposeAmendmentRequest) -> None:
    """What of the request is wrong, whatever the milestones are."""
    violations = [*_of_names(request), *_of_due_times(request, case.unit.now)]
    if violations:
        raise InvalidField(*violations)
    amounts = {}
    for index, wanted in enumerate(request.milestones):
        amounts[f"milestones[{index}].amount_minor"] = wanted.amount_minor
    for index, added in enumerate(request.added):
        amounts[f"added[{index}].amount_minor"] = added.amount_minor
        for place, payee in enumerate(added.payees):
            amounts[f"added[{index}].payees[{place}].amount_minor"] = payee.amount_minor
    currency = case.escrow.currency
    check_multiples(amounts, charge_step_minor(currency), currency)


def _of_names(request: ProposeAmendmentRequest) -> Iterator[FieldViolation]:
    if not request.milestones and not request.added:
        yield FieldViolation("milestones", "must name one that changes, unless one is added")
    named = [each.milestone_id for each in request.milestones]
    for index, wanted in enumerate(request.milestones):
        path = f"milestones[{index}]"
        if wanted.milestone_id in named[:index]:
            yield FieldViolation(f"{path}.milestone_id", "must name each milestone once")
        if not wanted.HasField("amount_minor") and not wanted.HasField("due_time"):
            yield FieldViolation(path, "must have amount_minor or due_time")


def _of_due_times(request: ProposeAmendmentRequest, now: datetime) -> Iterator[FieldViolation]:
    dates = {f"milestones[{n}]": _due_at(each) for n, each in enumerate(request.milestones)}
    dates |= {f"added[{n}]": _due_at(each) for n, each in enumerate(request.added)}
    for path, due_at in dates.items():
        if due_at and due_at <= now:
            yield FieldViolation(f"{path}.due_time", "must be in the future")


def _due_at(wanted: AmendedMilestone | AddedMilestone) -> datetime | None:
    return wanted.due_time.ToDatetime(UTC) if wanted.HasField("due_time") else None


def _changed(case: EscrowCase, place: int, wanted: AmendedMilestone) -> Change:
    """Raises MilestoneMissing. InvalidField: it is so already, or its payees' parts do not fit."""
    milestone = case.milestone(ids.parse(wanted.milestone_id))
    path, before = f"milestones[{place}]", terms_of(case, milestone)
    fees, parts = before.fees, before.parts
    # Of what is paid for the price stays: check_fits() says so.
    if wanted.HasField("amount_minor") and milestone.state is MilestoneState.AWAITING_FUNDS:
        fees = _fees(case, before.fees, wanted.amount_minor)
        parts = _reparted(case, before.parts, fees, f"{path}.amount_minor")
    elif wanted.HasField("amount_minor"):
        fees = replace(fees, amount_minor=wanted.amount_minor)
    after = Terms(fees, _due_at(wanted) or before.due_at, parts)
    change = Change(milestone.milestone_id, milestone.title, before, after)
    if not change.of_price and not change.of_due_date:
        raise InvalidField(FieldViolation(path, "is so already"))
    return change


def _fees(case: EscrowCase, before: Fees, amount_minor: int) -> Fees:
    """Those of a new price. A part that is fixed per payment stays where it is."""
    currency, policy = case.escrow.currency, case.policy
    first, further = policy.quote(currency, [amount_minor, amount_minor])
    return first if [before] == policy.quote(currency, [before.amount_minor]) else further


def _reparted(
    case: EscrowCase, before: Sequence[PayeePart], fees: Fees, path: str
) -> tuple[PayeePart, ...]:
    """The same shares of another price. One payee without a share gets the rest, as it was agreed,
    or as nothing else adds up.

    Raises:
        InvalidField: there are several of those.
    """
    if sum(each.basis_points is None for each in before) > 1:
        problem = "its payees have amounts of the old price: cancel it, and add another milestone"
        raise InvalidField(FieldViolation(path, problem))
    shares = [Share(each.payee_id, each.basis_points, None) for each in before]
    parts = _parts(case, shares, fees)
    if isinstance(parts, FieldViolation):
        raise InvalidField(FieldViolation(path, f"a payee's part {parts.description}"))
    return parts


def _parts(
    case: EscrowCase, shares: Sequence[Share], fees: Fees
) -> tuple[PayeePart, ...] | FieldViolation:
    """What each payee gets; nobody where the escrow's gets all. Or what is wrong with shares."""
    step_minor = charge_step_minor(case.escrow.currency)
    if not shares:
        return ()
    amounts = price_shares(fees.amount_minor, shares, step_minor)
    if isinstance(amounts, FieldViolation):
        return amounts
    if {share.payee_id for share in shares} == {case.escrow.payee_id}:
        return ()
    of_fee = fee_shares(fees.payee_fee_minor, amounts, step_minor)
    return tuple(
        PayeePart(share.payee_id, amount, fee, share.basis_points)
        for share, amount, fee in zip(shares, amounts, of_fee, strict=True)
    )


def _fees_of_added(case: EscrowCase, changes: Sequence[Change], added: Sequence[int]) -> list[Fees]:
    """They come after all that can be paid together with them."""
    amended = {each.milestone_id: each.after.fees.amount_minor for each in changes}
    waiting = [
        amended.get(each.milestone_id, each.amount_minor)
        for each in case.records.milestones
        if each.state is MilestoneState.AWAITING_FUNDS and not case.open_payment(each)
    ]
    return case.policy.quote(case.escrow.currency, [*waiting, *added])[len(waiting) :]


def _added(case: EscrowCase, place: int, wanted: AddedMilestone, fees: Fees) -> Change:
    parts = _parts(case, shares_of(wanted.payees), fees)
    if isinstance(parts, FieldViolation):
        field = f"added[{place}].payees{parts.field}"
        raise InvalidField(FieldViolation(field, parts.description))
    after = Terms(fees, _due_at(wanted), parts)
    return Change(case.unit.new_id(), wanted.title, None, after)

"""Creates an escrow with its milestones, fees quoted and policy pinned. No money moves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC

from escrow.v1.escrow_service_pb2 import (
    CreateEscrowRequest,
    CreateEscrowResponse,
    MilestoneInput,
)
from service.aggregates.deadlines import keep_time
from service.aggregates.split import fee_shares, price_shares
from service.domain import ids
from service.domain.errors import (
    FieldViolation,
    InvalidField,
    PayeeMissing,
    PayerMissing,
    check_multiples,
)
from service.domain.fees import Fees
from service.domain.money import charge_step_minor, format_minor
from service.domain.records.escrow import Escrow, LineItem, Milestone, MilestonePayee
from service.domain.records.parties import Payee
from service.domain.states.escrow import EscrowState
from service.domain.states.milestone import MilestoneState
from service.domain.unit import UnitOfWork
from service.operations.escrows.messages import escrow_message
from service.operations.escrows.shares import further_payees, shares_of
from service.operations.mutation import mutation
from service.operations.settling import check_chargeable, check_settles, quote_conversion
from service.runtime import Runtime
from service.store.parties import PartyRecords, load_parties
from service.store.tables import EscrowRecords


@mutation(CreateEscrowResponse)
async def create_escrow(
    runtime: Runtime, unit: UnitOfWork, request: CreateEscrowRequest
) -> CreateEscrowResponse:
    """It is pinned to the newest version of the tenant's policy.

    Raises:
        PayerMissing, PayeeMissing, InvalidField, AmountNotMultiple.
        CurrencyNotInPolicy, AmountBeyondLimits: a milestone could not be paid by itself.
        CurrencyNotSettled, CurrencyNotReceived: Stripe would have to convert.
    """
    conversion = await quote_conversion(runtime, unit.call, request.currency)
    parties = await load_parties(
        runtime.pool,
        unit,
        payer_id=ids.parse(request.payer_id),
        payee_id=ids.parse(request.payee_id),
    )
    _check_milestones(unit, request)  # what was asked again after a due date is answered by then
    if parties.payer is None:
        raise PayerMissing
    if parties.payee is None:
        raise PayeeMissing
    await check_settles(runtime, unit.call, request.currency, parties.payee)
    policy = await runtime.policies.get(unit.call.tenant_id, parties.policy_version)
    named = {each.payee_id for milestone in request.milestones for each in milestone.payees}
    named -= {request.payee_id}
    further = {ids.parse(each) for each in named}
    others = await further_payees(runtime, unit.call, request.currency, further)
    _check_payees(request)
    amounts = [milestone.amount_minor for milestone in request.milestones]
    check_chargeable(policy, request.currency, amounts, conversion)
    fees = policy.quote(request.currency, amounts)
    records = _records(unit, request, fees, parties, others)
    if conversion is not None:
        records.escrow.quoted_currency = conversion.currency
        records.escrow.quoted_rate = conversion.rate
    unit.create(records.escrow)
    for milestone in records.milestones:
        unit.create(milestone)
    for part in records.milestone_payees:
        unit.put(part)
    for line_item in records.line_items:
        unit.put(line_item)
    keep_time(unit, records, policy.periods)
    return await runtime.save(unit, CreateEscrowResponse(escrow=escrow_message(records)))


def _check_milestones(unit: UnitOfWork, request: CreateEscrowRequest) -> None:
    violations = []
    for index, milestone in enumerate(request.milestones):
        path = f"milestones[{index}]"
        if milestone.HasField("due_time"):
            due_at = milestone.due_time.ToDatetime(UTC)
            if due_at <= unit.now:
                violations.append(FieldViolation(f"{path}.due_time", "must be in the future"))
        items = milestone.line_items
        total = sum(item.quantity * item.unit_amount_minor for item in items)
        if items and total != milestone.amount_minor:
            sums_to = format_minor(total, request.currency)
            price = format_minor(milestone.amount_minor, request.currency)
            problem = f"sum to {sums_to}, not to amount_minor, {price}"
            violations.append(FieldViolation(f"{path}.line_items", problem))
    if violations:
        raise InvalidField(*violations)
    amounts = {}
    for index, milestone in enumerate(request.milestones):
        amounts[f"milestones[{index}].amount_minor"] = milestone.amount_minor
        for place, payee in enumerate(milestone.payees):
            amounts[f"milestones[{index}].payees[{place}].amount_minor"] = payee.amount_minor
    check_multiples(amounts, charge_step_minor(request.currency), request.currency)


def _check_payees(request: CreateEscrowRequest) -> None:
    """Raises InvalidField: the payees' parts do not make up the price."""
    violations, step_minor = [], charge_step_minor(request.currency)
    for index, milestone in enumerate(request.milestones):
        if milestone.payees:
            split = price_shares(milestone.amount_minor, shares_of(milestone.payees), step_minor)
            if isinstance(split, FieldViolation):
                field = f"milestones[{index}].payees{split.field}"
                violations.append(replace(split, field=field))
    if violations:
        raise InvalidField(*violations)


def _records(
    unit: UnitOfWork,
    request: CreateEscrowRequest,
    fees: list[Fees],
    parties: PartyRecords,
    others: list[Payee],
) -> EscrowRecords:
    payer, payee = parties.payer, parties.payee
    assert payer is not None
    assert payee is not None
    escrow = Escrow(
        tenant_id=unit.call.tenant_id,
        escrow_id=unit.new_id(),
        version=0,
        reference=request.reference,
        payer_id=payer.payer_id,
        payee_id=payee.payee_id,
        currency=request.currency,
        state=EscrowState.AWAITING_FUNDS,
        policy_version=parties.policy_version,
        metadata=dict(request.metadata),
        created_at=unit.now,
        updated_at=unit.now,
    )
    milestones, payees, line_items = [], list[MilestonePayee](), []
    for position, (wanted, fee) in enumerate(zip(request.milestones, fees, strict=True)):
        milestone = _milestone(unit, escrow, position, wanted, fee)
        milestones.append(milestone)
        payees += _payees(escrow, milestone, wanted)
        line_items += [
            LineItem(
                tenant_id=escrow.tenant_id,
                escrow_id=escrow.escrow_id,
                milestone_id=milestone.milestone_id,
                position=place,
                name=item.name,
                quantity=item.quantity,
                unit_amount_minor=item.unit_amount_minor,
                sku=item.sku,
            )
            for place, item in enumerate(wanted.line_items)
        ]
    return EscrowRecords(
        escrow=escrow,
        payer=payer,
        payee=payee,
        other_payees=others,
        milestones=milestones,
        milestone_payees=payees,
        line_items=line_items,
    )


def _payees(
    escrow: Escrow, milestone: Milestone, wanted: MilestoneInput
) -> Iterator[MilestonePayee]:
    """The payees' parts of the price, and of the fee in proportion to these. None where the
    escrow's payee gets all of it.
    """
    shares = shares_of(wanted.payees)
    if {share.payee_id for share in shares} <= {escrow.payee_id}:
        return
    step_minor = charge_step_minor(escrow.currency)
    amounts = price_shares(milestone.amount_minor, shares, step_minor)
    assert isinstance(amounts, list)  # as it was checked
    fees = fee_shares(milestone.payee_fee_minor, amounts, step_minor)
    for position, (share, amount, fee) in enumerate(zip(shares, amounts, fees, strict=True)):
        yield MilestonePayee(
            tenant_id=escrow.tenant_id,
            escrow_id=escrow.escrow_id,
            milestone_id=milestone.milestone_id,
            position=position,
            payee_id=share.payee_id,
            amount_minor=amount,
            payee_fee_minor=fee,
            basis_points=share.basis_points,
        )


def _milestone(
    unit: UnitOfWork, escrow: Escrow, position: int, wanted: MilestoneInput, fees: Fees
) -> Milestone:
    return Milestone(
        tenant_id=escrow.tenant_id,
        escrow_id=escrow.escrow_id,
        milestone_id=unit.new_id(),
        position=position,
        title=wanted.title,
        state=MilestoneState.AWAITING_FUNDS,
        amount_minor=fees.amount_minor,
        payer_fee_minor=fees.payer_fee_minor,
        payee_fee_minor=fees.payee_fee_minor,
        due_at=wanted.due_time.ToDatetime(UTC) if wanted.HasField("due_time") else None,
    )

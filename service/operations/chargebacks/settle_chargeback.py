"""An operator says who bears what a lost chargeback took."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from escrow.v1 import chargeback_service_pb2 as pb
from service.aggregates.chargeback_settled import Loss, load_settled, loss_of, settle, take_back
from service.aggregates.escrow import EscrowCase, open_case
from service.aggregates.freeze import end_freezes, give_way, let_move
from service.aggregates.refund import parts_of
from service.aggregates.refund_plan import Chosen, plan_adopted, plan_chosen
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import (
    ChargebackMissing,
    ChargebackSettled,
    ChargebackUndecided,
    NothingToSettle,
    PaymentNotSettled,
    RefundDoesNotFit,
    SettlementDoesNotAddUp,
    WithdrawalNotSeen,
)
from service.domain.policy import DisputeFeeBearer, LossBearer
from service.domain.records.chargeback import Chargeback
from service.domain.records.escrow import Milestone
from service.domain.records.payment import Payment
from service.domain.records.refund import Refund, RefundPart
from service.domain.unit import UnitOfWork
from service.operations.chargebacks.existing import existing_chargeback
from service.operations.chargebacks.messages import chargeback_message
from service.operations.escrows.messages import escrow_message
from service.operations.mutation import mutation
from service.operations.policies.messages import DISPUTE_FEE_BEARER
from service.operations.refunds.messages import refund_message
from service.operations.taking import read_balance, save_taken, suspense_of
from service.runtime import Runtime
from service.store.escrows import BY_CHARGEBACK


async def settle_chargeback(
    runtime: Runtime, call: Call, request: pb.SettleChargebackRequest
) -> pb.SettleChargebackResponse:
    """Rows 13b to 15x and 15f; with ``anew`` 15r first.

    Raises:
        ChargebackMissing, StaleEtag, InvalidField, MilestoneMissing, ReleaseMissing.
        NothingToSettle: nothing of it is gone. ChargebackUndecided, ChargebackSettled.
        WithdrawalNotSeen, PaymentNotSettled: Stripe has not said what it took, or settled.
        SettlementDoesNotAddUp, AmountNotMultiple, AmountFrozen, RefundAboveLeft.
        ReversalUnderWay: a transfer is being reversed for what is to be taken back.
    """
    chargeback_id = ids.parse(request.chargeback_id)
    found = await existing_chargeback(runtime, call.tenant_id, chargeback_id)
    account = suspense_of(found.payment_id)

    @mutation(pb.SettleChargebackResponse, of="settle_chargeback")
    async def story(
        runtime: Runtime, unit: UnitOfWork, request: pb.SettleChargebackRequest
    ) -> pb.SettleChargebackResponse:
        suspense_minor = await read_balance(runtime, unit, account)
        case = await open_case(
            runtime,
            unit,
            chargeback_id,
            by=BY_CHARGEBACK,
            etag=request.etag,
            missing=ChargebackMissing,
        )
        known = next(c for c in case.records.chargebacks if c.chargeback_id == chargeback_id)
        await load_settled(runtime, case, known)
        answer = _settle(case, known, request, suspense_minor)
        unit.note = request.chargeback_id
        if request.validate_only:
            return answer
        return await save_taken(runtime, unit, answer, account, suspense_minor)

    return await story(runtime, call, request)


def _settle(
    case: EscrowCase,
    known: Chargeback,
    request: pb.SettleChargebackRequest,
    suspense_minor: int,
) -> pb.SettleChargebackResponse:
    payment = case.payment(known.payment_id)
    _check(known, payment, request)
    take_back(case, known)
    thawed = end_freezes(case, known.stripe_dispute)
    taken = None
    if known.is_unsettled or known.is_undecided:
        taken = _take(case, known, payment, request, thawed, suspense_minor)
    let_move(case, payment.payment_id)
    settled_currency = payment.settled_currency or ""
    return pb.SettleChargebackResponse(
        chargeback=chargeback_message(known),
        taken=refund_message(taken, parts_of(case, taken), settled_currency) if taken else None,
        escrow=escrow_message(case.records),
    )


def _take(
    case: EscrowCase,
    known: Chargeback,
    payment: Payment,
    request: pb.SettleChargebackRequest,
    thawed: Sequence[Milestone],
    suspense_minor: int,
) -> Refund | None:
    loss = loss_of(known, payment)
    platform_minor = _platform(case, known, loss, request)
    wanted_minor, refund_id = loss.amount_minor - platform_minor, case.unit.new_id()
    if request.sources:
        parts = _chosen(case, payment, request.sources, refund_id)
    elif wanted_minor < 0:
        raise _misfit(payment, loss, platform_minor)
    else:
        try:
            parts = _planned(case, known, wanted_minor, thawed, suspense_minor, refund_id)
        except RefundDoesNotFit as unfit:
            left_minor = int(unfit.metadata["left_minor"])
            raise _misfit(payment, loss, platform_minor + left_minor) from unfit
    bearer = _fee_bearer(case, request)
    return settle(case, known, payment, parts, platform_minor, request.reason, bearer)


def _planned(
    case: EscrowCase,
    known: Chargeback,
    wanted_minor: int,
    thawed: Sequence[Milestone],
    suspense_minor: int,
    refund_id: UUID,
) -> list[RefundPart]:
    """Raises RefundDoesNotFit: not even with what other disputes of the payment froze."""
    payment = case.payment(known.payment_id)
    converted = payment.converted_minor, payment.converted_into_minor
    try:
        return plan_adopted(case, payment, wanted_minor, thawed, suspense_minor, refund_id)
    except RefundDoesNotFit as unfit:
        short_minor = wanted_minor - int(unfit.metadata["left_minor"])
        if not give_way(case, payment, known.stripe_dispute, short_minor):
            raise
    payment.converted_minor, payment.converted_into_minor = converted
    return plan_adopted(case, payment, wanted_minor, thawed, suspense_minor, refund_id)


def _check(known: Chargeback, payment: Payment, request: pb.SettleChargebackRequest) -> None:
    facts = {"chargeback_id": known.public_id, "state": known.state}
    early = request.before_outcome and known.is_undecided
    if known.settled_at and not known.is_unsettled and not request.anew:
        raise ChargebackSettled(**facts)
    if not known.is_unsettled and not early and not (known.settled_at and request.anew):
        raise ChargebackUndecided(**facts) if known.is_undecided else NothingToSettle(**facts)
    if known.settled_currency is None:
        raise WithdrawalNotSeen(**facts)
    if not payment.confirmed:
        raise PaymentNotSettled(payment_id=payment.public_id)


def _platform(
    case: EscrowCase, known: Chargeback, loss: Loss, request: pb.SettleChargebackRequest
) -> int:
    """What the platform bears: what was asked for, or by the policy; the rest of a win it bears."""
    if request.HasField("platform_minor"):
        return request.platform_minor
    by_policy = case.policy.lost_chargeback is LossBearer.PLATFORM
    bears_all = (by_policy or known.is_over) and not request.sources
    return loss.amount_minor if bears_all else 0


def _fee_bearer(case: EscrowCase, request: pb.SettleChargebackRequest) -> DisputeFeeBearer:
    return (
        DISPUTE_FEE_BEARER[request.dispute_fee] if request.dispute_fee else case.policy.dispute_fee
    )


def _chosen(
    case: EscrowCase,
    payment: Payment,
    sources: Sequence[pb.SettlementSource],
    refund_id: UUID,
) -> list[RefundPart]:
    by_milestone: dict[UUID, list[Chosen]] = {}
    for each in sources:
        release_id = ids.parse(each.release_id) if each.release_id else None
        payee_id = ids.parse(each.payee_id) if each.payee_id else None
        chosen = Chosen(release_id, each.amount_minor, payee_id)
        by_milestone.setdefault(ids.parse(each.milestone_id), []).append(chosen)
    return plan_chosen(case, payment, by_milestone, refund_id)


def _misfit(payment: Payment, loss: Loss, found_minor: int) -> SettlementDoesNotAddUp:
    return SettlementDoesNotAddUp(
        amount_minor=loss.amount_minor, found_minor=found_minor, currency=payment.currency
    )

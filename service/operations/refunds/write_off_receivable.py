"""An operator gives up what a payee owes."""

from __future__ import annotations

from escrow.v1 import refund_service_pb2 as pb
from service.aggregates.escrow import open_case
from service.aggregates.receivable import write_off
from service.domain import ids
from service.domain.errors import ReceivableMissing, WrongState
from service.domain.states.receivable import ReceivableState
from service.domain.states.refund import RefundState
from service.domain.unit import UnitOfWork
from service.operations.mutation import mutation
from service.operations.refunds.messages import receivable_message
from service.runtime import Runtime
from service.store.escrows import BY_RECEIVABLE

PAID = frozenset(
    {
        RefundState.PENDING,
        RefundState.SUCCEEDED,
        RefundState.PAID_OUTSIDE,
        RefundState.CHARGED_BACK,
    }
)


@mutation(pb.WriteOffReceivableResponse)
async def write_off_receivable(
    runtime: Runtime, unit: UnitOfWork, request: pb.WriteOffReceivableRequest
) -> pb.WriteOffReceivableResponse:
    """Posting 21. Only where the payer has got the money, or is about to: else the debt ends with
    the refund.

    Raises:
        ReceivableMissing.
        WrongState: it is settled, a reversal is under way, or its refund has failed.
    """
    receivable_id = ids.parse(request.receivable_id)
    case = await open_case(
        runtime, unit, receivable_id, by=BY_RECEIVABLE, missing=ReceivableMissing
    )
    debts = case.records.receivables
    debt = next((each for each in debts if each.receivable_id == receivable_id), None)
    if debt is None or debt.state is not ReceivableState.OWED:
        says = f"Nothing of {request.receivable_id} is owed any more."
        if debt is not None:
            says = f"A transfer is being reversed for {debt.public_id}: wait for Stripe's answer."
        raise WrongState(says, receivable_id=request.receivable_id)
    if not debt.was_asked_for:
        says = f"First the transfer of {debt.public_id} is reversed: wait for Stripe's answer."
        raise WrongState(says, receivable_id=request.receivable_id)
    refund = case.refund_of(debt.refund_id)
    if refund.state not in PAID:
        says = (
            f"{refund.public_id} is {refund.state.value}: {debt.public_id} ends with it, or when it"
            " is resolved."
        )
        raise WrongState(says, refund_id=refund.public_id, state=refund.state)
    write_off(case, debt)
    unit.note = debt.public_id
    answer = pb.WriteOffReceivableResponse(receivable=receivable_message(debt))
    return answer if request.validate_only else await runtime.save(unit, answer)

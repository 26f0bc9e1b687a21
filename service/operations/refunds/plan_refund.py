"""Says what a refund would take from whom, before it happens."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from escrow.v1 import refund_service_pb2 as pb
from service.access import access_of
from service.aggregates.escrow import EscrowCase
from service.aggregates.refund_plan import Chosen
from service.aggregates.refund_plan import plan_refund as plan_parts
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import EscrowMissing, FieldViolation, InvalidField
from service.domain.records.refund import RefundPart
from service.domain.unit import UnitOfWork
from service.operations.held.hold import needs_approval
from service.operations.payments.settled import once_settled
from service.operations.refunds.messages import plan_message
from service.runtime import Runtime
from service.store.escrows import find_escrow

_SERVICE = pb.DESCRIPTOR.services_by_name["RefundService"]
_REFUNDING = access_of(_SERVICE.methods_by_name["RefundMilestone"])


async def plan_refund(
    runtime: Runtime, call: Call, request: pb.PlanRefundRequest
) -> pb.PlanRefundResponse:
    """Raises what RefundMilestone raises: EscrowMissing, MilestoneMissing, ReleaseMissing,
    WrongState, PartyNotAllowed, AmountNotMultiple, AmountFrozen, PaymentDisputed, RefundAboveLeft,
    PaymentNotSettled, StripeUnavailable.
    """
    return await once_settled(runtime, call, lambda: _plan(runtime, call, request))


async def _plan(
    runtime: Runtime, call: Call, request: pb.PlanRefundRequest
) -> pb.PlanRefundResponse:
    as_refund = replace(call, approvals=_REFUNDING.approvals_for(call.party))
    unit = UnitOfWork(as_refund, "plan_refund", b"", runtime.clock())
    records = await find_escrow(runtime.pool, call.tenant_id, ids.parse(request.escrow_id))
    if records is None:
        raise EscrowMissing
    unit.escrow, currency = records.escrow, records.escrow.currency
    parts = parts_asked_for(EscrowCase(unit, records), request)
    moved = {currency: sum(part.amount_minor for part in parts)}
    return pb.PlanRefundResponse(
        plan=plan_message(parts, currency),
        needs_approval=await needs_approval(runtime, unit, moved),
    )


def parts_asked_for(
    case: EscrowCase, request: pb.PlanRefundRequest | pb.RefundMilestoneRequest
) -> list[RefundPart]:
    """What a request would take from whom; see ``plan_refund`` for what is refused."""
    if request.sources and request.HasField("amount_minor"):
        raise InvalidField(FieldViolation("sources", "cannot be given beside amount_minor"))
    milestone = case.milestone(ids.parse(request.milestone_id))
    price_minor = request.amount_minor if request.HasField("amount_minor") else None
    return plan_parts(case, milestone, price_minor, _chosen(request.sources), case.unit.new_id())


def _chosen(sources: Iterable[pb.RefundSource]) -> list[Chosen]:
    return [
        Chosen(
            ids.parse(each.release_id) if each.release_id else None,
            each.amount_minor,
            ids.parse(each.payee_id) if each.payee_id else None,
        )
        for each in sources
    ]

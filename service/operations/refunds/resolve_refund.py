"""An operator says what becomes of a refund that failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from escrow.v1 import refund_service_pb2 as pb
from service.aggregates.escrow import EscrowCase, open_case
from service.aggregates.neutral import check_neutral
from service.aggregates.receivable import load_caused
from service.aggregates.refund import parts_of
from service.aggregates.refund_undone import check_back, paid_outside, put_back
from service.domain import ids
from service.domain.errors import FieldViolation, InvalidField, RefundMissing
from service.domain.records.refund import Refund
from service.domain.states.refund import RefundEvent
from service.domain.unit import UnitOfWork
from service.effects import create_refund
from service.operations.mutation import mutation
from service.operations.refunds.messages import refund_message
from service.runtime import Runtime
from service.store.escrows import BY_REFUND


@mutation(pb.ResolveRefundResponse)
async def resolve_refund(
    runtime: Runtime, unit: UnitOfWork, request: pb.ResolveRefundRequest
) -> pb.ResolveRefundResponse:
    """Sends it again, puts the money back where it was, or says that the payer was paid otherwise.

    Raises:
        InvalidField: it does not say what. RefundMissing, StaleEtag, PartyNotAllowed.
        WrongState: it has not failed. RefundStillOut: Stripe has not given the money back yet.
        ReversalUnderWay: a payee is giving it back at this moment.
        ResolverIsParty: they have acted for a party in a dispute of its escrow.
    """
    resolve = RESOLVE.get(request.resolution)
    if resolve is None:
        says = "must say what becomes of it: SEND_AGAIN, PUT_BACK or PAID_OUTSIDE"
        raise InvalidField(FieldViolation("resolution", says))
    refund_id = ids.parse(request.refund_id)
    case = await open_case(
        runtime, unit, refund_id, by=BY_REFUND, etag=request.etag, missing=RefundMissing
    )
    check_neutral(case)
    await load_caused(runtime, case, [refund_id])
    refund = case.refund_of(refund_id)
    resolve(case, refund)
    case.touch()
    unit.note = refund.public_id
    settled_currency = case.payment(refund.payment_id).settled_currency or ""
    return await runtime.finish(
        unit,
        lambda: pb.ResolveRefundResponse(
            refund=refund_message(refund, parts_of(case, refund), settled_currency)
        ),
        dry_run=request.validate_only,
    )


def _send_again(case: EscrowCase, refund: Refund) -> None:
    case.unit.advance(refund, RefundEvent.SEND_AGAIN)
    check_back(refund)
    refund.stripe_refund = refund.balance_transaction = refund.failure_transaction = None
    refund.taken_minor = None
    create_refund.plan(case, refund)


RESOLVE: Mapping[int, Callable[[EscrowCase, Refund], None]] = {
    pb.REFUND_RESOLUTION_SEND_AGAIN: _send_again,
    pb.REFUND_RESOLUTION_PUT_BACK: put_back,
    pb.REFUND_RESOLUTION_PAID_OUTSIDE: paid_outside,
}

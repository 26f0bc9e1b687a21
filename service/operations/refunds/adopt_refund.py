"""An operator makes a refund that somebody made at Stripe one of ours."""

from __future__ import annotations

from collections.abc import Mapping

from escrow.v1 import refund_service_pb2 as pb
from service.aggregates.contradiction import Contradiction
from service.aggregates.dispute import taken_from_held
from service.aggregates.escrow import EscrowCase, open_case
from service.aggregates.freeze import cover_more, end_freezes
from service.aggregates.refund import parts_of, refund_requested
from service.aggregates.refund_observed import observe_refund
from service.aggregates.refund_plan import plan_adopted
from service.domain import ids
from service.domain.call import Call, Party
from service.domain.errors import (
    Busy,
    EscrowMissing,
    FreezeMissing,
    FreezeOfOther,
    PaymentNotSettled,
    RefundDoesNotFit,
    WrongState,
)
from service.domain.postings import JournalKind
from service.domain.records.freeze import Freeze, FreezeReason
from service.domain.records.payment import Payment
from service.domain.records.refund import Refund
from service.domain.unit import UnitOfWork
from service.operations.escrows.messages import escrow_message
from service.operations.mutation import mutation
from service.operations.refunds.messages import refund_message
from service.operations.taking import read_balance, save_taken, suspense_of
from service.runtime import Runtime
from service.store.balance_transactions import find_booked
from service.store.commit import StripeObjectTaken
from service.store.escrows import find_escrow
from service.store.tables import EscrowRecords
from service.stripe.objects.refund import RefundObservation, parse_refund
from service.stripe.objects.values import Unreadable

UNEXPLAINED = frozenset({JournalKind.TAKEN_UNEXPLAINED, JournalKind.BROUGHT_UNEXPLAINED})


async def adopt_refund(
    runtime: Runtime, call: Call, request: pb.AdoptRefundRequest
) -> pb.AdoptRefundResponse:
    """The refund is fetched: what it took, and whether it has failed since, is Stripe's to say.

    Raises:
        EscrowMissing, FreezeMissing, StaleEtag, StripeRefused, StripeUnavailable.
        FreezeOfOther: something else froze it. WrongState: it was adopted before.
        RefundDoesNotFit. PaymentNotSettled.
    """
    records = await find_escrow(runtime.pool, call.tenant_id, ids.parse(request.escrow_id))
    if records is None:
        raise EscrowMissing
    freeze = _freeze(records, request)
    adopted = any(refund.stripe_refund == freeze.source for refund in records.refunds)
    seen = None if adopted else await _fetch(runtime, call, freeze)
    booked = {} if seen is None else await _booked(runtime, call, seen)

    @mutation(pb.AdoptRefundResponse, of="adopt_refund")
    async def story(
        runtime: Runtime, unit: UnitOfWork, request: pb.AdoptRefundRequest
    ) -> pb.AdoptRefundResponse:
        suspense_minor = await read_balance(runtime, unit, suspense_of(freeze.payment_id))
        case = await open_case(runtime, unit, ids.parse(request.escrow_id), etag=request.etag)
        payment = case.payment(freeze.payment_id)
        _check(case, payment, freeze)
        if seen is None:
            raise Busy  # it was adopted when we looked, and is not any more
        case.explained = _explained(freeze, booked)
        try:
            refund = _adopt(case, payment, seen, suspense_minor, request.reason)
        except Contradiction as problem:
            raise _misfit(freeze, str(problem)) from problem
        unit.note = f"{refund.public_id}: {freeze.source}"
        answer = pb.AdoptRefundResponse(
            refund=refund_message(refund, parts_of(case, refund), payment.settled_currency or ""),
            escrow=escrow_message(case.records),
        )
        if request.validate_only:
            return answer
        return await save_taken(
            runtime, unit, answer, suspense_of(freeze.payment_id), suspense_minor
        )

    try:
        return await story(runtime, call, request)
    except StripeObjectTaken as taken:
        says = "its money is being booked at this moment; try again"
        raise _misfit(freeze, says) from taken


def _freeze(records: EscrowRecords, request: pb.AdoptRefundRequest) -> Freeze:
    freeze_id = ids.parse(request.freeze_id)
    found = next((each for each in records.freezes if each.freeze_id == freeze_id), None)
    if found is None:
        raise FreezeMissing
    if found.reason is not FreezeReason.REFUND:
        raise FreezeOfOther(freeze_id=request.freeze_id, reason=found.reason)
    return found


async def _fetch(runtime: Runtime, call: Call, freeze: Freeze) -> RefundObservation:
    try:
        return parse_refund(await runtime.stripe[call.tenant_id].fetch_refund(freeze.source))
    except Unreadable as problem:
        raise _misfit(freeze, str(problem)) from problem


async def _booked(runtime: Runtime, call: Call, seen: RefundObservation) -> dict[str, str]:
    """The kinds of the journals that have booked its balance transactions, by their ids."""
    kinds: dict[str, str] = {}
    for each in filter(None, (seen.transaction, seen.failure_transaction)):
        booked = await find_booked(runtime.pool, call.tenant_id, each.id, account="", source="")
        kinds |= {one.transaction_id: one.kind for one in booked}
    return kinds


def _explained(freeze: Freeze, booked: Mapping[str, str]) -> frozenset[str]:
    """Raises RefundDoesNotFit: its money was booked as something else than unexplained."""
    for transaction, kind in booked.items():
        if kind not in UNEXPLAINED:
            raise _misfit(freeze, f"{transaction} was booked as {kind}")
    return frozenset(booked)


def _check(case: EscrowCase, payment: Payment, freeze: Freeze) -> None:
    for refund in case.records.refunds:
        if refund.stripe_refund == freeze.source:
            says = f"{freeze.source} is {refund.public_id} already."
            raise WrongState(says, refund_id=refund.public_id, state=refund.state)
    if not payment.confirmed:
        raise PaymentNotSettled(payment_id=payment.public_id)


def _adopt(
    case: EscrowCase, payment: Payment, seen: RefundObservation, suspense_minor: int, reason: str
) -> Refund:
    thawed = end_freezes(case, seen.id)
    refund_id = case.unit.new_id()
    parts = plan_adopted(case, payment, seen.amount_minor, thawed, suspense_minor, refund_id)
    refund = refund_requested(case, payment, parts, reason, refund_id)
    taken_from_held(case, refund, parts)
    cover_more(case, payment.payment_id)
    case.unit.word_of = Party.STRIPE
    observe_refund(case, refund, seen, case.explained)
    return refund


def _misfit(freeze: Freeze, problem: str) -> RefundDoesNotFit:
    return RefundDoesNotFit(
        f"{freeze.source} cannot be adopted: {problem}.", stripe_refund=freeze.source
    )

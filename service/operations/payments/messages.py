"""Payments as the messages of the API."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from escrow.v1 import escrow_service_pb2 as pb
from service.domain import ids
from service.domain.records.payment import Payment
from service.domain.settlement import show_rate
from service.operations.messages import money, timestamp
from service.store.tables import EscrowRecords


def payment_message(records: EscrowRecords, payment: Payment) -> pb.Payment:
    """Everything that is known here; what only Stripe may say is filled in by GetPayment."""
    milestones = (m for m in records.milestones if m.payment_id == payment.payment_id)
    return payment_of(payment, (milestone.milestone_id for milestone in milestones))


def payment_of(payment: Payment, milestone_ids: Iterable[UUID]) -> pb.Payment:
    """The same of a payment by itself, and the milestones that it funds."""
    fee_minor, settled = payment.processing_fee_minor, payment.settled_currency or payment.currency
    message = pb.Payment(
        id=payment.public_id,
        escrow_id=ids.show(ids.ESCROW, payment.escrow_id),
        milestone_ids=[ids.show(ids.MILESTONE, each) for each in milestone_ids],
        amount=money(payment.amount_minor, payment.currency),
        state=pb.PaymentState.Value(f"PAYMENT_STATE_{payment.state}"),
        method=pb.PaymentMethod.Value(f"PAYMENT_METHOD_{payment.method}"),
        capture=pb.CaptureStrategy.Value(f"CAPTURE_STRATEGY_{payment.capture}"),
        stripe_payment_intent=payment.stripe_payment_intent or "",
        stripe_charge=payment.stripe_charge or "",
        processing_fee=money(fee_minor, settled) if fee_minor is not None else None,
        create_time=timestamp(payment.created_at),
        update_time=timestamp(payment.updated_at),
    )
    if payment.exchange_rate is not None:
        message.settled_amount.CopyFrom(money(payment.settled_minor or 0, settled))
        message.exchange_rate = show_rate(payment.exchange_rate)
    if payment.received_minor is not None:
        message.received.CopyFrom(money(payment.received_minor, payment.currency))
    if payment.failure_code or payment.failure_message:
        message.failure.code = payment.failure_code or ""
        message.failure.decline_code = payment.failure_decline_code or ""
        message.failure.message = payment.failure_message or ""
    return message

"""Records as the messages of the API."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache

from google.protobuf.timestamp_pb2 import Timestamp

from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import money_pb2
from escrow.v1 import party_service_pb2 as party_pb
from service.domain import ids
from service.domain.lifecycle import MilestoneState, PayeeState, ReleaseState
from service.domain.model import LineItem, Milestone, Payee, Payer, Payment, Payout
from service.domain.policy import Fees
from service.store.escrows import EscrowRecords

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(4096)
def money(amount_minor: int, currency: str) -> money_pb2.Money:
    """One message for all who tell this amount: a message that is put into another is copied."""
    return money_pb2.Money(amount_minor=amount_minor, currency=currency)


def timestamp(moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    since = moment - EPOCH  # Timestamp.FromDatetime does the same, ten times slower
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1000)


def quote_message(fees: Iterable[Fees], currency: str, policy_version: int) -> pb.FeeQuote:
    """The fees of some milestones together."""
    listed = list(fees)
    amount = sum(f.amount_minor for f in listed)
    payer_fee = sum(f.payer_fee_minor for f in listed)
    payee_fee = sum(f.payee_fee_minor for f in listed)
    return pb.FeeQuote(
        amount=money(amount, currency),
        payer_fee=money(payer_fee, currency),
        payee_fee=money(payee_fee, currency),
        payer_total=money(amount + payer_fee, currency),
        payee_total=money(amount - payee_fee, currency),
        policy_version=policy_version,
    )


def escrow_message(records: EscrowRecords) -> pb.Escrow:
    escrow = records.escrow
    fees = [Fees(m.amount_minor, m.payer_fee_minor, m.payee_fee_minor) for m in records.milestones]
    return pb.Escrow(
        id=ids.show(ids.ESCROW, escrow.escrow_id),
        reference=escrow.reference,
        payer_id=ids.show(ids.PAYER, escrow.payer_id),
        payee_id=ids.show(ids.PAYEE, escrow.payee_id),
        currency=escrow.currency,
        state=pb.EscrowState.Value(f"ESCROW_STATE_{escrow.state}"),
        milestones=[_milestone_message(m, records) for m in records.milestones],
        quote=quote_message(fees, escrow.currency, escrow.policy_version),
        policy_version=escrow.policy_version,
        metadata=escrow.metadata,
        etag=str(escrow.version),
        create_time=timestamp(escrow.created_at),
        update_time=timestamp(escrow.updated_at),
    )


def _milestone_message(milestone: Milestone, records: EscrowRecords) -> pb.Milestone:
    currency = records.escrow.currency
    items = [i for i in records.line_items if i.milestone_id == milestone.milestone_id]
    payment_id = milestone.payment_id
    return pb.Milestone(
        id=ids.show(ids.MILESTONE, milestone.milestone_id),
        title=milestone.title,
        state=pb.MilestoneState.Value(f"MILESTONE_STATE_{milestone.state}"),
        amount=money(milestone.amount_minor, currency),
        payer_fee=money(milestone.payer_fee_minor, currency),
        payee_fee=money(milestone.payee_fee_minor, currency),
        funded=money(milestone.funded_minor, currency),
        held=money(milestone.held_minor, currency),
        released=money(milestone.released_minor, currency),
        refunded=money(milestone.refunded_minor, currency),
        frozen=money(milestone.frozen_minor, currency),
        due_time=timestamp(milestone.due_at),
        deliver_time=timestamp(milestone.delivered_at),
        line_items=[_line_item_message(item) for item in items],
        payment_id=ids.show(ids.PAYMENT, payment_id) if payment_id else "",
        waiting_for=_waiting_for(milestone, records),
    )


def _line_item_message(item: LineItem) -> pb.LineItem:
    return pb.LineItem(
        name=item.name,
        quantity=item.quantity,
        unit_amount_minor=item.unit_amount_minor,
        sku=item.sku,
    )


WAITING_FOR = {
    MilestoneState.AWAITING_FUNDS: "the payer to pay",
    MilestoneState.FUNDED: "the payee to deliver",
    MilestoneState.DELIVERED: "the payer to accept",
}


def _waiting_for(milestone: Milestone, records: EscrowRecords) -> str:
    if milestone.state is not MilestoneState.RELEASING:
        return WAITING_FOR.get(milestone.state, "")
    waiting = [
        release
        for release in records.releases
        if release.milestone_id == milestone.milestone_id and release.state is ReleaseState.WAITING
    ]
    if not waiting:
        return "Stripe to confirm the transfer"
    if records.payee.state is not PayeeState.ACTIVE:
        return "the payee to finish onboarding"
    code = waiting[0].refusal_code
    return f"the next try of a transfer that Stripe refused ({code})" if code else "the transfer"


def payment_message(records: EscrowRecords, payment: Payment) -> pb.Payment:
    """Everything that is known here; what only Stripe may say is filled in by GetPayment."""
    fee_minor = payment.processing_fee_minor
    message = pb.Payment(
        id=ids.show(ids.PAYMENT, payment.payment_id),
        escrow_id=ids.show(ids.ESCROW, payment.escrow_id),
        milestone_ids=[
            ids.show(ids.MILESTONE, milestone.milestone_id)
            for milestone in records.milestones
            if milestone.payment_id == payment.payment_id
        ],
        amount=money(payment.amount_minor, payment.currency),
        state=pb.PaymentState.Value(f"PAYMENT_STATE_{payment.state}"),
        method=pb.PaymentMethod.Value(f"PAYMENT_METHOD_{payment.method}"),
        capture=pb.CaptureStrategy.Value(f"CAPTURE_STRATEGY_{payment.capture}"),
        stripe_payment_intent=payment.stripe_payment_intent or "",
        stripe_charge=payment.stripe_charge or "",
        processing_fee=money(fee_minor, payment.currency) if fee_minor is not None else None,
        create_time=timestamp(payment.created_at),
        update_time=timestamp(payment.updated_at),
    )
    if payment.failure_code or payment.failure_message:
        message.failure.code = payment.failure_code or ""
        message.failure.decline_code = payment.failure_decline_code or ""
        message.failure.message = payment.failure_message or ""
    return message


def payer_message(payer: Payer) -> party_pb.Payer:
    return party_pb.Payer(
        id=ids.show(ids.PAYER, payer.payer_id),
        reference=payer.reference,
        name=payer.name,
        email=payer.email,
        stripe_customer=payer.stripe_customer or "",
        create_time=timestamp(payer.created_at),
    )


def payee_message(payee: Payee, balances: Iterable[party_pb.PayeeBalance] = ()) -> party_pb.Payee:
    return party_pb.Payee(
        id=ids.show(ids.PAYEE, payee.payee_id),
        reference=payee.reference,
        name=payee.name,
        email=payee.email,
        country=payee.country,
        state=party_pb.PayeeState.Value(f"PAYEE_STATE_{payee.state}"),
        account_api=party_pb.AccountApi.Value(f"ACCOUNT_API_{payee.account_api}"),
        stripe_account=payee.stripe_account or "",
        requirements_due=payee.requirements_due,
        balances=balances,
        create_time=timestamp(payee.created_at),
        etag=str(payee.version),
    )


def payout_message(payout: Payout) -> party_pb.Payout:
    return party_pb.Payout(
        id=ids.show(ids.PAYOUT, payout.payout_id),
        payee_id=ids.show(ids.PAYEE, payout.payee_id),
        amount=money(payout.amount_minor, payout.currency),
        state=party_pb.PayoutState.Value(f"PAYOUT_STATE_{payout.state}"),
        stripe_payout=payout.stripe_payout or "",
        failure_code=payout.failure_code or "",
        failure_message=payout.failure_message or "",
        arrival_time=timestamp(payout.arrival_at),
        create_time=timestamp(payout.created_at),
    )

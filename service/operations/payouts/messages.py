"""Payouts as the messages of the API."""

from __future__ import annotations

from escrow.v1 import party_service_pb2 as party_pb
from service.domain import ids
from service.domain.records.payout import Payout
from service.operations.messages import money, timestamp


def payout_message(payout: Payout) -> party_pb.Payout:
    return party_pb.Payout(
        id=payout.public_id,
        payee_id=ids.show(ids.PAYEE, payout.payee_id),
        amount=money(payout.amount_minor, payout.currency),
        state=party_pb.PayoutState.Value(f"PAYOUT_STATE_{payout.state}"),
        stripe_payout=payout.stripe_payout or "",
        failure_code=payout.failure_code or "",
        failure_message=payout.failure_message or "",
        arrival_time=timestamp(payout.arrival_at),
        create_time=timestamp(payout.created_at),
    )

"""Chargebacks as messages."""

from __future__ import annotations

from collections.abc import Mapping

from escrow.v1 import chargeback_service_pb2 as pb
from service.domain import ids
from service.domain.evidence import hash_of
from service.domain.records.chargeback import Chargeback
from service.operations.messages import money, timestamp


def chargeback_message(known: Chargeback) -> pb.Chargeback:
    settled = known.settled_currency
    return pb.Chargeback(
        id=known.public_id,
        escrow_id=ids.show(ids.ESCROW, known.escrow_id),
        payment_id=ids.show(ids.PAYMENT, known.payment_id),
        state=pb.ChargebackState.Value(f"CHARGEBACK_STATE_{known.state}"),
        stripe_dispute=known.stripe_dispute,
        amount=money(known.amount_minor, known.currency),
        reason=known.reason,
        appeal=known.is_appeal,
        due_time=timestamp(known.due_by),
        withdrawn=money(known.withdrawn_minor, settled) if settled else None,
        reinstated=money(known.reinstated_minor, settled) if settled else None,
        fee=money(known.fee_minor, settled) if settled else None,
        submissions=known.submissions,
        open_time=timestamp(known.opened_at),
        create_time=timestamp(known.created_at),
        update_time=timestamp(known.updated_at),
    )


def evidence_message(known: Chargeback, fields: Mapping[str, str]) -> pb.ChargebackEvidence:
    return pb.ChargebackEvidence(
        chargeback_id=known.public_id,
        hash=hash_of(known, fields),
        fields=[pb.EvidenceField(name=name, text=text) for name, text in sorted(fields.items())],
        characters=sum(map(len, fields.values())),
    )

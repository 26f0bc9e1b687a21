"""Chargebacks as messages."""

from __future__ import annotations

from collections.abc import Mapping

from escrow.v1 import chargeback_service_pb2 as pb
from escrow.v1 import money_pb2 as money_pb
from service.domain import ids
from service.domain.evidence import characters_of
from service.domain.records.chargeback import Chargeback
from service.domain.records.evidence import SentEvidence
from service.operations.chargebacks.assemble import Assembled
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
        unsettled=known.is_unsettled,
        waits_for_evidence=known.waits_for_evidence,
        lose_time=timestamp(known.lost_at),
        settle_time=timestamp(known.settled_at),
        settled=_settled(known, known.settled_minor),
        borne_by_platform=_settled(known, known.borne_minor),
        fee_borne_by_payees=_settled(known, known.passed_on_minor),
    )


def evidence_message(assembled: Assembled) -> pb.ChargebackEvidence:
    return pb.ChargebackEvidence(
        chargeback_id=assembled.chargeback.public_id,
        hash=assembled.hash,
        fields=_fields(assembled.fields, assembled.given),
        characters=characters_of(assembled.fields),
    )


def sent_message(row: SentEvidence, *, with_fields: bool) -> pb.SentEvidence:
    """An answer that is stored has no texts: the row has them."""
    return pb.SentEvidence(
        id=row.public_id,
        chargeback_id=ids.show(ids.CHARGEBACK, row.chargeback_id),
        escrow_id=ids.show(ids.ESCROW, row.escrow_id),
        step=pb.EvidenceStep.Value(f"EVIDENCE_STEP_{row.step}"),
        stage=row.stage,
        hash=row.evidence_hash,
        effect_id=ids.show(ids.EFFECT, row.effect_id),
        effect_generation=row.generation,
        caller=row.caller,
        create_time=timestamp(row.created_at),
        fields=_fields(row.fields, row.given) if with_fields else (),
    )


def _fields(fields: Mapping[str, str], given: Mapping[str, str]) -> list[pb.EvidenceField]:
    return [
        pb.EvidenceField(name=name, text=text, given=name in given)
        for name, text in sorted(fields.items())
    ]


def _settled(known: Chargeback, amount_minor: int) -> money_pb.Money | None:
    currency = known.settled_currency
    return money(amount_minor, currency) if currency and known.settled_at else None

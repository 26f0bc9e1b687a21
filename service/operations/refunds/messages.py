"""Refunds and receivables as messages."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from escrow.v1 import refund_service_pb2 as pb
from service.aggregates.blockers import FOR_REFUND
from service.aggregates.reversal_adopted import Adopted, Reversed
from service.domain import ids
from service.domain.records.receivable import Receivable
from service.domain.records.refund import Refund, RefundOrigin, RefundPart
from service.domain.records.release import Release
from service.operations.messages import money, timestamp


def plan_message(parts: Sequence[RefundPart], currency: str) -> pb.RefundPlan:
    """A plan, with the hash that names it."""
    plan = pb.RefundPlan(
        amount=money(sum(part.amount_minor for part in parts), currency),
        parts=part_messages(parts, currency),
        from_payees=money(
            sum(p.payee_share_minor for p in parts if p.origin is RefundOrigin.PAYEE), currency
        ),
        borne_by_platform=money(sum(map(_borne_minor, parts)), currency),
    )
    plan.hash = hashlib.sha256(plan.SerializeToString(deterministic=True)).hexdigest()[:32]
    return plan


def part_messages(parts: Iterable[RefundPart], currency: str) -> list[pb.RefundPart]:
    return [
        pb.RefundPart(
            origin=pb.RefundOrigin.Value(f"REFUND_ORIGIN_{part.origin}"),
            milestone_id=ids.show(ids.MILESTONE, part.milestone_id) if part.milestone_id else "",
            release_id=ids.show(ids.RELEASE, part.release_id) if part.release_id else "",
            payee_id=ids.show(ids.PAYEE, part.payee_id) if part.payee_id else "",
            price=money(part.price_minor, currency),
            payer_fee=money(part.payer_fee_minor, currency),
            payee_share=money(part.payee_share_minor, currency),
            borne_by_platform=money(_borne_minor(part), currency),
        )
        for part in parts
    ]


def _borne_minor(part: RefundPart) -> int:
    """What the platform had earned of it."""
    return part.payer_fee_minor + part.payee_fee_minor if part.release_id else 0


def refund_message(refund: Refund, parts: Iterable[RefundPart], settled_currency: str) -> pb.Refund:
    """``settled_currency`` is the payment's, where Stripe settled it in another; else empty."""
    return pb.Refund(
        id=refund.public_id,
        escrow_id=ids.show(ids.ESCROW, refund.escrow_id),
        payment_id=ids.show(ids.PAYMENT, refund.payment_id),
        state=pb.RefundState.Value(f"REFUND_STATE_{refund.state}"),
        amount=money(refund.amount_minor, refund.currency),
        parts=part_messages(parts, refund.currency),
        reason=refund.reason,
        stripe_refund=refund.stripe_refund or "",
        failure_code=refund.failure_code or "",
        settled=money(refund.taken_minor, settled_currency)
        if settled_currency and refund.taken_minor is not None
        else None,
        waiting_for=FOR_REFUND.get(refund.state, ""),
        create_time=timestamp(refund.created_at),
        update_time=timestamp(refund.updated_at),
        chargeback_id=ids.show(ids.CHARGEBACK, refund.chargeback_id)
        if refund.chargeback_id
        else "",
    )


def adopted_message(release: Release, seen: Reversed, adopted: Adopted) -> pb.AdoptedReversal:
    """What was adopted of a reversal, and what of it is left."""
    _, currency = release.transfer
    return pb.AdoptedReversal(
        stripe_reversal=seen.id,
        stripe_transfer=release.stripe_transfer or "",
        release_id=release.public_id,
        payee_id=ids.show(ids.PAYEE, release.payee_id),
        taken=money(adopted.taken_minor, currency),
        share=money(adopted.share_minor, release.currency),
        left=money(seen.left_minor - adopted.taken_minor, currency),
        new_release_id=adopted.released.public_id if adopted.released else "",
    )


def receivable_message(debt: Receivable) -> pb.Receivable:
    currency = debt.currency
    return pb.Receivable(
        id=debt.public_id,
        payee_id=ids.show(ids.PAYEE, debt.payee_id),
        escrow_id=ids.show(ids.ESCROW, debt.escrow_id),
        refund_id=ids.show(ids.REFUND, debt.refund_id),
        release_id=ids.show(ids.RELEASE, debt.release_id) if debt.release_id else "",
        state=pb.ReceivableState.Value(f"RECEIVABLE_STATE_{debt.state}"),
        amount=money(debt.amount_minor, currency),
        owed=money(debt.owed_minor, currency),
        reversed=money(debt.reversed_minor, currency),
        netted=money(debt.netted_minor, currency),
        written_off=money(debt.written_off_minor, currency),
        refusal_code=debt.refusal_code or "",
        converted=debt.converts,
        retry_time=timestamp(debt.recover_at),
        create_time=timestamp(debt.created_at),
        update_time=timestamp(debt.updated_at),
    )

"""What the records of an escrow say against a chargeback, field by field.

The same records make the same texts. They state what is known, and argue nothing: what an operator
has to add is given with StageChargebackEvidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from service.domain import ids
from service.domain.evidence import TEXTS, shortened
from service.domain.money import format_minor
from service.domain.policy import Policy, Unanswered
from service.domain.records.chargeback import Chargeback
from service.domain.records.escrow import Milestone
from service.domain.records.freeze import FreezeReason
from service.domain.records.origin import Origin
from service.domain.records.payment import Payment
from service.operations.chargebacks.evidence_timeline import (
    DID,
    PLATFORM,
    WHO,
    Timeline,
    what_happened,
)
from service.store.tables import EscrowRecords

CANCELS = ("request_cancellation", "cancel_escrow")


@dataclass(frozen=True, slots=True)
class Known:
    """All that evidence is made of. ``policy`` is the one that the escrow is pinned to; ``origins``
    are by the version of the escrow that they made.
    """

    chargeback: Chargeback
    records: EscrowRecords
    policy: Policy
    timeline: Timeline
    origins: Mapping[int, Origin]

    @property
    def payment(self) -> Payment:
        ours = self.chargeback.payment_id
        return next(each for each in self.records.payments if each.payment_id == ours)

    @property
    def milestones(self) -> list[Milestone]:
        """Those that the payment has paid."""
        ours = self.chargeback.payment_id
        return [each for each in self.records.milestones if each.payment_id == ours]


def texts_of(known: Known) -> dict[str, str]:
    """By Stripe's names; a field of which nothing is known is not there."""
    payer = known.records.payer
    made = {
        "access_activity_log": [
            *what_happened(known.timeline.rows, known.payment, known.milestones, known.origins)
        ],
        "cancellation_policy_disclosure": [*_cancellation_policy(known)],
        "cancellation_rebuttal": [*_cancellations(known)],
        "customer_email_address": [payer.email],
        "customer_name": [payer.name],
        "customer_purchase_ip": [*_purchase_ip(known)],
        "product_description": [*_product(known)],
        "refund_policy_disclosure": [*_refund_policy(known)],
        "refund_refusal_explanation": [*_refunds(known)],
        "service_date": [*_service_date(known)],
        "uncategorized_text": [*_receipt(known)],
    }
    texts = {name: shortened(lines, TEXTS[name]) for name, lines in made.items()}
    return {name: text for name, text in texts.items() if text}


def _product(known: Known) -> Iterator[str]:
    escrow = known.records.escrow
    payees = ", ".join(sorted(each.name for each in known.records.payees.values()))
    yield (
        f"Work that was agreed on {_at(escrow.created_at)} between {known.records.payer.name}, who"
        f" pays, and {payees}, under the reference {escrow.reference}. The marketplace held the"
        " money until the work was accepted. This payment is for:"
    )
    for milestone in known.milestones:
        due = f", due {_at(milestone.due_at)}" if milestone.due_at else ""
        yield f"- {milestone.title}: {format_minor(milestone.amount_minor, escrow.currency)}{due}"
        for item in known.records.line_items:
            if item.milestone_id == milestone.milestone_id:
                price = format_minor(item.unit_amount_minor, escrow.currency)
                sku = f" ({item.sku})" if item.sku else ""
                yield f"  - {item.quantity} x {item.name}{sku} at {price}"


def _purchase_ip(known: Known) -> Iterator[str]:
    for row in known.timeline.rows:
        begins = row.operation == "fund_escrow" and row.version in known.origins
        if begins and known.payment.public_id in [subject for subject, *_ in row.transitions]:
            yield known.origins[row.version].client_ip


def _service_date(known: Known) -> Iterator[str]:
    stands = (each for each in known.milestones if not each.is_sent_back)
    delivered = [each.delivered_at for each in stands if each.delivered_at]
    if delivered:
        yield f"{min(delivered):%Y-%m-%d}"


def _terms(known: Known) -> str:
    escrow = known.records.escrow
    return (
        f"The agreement was made on {_at(escrow.created_at)} under version {escrow.policy_version}"
        " of the marketplace's policy, which stays the same for it."
    )


def _cancellation_policy(known: Known) -> Iterator[str]:
    periods = known.policy.periods
    silent = known.policy.unanswered_cancellation is Unanswered.APPROVED
    yield _terms(known)
    yield (
        "- Payers cancel by themselves what they have not paid; what they have paid, within"
        f" {periods.cancellation_hours} hours and before it is delivered; and what was not"
        " delivered by its due date. What was delivered once they do not cancel by themselves."
    )
    yield (
        "- Otherwise either party asks the other to cancel, who has"
        f" {periods.answer_hours} hours to answer. Then the cancellation"
        f" {'counts as agreed' if silent else 'lapses'}."
    )


def _refund_policy(known: Known) -> Iterator[str]:
    yield _terms(known)
    yield (
        "- The money is held until the payer accepts what was delivered. After a delivery they have"
        f" {known.policy.periods.inspection_hours} hours to accept it or to ask for changes; then"
        " it is released to the payee."
    )
    yield "- What is canceled before it was released is refunded, with the payer's fee for it."
    yield "- What was released is refunded only where the marketplace or the payee agrees."


def _cancellations(known: Known) -> Iterator[str]:
    """That nobody asked is said only where all that was done is known."""
    asked = [row for row in known.timeline.rows if row.operation in CANCELS]
    for row in asked:
        who = WHO.get(row.party, PLATFORM)
        yield f"{who.capitalize()} {DID[row.operation]} on {_at(row.occurred_at)}."
    if not asked and known.timeline.whole:
        yield "Nobody asked to cancel this agreement."


def _refunds(known: Known) -> Iterator[str]:
    """What somebody refunded in Stripe's dashboard has frozen the payment. What a bank took itself
    is no refund.
    """
    ours = known.payment.payment_id
    refunds = [
        each
        for each in known.records.refunds
        if each.payment_id == ours and each.chargeback_id is None
    ]
    for each in refunds:
        amount = format_minor(each.amount_minor, each.currency)
        named = f" ({each.stripe_refund})" if each.stripe_refund else ""
        yield f"A refund of {amount}{named} was made on {_at(each.created_at)}: {each.state}."
    elsewhere = any(
        each.reason is FreezeReason.REFUND and each.payment_id == ours
        for each in known.records.freezes
    )
    if not refunds and not elsewhere:
        yield "Nothing of this payment was refunded."
    for milestone in known.milestones:
        if accepted := _accepted_at(known, milestone):
            yield f"The payer accepted {milestone.title!r} on {_at(accepted)}."


def _accepted_at(known: Known, milestone: Milestone) -> datetime | None:
    for row in known.timeline.rows:
        subjects = [subject for subject, *_ in row.transitions]
        if row.operation == "accept_delivery" and milestone.public_id in subjects:
            return row.occurred_at
    return None


def _receipt(known: Known) -> Iterator[str]:
    payment, disputed = known.payment, known.chargeback
    yield (
        f"Payment {payment.public_id} (Stripe charge {payment.stripe_charge}) of"
        f" {format_minor(payment.paid_minor, payment.currency)}, paid on"
        f" {_at(payment.observed_at or payment.created_at)}."
    )
    disputes = format_minor(disputed.amount_minor, disputed.currency)
    yield f"Disputed are {disputes} ({disputed.stripe_dispute}), as {disputed.reason!r}."
    for each in known.milestones:
        yield f"- {each.title} ({each.public_id}): {', '.join(_amounts(each, payment.currency))}"
    yield f"The agreement is {ids.show(ids.ESCROW, disputed.escrow_id)} in our records."


def _amounts(milestone: Milestone, currency: str) -> Iterator[str]:
    for word, amount_minor in (
        ("price", milestone.amount_minor),
        ("payer's fee", milestone.payer_fee_minor),
        ("released to the payee", milestone.released_minor),
        ("refunded", milestone.refunded_minor),
    ):
        if amount_minor:
            yield f"{word} {format_minor(amount_minor, currency)}"


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"

"""Escrows, milestones and quotes as the messages of the API."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from escrow.v1 import escrow_service_pb2 as pb
from service.aggregates.blockers import freezes_of, of_milestone, of_transfer
from service.aggregates.escrow import EscrowCase
from service.aggregates.split import payees_of
from service.answers import line_items
from service.domain import ids
from service.domain.amendment import Change, Terms, changes_of
from service.domain.blocker import in_words
from service.domain.fees import Fees
from service.domain.records.deadline import Deadline, DeadlineKind
from service.domain.records.escrow import Milestone, MilestonePayee
from service.domain.records.freeze import Freeze
from service.domain.records.proposal import Proposal
from service.domain.records.refund import Refund
from service.domain.records.release import Release
from service.domain.settlement import QuotedConversion, show_rate
from service.domain.states.release import ReleaseState
from service.operations.messages import money, timestamp
from service.store.tables import EscrowRecords


def quote_message(
    fees: Iterable[Fees],
    currency: str,
    policy_version: int,
    conversion: QuotedConversion | None,
) -> pb.FeeQuote:
    """The fees of some milestones together."""
    listed = list(fees)
    amount = sum(f.amount_minor for f in listed)
    payer_fee = sum(f.payer_fee_minor for f in listed)
    payee_fee = sum(f.payee_fee_minor for f in listed)
    quote = pb.FeeQuote(
        amount=money(amount, currency),
        payer_fee=money(payer_fee, currency),
        payee_fee=money(payee_fee, currency),
        payer_total=money(amount + payer_fee, currency),
        payee_total=money(amount - payee_fee, currency),
        policy_version=policy_version,
    )
    if conversion is not None:
        quote.conversion.settlement_currency = conversion.currency
        if conversion.rate is not None:
            quote.conversion.exchange_rate = show_rate(conversion.rate)
            for name in ("payer_total", "payee_total"):
                minor = conversion.convert(getattr(quote, name).amount_minor, currency)
                getattr(quote.conversion, name).CopyFrom(money(minor, conversion.currency))
    return quote


def escrow_message(records: EscrowRecords) -> pb.Escrow:
    escrow = records.escrow
    fees = [*map(_fees, records.milestones)]
    return pb.Escrow(
        id=escrow.public_id,
        reference=escrow.reference,
        payer_id=ids.show(ids.PAYER, escrow.payer_id),
        payee_id=ids.show(ids.PAYEE, escrow.payee_id),
        currency=escrow.currency,
        state=pb.EscrowState.Value(f"ESCROW_STATE_{escrow.state}"),
        milestones=[_milestone_message(m, records) for m in records.milestones],
        quote=quote_message(fees, escrow.currency, escrow.policy_version, escrow.conversion),
        policy_version=escrow.policy_version,
        metadata=escrow.metadata,
        etag=str(escrow.version),
        create_time=timestamp(escrow.created_at),
        update_time=timestamp(escrow.updated_at),
        conversions=[
            pb.Conversion(
                payment_id=payment.public_id,
                charged=money(payment.amount_minor, payment.currency),
                settled=money(payment.settled_minor or 0, payment.settled_currency or ""),
                exchange_rate=show_rate(payment.exchange_rate),
            )
            for payment in records.payments
            if payment.exchange_rate is not None
        ],
        deadlines=[deadline_message(each) for each in records.deadlines],
        proposals=[proposal_message(each, records) for each in records.proposals if each.is_open],
    )


def _fees(milestone: Milestone) -> Fees:
    return Fees(milestone.amount_minor, milestone.payer_fee_minor, milestone.payee_fee_minor)


def _milestone_message(milestone: Milestone, records: EscrowRecords) -> pb.Milestone:
    currency = records.escrow.currency
    items = [i for i in records.line_items if i.milestone_id == milestone.milestone_id]
    payment_id = milestone.payment_id
    return pb.Milestone(
        id=milestone.public_id,
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
        deliver_time=timestamp(None if milestone.is_sent_back else milestone.delivered_at),
        inspection_end_time=timestamp(_inspection_end(milestone, records)),
        line_items=line_items(items),
        payment_id=ids.show(ids.PAYMENT, payment_id) if payment_id else "",
        waiting_for=in_words(of_milestone(milestone, records)),
        payees=_payee_messages(milestone, records),
        freezes=[_freeze_message(f, currency) for f in freezes_of(milestone, records)],
        fund_time=timestamp(milestone.funded_at),
        charged_back=money(milestone.lost_minor, currency) if milestone.lost_minor else None,
    )


def _inspection_end(milestone: Milestone, records: EscrowRecords) -> datetime | None:
    of_it = (each for each in records.deadlines if each.subject_id == milestone.milestone_id)
    return next((d.due_at for d in of_it if d.kind is DeadlineKind.INSPECTION), None)


def deadline_message(deadline: Deadline) -> pb.Deadline:
    of = deadline.subject_id
    of_proposal = deadline.kind is DeadlineKind.ANSWER
    of_chargeback = deadline.kind is DeadlineKind.EVIDENCE
    of_dispute = deadline.kind is DeadlineKind.DISPUTE
    of_another = of_proposal or of_chargeback or of_dispute
    of_milestone = of != deadline.escrow_id and not of_another
    return pb.Deadline(
        id=deadline.public_id,
        kind=pb.DeadlineKind.Value(f"DEADLINE_KIND_{deadline.kind}"),
        milestone_id=ids.show(ids.MILESTONE, of) if of_milestone else "",
        proposal_id=ids.show(ids.PROPOSAL, of) if of_proposal else "",
        chargeback_id=ids.show(ids.CHARGEBACK, of) if of_chargeback else "",
        dispute_id=ids.show(ids.DISPUTE, of) if of_dispute else "",
        start_time=timestamp(deadline.starts_at),
        due_time=timestamp(deadline.due_at),
        act_time=timestamp(deadline.act_at),
        warned_percent=deadline.warned_percent,
        refusal=deadline.refusal or "",
    )


def proposal_message(proposal: Proposal, records: EscrowRecords) -> pb.Proposal:
    about, currency = proposal.deadline_id, records.escrow.currency
    changes = changes_of(proposal)
    return pb.Proposal(
        id=proposal.public_id,
        kind=pb.ProposalKind.Value(f"PROPOSAL_KIND_{proposal.kind}"),
        state=pb.ProposalState.Value(f"PROPOSAL_STATE_{proposal.state}"),
        proposed_by=proposal.proposed_by,
        reason=proposal.reason,
        milestone_ids=proposal.milestone_ids,
        deadline_id=ids.show(ids.DEADLINE, about) if about else "",
        due_time=timestamp(proposal.due_at),
        create_time=timestamp(proposal.created_at),
        changes=[change_message(each, currency) for each in changes],
        amended_quote=_amended_quote(changes, records) if changes and proposal.is_open else None,
    )


def _amended_quote(changes: Sequence[Change], records: EscrowRecords) -> pb.FeeQuote:
    """What the whole escrow would cost."""
    escrow = records.escrow
    fees = {m.milestone_id: _fees(m) for m in records.milestones}
    fees |= {each.milestone_id: each.after.fees for each in changes}
    return quote_message(fees.values(), escrow.currency, escrow.policy_version, escrow.conversion)


def change_message(change: Change, currency: str) -> pb.MilestoneChange:
    return pb.MilestoneChange(
        milestone_id=ids.show(ids.MILESTONE, change.milestone_id),
        title=change.title,
        before=_terms_message(change.before, currency) if change.before else None,
        after=_terms_message(change.after, currency),
    )


def _terms_message(terms: Terms, currency: str) -> pb.MilestoneTerms:
    return pb.MilestoneTerms(
        amount=money(terms.fees.amount_minor, currency),
        payer_fee=money(terms.fees.payer_fee_minor, currency),
        payee_fee=money(terms.fees.payee_fee_minor, currency),
        due_time=timestamp(terms.due_at),
        payees=[
            pb.MilestonePayee(
                payee_id=ids.show(ids.PAYEE, part.payee_id),
                amount=money(part.amount_minor, currency),
                payee_fee=money(part.payee_fee_minor, currency),
                basis_points=part.basis_points,
            )
            for part in terms.parts
        ],
    )


def refunded_message(case: EscrowCase, refunds: Sequence[Refund]) -> pb.Refunded | None:
    """What a cancellation gives back; None where nothing was held."""
    if not refunds:
        return None
    amount_minor = sum(refund.amount_minor for refund in refunds)
    return pb.Refunded(
        refund_ids=[refund.public_id for refund in refunds],
        amount=money(amount_minor, case.escrow.currency),
    )


def _payee_messages(milestone: Milestone, records: EscrowRecords) -> list[pb.MilestonePayee]:
    """One for each payee, however many parts of it they have; none where nothing is left of theirs,
    for an operator gave it to another.
    """
    by_payee: dict[UUID, list[MilestonePayee]] = {}
    for part in payees_of(records, milestone.milestone_id):
        if part.amount_minor:
            by_payee.setdefault(part.payee_id, []).append(part)
    return [_payee_message(parts, milestone, records) for parts in by_payee.values()]


def _payee_message(
    parts: Sequence[MilestonePayee], milestone: Milestone, records: EscrowRecords
) -> pb.MilestonePayee:
    currency, payee_id = records.escrow.currency, parts[0].payee_id
    releases = [r for r in _releases_of(milestone, records) if r.payee_id == payee_id]
    held_minor = sum(part.left_minor for part in parts) if milestone.held_minor else 0
    waiting = [release for release in releases if release.state is ReleaseState.WAITING]
    whole = {p.position: p.payee_id for p in payees_of(records, milestone.milestone_id)}
    before = [whole[p.redirected_from] for p in parts if p.redirected_from in whole]
    return pb.MilestonePayee(
        payee_id=ids.show(ids.PAYEE, payee_id),
        amount=money(sum(part.amount_minor for part in parts), currency),
        payee_fee=money(sum(part.payee_fee_minor for part in parts), currency),
        held=money(held_minor, currency),
        released=money(sum(release.amount_minor for release in releases), currency),
        transferred=money(
            sum(
                (release.sent_minor or 0) - release.recalled_minor
                for release in releases
                if release.state is ReleaseState.TRANSFERRED
            ),
            currency,
        ),
        waiting_for=in_words(of_transfer(waiting, records)) if waiting else "",
        basis_points=parts[0].basis_points,
        redirected_from_payee_id=ids.show(ids.PAYEE, before[0]) if before else "",
    )


def _releases_of(milestone: Milestone, records: EscrowRecords) -> list[Release]:
    return [r for r in records.releases if r.milestone_id == milestone.milestone_id]


def _freeze_message(freeze: Freeze, currency: str) -> pb.Freeze:
    return pb.Freeze(
        id=freeze.public_id,
        amount=money(freeze.amount_minor, currency),
        beyond=money(freeze.beyond_minor, currency),
        reason=pb.FreezeReason.Value(f"FREEZE_REASON_{freeze.reason}"),
        source=freeze.source,
        create_time=timestamp(freeze.created_at),
    )

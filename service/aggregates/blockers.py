"""What an escrow waits for: every blocker with its rule, and who can clear it.

Made of the records that the guards of the operations read. The API says the same in GetEscrow, in
ExplainEscrow and in its refusals, and the command line in ``escrow show``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from service.aggregates.amendment import takes_time
from service.aggregates.deadlines import funded_at
from service.aggregates.freeze import NOT_OF_STRIPE, stops_transfers
from service.aggregates.release import DOES_NOT_FIT
from service.aggregates.split import payees_of
from service.domain.amendment import changes_of
from service.domain.blocker import Blocker, Rule
from service.domain.call import Party
from service.domain.cancellation import is_missed
from service.domain.records.chargeback import Chargeback
from service.domain.records.dispute import Dispute
from service.domain.records.escrow import Milestone
from service.domain.records.freeze import Freeze, FreezeReason
from service.domain.records.parties import Payee
from service.domain.records.payment import Payment
from service.domain.records.proposal import Proposal, ProposalKind
from service.domain.records.receivable import REVERSED_AT_STRIPE, Receivable
from service.domain.records.refund import Refund
from service.domain.records.release import Release
from service.domain.states.chargeback import ChargebackState
from service.domain.states.dispute import DisputeState
from service.domain.states.milestone import MilestoneState
from service.domain.states.payee import PayeeState
from service.domain.states.payment import PAYMENT_ENDED, PaymentState
from service.domain.states.receivable import ReceivableState
from service.domain.states.refund import RefundState
from service.domain.states.release import ReleaseState
from service.store.tables import EscrowRecords

PAYER, PAYEE, OPERATOR = Party.PAYER, Party.PAYEE, Party.OPERATOR
Clears = Mapping[Party, Sequence[str]]

BY_STATE: Mapping[MilestoneState, tuple[Rule, str, Clears]] = {
    MilestoneState.AWAITING_FUNDS: (
        Rule.PAYMENT,
        "the payer to pay",
        {PAYER: ("FundEscrow",), OPERATOR: ("FundEscrow",)},
    ),
    MilestoneState.FUNDED: (Rule.DELIVERY, "the payee to deliver", {PAYEE: ("SubmitDelivery",)}),
    MilestoneState.DELIVERED: (
        Rule.ACCEPTANCE,
        "the payer to accept",
        {PAYER: ("AcceptDelivery", "RequestChanges"), OPERATOR: ("ReleaseMilestone",)},
    ),
    MilestoneState.REFUNDING: (Rule.REFUND, "the refund to reach the payer (ListRefunds)", {}),
}
"""What a milestone waits for in its state; a refund that is under way has a blocker of its own."""

UNDER_WAY: Mapping[PaymentState, tuple[str, Clears]] = {
    PaymentState.CREATING: ("Stripe to make the payment", {}),
    PaymentState.PROCESSING: ("the payer's bank, whose payment is under way", {}),
    PaymentState.REQUIRES_CAPTURE: (
        "the payment to be captured",
        {PAYER: ("CapturePayment", "CancelPayment"), OPERATOR: ("CapturePayment", "CancelPayment")},
    ),
}
_TO_PAY = (
    "the payer to finish the payment that is open (GetPayment)",
    {PAYER: ("GetPayment", "CancelPayment"), OPERATOR: ("CancelPayment",)},
)

FROZEN_BY = {
    FreezeReason.REFUND: "a refund made at Stripe",
    FreezeReason.CHARGEBACK: "a dispute of the payment",
    FreezeReason.EARLY_FRAUD_WARNING: "a warning of fraud",
    FreezeReason.TRANSFER_REVERSED: "the reversal of a transfer at Stripe",
    FreezeReason.UNEXPLAINED: "a movement at Stripe that nobody has explained",
    FreezeReason.DISPUTE: "a dispute between the parties",
    FreezeReason.RISK: "an operator's suspicion",
    FreezeReason.LEGAL: "a legal demand",
    FreezeReason.KYC: "a check of somebody's identity",
    FreezeReason.ADMIN: "an operator",
}

ADOPTS: Mapping[FreezeReason, Sequence[str]] = {
    FreezeReason.REFUND: ("AdoptRefund",),
    FreezeReason.TRANSFER_REVERSED: ("AdoptReversal",),
}
"""What adopts what caused a freeze."""

FOR_PAYEE: Mapping[PayeeState, tuple[str, Clears]] = {
    PayeeState.NONE: ("Stripe to make the payee's account", {}),
    PayeeState.ONBOARDING: (
        "the payee to finish onboarding",
        {PAYEE: ("CreateOnboardingLink",)},
    ),
    PayeeState.RESTRICTED: (
        "the payee to give Stripe what it asks for",
        {PAYEE: ("CreateOnboardingLink",)},
    ),
    PayeeState.REJECTED: (
        "another account of the payee's, for Stripe has rejected this one (ReplacePayeeAccount)",
        {PAYEE: ("ReplacePayeeAccount",), OPERATOR: ("ReplacePayeeAccount",)},
    ),
    PayeeState.DEAUTHORIZED: (
        (
            "another account of the payee's, who has taken access to this one away"
            " (ReplacePayeeAccount)"
        ),
        {PAYEE: ("ReplacePayeeAccount",), OPERATOR: ("ReplacePayeeAccount",)},
    ),
}
_DATA_REFUSED = (
    "the payee's data to be corrected, for Stripe refused them (UpdatePayee)",
    {PAYEE: ("UpdatePayee",), OPERATOR: ("UpdatePayee",)},
)

FOR_REFUND: Mapping[RefundState, str] = {
    RefundState.REQUESTED: "Stripe to take the refund",
    RefundState.PENDING: "Stripe to pay the payer",
    RefundState.REQUIRES_ACTION: "the payer to give Stripe their bank details",
    RefundState.FAILED: "an operator to say what becomes of it (ResolveRefund)",
}

ANSWERS: Mapping[ProposalKind, tuple[str, str]] = {
    ProposalKind.CANCELLATION: ("ApproveCancellation", "DeclineCancellation"),
    ProposalKind.EXTENSION: ("ExtendDeadline", "DeclineExtension"),
    ProposalKind.AMENDMENT: ("AcceptAmendment", "DeclineAmendment"),
}
"""By which methods a proposal is agreed to, and declined or withdrawn."""


def blockers_of(records: EscrowRecords) -> list[Blocker]:
    """All of an escrow: milestone by milestone, then what is asked, on its way back, and owed."""
    found: list[Blocker] = []
    for milestone in records.milestones:
        of_it = list(of_milestone(milestone, records))
        named = {each.subject for each in of_it}
        frozen = of_freezes(freezes_of(milestone, records), records)
        of_it += [each for each in frozen if each.subject not in named]
        found += [replace(each, milestone_id=milestone.milestone_id) for each in of_it]
    found += [of_proposal(each, records) for each in records.proposals if each.is_open]
    found += [of_refund(each) for each in records.refunds if each.state in FOR_REFUND]
    ours = records.escrow.escrow_id
    found += [of_debt(each) for each in records.receivables if each.escrow_id == ours]
    return found


def of_milestone(milestone: Milestone, records: EscrowRecords) -> Iterator[Blocker]:
    """What stands between a milestone and its next state; nothing at its end."""
    if milestone.held_minor and not milestone.releasable_minor:
        yield from of_freezes(freezes_of(milestone, records), records)
    elif milestone.state is MilestoneState.RELEASING:
        yield from _of_releases(milestone, records)
    elif payment := _open_payment(milestone, records):
        description, clears = UNDER_WAY.get(payment.state, _TO_PAY)
        yield Blocker(payment.public_id, description, Rule.PAYMENT_UNDER_WAY, clears)
    elif by_state := BY_STATE.get(milestone.state):
        rule, description, clears = by_state
        if rule is Rule.DELIVERY:
            description += _missed(milestone, records)
        yield Blocker(milestone.public_id, description, rule, clears)


def _missed(milestone: Milestone, records: EscrowRecords) -> str:
    """Of a due date that had passed when the escrow changed last, as it does when one is missed.
    What was delivered once, and sent back, may have been in time.
    """
    due_at, now = milestone.due_at, records.escrow.updated_at
    if due_at is None or not is_missed(due_at, funded_at(records, milestone), now):
        return ""
    was_due = f"{due_at:%Y-%m-%d %H:%M:%S} UTC"
    if milestone.is_sent_back:
        return f" again: it was due {was_due}"
    return f": it was due {was_due}, and is late"


def _open_payment(milestone: Milestone, records: EscrowRecords) -> Payment | None:
    if milestone.state is not MilestoneState.AWAITING_FUNDS:
        return None
    of_it = (each for each in records.payments if each.payment_id == milestone.payment_id)
    payment = next(of_it, None)
    return None if payment is None or payment.state in PAYMENT_ENDED else payment


def _of_releases(milestone: Milestone, records: EscrowRecords) -> Iterator[Blocker]:
    ours = [r for r in records.releases if r.milestone_id == milestone.milestone_id]
    unfit = next((release for release in ours if release.refusal_code == DOES_NOT_FIT), None)
    if unfit:
        yield Blocker(
            unfit.public_id,
            "an operator: Stripe's answer to the transfer does not fit (RetryEffect)",
            Rule.ANSWER_DOES_NOT_FIT,
            {OPERATOR: ("RetryEffect", "SettleEffect", "RejectEffect")},
        )
        return
    waiting: dict[UUID, list[Release]] = {}
    for release in ours:
        if release.state is ReleaseState.WAITING:
            waiting.setdefault(release.payee_id, []).append(release)
    split = bool(payees_of(records, milestone.milestone_id))
    for payee_id, theirs in waiting.items():
        for each in of_transfer(theirs, records):
            yield replace(each, payee_id=payee_id if split else None)
    if not waiting:
        yield Blocker(milestone.public_id, "Stripe to confirm the transfer", Rule.TRANSFER)


def of_transfer(waiting: Sequence[Release], records: EscrowRecords) -> list[Blocker]:
    """What the released parts of one payee wait for, of one milestone."""
    payment_id = waiting[0].payment_id
    if stops_transfers(records, payment_id):
        ours = [each for each in records.freezes if each.payment_id == payment_id]
        return list(of_freezes(ours, records))
    payee = records.payees[waiting[0].payee_id]
    if payee.state is not PayeeState.ACTIVE:
        return [of_payee(payee)]
    payments = {payment.payment_id: payment for payment in records.payments}
    if not payments[payment_id].confirmed:
        subject = payments[payment_id].public_id
        return [Blocker(subject, "Stripe to settle the payment", Rule.SETTLEMENT)]
    code, subject = waiting[0].refusal_code, payee.public_id
    if code in NOT_OF_STRIPE:
        return [Blocker(subject, "the transfer", Rule.TRANSFER)]
    again = f"the next try of a transfer that Stripe refused ({code})"
    return [Blocker(subject, again, Rule.TRANSFER_REFUSED, {OPERATOR: ("RedirectShare",)})]


def of_payee(payee: Payee) -> Blocker:
    """What is waited for before a payee can be paid who is not ACTIVE."""
    description, clears = FOR_PAYEE[payee.state]
    if payee.state is PayeeState.REJECTED and payee.stripe_account is None:
        description, clears = _DATA_REFUSED
    clears = {**clears, OPERATOR: (*clears.get(OPERATOR, ()), "RedirectShare")}
    return Blocker(payee.public_id, description, Rule.PAYEE_NOT_READY, clears)


def freezes_of(milestone: Milestone, records: EscrowRecords) -> list[Freeze]:
    """Those that are open."""
    ours = milestone.milestone_id
    return [each for each in records.freezes if each.is_open and each.milestone_id == ours]


def of_freezes(freezes: Iterable[Freeze], records: EscrowRecords) -> Iterator[Blocker]:
    disputes = {each.stripe_dispute: each for each in records.chargebacks}
    for each in freezes:
        if each.reason is FreezeReason.DISPUTE:
            yield from _of_dispute(each, records)
        elif each.is_open:
            known = disputes.get(each.source)
            lost = known is not None and known.state is ChargebackState.LOST
            first = ("SettleChargeback",) if lost else ADOPTS.get(each.reason, ())
            yield Blocker(
                each.public_id,
                _for_chargeback(known) if known else _for_operator(each),
                Rule.FREEZE,
                {OPERATOR: (*first, "LiftFreeze")},
            )


def _of_dispute(freeze: Freeze, records: EscrowRecords) -> Iterator[Blocker]:
    """Of a freeze of the parties, who move on. What others have frozen blocks it beside."""
    found = (each for each in records.disputes if each.public_id == freeze.source and each.is_open)
    for dispute in found:
        yield Blocker(
            dispute.public_id, *TURN[dispute.state](dispute), milestone_id=dispute.milestone_id
        )


def _to_answer(dispute: Dispute) -> tuple[str, Rule, Clears]:
    other, opener = dispute.other_party, dispute.opened_by
    says = f"the {other} to answer the dispute that the {opener} has opened"
    answers = {other: ("RespondToDispute",), opener: ("WithdrawDispute",)}
    return says, Rule.DISPUTE, {**answers, OPERATOR: ("ResolveDispute",)}


def _to_agree(dispute: Dispute) -> tuple[str, Rule, Clears]:
    mediated = dispute.state is DisputeState.MEDIATION
    says = "an operator to decide the dispute, or" if mediated else "the dispute:"
    clears: dict[Party, list[str]] = {}
    for party in (PAYER, PAYEE):
        clears[party] = ["ProposeDisputeSplit"]
        if dispute.offer_by not in (None, party):
            clears[party].append("AcceptDisputeSplit")
        if not mediated:
            clears[party].append("RequestMediation")
    clears[dispute.opened_by].append("WithdrawDispute")
    return (
        f"{says} the payer and the payee to agree on a split",
        Rule.DISPUTE,
        {**clears, OPERATOR: ["ResolveDispute"]},
    )


TURN: Mapping[DisputeState, Callable[[Dispute], tuple[str, Rule, Clears]]] = {
    DisputeState.OPEN: _to_answer,
    DisputeState.NEGOTIATION: _to_agree,
    DisputeState.MEDIATION: _to_agree,
}
"""What a dispute waits for in its state."""


def _for_operator(freeze: Freeze) -> str:
    return f"an operator to lift the freeze: {FROZEN_BY[freeze.reason]} ({freeze.source})"


def _for_chargeback(known: Chargeback) -> str:
    named = f"chargeback {known.public_id} ({known.stripe_dispute})"
    if known.state is ChargebackState.LOST:
        return f"an operator to say who bears it: {named} is lost (SettleChargeback)"
    if known.is_over:
        return f"Stripe to give back what {named} took, or an operator to lift the freeze"
    return f"the payer's bank to decide {named}, or an operator to lift the freeze"


def of_proposal(proposal: Proposal, records: EscrowRecords) -> Blocker:
    agrees, declines = ANSWERS[proposal.kind]
    now = records.escrow.updated_at
    changes = () if proposal.proposed_by is PAYEE else changes_of(proposal)
    needs_payee = any(takes_time(records, each, now) for each in changes)
    asks = proposal.proposed_by
    other = PAYEE if asks is PAYER else PAYER
    return Blocker(
        proposal.public_id,
        f"the {other} to answer what the {asks} asks",
        Rule.PROPOSAL,
        {
            other: (agrees, declines),
            OPERATOR: (declines,) if needs_payee else (agrees, declines),
            asks: (declines,),
        },
    )


def of_refund(refund: Refund) -> Blocker:
    """A refund that is under way, or failed."""
    failed = refund.state is RefundState.FAILED
    why = f" ({refund.failure_code})" if refund.failure_code else ""
    return Blocker(
        refund.public_id,
        f"{FOR_REFUND[refund.state]}{why}",
        Rule.REFUND_FAILED if failed else Rule.REFUND,
        {OPERATOR: ("ResolveRefund",)} if failed else {},
    )


def of_debt(debt: Receivable) -> Blocker:
    """What a payee owes, or is giving back at this moment."""
    if debt.state is ReceivableState.REVERSING:
        return Blocker(debt.public_id, "Stripe to reverse the payee's transfer", Rule.DEBT)
    if debt.refusal_code == REVERSED_AT_STRIPE:
        return Blocker(
            debt.public_id,
            "an operator: their transfer was reversed at Stripe, and nobody has said what for",
            Rule.DEBT,
            {OPERATOR: ("AdoptReversal", "WriteOffReceivable")},
        )
    if debt.release_id is None:
        return Blocker(
            debt.public_id,
            "the payee: what they get next pays the fee of a lost chargeback",
            Rule.DEBT,
            {OPERATOR: ("WriteOffReceivable",)},
        )
    at = f"{debt.recover_at:%Y-%m-%d %H:%M:%S} UTC" if debt.recover_at else ""
    again = f", asked again {at}" if at else ""
    why = f" ({debt.refusal_code})" if debt.refusal_code else ""
    netted = "" if debt.converts else ", or what they get next"
    return Blocker(
        debt.public_id,
        f"the payee: their account at Stripe{again}{why}{netted}",
        Rule.DEBT,
        {OPERATOR: ("WriteOffReceivable",)},
    )

"""What is known of an escrow, in the messages of ExplainEscrow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from escrow.v1 import explanation_pb2 as pb
from service.domain import ids
from service.domain.accounts import DEBIT, UnknownAccount, account_named, normal_side
from service.domain.blocker import Blocker, Rule
from service.domain.call import Party
from service.domain.cancellation import silence_approves
from service.domain.dispute import silence_grants
from service.domain.policy import Policy, UndecidedDispute
from service.domain.records.deadline import Deadline, DeadlineKind
from service.domain.records.dispute import Dispute
from service.domain.records.effect import Effect
from service.domain.records.escrow import Milestone
from service.domain.states.dispute import DisputeState
from service.operations.messages import money, timestamp
from service.operations.operators.messages import effect_message
from service.store.explained import Movement
from service.store.tables import EscrowRecords


def standing_message(milestone: Milestone, currency: str) -> pb.MilestoneStanding:
    return pb.MilestoneStanding(
        milestone_id=milestone.public_id,
        title=milestone.title,
        state=milestone.state,
        amount=money(milestone.amount_minor, currency),
        held=money(milestone.held_minor, currency),
        frozen=money(milestone.frozen_minor, currency),
    )


def account_messages(movements: Iterable[Movement]) -> Iterator[pb.AccountStanding]:
    """One for each account and currency, in the order of the movements."""
    for (account, currency), of_it in groupby(movements, lambda m: (m.account, m.currency)):
        listed = [_movement_message(each) for each in of_it]
        balance = sum(each.came.amount_minor - each.went.amount_minor for each in listed)
        yield pb.AccountStanding(
            account=account,
            meaning=_meaning(account),
            balance=money(balance, currency),
            movements=listed,
        )


def _meaning(account: str) -> str:
    try:
        return account_named(account).meaning
    except UnknownAccount:  # of another version; `escrow verify` says so
        return ""


def _movement_message(moved: Movement) -> pb.AccountMovement:
    came, went = moved.debit_minor, moved.credit_minor
    if normal_side(moved.account) != DEBIT:
        came, went = went, came
    return pb.AccountMovement(
        journal_kind=moved.kind,
        journals=moved.journals,
        came=money(came, moved.currency),
        went=money(went, moved.currency),
        first_time=timestamp(moved.first_at),
        last_time=timestamp(moved.last_at),
    )


def blocker_message(blocker: Blocker) -> pb.Blocker:
    milestone_id, payee_id = blocker.milestone_id, blocker.payee_id
    return pb.Blocker(
        subject=blocker.subject,
        rule=blocker.rule or "",
        description=blocker.description,
        remedies=[
            pb.Remedy(party=party, methods=methods)
            for party, methods in blocker.clears.items()
            if methods
        ],
        milestone_id=ids.show(ids.MILESTONE, milestone_id) if milestone_id else "",
        payee_id=ids.show(ids.PAYEE, payee_id) if payee_id else "",
    )


def blocker_of_effect(effect: Effect) -> Blocker:
    """A call to Stripe on which a person has to decide."""
    shown = effect_message(effect)
    methods = ("RetryEffect", "SettleEffect", "RejectEffect")
    return Blocker(
        effect.public_id, shown.waiting_for, Rule.ANSWER_DOES_NOT_FIT, {Party.OPERATOR: methods}
    )


def call_message(effect: Effect) -> pb.OpenCall:
    shown = effect_message(effect)
    return pb.OpenCall(
        effect_id=shown.id,
        kind=shown.kind,
        state=effect.state,
        waiting_for=shown.waiting_for,
        problem=shown.problem,
        due_time=shown.due_time,
    )


THEN = {
    DeadlineKind.PAYMENT: "what nobody has paid for expires",
    DeadlineKind.DELIVERY: "nothing was delivered by then: the payer may cancel it",
    DeadlineKind.INSPECTION: "what is held and not frozen is released",
    DeadlineKind.EVIDENCE: "Stripe takes no more evidence, of which operators are warned",
    DeadlineKind.HOLD_LIMIT: "Stripe lets it be held no longer, of which people are warned",
}


def timer_messages(records: EscrowRecords, policy: Policy) -> list[pb.Timer]:
    """What happens by itself, the next first; what has nothing left to do comes last."""
    listed = sorted(records.deadlines, key=lambda each: (each.act_at is None, each.act_at))
    return [_timer_message(each, records, policy) for each in listed]


def _then_of_dispute(dispute: Dispute, policy: Policy) -> str:
    opener_wins = silence_grants(dispute, policy.unanswered_dispute)
    if dispute.state is DisputeState.OPEN and opener_wins:
        return "nobody has answered the dispute: it ends as who opened it asks, by the policy"
    if dispute.state is DisputeState.MEDIATION:
        gets = {
            UndecidedDispute.PAYER: "all to the payer",
            UndecidedDispute.PAYEE: "all to the payees",
            UndecidedDispute.HALVES: "half to the payer and half to the payees",
        }
        return f"nobody has decided the dispute: {gets[policy.undecided_dispute]}, by the policy"
    return "the dispute goes to mediation: an operator decides"


def _timer_message(deadline: Deadline, records: EscrowRecords, policy: Policy) -> pb.Timer:
    subject, then = deadline.subject_id, THEN.get(deadline.kind, "")
    prefix = ids.ESCROW if subject == deadline.escrow_id else ids.MILESTONE
    if deadline.kind is DeadlineKind.DELIVERY:
        due = next(m for m in records.milestones if m.milestone_id == subject)
        then = "it was not delivered again by then" if due.is_sent_back else then
    if deadline.kind is DeadlineKind.EVIDENCE:
        prefix = ids.CHARGEBACK
    if deadline.kind is DeadlineKind.DISPUTE:
        prefix = ids.DISPUTE
        argued = next(d for d in records.disputes if d.dispute_id == subject)
        then = _then_of_dispute(argued, policy)
    if deadline.kind is DeadlineKind.ANSWER:
        prefix, then = ids.PROPOSAL, "what was asked lapses"
        asked = next(p for p in records.proposals if p.proposal_id == subject)
        if silence_approves(policy.unanswered_cancellation, asked, records.milestones):
            then = "the cancellation is approved, by the policy"
    return pb.Timer(
        deadline_id=deadline.public_id,
        subject=ids.show(prefix, subject),
        then=then,
        due_time=timestamp(deadline.due_at),
        act_time=timestamp(deadline.act_at),
        refusal=deadline.refusal or "",
    )

"""What each party can do with an escrow now: THE list of what is tried, and the trying of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any, NamedTuple
from uuid import UUID

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from escrow.v1 import agreement_service_pb2 as agreement_pb
from escrow.v1 import chargeback_service_pb2 as chargeback_pb
from escrow.v1 import dispute_service_pb2 as dispute_pb
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import explanation_pb2 as explanation_pb
from escrow.v1 import refund_service_pb2 as refund_pb
from service.access import access_of
from service.aggregates.disputed import disputed_minor
from service.aggregates.split import payees_of
from service.domain import ids
from service.domain.amendment import MOST_MILESTONES
from service.domain.call import Call, Party
from service.domain.errors import Precondition
from service.domain.policy import Policy
from service.domain.records.dispute import Dispute
from service.domain.records.escrow import Milestone
from service.domain.records.freeze import FreezeReason
from service.domain.records.proposal import ProposalKind
from service.domain.states.dispute import DisputeState
from service.domain.states.milestone import MILESTONE, MilestoneEvent, MilestoneState
from service.domain.states.payee import PayeeState
from service.domain.states.payment import PAYMENT, PAYMENT_ENDED, PaymentEvent
from service.domain.states.refund import RefundState
from service.operations.agreements.accept_amendment import accept_amendment
from service.operations.agreements.approve_cancellation import approve_cancellation
from service.operations.agreements.decline_amendment import decline_amendment
from service.operations.agreements.decline_cancellation import decline_cancellation
from service.operations.agreements.decline_extension import decline_extension
from service.operations.agreements.extend_deadline import extend_deadline
from service.operations.agreements.extendable import AT_MOST, OF_THE_PARTIES
from service.operations.agreements.propose_amendment import propose_amendment
from service.operations.agreements.request_cancellation import request_cancellation
from service.operations.agreements.request_extension import request_extension
from service.operations.chargebacks.settle_chargeback import settle_chargeback
from service.operations.disputes.accept_dispute_split import accept_dispute_split
from service.operations.disputes.open_dispute import open_dispute
from service.operations.disputes.propose_dispute_split import propose_dispute_split
from service.operations.disputes.request_mediation import request_mediation
from service.operations.disputes.resolve_dispute import resolve_dispute
from service.operations.disputes.respond_to_dispute import respond_to_dispute
from service.operations.disputes.withdraw_dispute import withdraw_dispute
from service.operations.escrows.accept_delivery import accept_delivery
from service.operations.escrows.cancel_escrow import cancel_escrow
from service.operations.escrows.lift_freeze import lift_freeze
from service.operations.escrows.place_freeze import place_freeze
from service.operations.escrows.redirect_share import redirect_share
from service.operations.escrows.release_milestone import release_milestone
from service.operations.escrows.request_changes import request_changes
from service.operations.escrows.submit_delivery import submit_delivery
from service.operations.explanation.messages import blocker_message
from service.operations.explanation.rehearsal import (
    Operation,
    Outcome,
    asks,
    rehearsal_of,
    rehearse,
)
from service.operations.messages import timestamp
from service.operations.payments.fund_escrow import fund_escrow
from service.operations.refunds.adopt_reversal import adopt_reversal
from service.operations.refunds.refund_milestone import refund_milestone
from service.operations.refunds.resolve_refund import resolve_refund
from service.runtime import Runtime
from service.store.tables import EscrowRecords

ME = MilestoneEvent
PARTIES = (Party.PAYER, Party.PAYEE)
HELD = frozenset({MilestoneState.FUNDED, MilestoneState.DELIVERED})
MOST_TRIED = 20
TRIES_AT_ONCE = 10
A_LITTLE = timedelta(seconds=1)
AT_END = frozenset({MilestoneState.CANCELED, MilestoneState.EXPIRED, MilestoneState.REFUNDED})
"""Where nobody can do anything any more; what was released can still be refunded."""

_SERVICES: Sequence[ServiceDescriptor] = tuple(
    file.DESCRIPTOR.services_by_name[name]
    for file, name in (
        (pb, "EscrowService"),
        (refund_pb, "RefundService"),
        (agreement_pb, "AgreementService"),
        (chargeback_pb, "ChargebackService"),
        (dispute_pb, "DisputeService"),
    )
)
_METHODS = {method.name: method for service in _SERVICES for method in service.methods}
_ACCESS = {name: access_of(method) for name, method in _METHODS.items()}


class OfMilestone(NamedTuple):
    """A method that acts on a milestone. In a state, and for a party, for which the table of states
    has none of the ``events``, it is refused whatever else there is, and is not tried.
    """

    method: str
    operation: Operation
    events: Sequence[MilestoneEvent]
    dry_run: bool = False


OF_MILESTONE = (
    OfMilestone("FundEscrow", fund_escrow, (ME.START_PAYMENT,)),
    OfMilestone("SubmitDelivery", submit_delivery, (ME.DELIVER,)),
    OfMilestone("AcceptDelivery", accept_delivery, (ME.ACCEPT,)),
    OfMilestone("RequestChanges", request_changes, (ME.REQUEST_CHANGES,)),
    OfMilestone("ReleaseMilestone", release_milestone, (ME.RELEASE,)),
    OfMilestone("RefundMilestone", refund_milestone, (ME.REFUND_PART,)),
    # Its dry run: without it a payment that is open would be ended at Stripe.
    OfMilestone("CancelEscrow", cancel_escrow, (ME.CANCEL, ME.CANCEL_PAID), dry_run=True),
    OfMilestone("RequestCancellation", request_cancellation, (ME.CANCEL, ME.CANCEL_PAID)),
)

Requests = Callable[[EscrowRecords], Iterable[tuple[str, dict[str, Any]]]]


class OfEscrow(NamedTuple):
    """A method that acts on something else of an escrow: ``requests`` says on what, and how it is
    asked.
    """

    method: str
    operation: Operation
    requests: Requests


def _freezes(records: EscrowRecords) -> Iterator[tuple[str, dict[str, Any]]]:
    for each in records.freezes:
        if each.is_open:
            yield each.public_id, {"freeze_id": each.public_id}


def _freezable(records: EscrowRecords) -> Iterator[tuple[str, dict[str, Any]]]:
    for each in records.milestones:
        if each.releasable_minor:
            reason = {"freeze_reason": pb.FREEZE_REASON_ADMIN}
            yield each.public_id, {"milestone_id": each.public_id, **reason}


def _proposals(kind: ProposalKind, **facts: Any) -> Requests:  # noqa: ANN401  a request's
    def requests(records: EscrowRecords) -> Iterator[tuple[str, dict[str, Any]]]:
        for each in records.proposals:
            if each.is_open and each.kind is kind:
                yield each.public_id, {"proposal_id": each.public_id, **facts}

    return requests


def _extensions(records: EscrowRecords) -> Iterator[tuple[str, dict[str, Any]]]:
    for each in records.proposals:
        if each.is_open and each.kind is ProposalKind.EXTENSION and each.deadline_id:
            deadline_id = ids.show(ids.DEADLINE, each.deadline_id)
            due_time = timestamp(each.due_at)
            yield each.public_id, {"deadline_id": deadline_id, "due_time": due_time}


def _failed_refunds(records: EscrowRecords) -> Iterator[tuple[str, dict[str, Any]]]:
    for each in records.refunds:
        if each.state is RefundState.FAILED:
            resolution = {"resolution": refund_pb.REFUND_RESOLUTION_SEND_AGAIN}
            yield each.public_id, {"refund_id": each.public_id, **resolution}


def _reversals(records: EscrowRecords) -> Iterator[tuple[str, dict[str, Any]]]:
    """What the reversal was for is asked of Stripe, whatever an operator says."""
    for each in records.freezes:
        if each.is_open and each.reason is FreezeReason.TRANSFER_REVERSED:
            purpose = {"purpose": refund_pb.REVERSAL_PURPOSE_GIVE_BACK}
            yield each.public_id, {"freeze_id": each.public_id, **purpose}


def _unsettled(records: EscrowRecords) -> Iterator[tuple[str, dict[str, Any]]]:
    for each in records.chargebacks:
        if each.is_unsettled:
            yield each.public_id, {"chargeback_id": each.public_id}


def _redirections(records: EscrowRecords) -> Iterator[tuple[str, dict[str, Any]]]:
    """Of a milestone one of whose payees cannot be paid, to another payee of the escrow."""
    for milestone in records.milestones:
        shares = payees_of(records, milestone.milestone_id)
        theirs = [each.payee_id for each in shares if each.amount_minor]
        named = dict.fromkeys(theirs or [records.escrow.payee_id])
        waits = [each for each in named if records.payees[each].state is not PayeeState.ACTIVE]
        others = [each for each in records.payees.values() if each.payee_id not in waits]
        if len(waits) == 1 and others:
            payees = {
                "payee_id": ids.show(ids.PAYEE, waits[0]),
                "to_payee_id": others[0].public_id,
            }
            yield milestone.public_id, {"milestone_id": milestone.public_id, **payees}


def _disputable(records: EscrowRecords) -> Iterator[tuple[str, dict[str, Any]]]:
    for each in records.milestones:
        if each.state in HELD and each.held_minor > disputed_minor(records, each):
            says = {"dispute_reason": dispute_pb.DISPUTE_REASON_OTHER, "statement": "asked"}
            yield each.public_id, {"milestone_id": each.public_id, **says}


def _disputes(of: Callable[[Dispute], dict[str, Any] | None]) -> Requests:
    """Those that are open and of which it can be asked so."""

    def requests(records: EscrowRecords) -> Iterator[tuple[str, dict[str, Any]]]:
        for each in records.disputes:
            facts = of(each) if each.is_open else None
            if facts is not None:
                yield each.public_id, {"dispute_id": each.public_id, **facts}

    return requests


def _answer(dispute: Dispute) -> dict[str, Any] | None:
    unanswered = dispute.state is DisputeState.OPEN
    return {"answer": dispute_pb.DISPUTE_ANSWER_ACCEPT} if unanswered else None


def _last_offer(dispute: Dispute) -> dict[str, Any] | None:
    return {"offer_number": dispute.offer_number} if dispute.offer_by else None


def _all_to_payer(dispute: Dispute) -> dict[str, Any]:
    return {"to_payer_minor": dispute.left_minor, "reason": "asked"}


OF_ESCROW = (
    OfEscrow("OpenDispute", open_dispute, _disputable),
    OfEscrow("RespondToDispute", respond_to_dispute, _disputes(_answer)),
    OfEscrow("ProposeDisputeSplit", propose_dispute_split, _disputes(_all_to_payer)),
    OfEscrow("AcceptDisputeSplit", accept_dispute_split, _disputes(_last_offer)),
    OfEscrow("RequestMediation", request_mediation, _disputes(lambda _: {})),
    OfEscrow("ResolveDispute", resolve_dispute, _disputes(_all_to_payer)),
    OfEscrow("WithdrawDispute", withdraw_dispute, _disputes(lambda _: {})),
    OfEscrow("LiftFreeze", lift_freeze, _freezes),
    OfEscrow("PlaceFreeze", place_freeze, _freezable),
    OfEscrow(
        "ApproveCancellation",
        approve_cancellation,
        _proposals(ProposalKind.CANCELLATION, validate_only=True),
    ),
    OfEscrow("DeclineCancellation", decline_cancellation, _proposals(ProposalKind.CANCELLATION)),
    OfEscrow("ExtendDeadline", extend_deadline, _extensions),
    OfEscrow("DeclineExtension", decline_extension, _proposals(ProposalKind.EXTENSION)),
    OfEscrow("AcceptAmendment", accept_amendment, _proposals(ProposalKind.AMENDMENT)),
    OfEscrow("DeclineAmendment", decline_amendment, _proposals(ProposalKind.AMENDMENT)),
    OfEscrow("ResolveRefund", resolve_refund, _failed_refunds),
    OfEscrow("AdoptReversal", adopt_reversal, _reversals),
    OfEscrow("SettleChargeback", settle_chargeback, _unsettled),
    OfEscrow("RedirectShare", redirect_share, _redirections),
)


class OfTerms(NamedTuple):
    """A method that asks for something to be agreed otherwise: ``requests`` says what. ``parties``
    are those for whom it is a question.
    """

    method: str
    operation: Operation
    requests: Callable[[EscrowRecords, datetime], Iterable[tuple[str, dict[str, Any]]]]
    parties: Collection[Party]


def _extendable(records: EscrowRecords, now: datetime) -> Iterator[tuple[str, dict[str, Any]]]:
    """To a little later than it is due; what is due too late for that is no question."""
    latest = now + AT_MOST
    for each in records.deadlines:
        if each.kind in OF_THE_PARTIES and each.due_at < latest:
            later = timestamp(min(max(each.due_at, now) + A_LITTLE, latest))
            yield each.public_id, {"deadline_id": each.public_id, "due_time": later}


def _amendable(records: EscrowRecords, _: datetime) -> Iterator[tuple[str, dict[str, Any]]]:
    """By one milestone more, at a price that is agreed already: it takes nothing from anybody. It
    is no question where there are as many as can be.
    """
    if len(records.milestones) < MOST_MILESTONES:
        price_minor = records.milestones[0].amount_minor
        more = agreement_pb.AddedMilestone(title="asked", amount_minor=price_minor)
        yield records.escrow.public_id, {"added": [more]}


def _not_asked_for(records: EscrowRecords, now: datetime) -> Iterator[tuple[str, dict[str, Any]]]:
    """What an operator extends by themselves: of what a party has asked for ``_extensions`` says
    it.
    """
    asked_for = {each.deadline_id for each in records.proposals if each.is_open}
    for subject, facts in _extendable(records, now):
        if ids.parse(subject) not in asked_for:
            yield subject, facts


OF_TERMS = (
    OfTerms("RequestExtension", request_extension, _extendable, PARTIES),
    OfTerms("ExtendDeadline", extend_deadline, _not_asked_for, (Party.OPERATOR,)),
    OfTerms("ProposeAmendment", propose_amendment, _amendable, (*PARTIES, Party.OPERATOR)),
)

# Stripe is asked before these decide: the table of states says for whom they are a question.
OF_PAYMENT = (
    ("CancelPayment", PaymentEvent.CANCEL),
    ("CapturePayment", PaymentEvent.CAPTURE),
)


class Try(NamedTuple):
    """A request that a party could make."""

    party: Party
    method: str
    operation: Operation
    subject: str
    request: Message


def to_try(records: EscrowRecords, named: Sequence[UUID]) -> tuple[list[Milestone], list[str]]:
    """The milestones of which it is told what can be done, and the ids of those left out."""
    open_ = [each for each in records.milestones if each.state not in AT_END]
    open_.sort(key=lambda each: each.state is MilestoneState.RELEASED)  # the others first
    chosen = [each for each in records.milestones if each.milestone_id in named] or open_
    tried = chosen[:MOST_TRIED]
    return tried, [each.public_id for each in open_ if each not in tried]


async def actions_of(
    runtime: Runtime,
    call: Call,
    records: EscrowRecords,
    milestones: Sequence[Milestone],
    limits: Policy,
) -> list[explanation_pb.Action]:
    """Party by party. ``limits`` is the newest policy, which says what waits for a second person. A
    party is not told what an operator can do, which also says where the limits are.

    Raises DatabaseUnavailable.
    """
    people = PARTIES if call.party in PARTIES else (*PARTIES, Party.OPERATOR)
    rehearsal = rehearsal_of(runtime, call, records, limits)
    ask_for = cache(partial(asks, call))
    found = []
    for number, (party, method, operation, subject, request) in enumerate(
        tries(records, milestones, people, rehearsal.clock())
    ):
        # Where there are no limits it is one call for each party, and is under none.
        ask = ask_for(party, _ACCESS[method].approvals_for(party) if limits.approvals else ())
        outcome = await rehearse(rehearsal, operation, request, ask)
        if outcome is not None:
            found.append(_action(party, method, subject, outcome))
        if number % TRIES_AT_ONCE == TRIES_AT_ONCE - 1:
            await asyncio.sleep(0)  # others are served meanwhile
    found += _of_payments(records, people)
    return sorted(found, key=lambda action: people.index(Party(action.party)))


def tries(
    records: EscrowRecords,
    milestones: Iterable[Milestone],
    people: Sequence[Party],
    now: datetime,
) -> Iterator[Try]:
    """What of these milestones, and of all else of the escrow, is a question for these people."""
    for milestone in milestones:
        yield from _tries_of(records, milestone, people)
    for method, operation, requests in OF_ESCROW:
        may = [party for party in people if party in _ACCESS[method].parties]
        yield from _tries_about(method, operation, records, requests(records), may)
    for method, operation, of_terms, parties in OF_TERMS:
        may = [party for party in people if party in parties]
        yield from _tries_about(method, operation, records, of_terms(records, now), may)


def _tries_about(
    method: str,
    operation: Operation,
    records: EscrowRecords,
    asked: Iterable[tuple[str, dict[str, Any]]],
    parties: Iterable[Party],
) -> Iterator[Try]:
    """Each of these requests by each of these parties."""
    for subject, facts in asked:
        request = _request(method, records, facts)
        for party in parties:
            yield Try(party, method, operation, subject, request)


def _tries_of(
    records: EscrowRecords, milestone: Milestone, people: Sequence[Party]
) -> Iterator[Try]:
    subject = milestone.public_id
    for (method, operation, _, dry_run), parties in _in_state(milestone.state, people):
        facts = {"milestone_id": subject, "milestone_ids": [subject], "validate_only": dry_run}
        request = _request(method, records, facts)
        for party in parties:
            yield Try(party, method, operation, subject, request)


@cache
def _in_state(
    state: MilestoneState, people: Sequence[Party]
) -> list[tuple[OfMilestone, list[Party]]]:
    """What may be tried in a state, and by whom, by the contract and the table of states."""
    open_to = MILESTONE.open_to(state)

    def may(party: Party, each: OfMilestone) -> bool:
        led_to = open_to.get(party, ())
        return party in _ACCESS[each.method].parties and not set(each.events).isdisjoint(led_to)

    tried = [(each, [party for party in people if may(party, each)]) for each in OF_MILESTONE]
    return [(each, parties) for each, parties in tried if parties]


def _request(method: str, records: EscrowRecords, facts: dict[str, Any]) -> Message:
    """The facts in the fields of the method's request that have these names."""
    made, fields = _form(method)
    given = {"escrow_id": records.escrow.public_id, **facts}
    return made(**{name: value for name, value in given.items() if name in fields})


@cache
def _form(method: str) -> tuple[type[Message], frozenset[str]]:
    """The message of a method's request, and the names of its fields."""
    made = GetMessageClass(_METHODS[method].input_type)
    return made, frozenset(made.DESCRIPTOR.fields_by_name)


def _action(party: Party, method: str, subject: str, outcome: Outcome) -> explanation_pb.Action:
    action = explanation_pb.Action(
        party=party,
        method=method,
        subject=subject,
        allowed=outcome.refusal is None,
        asks_stripe=outcome.asks_stripe,
        needs_approval=outcome.needs_approval,
    )
    if outcome.refusal is not None:
        action.refusal, action.message = outcome.refusal.reason(), outcome.refusal.message
        if isinstance(outcome.refusal, Precondition):
            action.blockers.extend(map(blocker_message, outcome.refusal.blockers))
    return action


def _of_payments(
    records: EscrowRecords, people: Sequence[Party]
) -> Iterator[explanation_pb.Action]:
    for payment in records.payments:
        if payment.state in PAYMENT_ENDED:
            continue
        open_to = PAYMENT.open_to(payment.state)
        for method, event in OF_PAYMENT:
            parties = _ACCESS[method].parties
            for party in people:
                if party in parties and event in open_to.get(party, ()):
                    outcome = Outcome(asks_stripe=True)
                    yield _action(party, method, payment.public_id, outcome)

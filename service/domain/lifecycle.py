"""THE tables of states: what may follow what, by which event, and who may cause it.

A state is assigned nowhere else. ``make docs`` prints these tables as diagrams.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

from service.domain.call import Party
from service.domain.errors import PartyNotAllowed, WrongState


class MilestoneState(StrEnum):
    """The smallest thing that is funded, delivered, accepted, released or refunded."""

    AWAITING_FUNDS = "AWAITING_FUNDS"
    FUNDED = "FUNDED"
    DELIVERED = "DELIVERED"
    RELEASING = "RELEASING"
    RELEASED = "RELEASED"
    CANCELED = "CANCELED"


class MilestoneEvent(StrEnum):
    """What can happen to a milestone."""

    START_PAYMENT = "start_payment"
    PAYMENT_SUCCEEDED = "payment_succeeded"
    DELIVER = "deliver"
    REQUEST_CHANGES = "request_changes"
    ACCEPT = "accept"
    ACCEPT_PART = "accept_part"  # a frozen part stays held
    RELEASE = "release"
    RELEASE_PART = "release_part"
    TRANSFERRED = "transferred"
    CANCEL = "cancel"


class EscrowState(StrEnum):
    """Where an escrow is, derived from its milestones."""

    AWAITING_FUNDS = "AWAITING_FUNDS"
    ACTIVE = "ACTIVE"
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"


class EffectState(StrEnum):
    """A call to Stripe that must happen exactly once."""

    PLANNED = "PLANNED"
    SENDING = "SENDING"
    UNKNOWN = "UNKNOWN"
    SUCCEEDED = "SUCCEEDED"
    REJECTED = "REJECTED"


class EffectEvent(StrEnum):
    """What can happen to an effect."""

    SEND = "send"  # a worker holds the lease; the attempt is recorded before the call
    POSTPONE = "postpone"  # certainly not executed: rate limit, refused credentials
    LOSE = "lose"  # nobody knows: timeout, 5xx, cut connection, crash
    SUCCEED = "succeed"
    REJECT = "reject"
    RENEW = "renew"  # asked for again after a rejection, under the next generation's key


class ReleaseState(StrEnum):
    """A payee's money after a release, on its way to the payee's Stripe account."""

    WAITING = "WAITING"  # in payable: the payee is not ready, or Stripe refused the transfer
    IN_FLIGHT = "IN_FLIGHT"
    TRANSFERRED = "TRANSFERRED"


class ReleaseEvent(StrEnum):
    """What can happen to a release."""

    REQUEST_TRANSFER = "request_transfer"
    TRANSFER_SUCCEEDED = "transfer_succeeded"
    TRANSFER_REJECTED = "transfer_rejected"
    NOTHING_TO_TRANSFER = "nothing_to_transfer"  # the fee took all of a very small part


S = TypeVar("S", bound=StrEnum)
V = TypeVar("V", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Edge(Generic[S]):
    """Where an event leads, and which parties may cause it."""

    to: S
    parties: frozenset[Party]


def _edge(to: S, *parties: Party) -> Edge[S]:
    return Edge(to, frozenset(parties))


M, ME = MilestoneState, MilestoneEvent
PAYER, PAYEE, OPERATOR = Party.PAYER, Party.PAYEE, Party.OPERATOR
STRIPE, TIMER, SERVICE = Party.STRIPE, Party.TIMER, Party.SERVICE

MILESTONE: Mapping[tuple[MilestoneState, MilestoneEvent], Edge[MilestoneState]] = {
    (M.AWAITING_FUNDS, ME.START_PAYMENT): _edge(M.AWAITING_FUNDS, PAYER, OPERATOR, SERVICE),
    (M.AWAITING_FUNDS, ME.PAYMENT_SUCCEEDED): _edge(M.FUNDED, STRIPE),
    (M.AWAITING_FUNDS, ME.CANCEL): _edge(M.CANCELED, PAYER, PAYEE, OPERATOR),
    (M.FUNDED, ME.DELIVER): _edge(M.DELIVERED, PAYEE),
    (M.FUNDED, ME.RELEASE): _edge(M.RELEASING, PAYER, OPERATOR),
    (M.FUNDED, ME.RELEASE_PART): _edge(M.FUNDED, PAYER, OPERATOR),
    (M.DELIVERED, ME.REQUEST_CHANGES): _edge(M.FUNDED, PAYER),
    (M.DELIVERED, ME.ACCEPT): _edge(M.RELEASING, PAYER),
    (M.DELIVERED, ME.ACCEPT_PART): _edge(M.DELIVERED, PAYER),
    (M.DELIVERED, ME.RELEASE): _edge(M.RELEASING, PAYER, OPERATOR),
    (M.DELIVERED, ME.RELEASE_PART): _edge(M.DELIVERED, PAYER, OPERATOR),
    # By whoever releases when the fee took all of the last part, so that nothing is transferred.
    (M.RELEASING, ME.TRANSFERRED): _edge(M.RELEASED, STRIPE, PAYER, OPERATOR),
}

E, EE = EffectState, EffectEvent

# The lease in store/effects.py is SEND: it has to find and to take in one statement.
EFFECT: Mapping[tuple[EffectState, EffectEvent], Edge[EffectState]] = {
    (E.PLANNED, EE.SEND): _edge(E.SENDING, STRIPE),
    (E.UNKNOWN, EE.SEND): _edge(E.SENDING, STRIPE),
    (E.SENDING, EE.SEND): _edge(E.SENDING, STRIPE),  # the lease ran out: its worker died
    (E.SENDING, EE.POSTPONE): _edge(E.PLANNED, STRIPE),
    (E.SENDING, EE.LOSE): _edge(E.UNKNOWN, STRIPE),
    (E.SENDING, EE.SUCCEED): _edge(E.SUCCEEDED, STRIPE),
    (E.UNKNOWN, EE.SUCCEED): _edge(E.SUCCEEDED, STRIPE),
    (E.SENDING, EE.REJECT): _edge(E.REJECTED, STRIPE),
    (E.UNKNOWN, EE.REJECT): _edge(E.REJECTED, STRIPE),
    (E.REJECTED, EE.RENEW): _edge(E.PLANNED, TIMER, OPERATOR, SERVICE, PAYER, PAYEE, STRIPE),
}

R, RE = ReleaseState, ReleaseEvent

RELEASE: Mapping[tuple[ReleaseState, ReleaseEvent], Edge[ReleaseState]] = {
    (R.WAITING, RE.REQUEST_TRANSFER): _edge(R.IN_FLIGHT, PAYER, OPERATOR, TIMER),
    (R.WAITING, RE.NOTHING_TO_TRANSFER): _edge(R.TRANSFERRED, PAYER, OPERATOR),
    (R.IN_FLIGHT, RE.TRANSFER_SUCCEEDED): _edge(R.TRANSFERRED, STRIPE),
    (R.IN_FLIGHT, RE.TRANSFER_REJECTED): _edge(R.WAITING, STRIPE),
}


def follow(table: Mapping[tuple[S, V], Edge[S]], state: S, event: V, party: Party) -> S:
    """The state after ``event``.

    Raises:
        WrongState: the table has no such edge.
        PartyNotAllowed: it has, but not for this party.
    """
    edge = table.get((state, event))
    if edge is None:
        raise WrongState(
            f"{event.value.replace('_', ' ')} is not possible in state {state.value}.",
            state=state.value,
            event=event.value,
        )
    if party not in edge.parties:
        allowed = ", ".join(sorted(edge.parties))
        raise PartyNotAllowed(
            f"Only {allowed} may do this ({event.value}); say who acts with the metadata key"
            " escrow-party.",
            party=party.value,
            allowed=allowed,
        )
    return edge.to


def escrow_state(milestones: Iterable[MilestoneState]) -> EscrowState:
    """Where an escrow is, given the states of all its milestones."""
    states = set(milestones)
    if states <= {M.CANCELED}:
        return EscrowState.CANCELED
    if states <= {M.CANCELED, M.RELEASED}:
        return EscrowState.COMPLETED
    if states <= {M.CANCELED, M.AWAITING_FUNDS}:
        return EscrowState.AWAITING_FUNDS
    return EscrowState.ACTIVE


class PaymentState(StrEnum):
    """A payer's payment. Stripe has no state "failed": a failed payment wants another card."""

    CREATING = "CREATING"
    REQUIRES_PAYMENT_METHOD = "REQUIRES_PAYMENT_METHOD"
    REQUIRES_ACTION = "REQUIRES_ACTION"
    PROCESSING = "PROCESSING"
    REQUIRES_CAPTURE = "REQUIRES_CAPTURE"
    SUCCEEDED = "SUCCEEDED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"


P = PaymentState

PAYMENT_RANK: Mapping[PaymentState, int] = {
    # Within one second of Stripe's clock the higher rank came later; SUCCEEDED is never left, and
    # a payment that was CANCELED can only turn out to have SUCCEEDED.
    P.CREATING: 0,
    P.REQUIRES_PAYMENT_METHOD: 1,
    P.REQUIRES_ACTION: 2,
    P.PROCESSING: 3,
    P.REQUIRES_CAPTURE: 4,
    P.REJECTED: 5,
    P.CANCELED: 6,
    P.SUCCEEDED: 7,
}
PAYMENT_ENDED = frozenset({P.SUCCEEDED, P.CANCELED, P.REJECTED})


class PaymentEvent(StrEnum):
    """What can be asked of a payment; what comes of it is for Stripe to say, except a refusal."""

    CAPTURE = "capture"
    CANCEL = "cancel"
    REJECT = "reject"


PAYMENT: Mapping[tuple[PaymentState, PaymentEvent], Edge[PaymentState]] = {
    (P.CREATING, PaymentEvent.REJECT): _edge(P.REJECTED, STRIPE),
    (P.REQUIRES_CAPTURE, PaymentEvent.CAPTURE): _edge(P.REQUIRES_CAPTURE, PAYER, OPERATOR, SERVICE),
} | {
    (state, PaymentEvent.CANCEL): _edge(state, PAYER, PAYEE, OPERATOR, SERVICE)
    for state in P
    if state not in PAYMENT_ENDED
}


Failure = tuple[str, str, str]  # code, decline code, message
NO_FAILURE: Failure = ("", "", "")


def payment_moves(
    seen: PaymentState,
    seen_at: datetime | None,
    told: PaymentState,
    told_at: datetime,
    *,
    seen_failure: Failure = NO_FAILURE,
    told_failure: Failure = NO_FAILURE,
) -> bool:
    """Whether what Stripe tells about a payment is newer than what is known.

    The order is total, so any order of events, with any duplicates, ends in the same state.
    """
    if seen in PAYMENT_ENDED or told in PAYMENT_ENDED:
        return PAYMENT_RANK[told] > PAYMENT_RANK[seen]
    if seen_at is None:
        return True
    known = (seen_at, PAYMENT_RANK[seen], seen_failure)
    return (told_at, PAYMENT_RANK[told], told_failure) > known


class PayoutState(StrEnum):
    """Money from a payee's Stripe account to their bank. PAID is not final."""

    REQUESTED = "REQUESTED"
    REJECTED = "REJECTED"
    PENDING = "PENDING"
    IN_TRANSIT = "IN_TRANSIT"
    PAID = "PAID"
    CANCELED = "CANCELED"
    FAILED = "FAILED"


PAYOUT_RANK: Mapping[PayoutState, int] = {
    state: rank for rank, state in enumerate(PayoutState)
}  # in the order of their definition: a stale event never moves a payout back


def payout_moves(seen: PayoutState, told: PayoutState) -> bool:
    """Whether what Stripe tells about a payout is newer than what is known."""
    return PAYOUT_RANK[told] > PAYOUT_RANK[seen]


class PayeeState(StrEnum):
    """A payee's account at Stripe. ACTIVE means: the transfers capability is active."""

    NONE = "NONE"
    ONBOARDING = "ONBOARDING"
    RESTRICTED = "RESTRICTED"
    ACTIVE = "ACTIVE"
    REJECTED = "REJECTED"
    DEAUTHORIZED = "DEAUTHORIZED"


def payee_after(seen: PayeeState, told: PayeeState) -> PayeeState:
    """The state of an account that Stripe tells. Who could be paid once is not onboarding again,
    but restricted; who took our access away stays so.
    """
    if seen is PayeeState.DEAUTHORIZED:
        return seen
    onboarded = seen in (PayeeState.ACTIVE, PayeeState.RESTRICTED)
    return PayeeState.RESTRICTED if onboarded and told is PayeeState.ONBOARDING else told

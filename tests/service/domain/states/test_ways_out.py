"""No state without a way out: whatever happens to an escrow, somebody can bring it to an end.

A model of one milestone with its payment, release, transfer and payee walks all states that the
tables of the machines allow together. ``happens`` is what others do to us, well or badly;
``way_on`` is what the parties, an operator, the timers, and Stripe when it is asked can be relied
upon to do. From every state that either reaches, an end has to be reached by ``way_on`` alone.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import pytest

from service.domain.call import Party
from service.domain.errors import PartyNotAllowed, WrongState
from service.domain.states.dispute import DISPUTE, OPEN_STATES, DisputeEvent
from service.domain.states.dispute import DisputeState as D
from service.domain.states.effect import EFFECT, OPEN, EffectEvent
from service.domain.states.effect import EffectState as E
from service.domain.states.freeze import FREEZE, FreezeEvent, FreezeState
from service.domain.states.machine import Machine
from service.domain.states.machines import MACHINES
from service.domain.states.milestone import MILESTONE, MilestoneEvent
from service.domain.states.milestone import MilestoneState as M
from service.domain.states.payee import PAYEE, PAYEE_SEEN, PayeeEvent
from service.domain.states.payee import PayeeState as A
from service.domain.states.payment import PAYMENT, PAYMENT_ENDED, PAYMENT_SEEN, PaymentEvent
from service.domain.states.payment import PaymentState as P
from service.domain.states.refund import DONE, REFUND, UNDONE, RefundEvent
from service.domain.states.refund import RefundState as F
from service.domain.states.release import RELEASE, ReleaseEvent
from service.domain.states.release import ReleaseState as R

ME, PE, RE, EE, AE = MilestoneEvent, PaymentEvent, ReleaseEvent, EffectEvent, PayeeEvent
FE, DE = RefundEvent, DisputeEvent
PAYER, SELLER, OPERATOR = Party.PAYER, Party.PAYEE, Party.OPERATOR
STRIPE, TIMER = Party.STRIPE, Party.TIMER
CAN_BE_PAID = frozenset(P) - PAYMENT_ENDED
closed: set[StrEnum] = set()  # events that a test takes out of the tables


@dataclass(frozen=True)
class World:
    """``dead``: the payment's page is complete, and its bank refused. ``strange``: Stripe's answer
    about the transfer does not fit, however often it is asked.
    """

    milestone: M = M.AWAITING_FUNDS
    payment: P | None = None
    dead: bool = False
    suspense: bool = False
    release: R | None = None
    transfer: E | None = None
    strange: bool = False
    payee: A = A.NONE
    frozen: FreezeState | None = None
    refund: F | None = None
    dispute: D | None = None  # one that is open, of all that is held

    @property
    def held_back(self) -> bool:
        """Whether nobody can move what is held."""
        return self.frozen is FreezeState.OPEN or self.dispute is not None

    @property
    def ended(self) -> bool:
        return self.milestone in (M.CANCELED, M.EXPIRED, M.RELEASED, M.REFUNDED) and not (
            self.payment in CAN_BE_PAID
            or self.transfer in OPEN
            or self.frozen is FreezeState.OPEN
            or self.refund not in (None, *DONE)
            or self.release in (R.WAITING, R.IN_FLIGHT)
        )


def follow(machine: Machine[Any, Any], state: Any, event: StrEnum, party: Party) -> Any:  # noqa: ANN401
    """The state after it; None where the table does not allow it."""
    if state is None or any(event is each for each in closed):
        return None
    try:
        return machine.follow("xyz_1", state, event, party)
    except (WrongState, PartyNotAllowed):
        return None


def paid(world: World) -> World:
    """The payment succeeds: for what still waits for it, or for nothing."""
    world = replace(world, payment=P.SUCCEEDED, dead=False)
    funded = follow(MILESTONE, world.milestone, ME.PAYMENT_SUCCEEDED, STRIPE)
    return replace(world, milestone=funded) if funded else replace(world, suspense=True)


def happens(world: World) -> Iterator[World]:
    """What Stripe, banks and people at Stripe may do at any time."""
    if world.payment is not None:
        yield from _to_payment(world, world.payment)
    if world.transfer is not None:
        yield from _to_transfer(world, world.transfer)
    for event in PAYEE_SEEN.values():
        if seen := follow(PAYEE, world.payee, event, STRIPE):
            yield replace(world, payee=seen)
    if world.milestone in (M.FUNDED, M.DELIVERED, M.RELEASING):
        yield replace(world, frozen=FreezeState.OPEN)
    yield from _argued(world)
    if world.refund is not None:
        for told in (FE.PEND, FE.REQUIRE_ACTION, FE.SUCCEED, FE.FAIL, FE.REJECT):
            if after := follow(REFUND, world.refund, told, STRIPE):
                yield refunded(world, after)


def _argued(world: World) -> Iterator[World]:
    """The parties disagree, and go on disagreeing."""
    if world.milestone in (M.FUNDED, M.DELIVERED) and world.dispute is None:
        yield replace(world, dispute=D.OPEN)
    for event, party in ((DE.CONTEST, SELLER), (DE.MEDIATE, PAYER)):
        if after := follow(DISPUTE, world.dispute, event, party):
            yield replace(world, dispute=after)


def refunded(world: World, refund: F) -> World:
    """What has become of a refund makes of the milestone, and of the payee's money."""
    before, world = world.milestone, replace(world, refund=refund)
    if refund in (F.SUCCEEDED, F.PAID_OUTSIDE) and before is M.REFUNDING:
        return replace(world, milestone=MILESTONE.follow("xyz_1", before, ME.REFUND_DONE, STRIPE))
    if refund is F.FAILED and before is M.REFUNDED:
        return replace(world, milestone=MILESTONE.follow("xyz_1", before, ME.REFUND_FAILED, STRIPE))
    if refund not in UNDONE:
        return world
    if world.release is None:
        return replace(world, milestone=MILESTONE.follow("xyz_1", before, ME.HELD_AGAIN, STRIPE))
    again = MILESTONE.follow("xyz_1", before, ME.RELEASED_AGAIN, STRIPE)
    if world.release is R.IN_FLIGHT:
        return replace(world, milestone=again)
    return replace(world, milestone=again, release=R.WAITING, transfer=None)


def _to_payment(world: World, payment: P) -> Iterator[World]:
    for state, event in PAYMENT_SEEN.items():
        seen = follow(PAYMENT, payment, event, STRIPE)
        if seen is P.SUCCEEDED:
            yield paid(world)
        elif seen and not world.dead and state is not P.FAILED:
            yield replace(world, payment=seen)
    if rejected := follow(PAYMENT, payment, PE.REJECT, STRIPE):
        yield replace(world, payment=rejected)
    if payment is P.PROCESSING:
        yield replace(world, payment=P.REQUIRES_PAYMENT_METHOD, dead=True)


def _to_transfer(world: World, transfer: E) -> Iterator[World]:
    for step in (EE.SEND, EE.POSTPONE, EE.LOSE, EE.REJECT):
        if after := follow(EFFECT, transfer, step, STRIPE):
            yield settled(world, after)
    if transfer is E.UNKNOWN:
        yield replace(world, strange=True)


def settled(world: World, transfer: E) -> World:
    """What a transfer's end makes of the release and the milestone."""
    world = replace(world, transfer=transfer)
    if transfer in OPEN:
        return world
    event = RE.TRANSFER_SUCCEEDED if transfer is E.SUCCEEDED else RE.TRANSFER_REJECTED
    release = follow(RELEASE, world.release, event, STRIPE)
    assert release is not None
    world = replace(world, release=release, strange=False)
    if release is R.WAITING and world.milestone is M.REFUNDING:
        world = replace(world, release=RELEASE.follow("xyz_1", release, RE.RETURN, STRIPE))
    if release is R.TRANSFERRED and world.milestone is M.RELEASING:
        world = replace(
            world, milestone=MILESTONE.follow("xyz_1", world.milestone, ME.TRANSFERRED, STRIPE)
        )
    return world


def way_on(world: World) -> Iterator[World]:
    """What the parties, an operator and the workers can do, and what Stripe answers to that."""
    yield from _of_payer(world)
    yield from _of_milestone(world)
    yield from _of_transfer(world)
    yield from _of_payee(world)
    yield from _of_refund(world)
    yield from _of_dispute(world)
    lifted = world.frozen and follow(FREEZE, world.frozen, FreezeEvent.LIFT, OPERATOR)
    if lifted:
        yield replace(world, frozen=lifted)


def _of_payer(world: World) -> Iterator[World]:
    if world.dead:  # it can be neither paid nor canceled; reading it ends it
        if seen := follow(PAYMENT, world.payment, PE.SEE_FAILED, STRIPE):
            yield replace(world, payment=seen, dead=False)
        return
    if world.payment in CAN_BE_PAID:
        yield paid(world)
        if follow(PAYMENT, world.payment, PE.CANCEL, PAYER):
            yield replace(world, payment=follow(PAYMENT, world.payment, PE.SEE_CANCELED, STRIPE))
        return
    if follow(MILESTONE, world.milestone, ME.START_PAYMENT, PAYER):
        yield replace(world, payment=P.CREATING)
    funded = follow(MILESTONE, world.milestone, ME.APPLY_SUSPENSE, OPERATOR)
    if world.suspense and funded:
        yield replace(world, milestone=funded, suspense=False)


def _of_milestone(world: World) -> Iterator[World]:
    for event, party in ((ME.CANCEL, PAYER), (ME.EXPIRE, TIMER)):
        ended = follow(MILESTONE, world.milestone, event, party)
        if ended and world.payment not in CAN_BE_PAID:
            yield replace(world, milestone=ended)
    for event, party in ((ME.DELIVER, SELLER), (ME.REQUEST_CHANGES, PAYER)):
        if after := follow(MILESTONE, world.milestone, event, party):
            yield replace(world, milestone=after)
    for event, party in ((ME.ACCEPT, PAYER), (ME.RELEASE, OPERATOR)):
        after = follow(MILESTONE, world.milestone, event, party)
        if after and not world.held_back:
            yield replace(world, milestone=after, release=R.WAITING)


def _of_dispute(world: World) -> Iterator[World]:
    """Nobody acts: the timers end it, as soon as no bank's freeze is in the way."""
    if after := follow(DISPUTE, world.dispute, DE.MEDIATE, TIMER):
        yield replace(world, dispute=after)
    ends = follow(DISPUTE, world.dispute, DE.DEFAULT, TIMER)
    if not ends or world.frozen is FreezeState.OPEN:
        return
    if after := follow(MILESTONE, world.milestone, ME.DISPUTE_RELEASE, TIMER):
        yield replace(world, milestone=after, release=R.WAITING, dispute=None)
    if after := follow(MILESTONE, world.milestone, ME.DISPUTE_REFUND, TIMER):
        yield replace(world, milestone=after, refund=F.REQUESTED, dispute=None)


def _of_refund(world: World) -> Iterator[World]:
    """All of a milestone goes back; Stripe takes it in the end, or an operator resolves it."""
    after = follow(MILESTONE, world.milestone, ME.REFUND, OPERATOR)
    free = world.refund in (None, *UNDONE) and not world.held_back
    if after and free:
        returned = R.RETURNED if world.release is R.WAITING else world.release
        yield replace(world, milestone=after, refund=F.REQUESTED, release=returned)
    for event, party in (
        (FE.SUCCEED, STRIPE),
        (FE.SEND_AGAIN, OPERATOR),
        (FE.PUT_BACK, OPERATOR),
        (FE.PAY_OUTSIDE, OPERATOR),
    ):
        if told := follow(REFUND, world.refund, event, party):
            yield refunded(world, told)


def _of_transfer(world: World) -> Iterator[World]:
    ready = world.payee is A.ACTIVE and world.frozen is not FreezeState.OPEN
    requested = follow(RELEASE, world.release, RE.REQUEST_TRANSFER, TIMER)
    if ready and requested:
        again = follow(EFFECT, world.transfer, EE.RENEW, TIMER) if world.transfer else E.PLANNED
        yield replace(world, release=requested, transfer=again)
    if world.transfer not in OPEN:
        return
    if sent := follow(EFFECT, world.transfer, EE.SEND, STRIPE):  # a worker asks Stripe
        answer = EE.LOSE if world.strange else EE.SUCCEED
        if after := follow(EFFECT, sent, answer, STRIPE):
            yield settled(replace(world, transfer=sent), after)
    if world.transfer is E.UNKNOWN:  # SettleEffect, RejectEffect: on Stripe's word
        for event in (EE.SUCCEED, EE.REJECT):
            if after := follow(EFFECT, world.transfer, event, STRIPE):
                yield settled(world, after)


def _of_payee(world: World) -> Iterator[World]:
    """A payee goes through Stripe's pages; one whose account is lost gets another."""
    for event in (AE.REPLACE_ACCOUNT, AE.CORRECT_DATA):
        if after := follow(PAYEE, world.payee, event, OPERATOR):
            yield replace(world, payee=after)
    if world.payee in (A.NONE, A.ONBOARDING, A.RESTRICTED):
        yield replace(world, payee=PAYEE.follow("xyz_1", world.payee, AE.SEE_ACTIVE, STRIPE))


def reachable() -> set[World]:
    found, waiting = {World()}, deque([World()])
    while waiting:
        world = waiting.popleft()
        for after in (*happens(world), *way_on(world)):
            if after not in found:
                found.add(after)
                waiting.append(after)
    return found


def without_way_out(worlds: set[World]) -> set[World]:
    """Those from which no end is reached by ``way_on``: found by going back from the ends."""
    before: dict[World, set[World]] = {}
    for world in worlds:
        for after in way_on(world):
            before.setdefault(after, set()).add(world)
    saved = {world for world in worlds if world.ended}
    waiting = deque(saved)
    while waiting:
        for world in before.get(waiting.popleft(), set()) - saved:
            saved.add(world)
            waiting.append(world)
    return worlds - saved


def test_from_every_state_somebody_reaches_an_end() -> None:
    worlds = reachable()
    assert {world.milestone for world in worlds} == set(M)
    assert {world.payment for world in worlds} == {None, *P}
    assert {world.release for world in worlds} == {None, *R}
    assert {world.transfer for world in worlds} == {None, *E}
    assert {world.payee for world in worlds} == set(A)
    assert {world.frozen for world in worlds} == {None, *FreezeState}
    assert {world.dispute for world in worlds} == {None, *OPEN_STATES}
    # What a bank takes ends at once where it is settled; there are no banks in these worlds.
    assert {world.refund for world in worlds} == {None, *F} - {F.CHARGED_BACK}

    assert without_way_out(worlds) == set()


PAID_OUT = World(M.RELEASING, P.SUCCEEDED, release=R.WAITING)


@pytest.mark.parametrize(
    ("events", "trap"),
    [
        ([PE.SEE_FAILED], World(payment=P.REQUIRES_PAYMENT_METHOD, dead=True)),
        ([AE.REPLACE_ACCOUNT, ME.REFUND], replace(PAID_OUT, payee=A.DEAUTHORIZED)),
        ([FreezeEvent.LIFT], World(M.FUNDED, P.SUCCEEDED, frozen=FreezeState.OPEN)),
        ([DE.DEFAULT], World(M.FUNDED, P.SUCCEEDED, dispute=D.MEDIATION)),
        (
            [FE.SEND_AGAIN, FE.PUT_BACK, FE.PAY_OUTSIDE],
            World(M.REFUNDING, P.SUCCEEDED, refund=F.FAILED),
        ),
        (
            [EE.SUCCEED, EE.REJECT],
            replace(PAID_OUT, release=R.IN_FLIGHT, transfer=E.UNKNOWN, strange=True),
        ),
    ],
    ids=[
        "a debit refused late",
        "an account that is lost",
        "a freeze",
        "a dispute that nobody decides",
        "a refund that failed",
        "an answer that never fits",
    ],
)
def test_it_sees_a_door_that_is_closed(
    monkeypatch: pytest.MonkeyPatch, events: list[StrEnum], trap: World
) -> None:
    """Without these events of the tables there is a state with no way out."""
    assert trap in reachable()
    monkeypatch.setattr(f"{__name__}.closed", set(events))

    assert trap in without_way_out(reachable() | {trap})


ENDS = {
    *("CANCELED", "EXPIRED", "RELEASED", "TRANSFERRED", "LIFTED", "RETURNED"),
    *("PUT_BACK", "PAID_OUTSIDE", "SETTLED", "RESOLVED", "DEFAULTED"),
    *("APPROVED", "DECLINED", "WITHDRAWN", "LAPSED"),
    *("SUCCEEDED", "REJECTED", "FAILED"),  # of a payment, of a payout
}


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.title.split(":")[0])
def test_what_nothing_leaves_is_an_end(machine: Machine[Any, Any]) -> None:
    states = {state for state, _ in machine.edges} | {edge.to for edge in machine.edges.values()}
    left = {state for (state, _), edge in machine.edges.items() if edge.to is not state}

    assert {str(state) for state in states - left} <= ENDS

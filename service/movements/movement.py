"""What every handler of a balance transaction works with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from service.domain.call import Call, Party
from service.domain.journal import Source
from service.domain.postings import JournalKind
from service.domain.records.balance_transaction import BalanceTransaction, booked
from service.domain.records.freeze import FreezeReason
from service.domain.unit import UnitOfWork
from service.runtime import Runtime, rerun
from service.store.balance_transactions import find_journal, known_transactions
from service.store.operations import Answered
from service.stripe.gateway import StripeGateway
from service.stripe.objects.dispute import SeenDispute
from service.stripe.objects.values import Object
from service.tracing import traceparent

# What only an open effect of ours can explain is left to it for so long.
PATIENCE = timedelta(days=1)


OPERATION = "book_balance_transaction"


class Undecided(Exception):
    """It cannot be booked yet: an operation of ours that is under way will do it."""


@dataclass(frozen=True, slots=True)
class Movement:
    """A balance transaction as the list shows it, with the object that caused it, if it has one.

    ``account`` is the connected account that it moved, "" for the platform's. ``age`` is by
    Stripe's clock or ours, whichever is ahead.
    """

    tenant_id: str
    account: str
    shown: BalanceTransaction
    source: Object | None
    age: timedelta

    @property
    def brought(self) -> bool:
        """Whether money came."""
        return self.shown.net_minor > 0

    def undecided(self, why: str) -> None:
        """Leaves it to who is at it, for as long as that may take.

        Raises:
            Undecided.
        """
        if self.age < PATIENCE:
            raise Undecided(why)


class Kinds(NamedTuple):
    """The journals of one kind of movement: of one that brought money, and of one that took it."""

    brought: JournalKind
    took: JournalKind


class Touched(NamedTuple):
    """A payment of ours that it touches without our having asked for it, and how much of it. What
    a dispute threatens, the ``dispute`` says.
    """

    escrow_id: UUID
    payment_id: UUID
    amount_minor: int
    reason: FreezeReason
    source: str
    dispute: SeenDispute | None = None


Handler = Callable[[Runtime, Movement], Awaitable[Touched | Kinds | None]]
"""Books a movement that belongs to an operation of ours and answers None, or says what it touches,
or of which kind it is.

Raises:
    NotOurs: another product caused it.
    Undecided.
    Contradiction, Unreadable, StripeRefused: what Stripe shows does not say what it is.
    StripeUnavailable, DatabaseUnavailable: it has to be looked at again.
"""


def call_of(movement: Movement, key: str = "") -> Call:
    name = key or movement.shown.id
    return Call(movement.tenant_id, "stripe", Party.STRIPE, name, traceparent())


def gateway_of(runtime: Runtime, movement: Movement) -> StripeGateway:
    return runtime.stripe[movement.tenant_id].for_workers


async def is_booked(runtime: Runtime, movement: Movement) -> bool:
    known = await known_transactions(runtime.pool, movement.tenant_id, [movement.shown.id])
    return bool(known)


async def add_row(
    runtime: Runtime, unit: UnitOfWork, movement: Movement, source: Source, *kinds: JournalKind
) -> bool:
    """Adds the row of what an operation of ours has booked; False when there is no such journal.

    That is how what was booked before there were rows gets them, and what a payee's account shows
    of our transfers and payouts.
    """
    if _is_written(unit, movement) or await is_booked(runtime, movement):
        return True
    ours = (j.journal_id for j in unit.journals if j.source == source and j.kind in kinds)
    journal_id = next(ours, None) or await find_journal(
        runtime.pool, movement.tenant_id, source, kinds
    )
    if journal_id is None:
        return False
    account = movement.account or None
    unit.put(booked(movement.tenant_id, movement.shown, journal_id, unit.now, account=account))
    return True


def _is_written(unit: UnitOfWork, movement: Movement) -> bool:
    shown_id = movement.shown.id
    return any(each.transaction and each.transaction.id == shown_id for each in unit.journals)


async def run(
    runtime: Runtime,
    movement: Movement,
    story: Callable[[UnitOfWork], Awaitable[bool]],
    *,
    key: str = "",
) -> bool:
    """Runs a story that collects what a movement changes, and commits that; whether the movement
    has been booked by it, or was before. It is done once, or once for each ``key``.
    """

    async def whole(unit: UnitOfWork) -> bool:
        is_ours = await story(unit)
        if is_ours and unit.records:
            await runtime.commit(unit)
        return is_ours

    try:
        return await rerun(runtime, call_of(movement, key), OPERATION, whole)
    except Answered:
        return await is_booked(runtime, movement)

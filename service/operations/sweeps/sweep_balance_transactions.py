"""Reads the balance transactions of one account at Stripe, and books those that nobody has booked.

A pass goes from new to old, page by page, until it comes to what the last pass has seen. It may be
ended after any page, and goes on from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from service.domain.errors import Busy, Unavailable
from service.domain.records.balance_transaction import BalanceTransaction
from service.movements.book import book_movement, give_up
from service.movements.movement import PATIENCE, Movement, Undecided
from service.runtime import Runtime
from service.store.balance_transactions import known_transactions
from service.store.sweeps import PLATFORM, Sweep, add_accounts, save_sweep
from service.stripe.objects.balance_transaction import parse_balance_transaction
from service.stripe.objects.values import Object, Unreadable, id_of

log = structlog.get_logger()

# Read again by every pass, for Stripe's list may show a transaction late.
OVERLAP = timedelta(minutes=10)
# How often the platform's account is read; a payee's so long after a transfer to it, and so often.
PLATFORM_PAUSE = timedelta(seconds=60)
ACCOUNT_DELAY, ACCOUNT_PAUSE = timedelta(hours=1), timedelta(hours=24)
LEASE = timedelta(minutes=10)  # of one page
SIDE_BY_SIDE = 8

Progress = Callable[[int], None]


def pause_of(account: str) -> timedelta:
    """How often an account is read."""
    return PLATFORM_PAUSE if account == PLATFORM else ACCOUNT_PAUSE


@dataclass(slots=True)
class Swept:
    """What a pass has done. ``undecided`` says what waits for an operation of ours, by id."""

    seen: int = 0
    booked: int = 0
    undecided: dict[str, str] = field(default_factory=dict)


async def sweep_account(
    runtime: Runtime,
    sweep: Sweep,
    *,
    every: timedelta,
    progress: Progress = lambda _: None,
) -> Swept:
    """One pass, or the rest of one. Afterwards the account is due again in ``every``.

    Raises:
        StripeUnavailable, DatabaseUnavailable: it goes on from the last page that was done.
        StripeRefused: the platform may not read this account any more.
    """
    swept = Swept()
    gateway = runtime.stripe[sweep.tenant_id].for_workers
    since = sweep.swept_through - OVERLAP if sweep.swept_through else None
    while True:
        page, has_more = await gateway.list_balance_transactions(
            sweep.account,
            since=int(since.timestamp()) if since else None,
            after=sweep.page_after,
        )
        await _book_page(runtime, sweep, page, swept)
        progress(swept.seen)
        if not has_more or not page:
            break
        sweep.page_after = str(page[-1].get("id"))
        await save_sweep(runtime.pool, sweep, runtime.clock() + LEASE)
    sweep.swept_through = sweep.oldest_undecided_at or sweep.newest_at or sweep.swept_through
    sweep.newest_at = sweep.oldest_undecided_at = sweep.page_after = None
    await save_sweep(runtime.pool, sweep, runtime.clock() + every)
    return swept


async def _book_page(runtime: Runtime, sweep: Sweep, page: Sequence[Object], swept: Swept) -> None:
    swept.seen += len(page)
    listed = [(each, shown) for each in page if (shown := _parse(sweep, each))]
    known = await known_transactions(runtime.pool, sweep.tenant_id, [s.id for _, s in listed])
    if listed and sweep.newest_at is None:
        sweep.newest_at = listed[0][1].created_at
    turns = asyncio.Semaphore(SIDE_BY_SIDE)

    async def book(transaction: Object, shown: BalanceTransaction) -> None:
        source = transaction.get("source")
        movement = Movement(
            tenant_id=sweep.tenant_id,
            account=sweep.account,
            shown=shown,
            source=source if isinstance(source, dict) else None,
            age=(sweep.newest_at or shown.created_at) - shown.created_at,
        )
        async with turns:
            await _book(runtime, sweep, movement, swept)

    # Old before new, as far as a page goes: a charge before its refund.
    new = [pair for pair in reversed(listed) if pair[1].id not in known]
    await asyncio.gather(*(book(*pair) for pair in new))
    if sweep.account == PLATFORM:
        await _look_at_destinations(runtime, sweep, [each for each, _ in listed])


async def _book(runtime: Runtime, sweep: Sweep, movement: Movement, swept: Swept) -> None:
    """One that cannot be booked holds no other up: the next pass begins with it again."""
    try:
        await _book_or_give_up(runtime, movement)
    except (Undecided, Unavailable, Busy) as reason:
        swept.undecided[movement.shown.id] = f"{type(reason).__name__}: {reason}"
    except Exception as bug:
        log.exception("balance transaction not booked", balance_transaction=movement.shown.id)
        swept.undecided[movement.shown.id] = f"{type(bug).__name__}: {bug}"
    else:
        swept.booked += 1
        return
    created_at = movement.shown.created_at
    sweep.oldest_undecided_at = min(sweep.oldest_undecided_at or created_at, created_at)


async def _book_or_give_up(runtime: Runtime, movement: Movement) -> None:
    """What a bug of ours cannot book is unexplained after a day: it must not stop the cursor."""
    try:
        await book_movement(runtime, movement)
    except (Undecided, Unavailable, Busy):
        raise
    except Exception as bug:
        if movement.age < PATIENCE:
            raise
        await give_up(runtime, movement, f"{type(bug).__name__}: {bug}")


def _parse(sweep: Sweep, transaction: Object) -> BalanceTransaction | None:
    if not of_payments(transaction):
        return None
    try:
        return parse_balance_transaction(transaction)
    except Unreadable as problem:  # nothing can be booked of it; the comparison shows it
        log.warning(
            "balance transaction unreadable",
            tenant=sweep.tenant_id,
            account=sweep.account,
            balance_transaction=str(transaction.get("id"))[:100],
            problem=str(problem),
        )
        return None


def of_payments(transaction: Object) -> bool:
    """Whether it moved the balance that payments go to; Stripe has others, as of Issuing."""
    return bool(transaction.get("balance_type", "payments") == "payments")


async def _look_at_destinations(runtime: Runtime, sweep: Sweep, page: Sequence[Object]) -> None:
    """The accounts that money went to are read too, a while later."""
    destinations = set()
    for transaction in page:
        source = transaction.get("source")
        if isinstance(source, dict) and source.get("object") == "transfer":
            destinations.add(id_of(source, "destination"))
    if accounts := [account for account in destinations if account]:
        due_at = runtime.clock() + ACCOUNT_DELAY
        await add_accounts(runtime.pool, sweep.tenant_id, accounts, due_at)

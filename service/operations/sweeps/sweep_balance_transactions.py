"""Reads the balance transactions of one account at Stripe, and books those that nobody has booked.

A pass goes from new to old, page by page, until it comes to what the last pass has seen. It may be
ended after any page, and goes on from there. What cannot be booked yet is remembered by itself, and
looked at again: it holds up neither the others nor the cursor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from service.domain.errors import Busy, StripeRefused, Unavailable
from service.domain.records.balance_transaction import BalanceTransaction
from service.movements.book import book_movement, give_up
from service.movements.movement import PATIENCE, Movement, Undecided
from service.runtime import Runtime
from service.store.balance_transactions import known_transactions
from service.store.sweeps import (
    PLATFORM,
    Sweep,
    UndecidedRow,
    add_accounts,
    find_undecided,
    forget_undecided,
    remember_undecided,
    save_sweep,
)
from service.stripe.objects.balance_transaction import parse_balance_transaction
from service.stripe.objects.values import Object, Unreadable, id_of

log = structlog.get_logger()

# Read again by every pass, for Stripe's list may show a transaction late.
OVERLAP = timedelta(minutes=10)
# How often the platform's account is read; a payee's so long after a transfer to it, and so often.
PLATFORM_PAUSE = timedelta(seconds=60)
ACCOUNT_DELAY, ACCOUNT_PAUSE = timedelta(minutes=10), timedelta(hours=24)
LEASE = timedelta(minutes=10)  # of one page
SIDE_BY_SIDE = 8
HEAD_EVERY = 20  # pages of a long pass: what is new meanwhile does not wait for its end

Progress = Callable[[int], None]


def pause_of(account: str) -> timedelta:
    """How often an account is read."""
    return PLATFORM_PAUSE if account == PLATFORM else ACCOUNT_PAUSE


@dataclass(slots=True)
class Swept:
    """What a pass has done. ``undecided`` says what is not booked yet, and why, by id."""

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
        StripeRefused: the platform may not read this account any more. Unreadable.
    """
    swept = Swept()
    await _look_again(runtime, sweep, swept)
    pages = 0
    while True:
        page, has_more = await _list(runtime, sweep, sweep.swept_through, sweep.page_after)
        newest_at = await book_page(runtime, sweep, page, swept)
        sweep.newest_at = sweep.newest_at or newest_at
        progress(swept.seen)
        last = str(page[-1].get("id")) if page else None
        if not has_more or last in (None, sweep.page_after):
            break
        sweep.page_after = last
        await save_sweep(runtime.pool, sweep, runtime.clock() + LEASE)
        pages += 1
        if pages % HEAD_EVERY == 0:
            head, _ = await _list(runtime, sweep, sweep.newest_at, None)
            await book_page(runtime, sweep, head, swept)
    sweep.swept_through = sweep.newest_at or sweep.swept_through
    sweep.newest_at = sweep.page_after = None
    await save_sweep(runtime.pool, sweep, runtime.clock() + every)
    remaining = await find_undecided(runtime.pool, sweep.tenant_id, sweep.account)
    swept.undecided = {row.transaction_id: row.reason for row in remaining}
    return swept


async def _list(
    runtime: Runtime, sweep: Sweep, since: datetime | None, after: str | None
) -> tuple[Sequence[Object], bool]:
    return await runtime.stripe[sweep.tenant_id].for_workers.list_balance_transactions(
        sweep.account,
        since=int((since - OVERLAP).timestamp()) if since else None,
        after=after,
    )


async def _look_again(runtime: Runtime, sweep: Sweep, swept: Swept) -> None:
    """What could not be booked before, each by its id."""
    gateway, now = runtime.stripe[sweep.tenant_id].for_workers, runtime.clock()
    waiting = await find_undecided(runtime.pool, sweep.tenant_id, sweep.account)
    for row in waiting:
        if row.due_at > now:
            continue
        try:
            transaction = await gateway.fetch_balance_transaction(row.transaction_id, sweep.account)
        except (StripeRefused, Unreadable) as problem:
            await _remember(runtime, sweep, row.transaction_id, str(problem))
        else:
            await book_page(runtime, sweep, [transaction], swept, seen_before=waiting)


async def book_page(
    runtime: Runtime,
    sweep: Sweep,
    page: Sequence[Object],
    swept: Swept,
    *,
    seen_before: Iterable[UndecidedRow] = (),
) -> datetime | None:
    """Books what of a page has no row, and returns when its newest was created. ``seen_before`` are
    those that were undecided.
    """
    swept.seen += len(page)
    listed = [(each, shown) for each in page if (shown := _parse(sweep, each))]
    known = await known_transactions(runtime.pool, sweep.tenant_id, [s.id for _, s in listed])
    first_seen = {row.transaction_id: row.first_seen_at for row in seen_before}
    turns, now = asyncio.Semaphore(SIDE_BY_SIDE), runtime.clock()

    async def book(transaction: Object, shown: BalanceTransaction) -> None:
        source = transaction.get("source")
        movement = Movement(
            tenant_id=sweep.tenant_id,
            account=sweep.account,
            shown=shown,
            source=source if isinstance(source, dict) else None,
            age=now - first_seen.get(shown.id, now),
        )
        async with turns:
            await _book(runtime, sweep, movement, swept)

    # Old before new, as far as a page goes: a charge before its refund.
    new = [pair for pair in reversed(listed) if pair[1].id not in known]
    before = known & first_seen.keys()
    again = [pair for pair in listed if pair[1].id in before and _of_dispute(pair[0])]
    await asyncio.gather(*(book(*pair) for pair in (*new, *again)))
    if done := before - {shown.id for _, shown in again}:
        await forget_undecided(runtime.pool, sweep.tenant_id, sweep.account, done, now)
    if sweep.account == PLATFORM:
        await _look_at_destinations(runtime, sweep, listed)
        _check_settlement(runtime, sweep, [pair for pair in new if pair[1].exchange_rate])
    return listed[0][1].created_at if listed else None


async def _book(runtime: Runtime, sweep: Sweep, movement: Movement, swept: Swept) -> None:
    try:
        await _book_or_give_up(runtime, movement)
    except (Undecided, Unavailable, Busy) as reason:
        why = str(reason) if isinstance(reason, Undecided) else reason.reason()
        await _remember(runtime, sweep, movement.shown.id, why)
    except Exception as bug:
        log.exception("balance transaction not booked", balance_transaction=movement.shown.id)
        why = f"{type(bug).__name__}: {bug}"
        await _remember(runtime, sweep, movement.shown.id, why)
    else:
        swept.booked += 1
        if movement.age:
            await forget_undecided(
                runtime.pool,
                sweep.tenant_id,
                sweep.account,
                [movement.shown.id],
                runtime.clock(),
            )


async def _book_or_give_up(runtime: Runtime, movement: Movement) -> None:
    """What a bug of ours cannot book is unexplained after a day."""
    try:
        await book_movement(runtime, movement)
    except (Undecided, Unavailable, Busy):
        raise
    except Exception as bug:
        if movement.age < PATIENCE:
            raise
        await give_up(runtime, movement, f"{type(bug).__name__}: {bug}")


async def _remember(runtime: Runtime, sweep: Sweep, transaction_id: str, why: str) -> None:
    key = sweep.tenant_id, sweep.account, transaction_id
    await remember_undecided(runtime.pool, *key, why[:500], runtime.clock())


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


def _of_dispute(transaction: Object) -> bool:
    """Whether it is booked again: what was unexplained before disputes were understood (0031)."""
    source = transaction.get("source")
    return isinstance(source, dict) and source.get("object") == "dispute"


def of_payments(transaction: Object) -> bool:
    """Whether it moved the balance that payments go to; Stripe has others, as of Issuing."""
    return bool(transaction.get("balance_type", "payments") == "payments")


def _check_settlement(
    runtime: Runtime, sweep: Sweep, converted: Sequence[tuple[Object, BalanceTransaction]]
) -> None:
    """A charge was converted from a currency that the tenant says its account holds."""
    settlement = runtime.stripe[sweep.tenant_id].settlement
    for transaction, shown in converted:
        charge = transaction.get("source")
        paid = str(charge.get("currency")).upper() if isinstance(charge, dict) else ""
        if settlement.currencies and paid in settlement.currencies:
            log.error(
                "settlement_currencies is wrong",
                tenant=sweep.tenant_id,
                currency=paid,
                settled_in=shown.currency,
                balance_transaction=shown.id,
            )


async def _look_at_destinations(
    runtime: Runtime, sweep: Sweep, page: Sequence[tuple[Object, BalanceTransaction]]
) -> None:
    """Payees that money went to are read too, a while later."""
    accounts: dict[str, datetime] = {}
    for transaction, shown in reversed(page):  # the newest of an account comes last
        source = transaction.get("source")
        if not isinstance(source, dict) or source.get("object") != "transfer":
            continue
        if account := id_of(source, "destination"):
            accounts[account] = shown.created_at
    if accounts:
        due_at = runtime.clock() + ACCOUNT_DELAY
        await add_accounts(runtime.pool, sweep.tenant_id, accounts, due_at)

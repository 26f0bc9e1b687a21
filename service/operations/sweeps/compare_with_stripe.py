"""Compares the books with Stripe itself: an account's balance, and each of its balance transactions
with its row.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from service.domain.accounts import CONN_BALANCE, CONN_EXTERNAL, STRIPE
from service.domain.errors import StripeRefused
from service.domain.states.payee import PayeeState
from service.operations.sweeps.sweep_balance_transactions import (
    Progress,
    Swept,
    book_page,
    of_payments,
    sweep_account,
)
from service.runtime import Runtime
from service.store.balance_transactions import (
    ShownAmounts,
    amounts_of,
    known_transactions,
    net_of_rows,
    transactions_of,
)
from service.store.balances import balances_as_of
from service.store.parties import find_account
from service.store.sweeps import (
    Sweep,
    find_undecided,
    postpone_comparison,
    save_comparison,
    save_sweep,
)
from service.stripe.gateway import MOST_OF_A_PAGE
from service.stripe.objects.balance_transaction import parse_balance_transaction
from service.stripe.objects.values import Object, Unreadable, minor, parts, text
from service.stripe.outcomes import NO_ACCESS

TRIES, PAUSE_S = 5, 0.3  # while money moves, a list and a balance are of two moments
MOST_SHOWN = 50
NEXT_COMPARISON = timedelta(hours=24)
LONGEST = timedelta(hours=1)  # of one comparison; after it another worker may begin one


@dataclass(slots=True)
class Comparison:
    """What Stripe and the books say of one account: "" is the platform's. Minor units by currency.

    ``undecided`` are balance transactions that an operation of ours will book, with why not yet;
    their amounts are ``on_its_way``. ``off`` is what Stripe has more than the books, and ``wrong``
    says what is different. ``access_removed``: its owner disconnected it from the
    platform, so that nothing of it can be read any more. ``settings`` says which of the tenant's
    settings Stripe contradicts; the books are right all the same.
    """

    tenant: str
    account: str
    compared: int = 0
    stripe: Counter[str] = field(default_factory=Counter)
    books: Counter[str] = field(default_factory=Counter)
    on_its_way: Counter[str] = field(default_factory=Counter)
    off: Counter[str] = field(default_factory=Counter)
    undecided: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    access_removed: bool = False
    settings: list[str] = field(default_factory=list)

    @property
    def differences(self) -> dict[str, int]:
        """What Stripe has more than the books, by currency; empty when that is the same."""
        return {currency: minor for currency, minor in sorted(self.off.items()) if minor}

    @property
    def clean(self) -> bool:
        return not self.wrong


async def compare_account(
    runtime: Runtime, sweep: Sweep, *, every: timedelta, progress: Progress = lambda _: None
) -> Comparison:
    """Reads what is new at Stripe into the books, and then holds all of it against Stripe's.

    Raises:
        StripeUnavailable, DatabaseUnavailable.
    """
    await postpone_comparison(runtime.pool, sweep, runtime.clock() + LONGEST)
    found = Comparison(sweep.tenant_id, sweep.account)
    try:
        await _compare(runtime, sweep, found, every, progress)
    except (StripeRefused, Unreadable) as problem:
        found.access_removed = await _is_disconnected(runtime, sweep, problem)
        if not found.access_removed:
            _note(found, f"Stripe does not show it: {problem}")
        await save_sweep(runtime.pool, sweep, runtime.clock() + every)
    shown = found.differences or ({"rows": len(found.wrong)} if found.wrong else {})
    await save_comparison(runtime.pool, sweep, shown, runtime.clock(), next_in=NEXT_COMPARISON)
    return found


async def _is_disconnected(runtime: Runtime, sweep: Sweep, problem: Exception) -> bool:
    """Whether Stripe refuses an account because its owner took the platform's access away, of which
    nobody is told any more once the payee has another.
    """
    if not isinstance(problem, StripeRefused) or problem.metadata.get("code") != NO_ACCESS:
        return False
    known = await find_account(runtime.pool, sweep.tenant_id, sweep.account)
    return known is not None and (known.state is PayeeState.DEAUTHORIZED or not known.is_current)


async def _compare(
    runtime: Runtime, sweep: Sweep, found: Comparison, every: timedelta, progress: Progress
) -> None:
    swept = await sweep_account(runtime, sweep, every=every)
    found.undecided = swept.undecided
    listing = await _compare_rows(runtime, found, progress)
    await _settle_missing(runtime, sweep, found, listing)
    await _compare_balance(runtime, found, listing)
    await _compare_books(runtime, found)


@dataclass(slots=True)
class _Listing:
    """What Stripe lists: what it comes to, its newest id, and what has no row or a row too many."""

    net: Counter[str] = field(default_factory=Counter)
    newest: str | None = None
    missing: dict[str, Object] = field(default_factory=dict)
    unlisted: set[str] = field(default_factory=set)


async def _compare_rows(runtime: Runtime, found: Comparison, progress: Progress) -> _Listing:
    """Each balance transaction with its row."""
    rows = await transactions_of(runtime.pool, found.tenant, found.account)
    listing, after = _Listing(), None
    while True:
        page, has_more = await _list(runtime, found, after=after)
        ours = await amounts_of(runtime.pool, found.tenant, [_id(each) for each in page])
        listing.newest = listing.newest or (_id(page[0]) if page else None)
        for transaction in filter(of_payments, page):
            _compare_row(found, listing, transaction, ours)
        rows -= ours.keys()
        found.compared += len(page)
        progress(found.compared)
        if not has_more or not page or _id(page[-1]) == after:
            break
        after = _id(page[-1])
    listing.unlisted = rows
    return listing


def _compare_row(
    found: Comparison, listing: _Listing, transaction: Object, ours: dict[str, ShownAmounts]
) -> None:
    try:
        shown = parse_balance_transaction(transaction)
    except Unreadable as problem:
        _note(found, f"{_id(transaction)} cannot be read: {problem}")
        return
    listing.net[shown.currency] += shown.net_minor
    theirs = ShownAmounts(shown.amount_minor, shown.fee_minor, shown.net_minor, shown.currency)
    row = ours.get(shown.id)
    if row is None:
        listing.missing[shown.id] = transaction
    elif row != theirs:
        _note(found, f"{shown.id} is {theirs} at Stripe, and its row {row}")
        found.off[shown.currency] += shown.net_minor
        found.off[row.currency] -= row.net_minor


async def _settle_missing(
    runtime: Runtime, sweep: Sweep, found: Comparison, listing: _Listing
) -> None:
    """What has no row is booked now: it came since the sweep, or Stripe listed it late. What cannot
    be is on its way when an operation of ours will book it.
    """
    missing = listing.missing
    new = [each for name, each in missing.items() if name not in found.undecided]
    if new:
        await book_page(runtime, sweep, new, Swept())
        remaining = await find_undecided(runtime.pool, found.tenant, found.account)
        found.undecided = {row.transaction_id: row.reason for row in remaining}
    known = await known_transactions(runtime.pool, found.tenant, missing)
    for name in missing.keys() - known:
        shown = parse_balance_transaction(missing[name])
        found.on_its_way[shown.currency] += shown.net_minor
        if name not in found.undecided:
            _note(found, f"{name} ({shown.net_minor} {shown.currency}) has no row")
            found.off[shown.currency] += shown.net_minor
    for name in sorted(listing.unlisted):  # booked before the list was read
        _note(found, f"{name} has a row, and Stripe does not list it")
        row = (await amounts_of(runtime.pool, found.tenant, [name]))[name]
        found.off[row.currency] -= row.net_minor


async def _compare_balance(runtime: Runtime, found: Comparison, listing: _Listing) -> None:
    """Stripe's balance is what its balance transactions come to; those that came since they were
    listed are added before the two are compared.
    """
    off: Counter[str] = Counter()
    for _ in range(TRIES):
        found.stripe = await _balance(runtime, found)
        since = await _since(runtime, found, listing)
        total = Counter(listing.net)
        total.update(since)
        currencies = {*found.stripe, *total}
        off = Counter({c: found.stripe[c] - total[c] for c in currencies})
        if not any(off.values()):
            return
        await asyncio.sleep(PAUSE_S)
    for currency, off_minor in sorted(off.items()):
        if off_minor:
            held, moved = found.stripe[currency], found.stripe[currency] - off_minor
            _note(found, f"Stripe's balance is {held} {currency}, and what moved it {moved}")
            found.off[currency] += off_minor


async def _balance(runtime: Runtime, found: Comparison) -> Counter[str]:
    answer = await runtime.stripe[found.tenant].for_workers.fetch_balance(found.account)
    held: Counter[str] = Counter()
    for status in ("available", "pending"):
        for amount in parts(answer, status):
            held[text(amount, "currency").upper()] += minor(amount, "amount")
    return held


async def _since(runtime: Runtime, found: Comparison, listing: _Listing) -> Counter[str]:
    """What came since the list was read; after a page of it the next try begins there."""
    page, _ = await _list(runtime, found, before=listing.newest)
    net: Counter[str] = Counter()
    for transaction in filter(of_payments, page):
        shown = parse_balance_transaction(transaction)
        net[shown.currency] += shown.net_minor
    if len(page) == MOST_OF_A_PAGE:
        listing.newest = _id(page[0])
        listing.net.update(net)
        return Counter()
    return net


async def _compare_books(runtime: Runtime, found: Comparison) -> None:
    """The accounts of the books are what the rows come to."""
    off: Counter[str] = Counter()
    names = {"account": found.account}
    ours = (CONN_BALANCE, CONN_EXTERNAL) if found.account else (STRIPE,)
    accounts = [account.name(names) for account in ours]
    for _ in range(TRIES):
        rows = await net_of_rows(runtime.pool, found.tenant, found.account)
        found.books = Counter()
        for balance in await balances_as_of(runtime.pool, found.tenant, accounts):
            found.books[balance.currency] += balance.balance_minor
        off = Counter({c: found.books[c] - rows.get(c, 0) for c in {*found.books, *rows}})
        if not any(off.values()):
            return
        await asyncio.sleep(PAUSE_S)
    for currency, off_minor in sorted(off.items()):
        if off_minor:
            held = found.books[currency]
            _note(found, f"the books have {held} {currency}, and the rows {held - off_minor}")
            found.off[currency] -= off_minor


async def _list(
    runtime: Runtime, found: Comparison, *, after: str | None = None, before: str | None = None
) -> tuple[Sequence[Object], bool]:
    gateway = runtime.stripe[found.tenant].for_workers
    return await gateway.list_balance_transactions(
        found.account, since=None, after=after, before=before
    )


def _id(transaction: Object) -> str:
    return str(transaction.get("id"))


def _note(found: Comparison, problem: str) -> None:
    if len(found.wrong) < MOST_SHOWN:
        found.wrong.append(problem)

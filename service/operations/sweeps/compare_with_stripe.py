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
from service.operations.sweeps.sweep_balance_transactions import (
    Progress,
    of_payments,
    sweep_account,
)
from service.runtime import Runtime
from service.store.balance_transactions import ShownAmounts, amounts_of, transactions_of
from service.store.balances import balances_as_of
from service.store.sweeps import Sweep, postpone_comparison, save_comparison
from service.stripe.objects.balance_transaction import parse_balance_transaction
from service.stripe.objects.values import Object, Unreadable, minor, parts, text

TRIES, PAUSE_S = 4, 0.5  # while money moves, the list and the balance are of two moments
MOST_SHOWN = 50
NEXT_COMPARISON = timedelta(hours=24)
LONGEST = timedelta(hours=1)  # of one comparison; after it another worker may begin one


@dataclass(slots=True)
class Comparison:
    """What Stripe and the books say of one account: "" is the platform's. Minor units by currency.

    ``undecided`` are balance transactions that an operation of ours will book, with why not yet;
    their amounts are ``on_its_way``. ``wrong`` says of others what is different.
    """

    tenant: str
    account: str
    compared: int = 0
    stripe: Counter[str] = field(default_factory=Counter)
    books: Counter[str] = field(default_factory=Counter)
    on_its_way: Counter[str] = field(default_factory=Counter)
    undecided: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    @property
    def differences(self) -> dict[str, int]:
        """What Stripe has more than the books, and what is on its way there, by currency."""
        currencies = {*self.stripe, *self.books, *self.on_its_way}
        found = {
            currency: self.stripe[currency] - self.books[currency] - self.on_its_way[currency]
            for currency in sorted(currencies)
        }
        return {currency: minor for currency, minor in found.items() if minor}

    @property
    def clean(self) -> bool:
        return not self.differences and not self.wrong


async def compare_account(
    runtime: Runtime, sweep: Sweep, *, every: timedelta, progress: Progress = lambda _: None
) -> Comparison:
    """Reads what is new at Stripe into the books, and then holds all of it against Stripe's.

    Raises:
        StripeRefused, StripeUnavailable, DatabaseUnavailable, Unreadable.
    """
    await postpone_comparison(runtime.pool, sweep, runtime.clock() + LONGEST)
    found = await _compare(runtime, sweep, every, progress)
    for _ in range(TRIES - 1):
        if found.clean:
            break
        await asyncio.sleep(PAUSE_S)
        found = await _compare(runtime, sweep, every, progress)
    differences = found.differences or ({"rows": len(found.wrong)} if found.wrong else {})
    await save_comparison(
        runtime.pool, sweep, differences, runtime.clock(), next_in=NEXT_COMPARISON
    )
    return found


async def _compare(
    runtime: Runtime, sweep: Sweep, every: timedelta, progress: Progress
) -> Comparison:
    swept = await sweep_account(runtime, sweep, every=every)
    found = Comparison(sweep.tenant_id, sweep.account, undecided=swept.undecided)
    listed = await _compare_rows(runtime, found, progress)
    await _compare_balance(runtime, found, listed)
    return found


async def _compare_rows(runtime: Runtime, found: Comparison, progress: Progress) -> Counter[str]:
    """Each balance transaction with its row; answers what those that are listed come to."""
    gateway = runtime.stripe[found.tenant].for_workers
    rows = await transactions_of(runtime.pool, found.tenant, found.account)
    listed: Counter[str] = Counter()
    after: str | None = None
    while True:
        page, has_more = await gateway.list_balance_transactions(
            found.account, since=None, after=after
        )
        ours = await amounts_of(runtime.pool, found.tenant, [str(each.get("id")) for each in page])
        for transaction in filter(of_payments, page):
            _compare_row(found, listed, transaction, ours)
        rows -= ours.keys()
        found.compared += len(page)
        progress(found.compared)
        if not has_more or not page:
            break
        after = text(page[-1], "id")
    _note(found, [f"{each} has a row, and Stripe does not list it" for each in sorted(rows)])
    return listed


def _compare_row(
    found: Comparison, listed: Counter[str], transaction: Object, ours: dict[str, ShownAmounts]
) -> None:
    try:
        shown = parse_balance_transaction(transaction)
    except Unreadable as problem:
        _note(found, [f"{transaction.get('id')} cannot be read: {problem}"])
        return
    listed[shown.currency] += shown.net_minor
    theirs = ShownAmounts(shown.amount_minor, shown.fee_minor, shown.net_minor, shown.currency)
    row = ours.get(shown.id)
    if row is None and shown.id in found.undecided:
        found.on_its_way[shown.currency] += shown.net_minor
    elif row is None:
        _note(found, [f"{shown.id} ({shown.net_minor} {shown.currency}) has no row"])
    elif row != theirs:
        _note(found, [f"{shown.id} is {theirs} at Stripe, and its row {row}"])


def _note(found: Comparison, problems: Sequence[str]) -> None:
    found.wrong += problems[: MOST_SHOWN - len(found.wrong)]


async def _compare_balance(runtime: Runtime, found: Comparison, listed: Counter[str]) -> None:
    answer = await runtime.stripe[found.tenant].for_workers.fetch_balance(found.account)
    for status in ("available", "pending"):
        for amount in parts(answer, status):
            found.stripe[text(amount, "currency").upper()] += minor(amount, "amount")
    for currency in sorted({*found.stripe, *listed}):
        if found.stripe[currency] != listed[currency]:
            held, moved = found.stripe[currency], listed[currency]
            _note(found, [f"Stripe's balance is {held} {currency}, and what moved it {moved}"])
    names = {"account": found.account}
    ours = (CONN_BALANCE, CONN_EXTERNAL) if found.account else (STRIPE,)
    accounts = [account.name(names) for account in ours]
    for balance in await balances_as_of(runtime.pool, found.tenant, accounts):
        found.books[balance.currency] += balance.balance_minor

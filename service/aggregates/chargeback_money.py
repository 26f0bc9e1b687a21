"""Postings 13a and 14a: what a dispute's balance transactions took, and gave back.

All is in the currency of Stripe's balance. Whose money it was is not decided by it.
"""

from __future__ import annotations

from service.aggregates.escrow import EscrowCase
from service.aggregates.payment import transaction_source
from service.domain.journal import Part
from service.domain.postings import JournalKind
from service.domain.records.balance_transaction import BalanceTransaction, booked
from service.domain.records.chargeback import Chargeback
from service.domain.unit import UnitOfWork
from service.runtime import Runtime
from service.store.balance_transactions import find_booked, find_journal, known_transactions
from service.stripe.objects.dispute import SeenDispute

MOVED = (JournalKind.CHARGEBACK_WITHDRAWN, JournalKind.CHARGEBACK_REINSTATED)
EXPLAINED = {
    JournalKind.TAKEN_UNEXPLAINED: JournalKind.CHARGEBACK_WITHDRAWN_EXPLAINED,
    JournalKind.BROUGHT_UNEXPLAINED: JournalKind.CHARGEBACK_REINSTATED_EXPLAINED,
}
"""What takes over a balance transaction that was booked before anybody knew what it was for."""


async def book_dispute(
    runtime: Runtime, case: EscrowCase, known: Chargeback, seen: SeenDispute
) -> None:
    """Books each of its balance transactions once, whoever hears of it first: by the row that each
    has, and by its journal.
    """
    for moved in seen.transactions:
        kind = await _kind_to_post(runtime, known.tenant_id, moved)
        if kind is not None:
            case.touch()  # before it posts: a journal of the escrow
            _post(case.unit, known, moved, kind)


async def _kind_to_post(
    runtime: Runtime, tenant_id: str, moved: BalanceTransaction
) -> JournalKind | None:
    source = transaction_source(moved.id)
    if not await known_transactions(runtime.pool, tenant_id, [moved.id]):
        # Where its journal is there, somebody lost the row: the sweep restores it.
        lost = await find_journal(runtime.pool, tenant_id, source, (*MOVED, *EXPLAINED))
        return None if lost else MOVED[moved.net_minor > 0]
    found = await find_booked(runtime.pool, tenant_id, moved.id, account="", source="")
    kinds = {JournalKind(each.kind) for each in found} & EXPLAINED.keys()
    if not kinds:
        return None  # booked already, or as another product's
    kind = EXPLAINED[kinds.pop()]
    return None if await find_journal(runtime.pool, tenant_id, source, (kind,)) else kind


def _post(
    unit: UnitOfWork, known: Chargeback, moved: BalanceTransaction, kind: JournalKind
) -> None:
    first = kind in MOVED
    if not moved.amount_minor and not moved.fee_minor:  # there is nothing to post
        if first:
            unit.put(booked(known.tenant_id, moved, None, unit.now))
        return
    names = {"chargeback": known.public_id, "balance_transaction": moved.id}
    unit.post(
        kind,
        transaction_source(moved.id),
        moved.currency,
        [Part(names, _amounts(moved))],
        event_at=moved.created_at,
        transaction=moved if first else None,
    )


def _amounts(moved: BalanceTransaction) -> dict[str, int]:
    return {
        "taken": max(-moved.amount_minor, 0),
        "given": max(moved.amount_minor, 0),
        "charged": max(moved.fee_minor, 0),
        "returned": max(-moved.fee_minor, 0),
    }

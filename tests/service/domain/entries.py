"""Entries of one deal, as tests of the postings and of the journal write and read them."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from service.domain.journal import Entry, Part, Source, entries_of
from service.domain.postings import POSTINGS, JournalKind

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SOURCE = Source("release", "rel_1")
NAMES = {
    "milestone": "mst_1",
    "payee": "pye_1",
    "payment": "pay_1",
    "previous_payee": "pye_2",
    "chargeback": "cbk_1",
    "account": "acct_1",
    "balance_transaction": "txn_1",
}

HELD, FEE_HELD = "liab:escrow:mst_1:held", "liab:escrow:mst_1:fee_held"
PAYABLE, SUSPENSE = "liab:payee:pye_1:payable", "liab:suspense:pay_1"
BALANCE, OWNER = "conn:acct_1:balance", "conn:acct_1:owner"
IN_TRANSIT = "conn:acct_1:in_transit"
RECEIVABLE = "asset:receivable:payee:pye_1"
EXTERNAL = "conn:acct_1:external"
TAKEN_UNEXPLAINED = "asset:unexplained:txn_1"
BROUGHT_UNEXPLAINED = "liab:unexplained:txn_1"

Line = tuple[str, int]  # account, amount in cents: a debit is positive, a credit negative


def posted(kind: JournalKind, *amounts: Mapping[str, int]) -> tuple[Entry, ...]:
    settled_currency = "EUR" if POSTINGS[kind].converts else ""
    return entries_of(kind, [Part(NAMES, each) for each in amounts], "USD", settled_currency)


def book(entries: Iterable[Entry], name: str) -> list[Line]:
    return sorted((entry.account, entry.amount_minor) for entry in entries if entry.book == name)

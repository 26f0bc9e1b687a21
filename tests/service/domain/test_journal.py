"""A journal balances in every book, or there is none."""

import pytest

from service.domain.journal import Entry, Journal, Part, entries_of
from service.domain.postings import JournalKind
from service.domain.records.balance_transaction import BalanceTransaction
from tests.records import new_id, new_transaction
from tests.service.domain.entries import BALANCE, HELD, NOW, OWNER, SOURCE, book, posted


def test_a_payment_for_several_milestones_debits_stripe_once() -> None:
    parts = [
        Part({"milestone": "mst_1"}, {"amount": 60_00, "payer_fee": 3_00}),
        Part({"milestone": "mst_2"}, {"amount": 40_00, "payer_fee": 2_00}),
    ]

    entries = entries_of(JournalKind.PAYMENT_SUCCEEDED, parts, "USD")

    assert book(entries, "platform") == [
        ("asset:stripe_unsettled", 105_00),
        ("liab:escrow:mst_1:fee_held", -3_00),
        ("liab:escrow:mst_1:held", -60_00),
        ("liab:escrow:mst_2:fee_held", -2_00),
        ("liab:escrow:mst_2:held", -40_00),
    ]


def test_a_leg_of_nothing_is_no_entry() -> None:
    entries = posted(JournalKind.RELEASED, {"payee_share": 0, "payee_fee": 1, "payer_fee": 0})

    assert book(entries, "platform") == [(HELD, 1), ("rev:service_fee", -1)]


def test_a_negative_amount_is_refused() -> None:
    with pytest.raises(ValueError, match="released: payee_share is negative: -1"):
        posted(JournalKind.RELEASED, {"payee_share": -1, "payee_fee": 1, "payer_fee": 0})


@pytest.mark.parametrize(
    "entries",
    [
        [Entry("platform", "asset:stripe", 1, "USD")],
        [Entry("connected", BALANCE, 1, "USD")],
        [Entry("platform", "asset:stripe", 1, "USD"), Entry("connected", OWNER, -1, "USD")],
    ],
)
def test_a_journal_out_of_balance_in_any_book_is_refused(entries: list[Entry]) -> None:
    with pytest.raises(ValueError, match="out of balance by"):
        Journal(new_id(), JournalKind.RELEASED, SOURCE, "USD", tuple(entries), NOW)


# Invariant I2: what moves asset:stripe names its balance transaction.


def moving(amount_minor: int, transaction: BalanceTransaction | None) -> Journal:
    entries = (
        Entry("platform", "asset:stripe", amount_minor, "USD"),
        Entry("platform", "exp:processing", -amount_minor, "USD"),
    )
    kind = JournalKind.STRIPE_FEE
    return Journal(new_id(), kind, SOURCE, "USD", entries, NOW, transaction=transaction)


def test_stripe_is_moved_by_a_balance_transaction() -> None:
    assert moving(-2_00, new_transaction(-2_00)).transaction


@pytest.mark.parametrize(
    "transaction",
    [None, new_transaction(-2_01), new_transaction(2_00), new_transaction(-2_00, currency="EUR")],
)
def test_stripe_is_moved_by_nothing_else(transaction: BalanceTransaction | None) -> None:
    with pytest.raises(ValueError, match="stripe_fee moves"):
        moving(-2_00, transaction)

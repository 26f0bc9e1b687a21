"""A journal balances in every book, or there is none."""

import pytest

from service.domain.journal import Entry, Journal, Part, journal
from service.domain.postings import JournalKind
from tests.service.domain.entries import BALANCE, HELD, NOW, OWNER, SOURCE, book, posted


def test_a_payment_for_several_milestones_debits_stripe_once() -> None:
    parts = [
        Part({"milestone": "mst_1"}, {"amount": 60_00, "payer_fee": 3_00}),
        Part({"milestone": "mst_2"}, {"amount": 40_00, "payer_fee": 2_00}),
    ]

    entries = journal(JournalKind.PAYMENT_SUCCEEDED, SOURCE, "USD", parts, event_at=NOW).entries

    assert book(entries, "platform") == [
        ("asset:stripe_unsettled", 105_00),
        ("liab:escrow:mst_1:fee_held", -3_00),
        ("liab:escrow:mst_1:held", -60_00),
        ("liab:escrow:mst_2:fee_held", -2_00),
        ("liab:escrow:mst_2:held", -40_00),
    ]


def test_a_leg_of_nothing_is_no_entry() -> None:
    entries = posted(
        JournalKind.RELEASED, {"payee_share": 0, "payee_fee": 1, "payer_fee": 0}
    ).entries

    assert book(entries, "platform") == [(HELD, 1), ("rev:service_fee", -1)]


def test_a_negative_amount_is_refused() -> None:
    with pytest.raises(ValueError, match="released: payee_share is negative: -1"):
        posted(JournalKind.RELEASED, {"payee_share": -1, "payee_fee": 1, "payer_fee": 0})


@pytest.mark.parametrize(
    "entries",
    [
        [Entry("platform", "asset:stripe", 1)],
        [Entry("connected", BALANCE, 1)],
        [Entry("platform", "asset:stripe", 1), Entry("connected", OWNER, -1)],
    ],
)
def test_a_journal_out_of_balance_in_any_book_is_refused(entries: list[Entry]) -> None:
    with pytest.raises(ValueError, match="out of balance by"):
        Journal(JournalKind.RELEASED, SOURCE, "USD", tuple(entries), NOW)

import re
from datetime import UTC, datetime
from uuid import UUID

from rich.console import Console

from service.ledger_tables import journals_table, short_account, trial_balance_table
from service.store.journals import EntryRecord, JournalRecord
from service.store.trial_balance import Turnover

MILESTONE = "mst_01a1faa3fb807db48bc0c0dd6ad3c71a"
JOURNAL = JournalRecord(
    journal_id=UUID(int=1),
    kind="payment_succeeded",
    source_type="payment",
    source_id="pi_1",
    currency="USD",
    escrow_id=UUID(int=2),
    event_at=datetime(2026, 11, 20, tzinfo=UTC),
    created_at=datetime(2026, 11, 20, tzinfo=UTC),
    entries=(
        EntryRecord("platform", "asset:stripe_unsettled", "USD", 105_000_00),
        EntryRecord("platform", f"liab:escrow:{MILESTONE}:held", "USD", -100_000_00),
        EntryRecord("platform", f"liab:escrow:{MILESTONE}:fee_held", "USD", -5_000_00),
    ),
)


def shown(table: object, width: int) -> str:
    console = Console(width=width)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def test_an_accountant_reads_it_within_78_characters() -> None:
    lines = shown(journals_table([JOURNAL]), width=78).splitlines()

    assert [line.split() for line in lines] == [
        ["1", "payment_succeeded", "asset:stripe_unsettled", "105,000.00"],
        ["USD", "liab:escrow:..d3c71a:held", "100,000.00"],
        ["liab:escrow:..d3c71a:fee_held", "5,000.00"],
    ]
    debit, credit = (re.search(r"\S+ *$", line.rstrip()) for line in lines[:2])
    assert debit
    assert credit
    assert debit.start() < credit.start()  # in columns of their own


def test_ids_are_shortened_to_their_random_end() -> None:
    assert short_account("conn:acct_1WSkF4XWS1uTPcs0:owner") == "conn:..uTPcs0:owner"
    assert short_account("liab:transfers_in_flight") == "liab:transfers_in_flight"


def test_a_trial_balance_says_when_it_does_not_balance() -> None:
    balances = [
        Turnover("platform", "asset:stripe", "USD", 0, 500, 0),
        Turnover("platform", "liab:escrow:*:held", "USD", 100, 0, 600),
    ]

    assert "balanced" in shown(trial_balance_table(balances), width=80)
    assert "out of balance" in shown(trial_balance_table(balances[:1]), width=80)

from datetime import UTC, datetime
from uuid import UUID

from service.cli.journals import as_document
from service.store.journals import EntryRecord, JournalRecord

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
        EntryRecord("platform", f"liab:escrow:{MILESTONE}:held", "USD", -105_000_00),
    ),
)


def test_a_program_gets_sides_and_minor_units() -> None:
    document = as_document(JOURNAL)

    assert document["posting"] == "1"
    assert document["escrow_id"] == "esc_00000000000000000000000000000002"
    assert document["entries"][1] == {
        "book": "platform",
        "account": f"liab:escrow:{MILESTONE}:held",
        "currency": "USD",
        "side": "credit",
        "amount_minor": 105_000_00,
    }

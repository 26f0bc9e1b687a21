"""The statement of a commit: one fragment per table, each taking an array of rows."""

from __future__ import annotations

from functools import cache

from service.domain.accounts import CAN_OWE
from service.store.tables import TABLES, Table, columns

OPERATION = """\
wrote_operations AS (
    INSERT INTO operations (
        tenant_id, operation_id, kind, caller, party, key, request_hash, response, escrow_id,
        escrow_version, transitions, note, trace_id, occurred_at
    )
    SELECT * FROM unnest({0}::write_operation[])
    RETURNING 1
)"""
JOURNALS = """\
wrote_journals AS (
    INSERT INTO journals (
        tenant_id, journal_id, kind, source_type, source_id, currency, escrow_id, operation_id,
        event_at, created_at
    )
    SELECT * FROM unnest({0}::write_journal[])
    RETURNING 1
)"""
ENTRIES = """\
wrote_entries AS (
    INSERT INTO entries (tenant_id, journal_id, line, book, account, currency, amount_minor)
    SELECT * FROM unnest({0}::write_entry[])
    RETURNING 1
)"""
# One upsert, which reads nothing else: a debit is inserted as a balance of zero, for the check on
# the balance sees the row to insert before the row that is there, and its change is added on
# conflict. A trigger of the table refuses the debit of a balance that was not there. What may fall
# below zero is inserted as it is.
BALANCES = f"""\
wrote_balances AS (
    INSERT INTO balances AS b (tenant_id, account, currency, balance_minor, change_minor)
    SELECT c.tenant_id, c.account, c.currency,
        CASE WHEN c.account LIKE '{CAN_OWE}' THEN c.change_minor
            ELSE greatest(c.change_minor, 0) END,
        c.change_minor
    FROM unnest({{0}}::write_balance[]) AS c
    ON CONFLICT ON CONSTRAINT balances_pkey DO UPDATE
    SET balance_minor = b.balance_minor + EXCLUDED.change_minor,
        change_minor = EXCLUDED.change_minor
    RETURNING 1
)"""
EVENT_ENDS = """\
wrote_event_ends AS (
    UPDATE stripe_events AS e
    SET state = c.state, reason = c.reason, processed_at = c.processed_at
    FROM unnest({0}::write_event_end[]) AS c
    WHERE e.tenant_id = c.tenant_id AND e.event_id = c.event_id
    AND e.state IN ('RECEIVED', 'PARKED')
    RETURNING 1
)"""
# What an operator makes of an event that is still as it was read.
EVENT_REPAIRS = """\
wrote_event_repairs AS (
    UPDATE stripe_events AS e
    SET state = c.state, reason = c.reason, due_at = c.due_at, attempts = 0
    FROM unnest({0}::write_event_repair[]) AS c
    WHERE e.tenant_id = c.tenant_id AND e.event_id = c.event_id AND e.state = c.state_before
    RETURNING 1
)"""
# What no longer runs, so that the table holds what does.
REMOVED_DEADLINES = """\
wrote_removed_deadlines AS (
    DELETE FROM deadlines AS t USING unnest({0}::remove_deadline[]) AS c
    WHERE t.tenant_id = c.tenant_id AND t.escrow_id = c.escrow_id
    AND t.deadline_id = c.deadline_id
    RETURNING 1
)"""
# Parents before children, as in TABLES.
FRAGMENTS = {
    "operations": OPERATION,
    "journals": JOURNALS,
    "entries": ENTRIES,
    "balances": BALANCES,
    "event_ends": EVENT_ENDS,
    "event_repairs": EVENT_REPAIRS,
    "removed_deadlines": REMOVED_DEADLINES,
}


def _fragment(table: Table) -> str:
    """Writes whole rows; of a versioned table only those still in the version before."""
    names = columns(table.record)
    fragment = (
        f"wrote_{table.name} AS (\n"
        f"    INSERT INTO {table.name} AS t ({', '.join(names)})\n"
        f"    SELECT * FROM unnest({{0}}::{table.row_type}[])"
    )
    if table.key:
        updates = ", ".join(f"{name} = EXCLUDED.{name}" for name in names if name not in table.key)
        fragment += (
            f"\n    ON CONFLICT ON CONSTRAINT {table.name}_pkey DO UPDATE\n    SET {updates}"
        )
    if table.versioned:
        fragment += "\n    WHERE t.version = EXCLUDED.version - 1"
    return fragment + "\n    RETURNING 1\n)"


_FRAGMENT_OF = FRAGMENTS | {table.name: _fragment(table) for table in TABLES}
COUNTED = frozenset(
    {table.name for table in TABLES if table.versioned} | {"event_ends", "event_repairs"}
)
ORDER = tuple(_FRAGMENT_OF)


@cache
def commit_statement(written: tuple[str, ...]) -> str:
    """The statement for a unit that writes these tables. Parameters: $1.. one array per table in
    the order given, then one expected count per versioned table.
    """
    fragments = [
        _FRAGMENT_OF[name].format(f"${number}") for number, name in enumerate(written, start=1)
    ]
    counted = [name for name in written if name in COUNTED]
    checks = [
        f"expect_rows('{name}', (SELECT count(*) FROM wrote_{name}), ${number})"
        for number, name in enumerate(counted, start=len(written) + 1)
    ]
    return f"WITH {', '.join(fragments)}\nSELECT {', '.join(checks) or 'true'}"

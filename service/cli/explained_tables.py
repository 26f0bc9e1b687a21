"""What `escrow show` found, for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from google.protobuf.message import Message

from escrow.v1 import escrow_service_pb2 as pb
from service.cli.balances import balances_table
from service.cli.by_command import blocker_line
from service.cli.changed_terms import change_rows
from service.cli.explained_document import answer_of, as_contract, operation_document
from service.cli.journals import print_journal
from service.cli.operating import print_facts, row_of, text_of
from service.cli.printing import document_of, people
from service.cli.tables import Rows, print_table, table
from service.domain.blocker import Blocker
from service.domain.call import Party
from service.domain.money import format_minor
from service.operations.operators.explain.escrow import ExplainedEscrow
from service.operations.operators.explain.money import Sums
from service.operations.operators.explain.named import Explained
from service.operations.operators.explain.party import ExplainedParty
from service.store.balances import Balance
from service.store.trial_balance import Turnover

AMOUNTS = (
    *("amount", "held", "released", "refunded", "frozen", "payee_share"),
    *("owed", "reversed", "netted", "written_off"),
)
SUMS = (
    "funded",
    "held",
    "owed",
    "paid",
    "fees",
    "stripe_fees",
    "suspense",
    "refunding",
    "receivable",
)
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "milestones": ("id", "title", "state", "amount", "held", "released", "refunded", "frozen"),
    "deadlines": (
        "id",
        "kind",
        "milestone_id",
        "due_time",
        "act_time",
        "warned_percent",
        "refusal",
    ),
    "proposals": ("id", "kind", "proposed_by", "reason", "deadline_id", "due_time", "create_time"),
    "payees": ("payee_id", "amount", "payee_fee", "held", "released", "transferred"),
    "payments": ("id", "state", "amount", "method", "stripe_payment_intent", "stripe_charge"),
    "effects": (
        "id",
        "kind",
        "state",
        "amount",
        "problem",
        "stripe_object",
        "attempts",
        "due_time",
    ),
    "events": ("id", "type", "state", "object_id", "receive_time", "reason"),
    "escrows": ("id", "reference", "state", "currency", "create_time"),
    "refunds": ("id", "state", "amount", "stripe_refund", "failure_code", "reason", "create_time"),
    "receivables": (
        *("id", "escrow_id", "refund_id", "state", "amount", "owed", "reversed", "netted"),
        *("written_off", "refusal_code", "create_time"),
    ),
    "approvals": ("id", "method", "amount", "requested_by", "reason", "expire_time"),
    "payouts": ("id", "state", "amount", "stripe_payout", "create_time"),
}


def print_explained(found: Explained, *, tenant: str) -> None:
    """One part below the other, each with its title; what is empty is left out."""
    people.print(f"{found.named.kind} {found.named.id}, tenant {tenant}", markup=False)
    for title, message in (
        ("effect", found.effect),
        ("event", found.event),
        ("payout", found.payout),
    ):
        if message is not None:
            _title(title)
            print_facts(message)
    _print_rows("attempts", _message_rows(found.attempts))
    if found.operation is not None:
        _title("operation")
        _print_facts(operation_document(found.operation))
        answer = answer_of(found.operation)
        if answer is not None:
            _title("what its caller was answered")
            people.print_json(json.dumps(document_of(answer)))
    if found.transaction is not None:
        _title("balance transaction")
        _print_facts(as_contract(asdict(found.transaction)))
    if found.journal is not None:
        _title("journal")
        print_journal(found.journal)
    if found.escrow is not None:
        _print_escrow(found.escrow)
    if found.party is not None:
        _print_party(found.party)


def _print_escrow(found: ExplainedEscrow) -> None:
    for title, message in (
        ("escrow", found.escrow),
        ("payer", found.payer),
        ("payee", found.payee),
    ):
        if message is not None:
            _title(title)
            print_facts(message)
    if found.problem:
        people.print(f"cannot be shown: {found.problem}", style="red", markup=False)
    if found.escrow:
        milestones = found.escrow.milestones
        _print_rows("milestones", _message_rows(milestones, COLUMNS["milestones"]))
        deadlines = found.escrow.deadlines
        asked = found.escrow.proposals
        _print_rows("asked", _message_rows(asked, COLUMNS["proposals"]))
        _print_rows("asked to change", [r for each in asked for r in change_rows(each.changes)])
        _print_rows("deadlines", _message_rows(deadlines, COLUMNS["deadlines"]))
        _print_rows("payees", [row for each in milestones for row in _payee_rows(each)])
    _print_rows("payments", [*map(_payment_row, found.payments)])
    _print_rows("releases", [*map(_release_row, found.releases)])
    _print_rows("refunds", _message_rows(found.refunds, COLUMNS["refunds"]))
    _print_rows("owed by the payee", _message_rows(found.receivables, COLUMNS["receivables"]))
    _print_rows("money", [*map(_sums_row, found.sums)])
    _print_rows("accounts", [*map(_account_row, found.accounts)])
    _print_waits(found.waits)
    _print_rows("open calls to Stripe", _message_rows(found.effects, COLUMNS["effects"]))
    _print_rows("events that wait", _message_rows(found.events, COLUMNS["events"]))
    _print_rows("in suspense", _message_rows(found.suspense))
    approvals = _message_rows(found.approvals, COLUMNS["approvals"])
    _print_rows("waits for a second person", approvals)
    _print_rows("timeline", [*map(_timeline_row, found.timeline)])


def _print_party(found: ExplainedParty) -> None:
    party = found.payer or found.payee
    if party is not None:
        _title("payer" if found.payer else "payee")
        print_facts(party)
    if found.payee:
        _print_rows("accounts before", _message_rows(found.payee.previous_accounts))
    _print_balances(found.balances)
    _print_waits(found.waits)
    _print_rows("calls to Stripe", _message_rows(found.effects, COLUMNS["effects"]))
    _print_rows("escrows, the newest", _message_rows(found.escrows, COLUMNS["escrows"]))
    _print_rows("payouts, the newest", _message_rows(found.payouts, COLUMNS["payouts"]))
    _print_rows("what they owe", _message_rows(found.receivables, COLUMNS["receivables"]))
    if found.unreadable:
        line = f"damaged, see escrow verify: {', '.join(found.unreadable)}"
        people.print(line, style="red", markup=False)


def _title(text: str) -> None:
    people.print(f"\n[bold]{text}[/]")


def _print_rows(title: str, rows: Rows) -> None:
    if rows:
        _title(title)
        print_table(table(rows, right=(*AMOUNTS, *SUMS, "debit", "credit", "balance")))


def _print_facts(facts: Mapping[str, Any]) -> None:
    for name, value in facts.items():
        if value not in (None, "", []):
            people.print(f"{name}: {value}", markup=False, soft_wrap=True)


def _print_balances(found: list[Balance]) -> None:
    if found:
        _title("balances")
        print_table(balances_table(found))


def _print_waits(waits: Iterable[Blocker]) -> None:
    for number, wait in enumerate(waits):
        if not number:
            _title("waits for")
        people.print(blocker_line(wait), markup=False, soft_wrap=True)


def _message_rows(messages: Iterable[Message], names: Iterable[str] = ()) -> list[dict[str, str]]:
    return [
        row_of(message, [*(names or message.DESCRIPTOR.fields_by_name)]) for message in messages
    ]


def _payee_rows(milestone: pb.Milestone) -> list[dict[str, str]]:
    """Who is paid for a milestone, where these are several or not the escrow's payee."""
    rows = _message_rows(milestone.payees, COLUMNS["payees"])
    return [{"milestone": milestone.title} | row for row in rows]


def _payment_row(payment: pb.Payment) -> dict[str, str]:
    failure = payment.failure
    why = ": ".join(filter(None, (failure.decline_code or failure.code, failure.message)))
    return {**_message_rows([payment], COLUMNS["payments"])[0], "failure": why}


def _release_row(release: Mapping[str, Any]) -> dict[str, str]:
    row = {name: str(value) for name, value in release.items()}
    for name in ("amount", "payee_share"):
        row[name] = format_minor(int(row.pop(f"{name}_minor")), release["currency"])
    del row["currency"]
    return row


def _sums_row(sums: Sums) -> dict[str, str]:
    return {name: format_minor(getattr(sums, f"{name}_minor"), sums.currency) for name in SUMS}


def _account_row(line: Turnover) -> dict[str, str]:
    amounts = {
        "debit": line.debit_minor,
        "credit": line.credit_minor,
        "balance": line.closing_minor,
    }
    shown = {name: format_minor(minor, line.currency) for name, minor in amounts.items()}
    return {"account": line.account} | shown


def _timeline_row(entry: pb.TimelineEntry) -> dict[str, str]:
    by_name = entry.actor == Party.OPERATOR
    moves = (f"{t.subject} {getattr(t, 'from')}>{t.to}" for t in entry.transitions)
    return {
        "time": text_of(entry, "time", entry.time),
        "operation": entry.operation,
        "actor": f"{entry.actor}: {entry.caller}" if by_name else entry.actor,
        "cause": entry.cause,
        "what": "; ".join(filter(None, (*moves, entry.note))),
    }

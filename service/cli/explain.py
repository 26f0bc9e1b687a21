"""``escrow explain``: why an escrow waits, where its money is, and who can do what."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from escrow.v1.explanation_pb2 import (
    AccountStanding,
    Action,
    Blocker,
    ExplainEscrowRequest,
    ExplainEscrowResponse,
)
from service.cli.books import time_of
from service.cli.by_command import line_of
from service.cli.named import escrow_named
from service.cli.operating import Escrow, Tenant, call, row_of
from service.cli.printing import AsJson, document_of, people, print_json
from service.cli.tables import Rows, print_table, table
from service.domain.money import format_minor
from service.operations.explanation.explain_escrow import explain_escrow

AsOf = Annotated[
    str | None,
    typer.Option(help="As it was then: 2026-11-30T18:00:00Z, or a date at 0:00 UTC. (else now)"),
]


def explain(
    escrow: Escrow, tenant: Tenant = "default", as_of: AsOf = None, *, as_json: AsJson = False
) -> None:
    """Every cent by account and where it came from, what is waited for and who can end it, what
    happens by itself, and what each party can do now. Stripe is not asked.
    """
    request = ExplainEscrowRequest(escrow_id=escrow_named(tenant, escrow))
    if as_of:
        request.as_of_time.FromDatetime(time_of(as_of, "--as-of"))
    answer = call(explain_escrow, request, tenant=tenant)
    if as_json:
        print_json(document_of(answer))
    else:
        print_explanation(answer)


def print_explanation(told: ExplainEscrowResponse) -> None:
    """With the id of each thing: the next command asks for it."""
    people.print(f"escrow {told.escrow_id}: {told.state}", markup=False)
    standing = ("milestone_id", "title", "state", "amount", "held", "frozen")
    milestones = [row_of(each, standing) for each in told.milestones]
    _print_rows("milestones", milestones, right=standing[3:])
    accounts = [row for each in told.accounts for row in _account_rows(each)]
    _print_rows("money", accounts, right=("came", "went", "balance"))
    _print_lines("waits for", map(_wait_line, told.blockers))
    calls = ("effect_id", "kind", "state", "waiting_for", "problem", "due_time")
    _print_rows("open calls to Stripe", [row_of(each, calls) for each in told.open_calls])
    timers = ("deadline_id", "subject", "then", "due_time", "refusal")
    _print_rows("happens by itself", [row_of(each, timers) for each in told.timers])
    _print_lines("can be done", (_action_line(a) for a in told.actions if a.allowed))
    _print_lines("cannot be done", (_action_line(a) for a in told.actions if not a.allowed))
    if told.milestones_not_tried:
        people.print(f"not tried: {', '.join(told.milestones_not_tried)}", markup=False)


def _account_rows(account: AccountStanding) -> Rows:
    """A line for each kind of journal; the balance is on the last."""
    currency = account.balance.currency
    rows = [
        {
            "what": "" if number else account.meaning or account.account,
            "by": moved.journal_kind,
            "came": format_minor(moved.came.amount_minor, currency),
            "went": format_minor(moved.went.amount_minor, currency),
            "balance": "",
        }
        for number, moved in enumerate(account.movements)
    ]
    rows[-1]["balance"] = format_minor(account.balance.amount_minor, currency)
    return rows


def _wait_line(blocker: Blocker) -> str:
    clears = {each.party: list(each.methods) for each in blocker.remedies}
    return line_of(blocker.subject, blocker.description, clears)


def _action_line(action: Action) -> str:
    but = "" if action.allowed else f": {action.message}"
    if action.asks_stripe:
        but += ", if Stripe agrees"
    if action.needs_approval:
        but += ", with a second person"
    return f"{action.party}: {action.method} {action.subject}{but}"


def _print_rows(title: str, rows: Rows, right: Iterable[str] = ()) -> None:
    if rows:
        people.print(f"\n[bold]{title}[/]")
        print_table(table(rows, right=tuple(right)))


def _print_lines(title: str, lines: Iterable[str]) -> None:
    listed = list(lines)
    if listed:
        people.print(f"\n[bold]{title}[/]")
    for line in listed:
        people.print(line, markup=False, soft_wrap=True)

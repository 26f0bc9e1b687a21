"""``escrow verify``: proves the books, or shows exactly which rows are wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from typing import Annotated, Any

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table

from service.cli.printing import AsJson, errors, people, print_json
from service.config import DatabaseRole, load_config, load_settings
from service.database import pooled_database
from service.domain.money import CURRENCIES, format_minor
from service.operations.operators.verify_books import CheckResult, Report, verify_books
from service.operations.operators.verify_stripe import verify_stripe
from service.operations.sweeps.accounts import AccountProgress
from service.operations.sweeps.compare_with_stripe import Comparison
from service.server import open_runtime
from service.telemetry import configure_logging

AMOUNTS = ("at Stripe", "in the books", "on its way")
STATEMENT_TIMEOUT_S = 600.0  # it reads every entry there is

AskStripe = Annotated[
    bool,
    typer.Option(
        "--stripe",
        help="Compare with Stripe itself, too: every balance, and every balance transaction.",
    ),
]


def verify(*, stripe: AskStripe = False, as_json: AsJson = False) -> None:
    """Replays every journal and checks every invariant; exit status 1 on a breach.

    With --stripe what is new at Stripe is read into the books first, as the worker does every
    minute, and a difference from Stripe is a breach as well. What is frozen or unexplained is
    listed beside it: it is open, and no breach.
    """
    report, compared = asyncio.run(_verify_with_stripe() if stripe else _verify())
    clean = report.clean and all(each.clean for each in compared)
    if as_json:
        shown = [_as_json(each) for each in compared] if stripe else None
        print_json({"clean": clean, **asdict(report), "stripe": shown})
    else:
        _show(report)
        _show_comparisons(compared)
        _show_verdict(report, compared, asked=stripe)
    if not clean:
        raise typer.Exit(1)


async def _verify() -> tuple[Report, list[Comparison]]:
    settings = load_settings(database_command_timeout_s=STATEMENT_TIMEOUT_S)
    async with pooled_database(settings, DatabaseRole.READER) as pool:
        return await verify_books(pool), []


async def _verify_with_stripe() -> tuple[Report, list[Comparison]]:
    config = load_config(database_command_timeout_s=STATEMENT_TIMEOUT_S)
    configure_logging(config.settings.log_level, config.settings.log_format)
    async with open_runtime(config, DatabaseRole.WORKER) as runtime:
        with _progress() as progress:
            compared = await verify_stripe(runtime, progress)
        return await verify_books(runtime.pool), compared


@contextmanager
def _progress() -> Iterator[AccountProgress]:
    """On standard error, so that nothing of it gets into what a program reads."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task("asking Stripe")

        def show(tenant: str, account: str, compared: int) -> None:
            whose = account or "platform"
            bar.update(task, description=f"{tenant}, {whose}: {compared:,} balance transactions")

        yield show


def _as_json(found: Comparison) -> dict[str, Any]:
    facts = {each.name: getattr(found, each.name) for each in fields(found)}  # Counters: no asdict
    del facts["off"]
    return {**facts, "clean": found.clean, "differences": found.differences}


def _show(report: Report) -> None:
    table = Table("check", "rows", "", "what must hold", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    for check in report.checks:
        verdict = f"[red]{len(check.breaches)} wrong[/]" if check.breaches else "[green]holds[/]"
        table.add_row(check.name, f"{check.examined:,}", verdict, check.says)
    people.print(table)
    for check in report.checks:
        _show_breaches(check)
    for what, (count, since) in report.waiting.items():
        if count:
            people.print(f"waiting: {count} {what}, the oldest since {since}")


def _show_breaches(check: CheckResult) -> None:
    for row in check.breaches:
        facts = ", ".join(f"{name}={value}" for name, value in row.items())
        people.print(f"{check.name}: {facts}", style="red", markup=False, soft_wrap=True)


def _show_comparisons(compared: Sequence[Comparison]) -> None:
    if not compared:
        return
    table = Table("tenant", "account", "rows", *AMOUNTS, "difference", box=None)
    for column in table.columns[2:]:
        column.justify = "right"
    for each in compared:
        for currency in sorted({*each.stripe, *each.books, *each.on_its_way}) or [""]:
            off_minor = each.differences.get(currency, 0)
            columns = (each.stripe, each.books, each.on_its_way)
            amounts = [_amount(column[currency], currency) for column in columns]
            off = f"[red]{_amount(off_minor, currency)}[/]" if off_minor else "[green]none[/]"
            account = each.account or "platform"
            table.add_row(each.tenant, account, f"{each.compared:,}", *amounts, off)
    people.print(table)
    for each in compared:
        if each.access_removed:
            people.print(f"{each.tenant}, {each.account}: its owner took our access away")
        for what in each.wrong:
            line = f"{each.tenant}, {each.account or 'platform'}: {what}"
            people.print(line, style="red", markup=False, soft_wrap=True)
        for what in each.settings:
            line = f"{each.tenant}: {what}"
            people.print(line, style="yellow", markup=False, soft_wrap=True)
        for transaction_id, why in each.undecided.items():
            people.print(f"on its way: {transaction_id}, {why}", markup=False, soft_wrap=True)


def _amount(amount_minor: int, currency: str) -> str:
    if currency in CURRENCIES:
        return format_minor(amount_minor, currency)
    return f"{amount_minor} {currency}" if currency else "-"


def _show_verdict(report: Report, compared: Sequence[Comparison], *, asked: bool) -> None:
    right = "[bold green]the books are right[/]"
    people.print(right if report.clean else "[bold red]the books are wrong[/]")
    if not asked:
        people.print("Stripe was not asked: escrow verify --stripe compares with Stripe itself")
    elif all(each.clean for each in compared):
        people.print("[bold green]the same as Stripe[/]")
    else:
        people.print("[bold red]different from Stripe[/]")

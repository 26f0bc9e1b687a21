"""``escrow verify``: proves the books, or shows exactly which rows are wrong."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import typer
from rich.table import Table

from service.cli.printing import AsJson, people, print_json
from service.config import load_settings
from service.database import pooled_database
from service.operations.operators.verify_books import CheckResult, Report, verify_books

STATEMENT_TIMEOUT_S = 600.0  # it reads every entry there is


def verify(*, as_json: AsJson = False) -> None:
    """Replays every journal and checks every invariant; exit status 1 on a breach."""
    report = asyncio.run(_verify())
    if as_json:
        print_json({"clean": report.clean, **asdict(report)})
    else:
        _show(report)
    if not report.clean:
        raise typer.Exit(1)


async def _verify() -> Report:
    settings = load_settings(database_command_timeout_s=STATEMENT_TIMEOUT_S)
    async with pooled_database(settings) as pool:
        return await verify_books(pool)


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
    people.print(
        "[bold green]the books are right[/]" if report.clean else "[bold red]the books are wrong[/]"
    )


def _show_breaches(check: CheckResult) -> None:
    for row in check.breaches:
        facts = ", ".join(f"{name}={value}" for name, value in row.items())
        people.print(f"{check.name}: {facts}", style="red", markup=False, soft_wrap=True)

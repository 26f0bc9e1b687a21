"""`python -m tests.acceptance`: the same scenarios at the sandbox and at a Stripe test account, and
what Stripe's answers have that the sandbox's have not, or the other way round.

STRIPE_SECRET_KEY=sk_test_... make acceptance
STRIPE_SECRET_KEY=sk_test_... make acceptance ARGS="--yes --no-person --json"
"""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from service.local.problem import LocalProblem
from service.local.setup import STRIPE, RealStripe
from service.local.stripe_account import require_stripe
from tests.acceptance.cleanup import clean_up, kinds_of
from tests.acceptance.end import End, NeedsAPerson, open_end
from tests.acceptance.shapes import Difference, Exchange, differences, shapes_of
from tests.acceptance.stories import STORIES, Story
from tests.postgres import Server, prepare_template, running_server
from tests.scenarios.program import Program
from tests.world import Stripe

ENDS = ("sandbox", "stripe")
SANDBOX_KEY = "sk_test_acceptance"
people = Console(stderr=True, highlight=False, soft_wrap=True)


class CannotStart(LocalProblem):
    """Nothing was created anywhere. The message is one line."""


@dataclass
class Report:
    """How it went at one end."""

    passed: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    created: str = ""
    left: list[str] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)


def main(
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Create it at Stripe without asking.")] = False,
    person: Annotated[
        bool, typer.Option(help="Whether somebody is here to fill in Stripe's onboarding page.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="The result on standard output.")] = False,
) -> None:
    """Exit status 1 when a scenario fails or the sandbox promises what Stripe does not keep."""
    try:
        at = _stripe_of_environment()
        sandbox, stripe = asyncio.run(_run(at, yes=yes, person=person))
    except LocalProblem as problem:
        typer.echo(f"acceptance: {problem}", err=True)
        raise typer.Exit(2) from None
    found = differences(shapes_of(stripe.exchanges), shapes_of(sandbox.exchanges))
    if as_json:
        told = {
            "at": at.url,
            "stripe": _without_exchanges(stripe),
            "sandbox": _without_exchanges(sandbox),
            "differences": [asdict(each) | {"is_fault": each.is_fault} for each in found],
        }
        json.dump(told, sys.stdout, indent=2)
    _summarize(at, stripe, found)
    if stripe.failed or sandbox.failed or any(each.is_fault for each in found):
        raise typer.Exit(1)


def _stripe_of_environment() -> Stripe:
    key = os.environ.get("STRIPE_SECRET_KEY", "").strip()
    if not key:
        raise CannotStart(
            "set STRIPE_SECRET_KEY to the secret key (sk_test_...) of a Stripe test account that"
            " has Connect; nothing was done"
        )
    if not key.startswith(("sk_test_", "rk_test_")):
        raise CannotStart("STRIPE_SECRET_KEY is not a test key (sk_test_...); nothing was done")
    return Stripe(os.environ.get("STRIPE_API_BASE", "").rstrip("/") or STRIPE, key)


async def _run(at: Stripe, *, yes: bool, person: bool) -> tuple[Report, Report]:
    await require_stripe(RealStripe(at.key, at.url, {}))
    folder = Path(tempfile.mkdtemp(prefix="escrow-acceptance-"))
    folders = {name: Path(tempfile.mkdtemp(prefix=f"{name}-", dir=folder)) for name in ENDS}
    people.print(f"[dim]The logs of all processes are in {folder}[/]")
    with running_server() as server:
        template = await prepare_template(server)
        async with _sandbox(folder) as own:
            people.print(f"\n[bold]At the sandbox[/] [dim]{own.url}[/]")
            sandbox = await _play(own, server, template, folders["sandbox"], None)
        people.print(f"\nThe same will be created at {at.url}: {sandbox.created}.")
        if not yes and not typer.confirm("Go on?", err=True):
            raise CannotStart("nothing was created at Stripe")
        people.print(f"\n[bold]At Stripe[/] [dim]{at.url}[/]")
        ask = _ask_person if person and sys.stdin.isatty() else None
        stripe = await _play(at, server, template, folders["stripe"], ask)
    return sandbox, stripe


@asynccontextmanager
async def _sandbox(folder: Path) -> AsyncIterator[Stripe]:
    command = ["stripe_sandbox", "--port", "0"]
    program = Program("sandbox", command, {}, folder, r"Stripe sandbox listening on (\S+)")
    try:
        yield Stripe(await program.start(), SANDBOX_KEY)
    finally:
        await program.end()


async def _play(
    at: Stripe,
    server: Server,
    template: str,
    folder: Path,
    ask: Callable[[str], None] | None,
) -> Report:
    report = Report()
    async with open_end(at, server, template, folder, ask) as end:
        for title, story in STORIES.items():
            await _play_one(end, title, story, report)
        created = end.recorder.created()
        report.created = kinds_of(created)
        report.exchanges = list(end.recorder.exchanges)
        report.left = await clean_up(end.client, created)
    return report


async def _play_one(end: End, title: str, story: Story, report: Report) -> None:
    try:
        with people.status(f"[dim]{title}[/]"):
            await story(end)
    except NeedsAPerson as why:
        report.skipped[title] = str(why)
        people.print(f"  [yellow]-[/] {title} [dim]skipped: {why}[/]")
    except Exception as error:  # noqa: BLE001 - whatever it is, the others are still to be tried
        report.failed[title] = f"{type(error).__name__}: {error}"
        people.print(f"  [red]✗[/] {title}")
        people.print(f"    {report.failed[title]}", markup=False)
    else:
        report.passed.append(title)
        people.print(f"  [green]✓[/] {title}")


def _ask_person(link: str) -> None:
    people.print("  [yellow]→[/] Open this page, fill it in with test data, and come back:")
    people.print(f"    {link}", markup=False, soft_wrap=True)


def _without_exchanges(report: Report) -> dict[str, object]:
    told = asdict(report)
    told["exchanges"] = len(report.exchanges)
    return told


def _summarize(at: Stripe, stripe: Report, found: list[Difference]) -> None:
    people.print(
        f"\n{len(stripe.exchanges)} answers of {at.url} compared with the sandbox's: "
        f"{sum(each.is_fault for each in found)} faults, "
        f"{sum(not each.is_fault for each in found)} fields only at Stripe."
    )
    if found:
        table = Table("where", "field", "how it differs", box=None, header_style="bold")
        for each in sorted(found, key=lambda each: not each.is_fault):
            table.add_row(each.where, each.field, f"{each.kind} {each.detail}".strip())
        people.print(table)
    if at.url != STRIPE:
        people.print(f"[yellow]{at.url} is not Stripe itself: this says nothing about Stripe.[/]")
    people.print(
        "Customers are deleted, accounts closed, open payments canceled. Charges, transfers and"
        " payouts stay: Stripe keeps them, as test data."
    )
    for sentence in stripe.left:
        people.print(f"  could not be taken back: {sentence}", markup=False)


if __name__ == "__main__":
    typer.run(main)

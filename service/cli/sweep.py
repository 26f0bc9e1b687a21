"""``escrow sweep``: reads what moved the balances at Stripe, now and all of it."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated

import typer

from service.cli.printing import AsJson, errors, people, print_json
from service.config import DatabaseRole, load_config
from service.operations.operators.sweep_stripe import SweptAccount, sweep_stripe
from service.server import open_runtime
from service.telemetry import configure_logging

FromStart = Annotated[
    bool,
    typer.Option(
        "--from-start",
        help="Read everything that Stripe lists, and not only what is new since the last time.",
    ),
]


def sweep(*, from_start: FromStart = False, as_json: AsJson = False) -> None:
    """Gives every balance transaction at Stripe its row and its journal, as the worker does.

    It may be run at any time, and again: what has its row is left as it is. After an upgrade from
    a version without such rows it makes those of what was booked before.
    """
    swept = asyncio.run(_sweep(from_start=from_start))
    if as_json:
        print_json({"accounts": [asdict(each) for each in swept]})
    else:
        for each in swept:
            _show(each)
    if any(each.problem for each in swept):
        raise typer.Exit(1)


async def _sweep(*, from_start: bool) -> list[SweptAccount]:
    def progress(tenant: str, account: str, count: int) -> None:
        errors.print(f"{tenant}, {account or 'platform'}: {count:,} read")

    config = load_config()
    configure_logging(config.settings.log_level, config.settings.log_format)
    async with open_runtime(config, DatabaseRole.WORKER) as runtime:
        return await sweep_stripe(runtime, from_start=from_start, progress=progress)


def _show(swept: SweptAccount) -> None:
    where = f"{swept.tenant}, {swept.account or 'platform'}"
    if swept.problem:
        people.print(f"{where}: {swept.problem}", style="red", markup=False)
        return
    people.print(f"{where}: {swept.swept.seen:,} read, {swept.swept.booked:,} new", markup=False)
    for transaction_id, why in swept.swept.undecided.items():
        people.print(f"on its way: {transaction_id}, {why}", markup=False, soft_wrap=True)

"""What is printed when everything runs: the addresses, and calls that work as pasted."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from escrow.client import new_request_id
from service.cli.hosted_pages import CARD_3DS
from service.cli.local_setup import Addresses
from service.postgres_programs import EmbeddedPostgresError, find_binaries

if TYPE_CHECKING:
    from service.cli.story import Played

SERVICE = "escrow.v1.EscrowService"


def show_things_to_try(
    console: Console, addresses: Addresses, played: Played | None, *, serving: bool = True
) -> None:
    """Tells a person where everything is and what to do next."""
    console.print()
    console.rule("[bold]Everything runs[/]", style="dim")
    console.print(_addresses_table(addresses))
    if played is not None:
        _show_calls(console, addresses, played)
        _show_checkout(console, played)
    _show_ledger(console, addresses)
    if serving:
        console.print("\n[bold]Ctrl-C stops everything[/] and keeps the data.")
        console.print("[dim]What is booked from now on shows up here.[/]\n")


def buf_curl(target: str, method: str, request: dict[str, str], *, party: str = "") -> str:
    """A call by reflection, as a shell takes it."""
    lines = [f"{_program('buf')} curl --protocol grpc --http2-prior-knowledge"]
    if party:
        lines.append(f"  -H 'escrow-party: {party}'")
    lines.append(f"  -d '{json.dumps(request)}'")
    lines.append(f"  http://{target}/{SERVICE}/{method}")
    return " \\\n".join(lines)


def _addresses_table(addresses: Addresses) -> Table:
    folder = Path(addresses.logs).parent
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("gRPC", f"{addresses.grpc}  [dim]escrow.v1, with reflection[/]")
    table.add_row(
        "webhooks", f"{addresses.gateway}/stripe/{addresses.tenant}/platform and /connect"
    )
    if addresses.sandbox:
        table.add_row("Stripe sandbox", f"{addresses.sandbox}  [dim]stripe_sandbox/README.md[/]")
    else:
        table.add_row("Stripe", "your test account")
    table.add_row("data and logs", f"{folder}/ and {addresses.logs}/*.log")
    return table


def _show_calls(console: Console, addresses: Addresses, played: Played) -> None:
    calls = [
        (
            "Read the escrow that went all the way",
            buf_curl(addresses.grpc, "GetEscrow", {"escrow_id": played.completed_id}),
        ),
        (
            "Who did what, when and why",
            buf_curl(addresses.grpc, "ListTimeline", {"escrow_id": played.completed_id}),
        ),
        (
            "Accept what was delivered, as the payer. Paste it twice: the money moves once",
            buf_curl(
                addresses.grpc,
                "AcceptDelivery",
                {
                    "request_id": new_request_id(),
                    "escrow_id": played.delivered_id,
                    "milestone_id": played.delivered_milestone_id,
                },
                party="payer",
            ),
        ),
    ]
    for number, (title, command) in enumerate(calls, 1):
        console.print(f"\n[bold]{number}  {title}[/]")
        _print_as_is(console, command)


def _show_checkout(console: Console, played: Played) -> None:
    console.print("\n[bold]Pay on the Checkout page[/], as Ada would")
    _print_as_is(console, played.checkout_url)
    console.print(
        f"[dim]4242 4242 4242 4242 pays, {CARD_3DS} asks for 3D Secure; any later date and CVC[/]"
    )


def _show_ledger(console: Console, addresses: Addresses) -> None:
    found = f". {Path(addresses.logs).parent / 'env'} &&"  # where the database is
    console.print("\n[bold]Read the ledger[/], prove it, or look at the tables")
    _print_as_is(console, f"{found} {_program('escrow')} journals")
    _print_as_is(console, f"{found} {_program('escrow')} verify")
    _print_as_is(console, f'{found} {_psql()} "$ESCROW_DATABASE_URL"')


def _print_as_is(console: Console, text: str) -> None:
    """Without any wrapping, markup or colour: it is there to be copied."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _program(name: str) -> str:
    """A program of our own environment, as a shell in this folder finds it."""
    beside = Path(sys.executable).parent / name
    return _shown(beside) if beside.exists() else name


def _psql() -> str:
    if shutil.which("psql"):
        return "psql"
    try:
        return _shown(find_binaries() / "psql")
    except EmbeddedPostgresError:
        return "psql"


def _shown(file: Path) -> str:
    relative = os.path.relpath(file)
    return str(file) if relative.startswith("..") else relative

"""What is printed when everything runs: the addresses, and calls that work as pasted."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from service.local.folder import Addresses
from service.local.identities import OPERATOR, SECOND_OPERATOR, YOU
from service.local.postgres.programs import EmbeddedPostgresError, find_binaries
from service.local.story.hosted_pages import CARD_3DS

SERVICE = "escrow.v1.EscrowService"


@dataclass(frozen=True, slots=True)
class Call:
    """A call of EscrowService to try; ``party`` is payer, payee or empty: who it is made for."""

    title: str
    method: str
    request: Mapping[str, str]
    party: str = ""


@dataclass(frozen=True, slots=True)
class ToTry:
    """What a person may do next. There is no ``checkout_url`` when nothing waits to be paid."""

    calls: Sequence[Call]
    checkout_url: str = ""


def anything() -> ToTry:
    """What can be done without knowing what is there."""
    return ToTry([Call("List the escrows, newest first", "ListEscrows", {})])


def show_things_to_try(
    console: Console, addresses: Addresses, to_try: ToTry, *, serving: bool = True
) -> None:
    """Prints where everything is and what to do next."""
    console.print()
    console.rule("[bold]Everything runs[/]", style="dim")
    console.print(_addresses_table(addresses))
    if addresses.sandbox is None:
        _show_forwarding(console, addresses)
    for number, call in enumerate(to_try.calls, 1):
        console.print(f"\n[bold]{number}  {call.title}[/]")
        _print_as_is(console, buf_curl(addresses, call))
    if to_try.checkout_url:
        _show_checkout(console, to_try.checkout_url)
    ids = (call.request["escrow_id"] for call in to_try.calls if "escrow_id" in call.request)
    name = next(ids, "ANY_ID_OR_REFERENCE")
    _show_ledger(console, addresses, name)
    _show_happening(console, addresses, name)
    _show_operating(console, addresses)
    _show_approving(console, addresses, name)
    if serving:
        console.print("\n[bold]Ctrl-C stops everything[/] and keeps the data.")
        console.print("[dim]What is booked from now on shows up here.[/]\n")


def buf_curl(addresses: Addresses, call: Call) -> str:
    """The call as a shell command; buf finds the contract by reflection and has a certificate."""
    files = addresses.identities.files(YOU)
    shown = {"cacert": files.ca, "cert": files.certificate, "key": files.key}
    lines = [f"{_program('buf')} curl --protocol grpc"]
    lines += [f"  --{name} {shlex.quote(_shown(file))}" for name, file in shown.items() if file]
    if call.party:
        lines.append(f"  -H 'escrow-party: {call.party}'")
    lines.append(f"  -d '{json.dumps(call.request)}'")
    lines.append(f"  https://{addresses.grpc}/{SERVICE}/{call.method}")
    return " \\\n".join(lines)


def _addresses_table(addresses: Addresses) -> Table:
    folder = Path(addresses.logs).parent
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("gRPC", f"{addresses.grpc}  [dim]escrow.v1, with reflection and TLS[/]")
    table.add_row(
        "webhooks", f"{addresses.gateway}/stripe/{addresses.tenant}/platform and /connect"
    )
    if addresses.sandbox:
        table.add_row("Stripe sandbox", f"{addresses.sandbox}  [dim]stripe_sandbox/README.md[/]")
    else:
        table.add_row("Stripe", "your test account")
    table.add_row(
        "certificates", f"{addresses.tls}/  [dim]yours: {YOU}, {OPERATOR}, {SECOND_OPERATOR}[/]"
    )
    table.add_row("data and logs", f"{folder}/ and {addresses.logs}/*.log")
    return table


def _show_forwarding(console: Console, addresses: Addresses) -> None:
    console.print("\n[bold]Stripe's events come in while this runs[/], in another terminal")
    webhooks = f"{addresses.gateway}/stripe/{addresses.tenant}"
    _print_as_is(
        console,
        f"stripe listen --forward-to {webhooks}/platform --forward-connect-to {webhooks}/connect",
    )


def _show_checkout(console: Console, checkout_url: str) -> None:
    console.print("\n[bold]Pay on the Checkout page[/], as Ada would")
    _print_as_is(console, checkout_url)
    console.print(f"[dim]4242 4242 4242 4242 pays, {CARD_3DS} asks for 3D Secure[/]")


def _show_ledger(console: Console, addresses: Addresses, name: str) -> None:
    found = _with_settings(addresses)
    console.print("\n[bold]Find anything by its name[/], read the ledger, prove it, or look inside")
    _print_as_is(console, f"{found} {_program('escrow')} show {name})")
    _print_as_is(console, f"{found} {_program('escrow')} journals)")
    _print_as_is(console, f"{found} {_program('escrow')} balances)")
    ask_stripe = " --stripe" if addresses.sandbox else ""
    _print_as_is(console, f"{found} {_program('escrow')} verify{ask_stripe})")
    _print_as_is(console, f'{found} {_psql()} "$ESCROW_DATABASE_URL")')


def _show_happening(console: Console, addresses: Addresses, name: str) -> None:
    found, escrow = _with_settings(addresses), _program("escrow")
    console.print(
        "\n[bold]Hear why an escrow waits[/], what happened, what happens as it happens, and who"
        " disagrees"
    )
    for command in (f"explain {name}", "log", "watch", "disputes list"):
        _print_as_is(console, f"{found} {escrow} {command})")


def _show_operating(console: Console, addresses: Addresses) -> None:
    found, escrow = _with_settings(addresses), _program("escrow")
    file = Path(addresses.logs).parent / "policy.yaml"
    why = '--reason "our own fees"'
    console.print(
        "\n[bold]Change what new escrows are charged[/], as an operator: edit the file first"
    )
    _print_as_is(console, f"{found} {escrow} policy show > {file})")
    _print_as_is(console, f"{found} {escrow} --as ann policy apply {file} {why})")


def _show_approving(console: Console, addresses: Addresses, name: str) -> None:
    found, escrow = _with_settings(addresses), _program("escrow")
    console.print(
        "\n[bold]Let a second operator decide[/], by a certificate of their own: first apply a file"
        " with approvals: {USD: {refunds_minor: 0}}, and plan a refund"
    )
    why = '--plan-hash REFUND_HASH --reason "it was broken"'
    seen = '--plan-hash APPROVAL_HASH --reason "seen, and agreed"'
    files = addresses.identities.files(SECOND_OPERATOR)
    shown = {"CERTIFICATE": files.certificate, "KEY": files.key}
    second = " ".join(
        f"ESCROW_OPERATOR_{setting}_FILE={shlex.quote(_shown(file))}"
        for setting, file in shown.items()
        if file
    )
    _print_as_is(console, f"{found} {escrow} --as ann refunds plan {name} 1)")
    _print_as_is(console, f"{found} {escrow} --as ann refunds create {name} 1 {why})")
    _print_as_is(console, f"{found} {escrow} approvals show APPROVAL)")
    _print_as_is(console, f"{found} {second} {escrow} --as ben approvals approve APPROVAL {seen})")


def _with_settings(addresses: Addresses) -> str:
    """In a shell of their own, so that the next `make run` does not find these settings."""
    return f"(. {Path(addresses.logs).parent / 'env'} &&"


def _print_as_is(console: Console, text: str) -> None:
    """Prints without wrapping, markup or colour, so that it can be copied."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _program(name: str) -> str:
    """The path of a program of our own environment, from the current folder."""
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

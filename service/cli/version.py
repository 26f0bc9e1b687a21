"""``escrow version``."""

from __future__ import annotations

from importlib.metadata import version as version_of

import typer

from service.cli.printing import AsJson, people, print_json

PARTS = ("escrow-service", "grpcio", "protobuf", "asyncpg", "stripe")


def print_release(asked: bool) -> None:
    """``escrow --version``: the release alone, and nothing else is run."""
    if asked:
        typer.echo(f"escrow {version_of(PARTS[0])}")
        raise typer.Exit


def version(*, as_json: AsJson = False) -> None:
    """Says which release this is, and what it stands on."""
    versions = {part: version_of(part) for part in PARTS}
    if as_json:
        print_json(versions)
        return
    for part, number in versions.items():
        people.print(f"{part:<16} {number}")

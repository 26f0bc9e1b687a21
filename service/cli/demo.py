"""``escrow demo``: the story again, against what ``escrow up`` runs."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from service.cli.checkout import require_local
from service.cli.printing import AsJson, people, print_json


def demo(
    data_dir: Annotated[Path, typer.Option(help="The folder of `escrow up`.")] = Path(".escrow"),
    target: Annotated[
        str | None, typer.Option(help="Another address of the service, behind a proxy perhaps.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Plays the story against a running `escrow up`, with new people and new escrows."""
    require_local("demo", instead="make run")
    from service.local.demo import play_again  # noqa: PLC0415 - the image has no service.local

    console = Console(quiet=True) if as_json else people
    played = asyncio.run(play_again(data_dir, target, console))
    if as_json:
        print_json({"story": asdict(played) if played else None})

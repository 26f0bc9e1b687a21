"""How commands speak: to people by rich, to programs by one JSON object on standard output."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer
from rich.console import Console

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")]

_WIDTH = None if sys.stdout.isatty() else 140  # a file or a pipe has no width of its own
people = Console(highlight=False, width=_WIDTH)
errors = Console(highlight=False, stderr=True)


def print_json(value: object) -> None:
    """One line, so that it can be read line by line; what JSON does not know is a string."""
    typer.echo(json.dumps(value, default=_text, ensure_ascii=False))


def _text(value: Any) -> str:  # noqa: ANN401 - times, UUIDs and decimals alike
    return value.isoformat() if hasattr(value, "isoformat") else str(value)

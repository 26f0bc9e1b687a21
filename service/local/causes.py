"""Why a program ended, found in what it wrote: one line instead of the end of a long log."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

CAUSE_MAX = 300
RECENT_LINES = 20  # an error that was survived long ago is no cause
_SAID = re.compile(r"^(?:escrow|escrow-gateway|stripe_sandbox|stripe-sandbox): (?P<cause>.+)")
_POSTGRES = re.compile(r"\b(?:FATAL|PANIC): +(?P<cause>.+)")
_TRACEBACK = "Traceback (most recent call last):"
_GRAVE = ("error", "critical")


def cause_in(log: str) -> str:
    """The line that says why, or "" when nothing does.

    In this order: what the program says itself before it gives up, the exception of its last
    traceback, its last log record of an error; of PostgreSQL, what it died of.
    """
    log = log.rpartition("starting PostgreSQL")[2]  # its log goes on from start to start
    lines = [line for line in log.splitlines() if line.strip()]
    found = (
        _last(_SAID, lines)
        or _last_problem(lines)
        or _raised(lines)
        or _logged(lines)
        or _last(_POSTGRES, lines)
    )
    return found[:CAUSE_MAX]


def _last(pattern: re.Pattern[str], lines: Sequence[str]) -> str:
    found = (pattern.search(line) for line in reversed(lines))
    return next((match["cause"] for match in found if match), "")


def _raised(lines: Sequence[str]) -> str:
    """The first line below the last traceback that is not indented: the exception itself."""
    for start in range(len(lines) - 1, -1, -1):
        if lines[start] == _TRACEBACK:
            below = lines[start + 1 :]
            return next((line for line in below if not line.startswith(" ")), "")
    return ""


def _last_problem(lines: Sequence[str]) -> str:
    """What a program says that speaks JSON: {"error": {"message": ...}}."""
    for record in _records(lines):
        error = record.get("error")
        if isinstance(error, dict) and isinstance(error.get("message"), str):
            return str(error["message"])
    return ""


def _logged(lines: Sequence[str]) -> str:
    for record in _records(lines):
        if record.get("level") in _GRAVE:
            raised = _raised(str(record.get("exception", "")).splitlines())
            return ": ".join(part for part in (str(record.get("event", "")), raised) if part)
    return ""


def _records(lines: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The latest lines that are JSON objects, newest first."""
    for line in reversed(lines[-RECENT_LINES:]):
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            yield record

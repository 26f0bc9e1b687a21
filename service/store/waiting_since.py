"""Lists by time: the place of what waits, and a time that can be read whatever a row holds."""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

Since: TypeAlias = tuple[datetime, str]
"""Where something is in a list that is by time: when it began to wait, and its id."""


def readable_since(column: str) -> str:
    """A time to list by: of a damaged one, the nearest that can be read."""
    return f"greatest(least({column}, '9999-12-31'), '1970-01-01')"

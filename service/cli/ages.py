"""How old what waits is, as people say it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_UNITS = (
    (timedelta(days=1), "d"),
    (timedelta(hours=1), "h"),
    (timedelta(minutes=1), "min"),
    (timedelta(seconds=1), "s"),
)


def age_of(since: datetime, now: datetime | None = None) -> str:
    """In whole units of the largest: "3 d". Of what is to come "0 s": a clock is ahead."""
    age = (now or datetime.now(UTC)) - since
    return next((f"{age // unit} {name}" for unit, name in _UNITS if age >= unit), "0 s")


def left_until(due: datetime, now: datetime) -> str:
    """How long it is until then, in whole units of the largest; "over" once it has passed."""
    return f"in {age_of(now, due)}" if due > now else "over"


def age_of_text(since: str) -> str:
    """Of a time in RFC 3339; empty where it is none that can be shown."""
    try:
        return age_of(datetime.fromisoformat(since))
    except (ValueError, TypeError):
        return ""

"""The values that Stripe's objects are made of: texts, amounts, times, ids."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from service.domain import ids

Object = Mapping[str, Any]


class Unreadable(Exception):
    """An object of Stripe that is not as documented; it waits for a person."""


# Stripe knows no earlier time, and the very last microseconds are no time to PostgreSQL's driver.
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
INT64 = range(-(2**63), 2**63)


def time_of(seconds: object) -> datetime:
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        raise Unreadable(f"{seconds!r} is not a time of Stripe")
    try:
        return _in_range(datetime.fromtimestamp(seconds, UTC))
    except (OverflowError, OSError, ValueError) as error:
        raise Unreadable(f"{seconds!r} is not a time of Stripe") from error


def _in_range(moment: datetime) -> datetime:
    if EARLIEST <= moment <= LATEST:
        return moment
    raise ValueError(moment)


def moment_of(value: object) -> datetime:
    """A time of v1 (seconds) or of v2 (RFC 3339)."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
            return _in_range(
                moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
            )
        except (ValueError, OverflowError) as error:
            raise Unreadable(f"{value!r} is not a time of Stripe") from error
    return time_of(value)


def text(source: Object, name: str) -> str:
    value = optional_text(source, name)
    if not value:
        raise Unreadable(f"{source.get('object', 'object')}.{name} is missing")
    return value


def optional_text(source: Object, name: str) -> str | None:
    value = source.get(name)
    if value is None or (isinstance(value, str) and _is_storable(value)):
        return value
    raise Unreadable(f"{source.get('object', 'object')}.{name} is not a text")


def _is_storable(text: str) -> bool:
    """PostgreSQL keeps no NUL, and UTF-8 no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def part(source: Object, name: str) -> Object:
    """An object inside another; empty where there is none."""
    value = source.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Unreadable(f"{source.get('object', 'object')}.{name} is not an object")
    return value


def _list(source: Object, name: str) -> list[Any]:
    value = source.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise Unreadable(f"{source.get('object', 'object')}.{name} is not a list")
    return value


def parts(source: Object, name: str) -> list[Object]:
    """The objects of a list inside another; empty where there is none."""
    values = _list(source, name)
    if not all(isinstance(value, Mapping) for value in values):
        raise Unreadable(f"{source.get('object', 'object')}.{name} holds no objects")
    return values


def texts(source: Object, name: str) -> list[str]:
    """The texts of a list; empty where there is none."""
    values = _list(source, name)
    if not all(isinstance(value, str) and _is_storable(value) for value in values):
        raise Unreadable(f"{source.get('object', 'object')}.{name} holds no texts")
    return values


def minor(source: Object, name: str) -> int:
    value = source.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value not in INT64:
        raise Unreadable(f"{source.get('object', 'object')}.{name} is not an amount")
    return value


def id_of(source: Object, name: str) -> str | None:
    """The id in a field that may be expanded."""
    value = source.get(name)
    return text(value, "id") if isinstance(value, Mapping) else optional_text(source, name)


def our_id(source: Object, name: str) -> UUID | None:
    """One of our ids in an object's metadata; None when the object is not ours."""
    metadata = source.get("metadata")
    text = metadata.get(name) if isinstance(metadata, Mapping) else None
    if not isinstance(text, str):
        return None
    try:
        return ids.parse(text)
    except ValueError:
        return None

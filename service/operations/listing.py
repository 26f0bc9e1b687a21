"""Lists by a documented subset of AIP-160: conditions on fields, joined by AND."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, NamedTuple, Protocol, TypeVar
from uuid import UUID

from google.protobuf.message import Message

from service.domain import ids
from service.domain.call import Call
from service.domain.errors import FieldViolation, InvalidField
from service.domain.money import CURRENCIES
from service.operations.paging import cursor_of, fill_page, next_page_token, page_limit
from service.runtime import Runtime
from service.store.lists import CREATED_AT, OPERATORS, Condition, Listing
from service.store.unreadable import Unreadable

Row = TypeVar("Row")
Item = TypeVar("Item", bound=Message)

_CONDITION = re.compile(r'\s*(\w+)\s*(>=|<=|=|>|<)\s*("(?:[^"\\]|\\.)*"|[^\s"=<>][^\s"]*)\s*')
_AND = re.compile(r"AND\b")
# RFC 3339, which is what a Timestamp looks like in JSON.
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")


class Field(NamedTuple):
    """A field that a filter may name: its column, how its value is read, and how it is compared."""

    column: str
    read: Callable[[str], Any]
    operators: Iterable[str] = ("=",)


Fields = Mapping[str, Field]


class ListRequest(Protocol):
    """What every request for a list has."""

    page_size: int
    page_token: str
    filter: str


@dataclass(frozen=True, slots=True)
class Listed(Generic[Item]):
    """What a list answers: its items, the token of the next page, and the ids of what of this page
    cannot be shown.
    """

    items: list[Item]
    next_page_token: str
    unreadable: list[str]


async def list_rows(  # noqa: PLR0913  a list has that many independent facts
    runtime: Runtime,
    call: Call,
    request: ListRequest,
    listing: Listing[Row],
    fields: Fields,
    *,
    key_of: Callable[[Row], UUID],
    show: Callable[[Row], Item],
    prefix: str,
) -> Listed[Item]:
    """A page of at most 200 rows, or 50 when the request does not say; ``prefix`` is of their ids.

    Raises:
        InvalidField: the filter or the page token is not one of ours.
    """
    conditions = parse_filter(request.filter, fields)

    async def read(after: UUID | None, most: int) -> list[Row | Unreadable[UUID]]:
        return await listing.find(
            runtime.pool, call.tenant_id, conditions, before=after, limit=most
        )

    page = await fill_page(
        read,
        key_of,
        show,
        after=cursor_of(request.page_token, request.filter, UUID),
        limit=page_limit(request.page_size, usual=50, most=200),
    )
    return Listed(
        page.items,
        next_page_token(page.last.hex, request.filter) if page.last else "",
        [ids.show(prefix, key) for key in page.unreadable],
    )


def parse_filter(text: str, fields: Fields) -> list[Condition]:
    """Reads ``payer_id = "pyr_..." AND state = ACTIVE``.

    Raises:
        InvalidField: it is not of that form, or names what is not among the fields.
    """
    conditions: dict[tuple[str, str], Condition] = {}
    position = 0
    while text[position:].strip():
        if conditions:
            joined = _AND.match(text, position)
            if joined is None:
                raise _violation(f"expected AND at {text[position : position + 20]!r}")
            position = joined.end()
        match = _CONDITION.match(text, position)
        if match is None:
            raise _violation(f"expected field = value at {text[position : position + 20]!r}")
        name, operator, value = match.groups()
        if name not in fields:
            raise _violation(f"{name!r} is not one of {', '.join(fields)}")
        field = fields[name]
        if operator not in field.operators:
            raise _violation(f"{name} is compared with {' '.join(field.operators)} only")
        if (name, operator) in conditions:
            raise _violation(f"{name} is given twice")
        if value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        conditions[name, operator] = Condition(field.column, operator, field.read(value))
        position = match.end()
    return list(conditions.values())


def _violation(description: str) -> InvalidField:
    return InvalidField(FieldViolation("filter", description))


def by_id(column: str, prefix: str) -> Field:
    """A field that holds an id of ours."""

    def read(value: str) -> UUID:
        if not re.fullmatch(rf"{prefix}_[0-9a-f]{{32}}", value):
            raise _violation(f"{value!r} is not an id that begins with {prefix}_")
        return ids.parse(value)

    return Field(column, read)


def by_text(column: str) -> Field:
    """A field that holds any text."""
    return Field(column, str)


def by_name(column: str, names: Iterable[str], prefix: str) -> Field:
    """A field of an enum, whose names may be given with their ``prefix`` in the contract."""
    known = tuple(names)

    def read(value: str) -> str:
        name = value.removeprefix(prefix)
        if name not in known:
            raise _violation(f"{value!r} is not one of {', '.join(known)}")
        return name

    return Field(column, read)


def _currency(value: str) -> str:
    if value not in CURRENCIES:
        raise _violation(f"{value!r} is not the ISO 4217 code of a currency, such as USD or EUR")
    return value


def _time(value: str) -> datetime:
    try:
        if _TIME.fullmatch(value):
            return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):  # the 31st of February; the year 10000 in another zone
        pass
    raise _violation(f"{value!r} is not a time of RFC 3339, such as 2026-11-01T00:00:00Z")


def _amount(value: str) -> int:
    if re.fullmatch(r"[0-9]{1,18}", value):
        return int(value)
    raise _violation(f"{value!r} is not an amount in minor units, such as 1050")


def _flag(value: str) -> bool:
    if value not in ("true", "false"):
        raise _violation(f"{value!r} is neither true nor false")
    return value == "true"


def by_amount(column: str) -> Field:
    """A field that holds an amount in minor units."""
    return Field(column, _amount, OPERATORS)


def by_flag(column: str) -> Field:
    """A field that is true or false."""
    return Field(column, _flag)


def by_time(column: str) -> Field:
    """A field that holds a time."""
    return Field(column, _time, OPERATORS)


BY_CURRENCY = Field("currency", _currency)
BY_CREATE_TIME = by_time(CREATED_AT)

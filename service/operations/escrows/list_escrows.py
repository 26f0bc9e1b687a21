"""Lists escrows, newest first, by a documented subset of AIP-160."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from escrow.v1.escrow_service_pb2 import ListEscrowsRequest, ListEscrowsResponse
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import FieldViolation, InvalidField
from service.domain.money import CURRENCIES
from service.domain.states.escrow import EscrowState
from service.operations.escrows.messages import escrow_message
from service.operations.paging import cursor_of, fill_page, next_page_token, page_limit
from service.runtime import Runtime
from service.store.escrows import find_escrows
from service.store.tables import EscrowRecords
from service.store.unreadable import Unreadable

CONDITION = re.compile(r'\s*(\w+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s"]+)\s*')
AND = re.compile(r"AND\b")


async def list_escrows(
    runtime: Runtime, call: Call, request: ListEscrowsRequest
) -> ListEscrowsResponse:
    """Raises InvalidField: the filter or the page token is not one of ours."""
    conditions = parse_filter(request.filter)

    async def read(after: UUID | None, most: int) -> list[EscrowRecords | Unreadable[UUID]]:
        return await find_escrows(
            runtime.pool, call.tenant_id, conditions, before=after, limit=most
        )

    page = await fill_page(
        read,
        lambda records: records.escrow.escrow_id,
        escrow_message,
        after=cursor_of(request.page_token, request.filter, UUID),
        limit=page_limit(request.page_size, usual=50, most=200),
    )
    return ListEscrowsResponse(
        escrows=page.items,
        next_page_token=next_page_token(page.last.hex, request.filter) if page.last else "",
        unreadable=[ids.show(ids.ESCROW, key) for key in page.unreadable],
    )


def parse_filter(text: str) -> list[tuple[str, Any]]:
    """``payer_id = "pyr_..." AND state = ACTIVE`` -> [(column, value)].

    Raises:
        InvalidField: it is not of that form.
    """
    conditions: dict[str, Any] = {}
    position = 0
    while text[position:].strip():
        if conditions:
            joined = AND.match(text, position)
            if joined is None:
                raise _violation(f"expected AND at {text[position : position + 20]!r}")
            position = joined.end()
        match = CONDITION.match(text, position)
        if match is None:
            raise _violation(f"expected field = value at {text[position : position + 20]!r}")
        name, value = match[1], match[2]
        if name not in _VALUES:
            raise _violation(f"{name!r} is not one of {', '.join(_VALUES)}")
        if name in conditions:
            raise _violation(f"{name} is given twice")
        if value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        conditions[name] = _VALUES[name](value)
        position = match.end()
    return list(conditions.items())


def _violation(description: str) -> InvalidField:
    return InvalidField(FieldViolation("filter", description))


def _id_value(prefix: str) -> Callable[[str], UUID]:
    def parse(value: str) -> UUID:
        if not re.fullmatch(rf"{prefix}_[0-9a-f]{{32}}", value):
            raise _violation(f"{value!r} is not an id that begins with {prefix}_")
        return ids.parse(value)

    return parse


def _state_value(value: str) -> str:
    state = value.removeprefix("ESCROW_STATE_")
    if state not in EscrowState.__members__:
        raise _violation(f"{value!r} is not one of {', '.join(EscrowState)}")
    return state


def _currency_value(value: str) -> str:
    if value not in CURRENCIES:
        raise _violation(f"{value!r} is not a currency")
    return value


_VALUES: Mapping[str, Callable[[str], Any]] = {
    "payer_id": _id_value(ids.PAYER),
    "payee_id": _id_value(ids.PAYEE),
    "reference": str,
    "state": _state_value,
    "currency": _currency_value,
}

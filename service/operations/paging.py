"""Pages (AIP-158): how many, and where the next one begins."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import structlog
from google.protobuf.message import Message

from service.domain.errors import FieldViolation, InvalidField
from service.store.unreadable import Unreadable

Cursor = TypeVar("Cursor")
Row = TypeVar("Row")
Key = TypeVar("Key")
Item = TypeVar("Item", bound=Message)

DIGEST_BYTES = 8
# A client of gRPC takes messages of 4 MiB unless it is told otherwise, and no single item is larger
# than a request may be, 1 MiB, and what the service adds to it.
PAGE_MAX_BYTES = 3_500_000
MOST_AT_ONCE = 64  # rows of one statement, each of which may be as large as a request

log = structlog.get_logger()


@dataclass(slots=True)
class Page(Generic[Item, Key]):
    """What a list shows at once. ``unreadable`` are the keys of rows among them that cannot be
    shown; the next page begins after ``last``, and there is none where it is None.
    """

    items: list[Item] = field(default_factory=list)
    unreadable: list[Key] = field(default_factory=list)
    last: Key | None = None


def page_limit(page_size: int, *, usual: int, most: int) -> int:
    return min(page_size, most) if page_size else usual


def next_page_token(cursor: str, question: str) -> str:
    """A token for the page after ``cursor``; it only fits the same ``question``."""
    digest = hashlib.sha256(question.encode()).digest()[:DIGEST_BYTES]
    return base64.urlsafe_b64encode(digest + cursor.encode()).decode()


def cursor_of(page_token: str, question: str, read: Callable[[str], Cursor]) -> Cursor | None:
    """Where a page begins; None for the first.

    Raises:
        InvalidField: the token is not ours, or belongs to another question.
    """
    if not page_token:
        return None
    try:
        raw = base64.b64decode(page_token.encode(), altchars=b"-_", validate=True)
        if raw[:DIGEST_BYTES] == hashlib.sha256(question.encode()).digest()[:DIGEST_BYTES]:
            return read(raw[DIGEST_BYTES:].decode())
    except (binascii.Error, ValueError):
        pass  # refused below, like a token of another list
    raise InvalidField(
        FieldViolation("page_token", "does not belong to this list; begin without one")
    )


async def fill_page(
    read: Callable[[Key | None, int], Awaitable[Sequence[Row | Unreadable[Key]]]],
    key_of: Callable[[Row], Key],
    show: Callable[[Row], Item],
    *,
    after: Key | None,
    limit: int,
) -> Page[Item, Key]:
    """Fills a page with at most ``limit`` rows and at most PAGE_MAX_BYTES of them, but with one at
    least. ``read`` gives at most so many rows after the row of a key, or from the first.
    """
    page: Page[Item, Key] = Page()
    count, size = 0, 0
    while True:
        wanted = min(limit - count + 1, MOST_AT_ONCE)
        rows = await read(after, wanted)
        for row in rows:
            shown = _shown(row, key_of, show)
            size += 0 if isinstance(shown, Unreadable) else shown.ByteSize()
            if count == limit or (count and size > PAGE_MAX_BYTES):
                page.last = after
                return page
            count += 1
            if isinstance(shown, Unreadable):
                log.error("row unreadable", row=str(shown.key), problem=shown.problem)
                page.unreadable.append(shown.key)
            else:
                page.items.append(shown)
            after = row.key if isinstance(row, Unreadable) else key_of(row)
        if len(rows) < wanted:
            return page


def _shown(
    row: Row | Unreadable[Key], key_of: Callable[[Row], Key], show: Callable[[Row], Item]
) -> Item | Unreadable[Key]:
    if isinstance(row, Unreadable):
        return row
    try:
        return show(row)
    except Exception as error:  # noqa: BLE001  whatever the row holds, no other row fails by it
        return Unreadable.because(key_of(row), error)

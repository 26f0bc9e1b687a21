"""Pages (AIP-158): how many, and where the next one begins."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from typing import TypeVar

from service.domain.errors import FieldViolation, InvalidField

Cursor = TypeVar("Cursor")
DIGEST_BYTES = 8


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
            return read(raw[DIGEST_BYTES:].decode("ascii"))
    except (binascii.Error, ValueError):
        pass  # refused below, like a token of another list
    raise InvalidField(
        FieldViolation("page_token", "does not belong to this list; begin without one")
    )

"""Files that the parties of a dispute may give: their types, and how much of them."""

from __future__ import annotations

import hashlib

from service.domain.evidence import file_type_of

MOST_PIECES = 50
"""Of evidence by one party in one dispute."""
MOST_TOGETHER_BYTES = 20_000_000
"""Of all files of one party in one dispute."""
PLAIN_TEXT = "text/plain"
_CONTROLS = frozenset(map(chr, range(0x20))) - frozenset("\t\n\r\f") | {"\x7f"}


def content_type_of(content: bytes) -> str | None:
    """By what it begins with, whatever it is called; None for what is taken from nobody."""
    known = file_type_of(content)
    if known is not None:
        return known.content_type
    return PLAIN_TEXT if _is_text(content) else None


def _is_text(content: bytes) -> bool:
    """In UTF-8, and without what no text has."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return False
    return _CONTROLS.isdisjoint(text)


def sha256_of(content: bytes) -> str:
    """In hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()

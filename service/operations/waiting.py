"""How streams wait for what happens next."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from service.store.tails import Tails

QUIET_S = 30.0
"""After so long a stream says that it is alive, and how far it is."""

Key = TypeVar("Key")


async def changed_number(tails: Tails[Key], key: Key, known: int) -> int | None:
    """The key's number once it is another one; None when it has been the same for ``QUIET_S``."""
    try:
        async with asyncio.timeout(QUIET_S):
            return await tails.other_than(key, known)
    except TimeoutError:
        return None

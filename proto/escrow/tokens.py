"""Bearer tokens that expire, fetched anew before they do.

token = RefreshedToken(ask_the_issuer)
async with connect(..., credentials=TlsFiles(ca), token=token) as escrow: ...
"""

import asyncio
import base64
import json
import logging
import threading
import time
from collections.abc import Callable
from typing import NamedTuple, NoReturn

__all__ = ["RefreshedToken"]

REFRESH_AT = 0.8
"""The part of its life after which a token is replaced."""
RETRY_S = 5.0
"""Between two attempts to replace one that still lives."""

log = logging.getLogger("escrow")


class _Held(NamedTuple):
    token: str
    refresh_at: float
    expires_at: float


class RefreshedToken:
    """A token as a ``token`` for connect() and connect_sync().

    ``fetch`` asks the issuer for a JWT, and may block and raise: it runs in a thread of its own,
    and never twice at a time. Calls get the token in memory. Where none lives, connect() and the
    calls of connect_sync() wait for one fetch together, and raise what it raises.
    """

    def __init__(self, fetch: Callable[[], str]) -> None:
        self._fetch = fetch
        self._fetching = threading.Lock()
        self._held: _Held | None = None
        self._retry_at = 0.0

    def __call__(self) -> str:
        """A token that lives; it waits for one where there is none."""
        held, now = self._held, time.time()
        if held is None or held.expires_at <= now:
            return self._replace(held).token
        if held.refresh_at <= now and self._retry_at <= now:
            self._retry_at = now + RETRY_S
            threading.Thread(target=self._replace_beside, args=[held], daemon=True).start()
        return held.token

    def in_memory(self) -> str:
        """The token that there is, without waiting: for a coroutine, beside ``keep``."""
        assert self._held is not None, "connect() has fetched one"
        return self._held.token

    async def keep(self) -> NoReturn:
        """Replaces the token in time, for as long as it runs, however few calls there are."""
        while True:
            held = self._held
            wait_s = held.refresh_at - time.time() if held else 0
            await asyncio.sleep(max(wait_s, 0))
            if not await asyncio.to_thread(self._replace_beside, held):
                await asyncio.sleep(RETRY_S)

    def _replace_beside(self, held: _Held | None) -> bool:
        try:
            self._replace(held)
        except Exception as problem:  # noqa: BLE001  fetch is the caller's
            log.warning("token not fetched: %s", type(problem).__name__)
            return False
        return True

    def _replace(self, held: _Held | None) -> _Held:
        """Fetches another one, unless somebody has meanwhile."""
        with self._fetching:
            if self._held is None or self._held is held:
                self._held = _hold(self._fetch())
            return self._held


def _hold(token: str) -> _Held:
    now = time.time()
    expires_at = _expiry_of(token)
    return _Held(token, now + REFRESH_AT * (expires_at - now), expires_at)


def _expiry_of(token: str) -> float:
    """The ``exp`` of a JWT, which only the service checks. Raises ValueError."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"])
    except (IndexError, KeyError, TypeError, ValueError):
        raise ValueError("what was fetched is no JWT that says when it expires (exp)") from None

"""An issuer's public keys (RFC 7517), from a URL or a file, kept and fetched again when needed."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import structlog

from service.rpc.identity.document import IssuerEntry

FRESH_S = 3600.0
"""Keys that are older are fetched again before they are used."""
STALE_S = 86_400.0
"""For so long they are used when they cannot be fetched."""
SHORTEST_PAUSE_S = 30.0
"""Between two fetches: tokens with made-up kids must not make us ask for ever."""
FETCH_TIMEOUT_S = 5.0
MOST_BYTES = 1 << 20

log = structlog.get_logger()


class KeysUnavailable(Exception):
    """There are no keys to check a token with."""


class Jwks:
    """The keys of one issuer, by their kid."""

    def __init__(self, issuer: IssuerEntry, folder: Path) -> None:
        self._issuer = issuer
        self._folder = folder
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def key(self, kid: str) -> jwt.PyJWK | None:
        """The key of this kid; None when the issuer has none, as far as may be asked.

        Raises:
            KeysUnavailable.
        """
        age_s = _since(self._fetched_at)
        if age_s > FRESH_S or kid not in self._keys:
            await self._refresh()
        if not self._keys or _since(self._fetched_at) > STALE_S:
            raise KeysUnavailable
        return self._keys.get(kid)

    async def _refresh(self) -> None:
        """Fetches at most once in a while, for all who wait together."""
        if self._fetching is None:
            if _since(self._tried_at) < SHORTEST_PAUSE_S:
                return
            self._tried_at = time.monotonic()
            self._fetching = asyncio.create_task(self._fetch())
            self._fetching.add_done_callback(self._fetched)
        await asyncio.shield(self._fetching)

    def _fetched(self, _: asyncio.Task[None]) -> None:
        self._fetching = None

    async def _fetch(self) -> None:
        try:
            self._keys = _parse(await self._read())
            self._fetched_at = time.monotonic()
        except Exception as problem:  # noqa: BLE001  whatever an issuer says, it is outside
            log.error(  # noqa: TRY400
                "keys not fetched",
                issuer=self._issuer.issuer,
                problem=f"{type(problem).__name__}: {problem}",
            )

    async def _read(self) -> Any:  # noqa: ANN401  JSON
        if self._issuer.jwks_file is not None:
            file = self._folder / self._issuer.jwks_file
            return json.loads(await asyncio.to_thread(file.read_bytes))
        timeout = aiohttp.ClientTimeout(total=FETCH_TIMEOUT_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.get(str(self._issuer.jwks_url), allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                raise ValueError(f"HTTP status {answer.status}")
            body = bytearray()
            async for part in answer.content.iter_any():  # an issuer may answer in parts
                body += part
                if len(body) > MOST_BYTES:
                    raise ValueError(f"more than {MOST_BYTES} bytes")
            return json.loads(body)


def _since(moment: float | None) -> float:
    return float("inf") if moment is None else time.monotonic() - moment


def _parse(document: object) -> Mapping[str, jwt.PyJWK]:
    """Those keys that may sign and have a kid; symmetric ones are no public keys."""
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ValueError("it is no JWK set")  # noqa: TRY004  as of any text that is none
    keys: dict[str, jwt.PyJWK] = {}
    for entry in entries:
        if not isinstance(entry, dict) or entry.get("kty") == "oct":
            continue
        kid = entry.get("kid")
        if not isinstance(kid, str) or entry.get("use", "sig") != "sig":
            continue
        try:
            keys[kid] = jwt.PyJWK.from_dict(entry)
        except (jwt.PyJWTError, ValueError, TypeError):  # of a kind that is not known here
            continue
    if not keys:
        raise ValueError("it has no key that could be used")
    return keys

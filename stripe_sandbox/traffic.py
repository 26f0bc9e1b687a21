"""The latest API requests with their answers, for tests that check them against Stripe's schemas.

They are kept in memory only, and only REQUESTS_KEPT of them; `traffic_controls.py` shows them.
"""

import json
from collections import deque
from dataclasses import asdict, dataclass

from stripe_sandbox.store import Json, StripeObject

REQUESTS_KEPT = 5000


@dataclass(frozen=True)
class Exchange:
    """One API request and its answer."""

    id: str
    method: str
    path: str
    params: dict[str, Json]
    """The decoded query, form or JSON body; empty when the request could not be read."""
    api_version: str | None
    """The version the parameters are written for; None when it was refused before."""
    account: str | None
    """On whose behalf it acted; None when it was refused before that was known."""
    status: int
    body: str
    """The JSON of the answer, whether or not a fault kept it from arriving."""
    replayed: bool
    """Whether the answer was the stored one of an earlier request."""

    def as_json(self) -> StripeObject:
        """The exchange with its body decoded."""
        return {**asdict(self), "object": "request", "body": json.loads(self.body)}


class Traffic:
    """The latest exchanges, oldest first."""

    def __init__(self) -> None:
        self._exchanges: deque[Exchange] = deque(maxlen=REQUESTS_KEPT)

    def record(self, exchange: Exchange) -> None:
        """Remember an exchange; the oldest is forgotten when there are too many."""
        self._exchanges.append(exchange)

    def exchanges(self) -> list[StripeObject]:
        """What is remembered, newest first, as lists of Stripe's are."""
        return [exchange.as_json() for exchange in reversed(self._exchanges)]

    def clear(self) -> None:
        """Forget everything."""
        self._exchanges.clear()

"""Idempotency keys as Stripe handles them: a repeated request gets the first answer.

A key belongs to an API key and an account. It stores the answer of everything that was executed,
errors included; requests that never executed leave it free. It is forgotten after 24 hours.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from stripe_sandbox.clock import VirtualClock
from stripe_sandbox.errors import IdempotencyError, InvalidRequestError
from stripe_sandbox.store import Store, StripeObject

LIFETIME_S = 24 * 3600
LONGEST_KEY = 255


@dataclass(frozen=True)
class Slot:
    """One idempotency key in its scope, with the hash of its request."""

    account: str
    api_key: str
    key: str
    method: str
    path: str
    request_hash: str

    @property
    def record_id(self) -> str:
        """The id of the stored record: neither API keys nor idempotency keys are kept in it."""
        return hashlib.sha256(f"{self.api_key}\n{self.key}".encode()).hexdigest()

    def record(self, status: int, body: str, request_id: str, created: float) -> StripeObject:
        """The record to store: the answer with its request."""
        return {
            "object": "_idempotency",
            "id": self.record_id,
            "method": self.method,
            "path": self.path,
            "request_hash": self.request_hash,
            "status": status,
            "body": body,
            "request_id": request_id,
            "created": created,
        }


def key_in_use(slot: Slot) -> IdempotencyError:
    """409: another request with this key is in progress."""
    return IdempotencyError(
        "There is currently another in-progress request using this Idempotent Key (that probably "
        f"means you submitted twice, and the other request is still going through): {slot.key}. "
        "Please try again later.",
        in_flight=True,
    )


def hash_of(params: dict[str, Any]) -> str:
    """A hash of the parameters that does not depend on their order."""
    return hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()


class IdempotencyKeys:
    """The keys in use, and those whose answers are stored."""

    def __init__(self, store: Store, clock: VirtualClock) -> None:
        self._store = store
        self._clock = clock
        self._in_flight: set[tuple[str, str]] = set()

    def claim(self, slot: Slot) -> StripeObject | None:
        """Hold the key for this request, or return the record to replay.

        Raises:
            IdempotencyError: 400 for a key that was used with something else, 409 for one whose
                request is in progress.
        """
        if len(slot.key) > LONGEST_KEY:
            raise InvalidRequestError(
                f"Idempotency keys can be at most {LONGEST_KEY} characters long."
            )
        if (slot.account, slot.record_id) in self._in_flight:
            raise key_in_use(slot)
        stored = self._store.read(slot.account, "_idempotency", slot.record_id)
        if stored is not None and stored["created"] + LIFETIME_S > self._clock.now():
            self._must_match(slot, stored)
            return stored
        self._in_flight.add((slot.account, slot.record_id))
        return None

    def release(self, slot: Slot) -> None:
        """Free the key: the request has ended."""
        self._in_flight.discard((slot.account, slot.record_id))

    def forget_expired(self) -> None:
        """Drop the records whose 24 hours are over."""
        horizon = self._clock.now() - LIFETIME_S
        self._store.write(
            {
                (account, "_idempotency", record["id"]): None
                for account in self._store.accounts_with("_idempotency")
                for record in self._store.newest_first(account, "_idempotency")
                if record["created"] <= horizon
            }
        )

    @staticmethod
    def _must_match(slot: Slot, stored: StripeObject) -> None:
        if (slot.method, slot.path) != (stored["method"], stored["path"]):
            raise IdempotencyError(
                "Keys for idempotent requests can only be used for the same endpoint they were "
                f"first used for ('{slot.path}' vs '{stored['path']}'). Try using a key other "
                f"than '{slot.key}' if you meant to execute a different request."
            )
        if slot.request_hash != stored["request_hash"]:
            raise IdempotencyError(
                "Keys for idempotent requests can only be used with the same parameters they "
                f"were first used with. Try using a key other than '{slot.key}' if you meant to "
                "execute a different request."
            )

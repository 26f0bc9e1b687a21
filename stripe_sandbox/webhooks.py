"""Sending events to webhook endpoints: signed, concurrent, retried for three days.

`deliveries.py` plans what is sent here. Sending runs beside the API and never delays an answer.
"""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass

import aiohttp

from stripe_sandbox.state import State
from stripe_sandbox.store import StripeObject, Transaction, public

FIRST_RETRY_S = 10
LONGEST_RETRY_S = 12 * 3600
GIVE_UP_S = 3 * 24 * 3600
RECEIVER_TIMEOUT_S = 10
CONCURRENT_DELIVERIES = 32


@dataclass(frozen=True)
class Outcome:
    """What a receiver answered: a status, or the error that kept it from answering."""

    status_code: int | None
    error: str | None = None

    @property
    def delivered(self) -> bool:
        """Only 2xx counts; redirects are not followed."""
        return self.status_code is not None and 200 <= self.status_code < 300


def signature_header(payload: bytes, secrets: Iterable[str], timestamp: int) -> str:
    """`t=...,v1=...`: one v1 for each secret that is valid during a rotation.

    The timestamp is real time, not virtual: the receiver compares it with its own clock.
    """
    signed = b"%d.%b" % (timestamp, payload)
    digests = (hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets)
    return ",".join([f"t={timestamp}", *(f"v1={digest}" for digest in digests)])


def retry_delay_s(attempts: int) -> int:
    """How long to wait after that many failed attempts."""
    return int(min(FIRST_RETRY_S * 2 ** (attempts - 1), LONGEST_RETRY_S))


class Webhooks:
    """Attempts the deliveries of one sandbox."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._session: aiohttp.ClientSession | None = None
        self._slots = asyncio.Semaphore(CONCURRENT_DELIVERIES)

    async def start(self) -> None:
        """Open the HTTP session and take up the deliveries that a restart interrupted."""
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=RECEIVER_TIMEOUT_S)
        )
        for delivery in self._state.deliveries.log():
            self._state.deliveries.queue(delivery)

    async def stop(self) -> None:
        """Close the HTTP session."""
        if self._session:
            await self._session.close()

    async def attempt(self, delivery_id: str) -> None:
        """Try one delivery once, and record how it went."""
        store = self._state.store
        delivery = store.read(self._state.platform, "_delivery", delivery_id)
        if delivery is None or delivery["status"] not in ("pending", "held"):
            return
        event = store.read(delivery["account"], "event", delivery["event"])
        endpoint = store.read(
            delivery["endpoint_account"], "webhook_endpoint", delivery["endpoint"]
        )
        if event is None or endpoint is None:
            outcome = Outcome(None, "the endpoint was deleted")
        else:
            async with self._slots:
                outcome = await self._send(event, endpoint)
        transaction = store.begin()
        self._record(transaction, delivery_id, outcome)
        transaction.commit()

    async def _send(self, event: StripeObject, endpoint: StripeObject) -> Outcome:
        assert self._session is not None
        payload = json.dumps(public(event)).encode()
        secrets = valid_secrets(endpoint, self._state.clock.now())
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Stripe-Signature": signature_header(payload, secrets, int(time.time())),
        }
        try:
            async with self._session.post(
                endpoint["url"], data=payload, headers=headers, allow_redirects=False
            ) as response:
                return Outcome(response.status)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            return Outcome(None, f"{type(error).__name__}: {error}")

    def _record(self, transaction: Transaction, delivery_id: str, outcome: Outcome) -> None:
        delivery = transaction.get(self._state.platform, "_delivery", delivery_id)
        if delivery is None:
            return  # a reset came between
        now = self._state.clock.now()
        delivery["attempts"].append(
            {"at": now, "status_code": outcome.status_code, "error": outcome.error}
        )
        retry_at = now + retry_delay_s(len(delivery["attempts"]))
        if outcome.delivered:
            delivery["status"] = "delivered"
            self._count_down(transaction, delivery)
        elif retry_at > delivery["created"] + GIVE_UP_S:
            delivery["status"] = "failed"
        else:
            delivery["status"] = "pending"
            delivery["next_attempt_at"] = retry_at
            transaction.after_commit(lambda: self._state.deliveries.queue(delivery))

    @staticmethod
    def _count_down(transaction: Transaction, delivery: StripeObject) -> None:
        event = transaction.get(delivery["account"], "event", delivery["event"])
        if event is not None:
            event["pending_webhooks"] = max(0, event["pending_webhooks"] - 1)


def valid_secrets(endpoint: StripeObject, now: float) -> list[str]:
    """The secrets that sign at `now`: the current one, and a rolled one until it expires."""
    return [
        held["secret"]
        for held in endpoint["_secrets"]
        if held["expires_at"] is None or held["expires_at"] > now
    ]

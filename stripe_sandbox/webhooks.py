"""Delivery of events to webhook endpoints: signed, concurrent, retried for three days.

Every (event, endpoint) pair is a `_delivery` object with its attempts. Deliveries run beside the
API and never delay an answer. While delivery is held, new ones wait until they are released, in
whatever order the releaser chooses.
"""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp

from stripe_sandbox.chaos import UNHARMED, Fate
from stripe_sandbox.expand import public
from stripe_sandbox.ids import new_id
from stripe_sandbox.store import StripeObject

if TYPE_CHECKING:
    from stripe_sandbox.call import Call
    from stripe_sandbox.sandbox import Sandbox

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
    """The deliveries of one sandbox."""

    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox
        self._session: aiohttp.ClientSession | None = None
        self._slots = asyncio.Semaphore(CONCURRENT_DELIVERIES)
        self.held = False

    async def start(self) -> None:
        """Open the HTTP session and take up the deliveries that a restart interrupted."""
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=RECEIVER_TIMEOUT_S)
        )
        for delivery in self.deliveries():
            if delivery["status"] == "pending":
                self._queue(delivery)

    async def stop(self) -> None:
        """Close the HTTP session."""
        if self._session:
            await self._session.close()

    def deliveries(self) -> list[StripeObject]:
        """The delivery log, newest first."""
        return list(self._sandbox.store.newest_first(self._sandbox.platform, "_delivery"))

    def plan(self, call: "Call", event: StripeObject) -> None:
        """Create the deliveries of an event within the transaction that records it."""
        fate = self._sandbox.chaos.fate_of(event)
        for owner, endpoint in _endpoints_for(call, event):
            event["pending_webhooks"] += 1
            for _ in range(fate.copies):
                self._create(call, event, owner, endpoint, fate)

    def redeliver(self, call: "Call", event: StripeObject) -> list[StripeObject]:
        """Send an event once more to every endpoint that wants it."""
        return [
            self._create(call, event, owner, endpoint)
            for owner, endpoint in _endpoints_for(call, event)
        ]

    def _create(
        self,
        call: "Call",
        event: StripeObject,
        owner: str,
        endpoint: StripeObject,
        fate: Fate = UNHARMED,
    ) -> StripeObject:
        platform = call.on(self._sandbox.platform)
        status = "held" if self.held else "pending"
        delivery = platform.add(
            {
                "id": new_id("whd"),
                "object": "_delivery",
                "event": event["id"],
                "event_type": event["type"],
                "account": call.account,
                "endpoint": endpoint["id"],
                "endpoint_account": owner,
                "url": endpoint["url"],
                "status": "dropped" if fate.dropped else status,
                "attempts": [],
                "created": self._sandbox.clock.now(),
                "next_attempt_at": self._sandbox.clock.now() + fate.delay_s,
            }
        )
        call.transaction.after_commit(lambda: self._queue(delivery))
        return delivery

    def _queue(self, delivery: StripeObject) -> None:
        if delivery["status"] == "pending":
            self._sandbox.scheduler.at(
                delivery["next_attempt_at"],
                lambda: asyncio.create_task(self.attempt(delivery["id"])),
            )

    async def attempt(self, delivery_id: str) -> None:
        """Try one delivery once, and record how it went."""
        store = self._sandbox.store
        delivery = store.read(self._sandbox.platform, "_delivery", delivery_id)
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
        self._sandbox.execute(
            self._sandbox.platform, lambda call: self._record(call, delivery_id, outcome)
        )

    async def _send(self, event: StripeObject, endpoint: StripeObject) -> Outcome:
        assert self._session is not None
        payload = json.dumps(public(event)).encode()
        secrets = valid_secrets(endpoint, self._sandbox.clock.now())
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

    def _record(self, call: "Call", delivery_id: str, outcome: Outcome) -> None:
        delivery = call.find("_delivery", delivery_id)
        if delivery is None:
            return  # a reset came between
        now = self._sandbox.clock.now()
        delivery["attempts"].append(
            {"at": now, "status_code": outcome.status_code, "error": outcome.error}
        )
        retry_at = now + retry_delay_s(len(delivery["attempts"]))
        if outcome.delivered:
            delivery["status"] = "delivered"
            self._count_down(call, delivery)
        elif retry_at > delivery["created"] + GIVE_UP_S:
            delivery["status"] = "failed"
        else:
            delivery["status"] = "pending"
            delivery["next_attempt_at"] = retry_at
            call.transaction.after_commit(lambda: self._queue(delivery))

    @staticmethod
    def _count_down(call: "Call", delivery: StripeObject) -> None:
        event = call.on(delivery["account"]).find("event", delivery["event"])
        if event is not None:
            event["pending_webhooks"] = max(0, event["pending_webhooks"] - 1)


def valid_secrets(endpoint: StripeObject, now: float) -> list[str]:
    """The secrets that sign at `now`: the current one, and a rolled one until it expires."""
    return [
        held["secret"]
        for held in endpoint["_secrets"]
        if held["expires_at"] is None or held["expires_at"] > now
    ]


def _endpoints_for(call: "Call", event: StripeObject) -> list[tuple[str, StripeObject]]:
    """Endpoints of the account itself, and the platform's Connect endpoints for the others."""
    wanted = [
        (call.account, endpoint)
        for endpoint in call.select("webhook_endpoint")
        if not endpoint["_connect"] and _wants(endpoint, event)
    ]
    if not call.on_platform:
        platform = call.on(call.sandbox.platform)
        wanted += [
            (platform.account, endpoint)
            for endpoint in platform.select("webhook_endpoint")
            if endpoint["_connect"] and _wants(endpoint, event)
        ]
    return wanted


def _wants(endpoint: StripeObject, event: StripeObject) -> bool:
    enabled = endpoint["enabled_events"]
    return endpoint["status"] == "enabled" and ("*" in enabled or event["type"] in enabled)

"""How a call to Stripe ended, as far as anybody can know.

Succeeded    the object exists
Rejected     Stripe decided against it, and stores that under the key: a new try needs a new key
Postponed    certainly not executed (rate limit, refused credentials): the same key, later
Lost         it is not known: look it up, or ask again under the same key
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import stripe


@dataclass(frozen=True, slots=True)
class Succeeded:
    """Stripe did it. ``object`` is what Stripe answered, as plain data."""

    object: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rejected:
    """Stripe refused it, or it certainly never happened."""

    code: str
    message: str = ""
    decline_code: str = ""


@dataclass(frozen=True, slots=True)
class Postponed:
    """It was not executed, and may be sent again under the same key."""

    reason: str
    retry_s: float


@dataclass(frozen=True, slots=True)
class Lost:
    """It may or may not have been executed.

    ``replayed``: Stripe answered from what it stored under the key, so the first request has ended,
    and sending the key again can only bring the same answer. ``strange``: it is no trouble of the
    network, but does not fit what was asked for, and somebody has to look. ``no_access``: the
    account that it was sent to shows us nothing any more.
    """

    reason: str
    replayed: bool = False
    strange: bool = False
    no_access: bool = False


class NotAsked(Exception):
    """A call was not made, for what Stripe shows says that it must not be."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


Outcome = Succeeded | Rejected | Postponed | Lost

NO_ACCESS = "account_invalid"
"""Stripe's code where the platform has no access to an account any more."""
# Codes of rejections that are not Stripe's own.
NEVER_EXECUTED = "never_executed"
ENDED_BY_OPERATOR = "ended_by_operator"

RATE_LIMIT_RETRY_S = 2.0
CREDENTIALS_RETRY_S = 60.0
TENANT_RETRY_S = 60.0  # of one that is not configured any more


def outcome_of(error: BaseException) -> Outcome:
    """Classifies what a call raised; anything unknown is Lost, never guessed."""
    if not isinstance(error, stripe.StripeError):
        return Lost(type(error).__name__)
    status = error.http_status
    body = error.error
    # On 403, 409 and 429 the SDK leaves ``error.code`` empty; the body has it.
    code = error.code or getattr(body, "code", None) or getattr(body, "type", None) or ""
    message = error.user_message or ""
    replayed = (error.headers or {}).get("Idempotent-Replayed") == "true"
    unclear = status is None or not 400 <= status < 500 or status == 409
    if unclear or (body is None and status not in (401, 403, 429)):  # a proxy's page says nothing
        return Lost(f"{status or 'connection'} {code or type(error).__name__}", replayed)
    if isinstance(error, stripe.IdempotencyError):
        return Lost(f"{status} the key was used with other parameters", strange=True)
    if status == 429:
        return Postponed("rate limit", RATE_LIMIT_RETRY_S)
    if status == 401 or (status == 403 and code != NO_ACCESS):
        return Postponed(f"{status}: Stripe refuses our key", CREDENTIALS_RETRY_S)
    return Rejected(code, message, getattr(body, "decline_code", None) or "")

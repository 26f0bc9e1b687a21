"""Judges one delivery to a Stripe webhook endpoint: bytes in, a verdict out, no I/O.

The signature is checked on the body as it arrived, before anything is parsed, so that only
Stripe reaches the parser. What is forwarded is what was verified, byte for byte.
"""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Never, TypeGuard

from stripe import SignatureVerificationError, WebhookSignature

# Stripe sends one `t` and then signatures: two `v1` while a secret is being rotated, other schemes
# beside them. The pattern is narrower than the SDK's parser, which takes the first of several
# `t` and fails with TypeError on a signature that is not ASCII.
SIGNATURE_HEADER = re.compile(r"t=(?P<timestamp>[0-9]{1,12})(?:,v[0-9]+=[0-9A-Za-z+/_=-]+)+")

# An id or a type goes into logs and metrics: visible ASCII, and no longer than Stripe's own.
NAME = re.compile(r"[!-~]{1,255}")


class Refusal(StrEnum):
    """Why a delivery is refused. The value is logged and shown to the sender."""

    SIGNATURE_MISSING = "signature_missing"
    SIGNATURE_REPEATED = "signature_repeated"  # more than one Stripe-Signature header
    SIGNATURE_MALFORMED = "signature_malformed"
    SIGNATURE_MISMATCH = "signature_mismatch"
    SIGNATURE_EXPIRED = "signature_expired"
    SIGNATURE_IN_FUTURE = "signature_in_future"
    BODY_NOT_UTF8 = "body_not_utf8"
    BODY_NOT_JSON = "body_not_json"
    BODY_NOT_AN_EVENT = "body_not_an_event"


@dataclass(frozen=True, slots=True)
class VerifiedEvent:
    """An event that Stripe signed. ``payload`` is the body as it arrived; it stays out of repr."""

    id: str
    type: str
    payload: bytes = field(repr=False)


def judge(
    payload: bytes,
    signature_headers: Sequence[str],
    secrets: Sequence[str],
    *,
    now: float,
    tolerance_s: int,
) -> VerifiedEvent | Refusal:
    """The verdict on one delivery; never an exception, whatever the bytes are.

    ``signature_headers`` holds the value of every Stripe-Signature header of the request,
    ``secrets`` the endpoint's current secret and, during a rotation, the previous one. ``now`` is
    in seconds since the epoch; a signature is good for ``tolerance_s`` seconds around it.
    """
    if tolerance_s <= 0:  # the SDK reads this as "any age will do"
        raise ValueError("tolerance_s must be positive")
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError:
        return Refusal.BODY_NOT_UTF8
    refusal = _check_signature(text, signature_headers, secrets, now, tolerance_s)
    return refusal or _parse_event(text, payload)


def _check_signature(
    text: str, headers: Sequence[str], secrets: Sequence[str], now: float, tolerance_s: int
) -> Refusal | None:
    header = _only_header(headers)
    if isinstance(header, Refusal):
        return header
    if not any(_is_signed_with(secret, text, header.string) for secret in secrets):
        return Refusal.SIGNATURE_MISMATCH
    age_s = now - int(header["timestamp"])
    if age_s > tolerance_s:
        return Refusal.SIGNATURE_EXPIRED
    if age_s < -tolerance_s:
        return Refusal.SIGNATURE_IN_FUTURE
    return None


def _only_header(headers: Sequence[str]) -> re.Match[str] | Refusal:
    if not headers:
        return Refusal.SIGNATURE_MISSING
    if len(headers) > 1:
        return Refusal.SIGNATURE_REPEATED
    return SIGNATURE_HEADER.fullmatch(headers[0]) or Refusal.SIGNATURE_MALFORMED


def _is_signed_with(secret: str, text: str, header: str) -> bool:
    """Whether one of the header's signatures was made with this secret, compared in constant time.

    No tolerance is passed, because the SDK would read the wall clock; the caller judges the age.
    """
    try:
        return bool(WebhookSignature.verify_header(text, header, secret))
    except SignatureVerificationError:
        return False


def _parse_event(text: str, payload: bytes) -> VerifiedEvent | Refusal:
    try:
        event = _DECODER.decode(text)
    except (ValueError, RecursionError):  # not JSON, a number beyond bounds, or nested too deeply
        return Refusal.BODY_NOT_JSON
    if not isinstance(event, dict):
        return Refusal.BODY_NOT_AN_EVENT
    event_id, event_type = event.get("id"), event.get("type")
    if _is_name(event_id) and _is_name(event_type):
        return VerifiedEvent(event_id, event_type, payload)
    return Refusal.BODY_NOT_AN_EVENT


def _is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and NAME.fullmatch(value) is not None


def _refuse_number(text: str) -> Never:
    """NaN and the infinities are Python's extension of JSON; no other reader would take them."""
    raise ValueError(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        _refuse_number(text)
    return value


_DECODER = json.JSONDecoder(parse_constant=_refuse_number, parse_float=_finite)

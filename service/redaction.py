"""Keeps secrets and people's data out of the logs, wherever they come from."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any

from service.rpc.text import no_card_number

REDACTED = "[redacted]"

_SECRETS = re.compile(
    r"""
      \b (?: [rs]k_ (?:live|test) | whsec ) _ \w+     # Stripe's keys, webhook secrets
    | \b \w+ _secret_ [\w%-]+                         # client secrets: pi_..._secret_...
    | (?<= ://) [^\s/]* : [^\s/]* (?= @)              # user:password in a URL
    | [\w.+%-]+ @ [\w-]+ (?: \. [\w-]+ )+             # e-mail addresses
    | (?<= \nDETAIL: ) .+                            # PostgreSQL quotes whole rows there
    """,
    re.VERBOSE,
)
# A run of digits with a card's length, on its own: ids in hexadecimal have runs of digits as well.
_CARD_LIKE = re.compile(r"(?<![\w-])\d(?:[\s-]{0,3}\d){12,18}(?![\w-])")


def redact(value: str) -> str:
    """The text without what looks like a key, a client secret, a password, an address, a card."""
    shown = _SECRETS.sub(REDACTED, value)
    return _CARD_LIKE.sub(lambda run: REDACTED if no_card_number(run[0]) else run[0], shown)


def redact_event(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """The last structlog processor but the renderer: exceptions are texts by then."""
    for key, value in event.items():
        event[key] = _redact_any(value)
    return event


def _redact_any(value: Any) -> Any:  # noqa: ANN401 - a log line may hold anything
    if isinstance(value, str):
        return redact(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, dict):
        return {redact(str(key)): _redact_any(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_redact_any(item) for item in value]
    return redact(repr(value))

"""With its client secret anybody can read a payment or pay it: of no event the secret is kept."""

import json
from typing import Any

import pytest

from escrow.client import new_request_id
from tests.service.operations.marketplace import Marketplace

PAYLOAD = "SELECT payload FROM stripe_events WHERE event_id = $1"


async def stored(market: Marketplace, event_id: str) -> bytes:
    payload: bytes = await market.owner.fetchval(PAYLOAD, event_id)
    return payload


async def test_events_of_a_payment_are_stored_without_its_secret(market: Marketplace) -> None:
    payment = await market.fund(await market.new_escrow())
    await market.pay(payment)
    secret = payment.client_secret
    carrying = [event for event in await market.news() if secret in json.dumps(event)]
    assert carrying

    for event in carrying:
        await market.tell(event)

        payload = await stored(market, event["id"])
        assert secret.encode() not in payload
        raw = json.dumps(event)
        assert payload.decode() == raw.replace(
            f'"client_secret": "{secret}"', '"client_secret": null'
        )


SECRETS: dict[str, tuple[str, str]] = {
    "with spaces and newlines": (
        '{"client_secret" :\n  "pi_1_secret_x", "a": 1}',
        '{"client_secret" :\n  null, "a": 1}',
    ),
    "twice": (
        '{"client_secret":"pi_1_secret_x","inner":{"client_secret":"seti_1_secret_y"}}',
        '{"client_secret":null,"inner":{"client_secret":null}}',
    ),
    "with a quote in it": (
        '{"client_secret":"pi_1_sec\\"ret_x","a":"b"}',
        '{"client_secret":null,"a":"b"}',
    ),
    "of nothing": ('{"client_secret":null}', '{"client_secret":null}'),
    "where there is none": (
        '{"a":"\\u00e4 \\u2028 1.0e5","b":[1.10, 2e0],  "c": "client_secret"}',
        '{"a":"\\u00e4 \\u2028 1.0e5","b":[1.10, 2e0],  "c": "client_secret"}',
    ),
}


@pytest.mark.parametrize("name", SECRETS)
async def test_every_other_byte_is_kept_as_it_came(shared_market: Marketplace, name: str) -> None:
    told, kept = SECRETS[name]
    event_id = f"evt_{new_request_id()}"
    fields: dict[str, Any] = {
        "id": event_id,
        "object": "event",
        "type": "charge.succeeded",
        "api_version": "2026-10-28.endive",
        "created": 1_790_000_000,
        "livemode": False,
    }
    around = json.dumps(fields)[:-1] + ', "data": {"object": %s}}\n'

    await shared_market.tell((around % told).encode())

    assert await stored(shared_market, event_id) == (around % kept).encode()

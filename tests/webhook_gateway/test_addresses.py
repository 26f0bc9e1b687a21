from ipaddress import ip_network

import aiohttp
import pytest

from tests.webhook_gateway.neighbours import Gateway, Peer, sign
from webhook_gateway.addresses import AllowedAddresses
from webhook_gateway.config import ConfigError, Settings, load_settings
from webhook_gateway.server import running
from webhook_gateway.telemetry import Telemetry
from webhook_gateway.tenants import Tenants

EVENT = b'{"id": "evt_1", "type": "charge.updated", "object": "event"}'
STRIPE = [ip_network("3.18.12.63"), ip_network("2001:db8::/32")]
PROXIES = [ip_network("10.0.0.0/8"), ip_network("127.0.0.1")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "allowed"),
    [
        ("3.18.12.63", [], True),
        ("::ffff:3.18.12.63", [], True),
        ("2001:db8::7", [], True),
        ("3.18.12.64", [], False),
        ("10.1.2.3", [], False),  # a proxy that says of nobody that they sent it
        ("10.1.2.3", ["3.18.12.63"], True),
        ("10.1.2.3", ["9.9.9.9, 3.18.12.63"], True),
        ("10.1.2.3", ["3.18.12.63, 9.9.9.9"], False),  # the first was written by a stranger
        ("10.1.2.3", ["9.9.9.9", "3.18.12.63, 10.9.9.9"], True),
        ("9.9.9.9", ["3.18.12.63"], False),  # nobody before us has written that
        ("10.1.2.3", ["3.18.12.63, unknown"], False),
        (None, [], False),
    ],
)
def test_who_is_behind_the_proxies_counts(
    peer: str | None,
    forwarded: list[str],
    allowed: bool,
) -> None:
    assert AllowedAddresses(STRIPE, PROXIES).allow(peer, forwarded) is allowed


def test_without_a_list_everybody_is_allowed() -> None:
    assert AllowedAddresses([], PROXIES).allow("9.9.9.9", ["nonsense"])


async def test_a_stranger_is_refused_before_their_body_is_read(
    settings: Settings, tenants: Tenants, telemetry: Telemetry, peer: Peer
) -> None:
    listed = settings.model_copy(
        update={"allowed_addresses": STRIPE, "trusted_proxies": [ip_network("127.0.0.1")]}
    )
    async with (
        running(listed, tenants, telemetry) as address,
        aiohttp.ClientSession() as http,
    ):
        gateway = Gateway(address, http)
        assert await gateway.post(EVENT, sign(EVENT)) == (403, "address_not_allowed")
        assert not peer.service.received

        headers = {"Stripe-Signature": sign(EVENT), "X-Forwarded-For": "3.18.12.63"}
        url = f"{address}/stripe/default/platform"
        async with http.post(url, data=EVENT, headers=headers) as answer:
            assert answer.status == 200
        async with http.get(f"{address}/healthz") as answer:
            assert answer.status == 200
    assert len(peer.service.received) == 1


def test_the_variables_name_addresses_and_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ESCROW_TENANTS_FILE", raising=False)
    for name in ("PLATFORM", "CONNECT"):
        monkeypatch.setenv(f"STRIPE_WEBHOOK_SECRET_{name}", "whsec_x")
    assert load_settings()[0].allowed_addresses == []

    monkeypatch.setenv("ESCROW_GATEWAY_ALLOWED_ADDRESSES", "3.18.12.63, 2001:db8::/32")
    assert load_settings()[0].allowed_addresses == STRIPE

    monkeypatch.setenv("ESCROW_GATEWAY_ALLOWED_ADDRESSES", "3.18.12")
    with pytest.raises(ConfigError, match="ESCROW_GATEWAY_ALLOWED_ADDRESSES"):
        load_settings()

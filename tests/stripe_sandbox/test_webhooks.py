"""Webhooks arrive signed, for whoever asked for them, until they are taken."""

import json
import time

import pytest
import stripe

from stripe_sandbox.webhooks import retry_delay_s, signature_header
from tests.stripe_sandbox.conftest import CONNECT_SECRET, PLATFORM_SECRET, Received, Running


def verify(delivery: Received, secret: str) -> bool:
    """Whether Stripe's own library accepts the signature."""
    body = delivery.body.decode()
    return bool(stripe.WebhookSignature.verify_header(body, delivery.signature, secret, 300))


async def connected_account(running: Running) -> str:
    account = await running.client.v1.accounts.create_async({"type": "express", "country": "US"})
    return account.id


async def test_stripe_s_own_library_accepts_the_signature(running: Running) -> None:
    # Far in the virtual future: the signature must carry real time all the same.
    await running.advance(90 * 24 * 3600)
    await running.client.v1.customers.create_async({"name": "Zoë"})
    await running.receiver.wait_for("customer.created")
    [delivery] = running.receiver.received
    assert verify(delivery, PLATFORM_SECRET)
    with pytest.raises(stripe.SignatureVerificationError):
        verify(delivery, CONNECT_SECRET)


async def test_an_event_says_where_it_comes_from(running: Running) -> None:
    _, headers, customer = await running.raw(
        "POST", "/v1/customers", {"name": "Ada"}, Idempotency_Key="k1"
    )
    [event] = await running.receiver.wait_for("customer.created")
    assert event["id"].startswith("evt_")
    assert (event["livemode"], event["api_version"]) == (False, "2026-10-28.endive")
    assert event["request"] == {"id": headers["Request-Id"], "idempotency_key": "k1"}
    assert event["data"]["object"] == customer
    assert event["pending_webhooks"] == 1


async def test_pending_webhooks_count_down(running: Running) -> None:
    await running.client.v1.customers.create_async({"name": "Ada"})
    [event] = await running.receiver.wait_for("customer.created")
    await running.advance(0)
    assert (await running.client.v1.events.retrieve_async(event["id"])).pending_webhooks == 0


async def test_connected_accounts_have_their_own_endpoint(running: Running) -> None:
    account = await connected_account(running)
    await running.client.v1.customers.create_async({"name": "Ada"}, {"stripe_account": account})
    [event] = await running.receiver.wait_for("customer.created")
    assert event["account"] == account
    delivery = next(d for d in running.receiver.received if d.event["id"] == event["id"])
    assert delivery.endpoint == "connect"
    assert verify(delivery, CONNECT_SECRET)


async def test_both_secrets_sign_while_one_replaces_the_other(running: Running) -> None:
    [endpoint] = [
        endpoint
        for endpoint in (await running.client.v1.webhook_endpoints.list_async()).data
        if endpoint.url.endswith("/platform")
    ]
    rolled = await running.control(
        "POST", f"webhook_endpoints/{endpoint.id}/roll_secret", expires_in=3600
    )
    await running.client.v1.customers.create_async({"name": "during"})
    await running.receiver.wait_for("customer.created")
    await running.advance(3600)
    await running.client.v1.customers.create_async({"name": "after"})
    await running.receiver.wait_for("customer.created", 2)

    during, after = running.receiver.received
    assert verify(during, PLATFORM_SECRET)
    assert verify(during, rolled["secret"])
    assert verify(after, rolled["secret"])
    with pytest.raises(stripe.SignatureVerificationError):
        verify(after, PLATFORM_SECRET)


async def test_an_endpoint_gets_what_it_enabled_as_long_as_it_exists(running: Running) -> None:
    endpoints = running.client.v1.webhook_endpoints
    created = await endpoints.create_async(
        {"url": f"{running.receiver.url}/chosen", "enabled_events": ["customer.deleted"]}
    )
    assert created.secret is not None
    assert created.secret.startswith("whsec_")
    assert getattr(await endpoints.retrieve_async(created.id), "secret", None) is None

    for name in ("first", "second", "third"):
        customer = await running.client.v1.customers.create_async({"name": name})
        await running.client.v1.customers.delete_async(customer.id)
        if name == "first":
            await endpoints.update_async(created.id, {"disabled": True})
        if name == "second":
            await endpoints.delete_async(created.id)
    await running.advance(0)
    chosen = [d for d in running.receiver.received if d.endpoint == "chosen"]
    assert [delivery.event["data"]["object"]["name"] for delivery in chosen] == ["first"]
    assert verify(chosen[0], created.secret)


async def test_what_is_not_taken_is_sent_again(running: Running) -> None:
    running.receiver.status = 503
    await running.client.v1.customers.create_async({"name": "Ada"})
    [event] = await running.receiver.wait_for("customer.created")
    listed = await running.client.v1.events.list_async({"delivery_success": False})
    assert [failed.id for failed in listed.data] == [event["id"]]

    await running.advance(10)
    running.receiver.status = 200
    await running.advance(20)
    assert [sent["id"] for sent in running.receiver.events()] == [event["id"]] * 3
    [delivery] = (await running.control("GET", "deliveries"))["data"]
    assert delivery["status"] == "delivered"
    assert [attempt["status_code"] for attempt in delivery["attempts"]] == [503, 503, 200]
    assert (await running.client.v1.events.list_async({"delivery_success": False})).data == []


async def test_retries_end_after_three_days(running: Running) -> None:
    running.receiver.status = 500
    await running.client.v1.customers.create_async({"name": "Ada"})
    await running.advance(4 * 24 * 3600)
    [delivery] = (await running.control("GET", "deliveries"))["data"]
    assert delivery["status"] == "failed"
    last = delivery["attempts"][-1]["at"] - delivery["created"]
    assert 2 * 24 * 3600 < last <= 3 * 24 * 3600


def test_retries_back_off_up_to_half_a_day() -> None:
    delays = [retry_delay_s(attempts) for attempts in range(1, 16)]
    assert delays[:3] == [10, 20, 40]
    assert delays[-1] == 12 * 3600


async def test_held_deliveries_are_released_in_any_order(running: Running) -> None:
    await running.control("POST", "deliveries/hold")
    for name in "abc":
        await running.client.v1.customers.create_async({"name": name})
    held = (await running.control("GET", "deliveries"))["data"]
    assert [delivery["status"] for delivery in held] == ["held"] * 3
    await running.advance(60)
    assert running.receiver.received == []

    newest, _, oldest = (delivery["id"] for delivery in held)
    await running.control("POST", "deliveries/release", deliveries=[newest, oldest])
    await running.control("POST", "deliveries/release")
    names = [event["data"]["object"]["name"] for event in running.receiver.events()]
    assert names == ["c", "a", "b"]
    await running.client.v1.customers.create_async({"name": "d"})
    await running.receiver.wait_for("customer.created", 4)


async def test_an_event_is_delivered_again_as_itself_or_as_a_twin(running: Running) -> None:
    await running.client.v1.customers.create_async({"name": "Ada"})
    [event] = await running.receiver.wait_for("customer.created")
    await running.control("POST", f"events/{event['id']}/redeliver")
    await running.control("POST", f"events/{event['id']}/redeliver", twin=True)
    _, again, twin = await running.receiver.wait_for("customer.created", 3)
    assert again["id"] == event["id"]
    assert twin["id"] != event["id"]
    assert (twin["data"], twin["created"]) == (event["data"], event["created"])


async def test_a_receiver_that_is_away_never_delays_the_api(running: Running) -> None:
    await running.client.v1.webhook_endpoints.create_async(
        {"url": "http://127.0.0.1:9/away", "enabled_events": ["*"]}
    )
    started = time.monotonic()
    await running.client.v1.customers.create_async({"name": "Ada"})
    assert time.monotonic() - started < 1
    await running.receiver.wait_for("customer.created")
    await running.advance(0)
    statuses = {d["url"]: d["status"] for d in (await running.control("GET", "deliveries"))["data"]}
    assert statuses["http://127.0.0.1:9/away"] == "pending"


def test_signature_header_has_one_digest_for_each_secret() -> None:
    payload = json.dumps({"id": "evt_1"}).encode()
    header = signature_header(payload, ["whsec_new", "whsec_old"], int(time.time()))
    assert header.count("v1=") == 2
    for secret in ("whsec_new", "whsec_old"):
        assert stripe.WebhookSignature.verify_header(payload.decode(), header, secret, 300)

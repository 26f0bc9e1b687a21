"""A sandbox with a data file goes on where it stopped: objects, clock, keys, tasks, deliveries."""

from pathlib import Path

import pytest

from tests.stripe_sandbox.conftest import Start

PAYMENT = {
    "amount": "10000",
    "currency": "usd",
    "payment_method": "pm_card_visa",
    "allowed_payment_method_types[]": "card",
    "confirm": "true",
}


async def test_a_restart_goes_on(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "stripe.sqlite"
    first = await start(data=path)
    await first.advance(1000)
    await first.control("POST", "settings", capture_delay_ms=60_000)
    _, _, paid = await first.raw("POST", "/v1/payment_intents", PAYMENT, Idempotency_Key="k1")
    await first.receiver.wait_for("payment_intent.succeeded")
    first.receiver.status = 503
    await first.client.v1.customers.create_async({"name": "Ada"})
    await first.receiver.wait_for("customer.created")
    await first.stop()

    first.receiver.status = 200
    second = await start(data=path)
    assert second.sandbox.platform == first.sandbox.platform
    assert second.sandbox.clock.offset_s == pytest.approx(1000, abs=1)
    _, headers, replay = await second.raw(
        "POST", "/v1/payment_intents", PAYMENT, Idempotency_Key="k1"
    )
    assert (headers["Idempotent-Replayed"], replay) == ("true", paid)
    assert len((await second.client.v1.webhook_endpoints.list_async()).data) == 2

    await second.advance(60)
    [updated] = second.receiver.events("charge.updated")
    assert updated["data"]["object"]["balance_transaction"].startswith("txn_")
    assert len(second.receiver.events("customer.created")) >= 2
    books = (await second.books())["accounts"][second.sandbox.platform]
    assert books["balance"]["pending"] == {"usd": 9_680}


async def test_a_reset_forgets_everything_but_the_platform(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "stripe.sqlite"
    running = await start(data=path)
    _, _, before = await running.raw("POST", "/v1/payment_intents", PAYMENT, Idempotency_Key="k1")
    await running.control("POST", "reset")
    assert (await running.client.v1.payment_intents.list_async()).data == []
    assert (await running.books())["accounts"] == {}
    assert len((await running.client.v1.webhook_endpoints.list_async()).data) == 2
    _, _, after = await running.raw("POST", "/v1/payment_intents", PAYMENT, Idempotency_Key="k1")
    assert after["id"] != before["id"]
    await running.advance(5)
    await running.stop()

    again = await start(data=path)
    assert again.sandbox.platform == running.sandbox.platform
    assert [pi.id for pi in (await again.client.v1.payment_intents.list_async()).data] == [
        after["id"]
    ]

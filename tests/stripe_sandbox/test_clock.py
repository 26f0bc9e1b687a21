"""Virtual time passes by itself, can be made to pass faster, and never goes back."""

import time

from stripe_sandbox.clock import VirtualClock
from tests.stripe_sandbox.conftest import Running


def test_the_clock_only_goes_forward() -> None:
    clock = VirtualClock()
    clock.move_to(time.time() + 100)
    assert clock.now() >= time.time() + 99
    clock.move_to(time.time())
    assert clock.now() >= time.time() + 99


async def test_what_becomes_due_happens_by_itself_in_real_time(running: Running) -> None:
    await running.control("POST", "settings", capture_delay_ms=50)
    await running.client.v1.payment_intents.create_async(
        {
            "amount": 1000,
            "currency": "usd",
            "payment_method": "pm_card_visa",
            "allowed_payment_method_types": ["card"],
            "confirm": True,
        }
    )
    await running.receiver.wait_for("charge.updated")


async def test_advancing_stops_at_everything_on_the_way(running: Running) -> None:
    before = (await running.control("GET", "clock"))["now"]
    session = await running.client.v1.checkout.sessions.create_async(
        {
            "success_url": "https://shop.example/thanks",
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": "usd",
                        "unit_amount": 1000,
                        "product_data": {"name": "Logo"},
                    },
                }
            ],
        }
    )
    await running.advance(3 * 24 * 3600)
    [expired] = running.receiver.events("checkout.session.expired")
    assert session.expires_at <= expired["created"] <= session.expires_at + 1
    assert (await running.control("GET", "clock"))["now"] >= before + 3 * 24 * 3600


async def test_time_cannot_be_turned_back(running: Running) -> None:
    async with running.http.post(
        f"{running.url}/_sandbox/clock/advance", json={"seconds": -1}
    ) as answer:
        assert answer.status == 400

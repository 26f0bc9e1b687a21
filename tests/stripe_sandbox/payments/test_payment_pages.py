"""Checkout by prices that exist, driven the way Stripe's own tools drive the hosted page."""

import aiohttp
import pytest
import stripe

from stripe_sandbox.store import Json
from tests.stripe_sandbox.conftest import API_KEY, Running


async def open_session(running: Running, currency: str = "usd", **types: Json) -> Json:
    """An open session for two units of 15.00."""
    client: Json = running.client
    product = await client.v1.products.create_async({"name": "Drum"})
    price = await client.v1.prices.create_async(
        {"product": product.id, "unit_amount": 1_500, "currency": currency}
    )
    return await client.v1.checkout.sessions.create_async(
        {
            "mode": "payment",
            "success_url": "http://localhost/paid",
            "line_items": [{"price": price.id, "quantity": 2}],
            **types,
        }
    )


async def page(running: Running, method: str, path: str, **form: str) -> tuple[int, Json]:
    """A private operation of the page, which no SDK has: (status, JSON)."""
    url = f"{running.url}/v1/payment_pages/{path}"
    headers = {"Authorization": f"Bearer {API_KEY}"}
    data = aiohttp.FormData(form) if form else None
    async with running.http.request(method, url, data=data, headers=headers) as answer:
        return answer.status, await answer.json()


async def sepa(running: Running, iban: str) -> str:
    method = await running.client.v1.payment_methods.create_async(
        {"type": "sepa_debit", "sepa_debit": {"iban": iban}, "billing_details": {"email": "a@b.c"}}
    )
    return method.id


async def test_the_page_shows_the_price_and_takes_a_card(running: Running) -> None:
    session = await open_session(running)
    status, shown = await page(running, "GET", session.id)
    assert (status, shown["total_summary"]["due"], shown["status"]) == (200, 3_000, "open")
    assert [item["description"] for item in shown["line_items"]] == ["Drum"]
    status, paid = await page(
        running, "POST", f"{session.id}/confirm", payment_method="pm_card_visa"
    )
    assert (status, paid["status"], paid["payment_status"]) == (200, "complete", "paid")
    await running.receiver.wait_for("checkout.session.completed")
    await running.books()


async def test_the_page_refuses_another_amount_and_declined_cards(running: Running) -> None:
    session = await open_session(running)
    confirm = f"{session.id}/confirm"
    status, body = await page(
        running, "POST", confirm, payment_method="pm_card_visa", expected_amount="1"
    )
    assert (status, body["error"]["code"]) == (400, "checkout_amount_mismatch")
    status, body = await page(
        running, "POST", confirm, payment_method="pm_card_visa_chargeDeclined"
    )
    assert (status, body["error"]["code"]) == (402, "card_declined")
    assert (await page(running, "GET", session.id))[1]["status"] == "open"


@pytest.mark.parametrize(
    ("iban", "event", "payment_status"),
    [
        ("AT611904300234573201", "checkout.session.async_payment_succeeded", "paid"),
        ("AT861904300235473202", "checkout.session.async_payment_failed", "unpaid"),
    ],
)
async def test_a_debit_completes_the_session_before_it_is_paid(
    running: Running, iban: str, event: str, payment_status: str
) -> None:
    await running.control("POST", "settings", capture_delay_ms=10_000)
    session = await open_session(running, "eur", allowed_payment_method_types=["sepa_debit"])
    method = await sepa(running, iban)
    await page(running, "POST", f"{session.id}/confirm", payment_method=method)
    [completed] = await running.receiver.wait_for("checkout.session.completed")
    assert completed["data"]["object"]["payment_status"] == "unpaid"
    await running.advance(10)
    [told] = await running.receiver.wait_for(event)
    assert told["data"]["object"]["payment_status"] == payment_status
    assert len(running.receiver.events("checkout.session.completed")) == 1


async def test_a_price_out_of_use_or_recurring_sells_nothing(running: Running) -> None:
    client: Json = running.client
    price = await client.v1.prices.create_async(
        {"product_data": {"name": "Drum"}, "unit_amount": 1_500, "currency": "usd"}
    )
    monthly = await client.v1.prices.create_async(
        {
            "product": price.product,
            "unit_amount": 1_500,
            "currency": "usd",
            "recurring": {"interval": "month"},
        }
    )
    await client.v1.prices.update_async(price.id, {"active": False})
    for unusable, why in ((price, "inactive"), (monthly, "recurring")):
        with pytest.raises(stripe.InvalidRequestError, match=why):
            await client.v1.checkout.sessions.create_async(
                {
                    "mode": "payment",
                    "success_url": "http://localhost/paid",
                    "line_items": [{"price": unusable.id, "quantity": 1}],
                }
            )

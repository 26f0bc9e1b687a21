"""A customer's coupon, which only older versions of the API can give."""

import pytest
import stripe

from stripe_sandbox.store import Json
from tests.stripe_sandbox.conftest import Running

OLDER = "2024-06-20"


async def discounted(running: Running, **off: Json) -> tuple[str, str]:
    """(customer, coupon), the one with the other."""
    client: Json = running.client
    coupon = await client.v1.coupons.create_async(off)
    async with running.http.post(
        f"{running.url}/v1/customers",
        data={"coupon": coupon.id},
        headers={"Authorization": "Bearer sk_test_x", "Stripe-Version": OLDER},
    ) as answer:
        customer = await answer.json()
    assert customer["discount"]["source"] == {"coupon": coupon.id, "type": "coupon"}
    return customer["id"], coupon.id


@pytest.mark.parametrize(
    ("off", "paid"),
    [({"percent_off": 20}, 1_200), ({"amount_off": 400, "currency": "usd"}, 1_100)],
)
async def test_a_discount_comes_off_what_is_billed(
    running: Running, off: dict[str, Json], paid: int
) -> None:
    client: Json = running.client
    customer, _ = await discounted(running, **off)
    method = await client.v1.payment_methods.attach_async("pm_card_visa", {"customer": customer})
    await client.v1.customers.update_async(
        customer, {"invoice_settings": {"default_payment_method": method.id}}
    )
    price = await client.v1.prices.create_async(
        {
            "product_data": {"name": "Lessons"},
            "unit_amount": 1_500,
            "currency": "usd",
            "recurring": {"interval": "week"},
        }
    )
    subscription = await client.v1.subscriptions.create_async(
        {"customer": customer, "items": [{"price": price.id}]}
    )
    invoice = await client.v1.invoices.retrieve_async(subscription.latest_invoice)
    assert (invoice.subtotal, invoice.total, invoice.amount_paid) == (1_500, paid, paid)


async def test_a_discount_can_be_taken_away(running: Running) -> None:
    customer, coupon = await discounted(running, percent_off=20)
    client: Json = running.client
    assert (await client.v1.coupons.retrieve_async(coupon)).times_redeemed == 1
    assert (await client.v1.customers.delete_discount_async(customer)).deleted
    await running.receiver.wait_for("customer.discount.deleted")
    with pytest.raises(stripe.InvalidRequestError, match="No active discount"):
        await client.v1.customers.delete_discount_async(customer)


async def test_a_coupon_takes_off_a_share_or_an_amount(running: Running) -> None:
    client: Json = running.client
    for off in ({}, {"percent_off": 20, "amount_off": 100, "currency": "usd"}):
        with pytest.raises(stripe.InvalidRequestError, match="either"):
            await client.v1.coupons.create_async(off)
    with pytest.raises(stripe.InvalidRequestError, match="between 0 and 100"):
        await client.v1.coupons.create_async({"percent_off": 101})

"""Checkout: sessions through the API, and the hosted pages as a browser uses them."""

import re
from collections.abc import Mapping
from html import unescape

import pytest
import stripe

from tests.stripe_sandbox.conftest import Running

DAY_S = 24 * 3600
SUCCESS_URL = "https://shop.example/thanks?session={CHECKOUT_SESSION_ID}"


async def create_session(running: Running, **params: object) -> stripe.checkout.Session:
    """An open session over two line items, 105.00 in all."""
    wanted: dict[str, object] = {
        "mode": "payment",
        "success_url": SUCCESS_URL,
        "cancel_url": "https://shop.example/cart",
        "line_items": [
            line_item("Logo <design>", 5_000, quantity=2),
            line_item("Platform fee", 500, quantity=1),
        ],
        "payment_intent_data": {"transfer_group": "escrow_1", "metadata": {"escrow": "1"}},
        "metadata": {"escrow": "1"},
    }
    return await running.client.v1.checkout.sessions.create_async(wanted | params)  # type: ignore[arg-type] # the test's to choose


def line_item(name: str, unit_amount: int, quantity: int) -> dict[str, object]:
    price = {"currency": "usd", "unit_amount": unit_amount, "product_data": {"name": name}}
    return {"price_data": price, "quantity": quantity}


async def browse(running: Running, url: str) -> tuple[int, str]:
    """Open a page: its status and its HTML."""
    async with running.http.get(url) as answer:
        return answer.status, await answer.text()


async def submit(running: Running, url: str, **form: str) -> tuple[int, Mapping[str, str], str]:
    """Post a form, without following where it leads: status, headers, HTML."""
    async with running.http.post(url, data=form, allow_redirects=False) as answer:
        return answer.status, answer.headers, await answer.text()


def card(number: str) -> dict[str, str]:
    return {
        "email": "ada@example.com",
        "number": number,
        "expiry": "12 / 40",
        "cvc": "123",
        "name": "Ada",
    }


def typed_in(html: str) -> dict[str, str]:
    """What stands in the fields of a page."""
    inputs = re.findall(r"<input[^>]*>", html)
    values = [re.search(r'name="(\w+)".*?(?:value="([^"]*)")', each, re.DOTALL) for each in inputs]
    return {found[1]: found[2] for found in values if found}


async def test_a_customer_pays_on_the_hosted_page(running: Running) -> None:
    session = await create_session(running)
    assert (session.status, session.payment_status) == ("open", "unpaid")
    assert (session.amount_total, session.payment_intent) == (10_500, None)
    assert session.url is not None

    status, html = await browse(running, session.url)
    assert status == 200
    assert "Logo &lt;design&gt; x 2" in html
    assert "105.00 USD" in html
    status, headers, _ = await submit(running, session.url, **card("4242 4242 4242 4242"))
    assert status == 303
    assert headers["Location"] == SUCCESS_URL.format(CHECKOUT_SESSION_ID=session.id)

    [completed] = await running.receiver.wait_for("checkout.session.completed")
    assert completed["data"]["object"]["payment_status"] == "paid"
    paid = await running.client.v1.checkout.sessions.retrieve_async(
        session.id, {"expand": ["payment_intent", "line_items"]}
    )
    assert (paid.status, paid.url) == ("complete", None)
    assert paid.customer_details is not None
    assert paid.customer_details.email == "ada@example.com"
    assert isinstance(paid.payment_intent, stripe.PaymentIntent)
    assert paid.payment_intent.transfer_group == "escrow_1"
    assert paid.payment_intent.metadata["escrow"] == "1"
    assert paid.line_items is not None
    assert [item.amount_total for item in paid.line_items.data] == [10_000, 500]
    assert (await browse(running, session.url))[0] == 410


@pytest.mark.parametrize(
    ("number", "message"),
    [
        ("4000000000000002", "Your card was declined."),
        ("4000000000009995", "Your card has insufficient funds."),
        ("4242424242424241", "Your card number is incorrect."),
        ("4929000000006", "non test (live) card"),
        ("", "Your card number is incomplete."),
    ],
)
async def test_a_refused_card_is_explained_and_another_one_pays(
    running: Running, number: str, message: str
) -> None:
    session = await create_session(running)
    assert session.url is not None
    status, _, html = await submit(running, session.url, **card(number))
    assert status == 402
    assert message in html

    status, _, _ = await submit(running, session.url, **card("4242424242424242"))
    assert status == 303
    intents = await running.client.v1.payment_intents.list_async()
    assert [intent.status for intent in intents.data] == ["succeeded"]


async def test_what_was_typed_stays_after_a_decline(running: Running) -> None:
    session = await create_session(running)
    assert session.url is not None
    typed = card("4000 0000 0000 0002") | {"name": 'Ada "A" <L>'}
    _, _, html = await submit(running, session.url, **typed)

    assert "Your card was declined." in html
    assert {name: unescape(value) for name, value in typed_in(html).items()} == typed


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"expiry": "12"}, "Your card's expiration date is incomplete."),
        ({"expiry": "soon"}, "Your card's expiration date is incomplete."),
        ({"cvc": " "}, "Your card's security code is incomplete."),
    ],
)
async def test_what_is_incomplete_is_said_to_a_person(
    running: Running, wrong: dict[str, str], message: str
) -> None:
    session = await create_session(running)
    assert session.url is not None
    status, _, html = await submit(running, session.url, **card("4242424242424242") | wrong)

    assert status == 402
    assert message in unescape(html)
    assert not (await running.client.v1.payment_intents.list_async()).data


async def test_the_customers_address_is_there_already(running: Running) -> None:
    customer = await running.client.v1.customers.create_async({"email": "eve@example.com"})
    known = await create_session(running, customer=customer.id)
    given = await create_session(running, customer_email="joe@example.com")
    unknown = await create_session(running)
    pages = {}
    for session in (known, given, unknown):
        assert session.url is not None
        pages[session.id] = (await browse(running, session.url))[1]

    assert typed_in(pages[known.id])["email"] == "eve@example.com"
    assert " readonly" in pages[known.id]
    assert typed_in(pages[given.id])["email"] == "joe@example.com"
    assert typed_in(pages[unknown.id])["email"] == ""

    assert known.url is not None
    _, _, declined = await submit(running, known.url, **card("4000000000000002"))
    assert typed_in(declined)["email"] == "eve@example.com"


@pytest.mark.parametrize("number", ["4000002760003184", "4000002500003155"])
async def test_three_d_secure_failed_then_completed(running: Running, number: str) -> None:
    session = await create_session(running)
    assert session.url is not None
    status, headers, _ = await submit(running, session.url, **card(number))
    page = headers["Location"]
    assert status == 303
    assert "/three_d_secure/" in page
    assert "105.00 USD" in (await browse(running, page))[1]

    _, headers, _ = await submit(running, page, outcome="fail")
    assert headers["Location"] == f"/checkout/{session.id}"
    _, html = await browse(running, session.url)
    assert "We are unable to authenticate your payment method." in html
    assert "PaymentIntent" not in html
    assert typed_in(html)["email"] == "ada@example.com"

    _, headers, _ = await submit(running, session.url, **card(number))
    _, headers, _ = await submit(running, headers["Location"], outcome="complete")
    assert headers["Location"] == SUCCESS_URL.format(CHECKOUT_SESSION_ID=session.id)
    paid = await running.client.v1.checkout.sessions.retrieve_async(session.id)
    assert (paid.status, paid.payment_status) == ("complete", "paid")
    assert (await browse(running, page))[0] == 404


async def test_three_d_secure_of_an_intent_returns_where_it_came_from(running: Running) -> None:
    intent = await running.client.v1.payment_intents.create_async(
        {
            "amount": 1000,
            "currency": "usd",
            "payment_method": "pm_card_authenticationRequired",
            "confirm": True,
            "return_url": "https://shop.example/return?a=1",
        }
    )
    assert intent.next_action is not None
    assert intent.next_action.redirect_to_url is not None
    assert intent.next_action.redirect_to_url.url is not None
    _, headers, _ = await submit(
        running, intent.next_action.redirect_to_url.url, outcome="complete"
    )
    assert re.fullmatch(
        r"https://shop\.example/return\?a=1&payment_intent=pi_\w+"
        r"&payment_intent_client_secret=pi_\w+&redirect_status=succeeded",
        headers["Location"],
    )


async def test_a_session_expires_by_itself_or_when_asked(running: Running) -> None:
    first, second = await create_session(running), await create_session(running)
    expired = await running.client.v1.checkout.sessions.expire_async(first.id)
    assert (expired.status, expired.url) == ("expired", None)
    await running.advance(DAY_S)
    assert len(running.receiver.events("checkout.session.expired")) == 2
    with pytest.raises(stripe.InvalidRequestError, match="status of expired"):
        await running.client.v1.checkout.sessions.expire_async(second.id)
    listed = await running.client.v1.checkout.sessions.list_async({"status": "expired"})
    assert [session.id for session in listed.data] == [second.id, first.id]


async def test_the_intent_of_an_open_session_is_canceled_with_it(running: Running) -> None:
    session = await create_session(running)
    await running.control(
        "POST", f"checkout/sessions/{session.id}/pay", payment_method="pm_card_visa_chargeDeclined"
    )
    [intent] = (await running.client.v1.payment_intents.list_async()).data
    with pytest.raises(stripe.InvalidRequestError, match="Expire the Checkout Session"):
        await running.client.v1.payment_intents.cancel_async(intent.id)
    await running.client.v1.checkout.sessions.expire_async(session.id)
    canceled = await running.client.v1.payment_intents.retrieve_async(intent.id)
    assert (canceled.status, canceled.cancellation_reason) == ("canceled", "expired")


async def test_an_authorization_completes_the_session_unpaid(running: Running) -> None:
    session = await create_session(running, payment_intent_data={"capture_method": "manual"})
    await running.control("POST", f"checkout/sessions/{session.id}/pay")
    completed = await running.client.v1.checkout.sessions.retrieve_async(session.id)
    assert (completed.status, completed.payment_status) == ("complete", "unpaid")
    await running.client.v1.payment_intents.capture_async(str(completed.payment_intent))
    captured = await running.client.v1.checkout.sessions.retrieve_async(session.id)
    assert captured.payment_status == "paid"


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"success_url": None}, "success_url"),
        ({"success_url": "javascript:alert(1)"}, "success_url"),
        ({"line_items": None}, "line_items"),
        ({"line_items": [{"price": "price_nobody"}]}, "line_items[0][price]"),
        ({"expires_at": 1}, "expires_at"),
        ({"mode": "subscription"}, "mode"),
        ({"customer": "cus_nobody"}, "customer"),
    ],
)
async def test_create_refuses(running: Running, params: dict[str, object], param: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await create_session(running, **params)
    assert refused.value.param == param


@pytest.mark.parametrize(("amount", "code"), [(49, "too_small"), (99_999_999, "too_large")])
async def test_a_session_is_for_what_can_be_charged(
    running: Running, amount: int, code: str
) -> None:
    data = {"currency": "usd", "unit_amount": amount, "product_data": {"name": "A drawing"}}
    items = [{"price_data": data, "quantity": 1 if amount < 50 else 2}]
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await create_session(running, line_items=items)
    assert refused.value.code == f"amount_{code}"


async def test_pages_of_nothing_are_not_found(running: Running) -> None:
    for path in ("checkout/cs_test_nobody", "three_d_secure/pi_nobody"):
        assert (await browse(running, f"{running.url}/{path}"))[0] == 404
        assert (await submit(running, f"{running.url}/{path}"))[0] == 404

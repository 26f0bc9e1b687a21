"""The way of a request: authentication, headers, lists, expansion, parameters, URLs."""

import pytest
import stripe

from tests.stripe_sandbox.conftest import API_KEY, Running


async def create_customers(running: Running, count: int) -> list[str]:
    """Customers, by id, newest first."""
    created = [
        await running.client.v1.customers.create_async({"name": str(number)})
        for number in range(count)
    ]
    return [customer.id for customer in reversed(created)]


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer ", "Bearer sk_live_1", "Bearer pk_test_1", "Basic ???", "Nonsense"],
)
async def test_a_request_without_a_test_key_is_refused(
    running: Running, authorization: str
) -> None:
    status, _, body = await running.raw("GET", "/v1/customers", Authorization=authorization)
    assert status == 401
    assert body["error"]["type"] == "invalid_request_error"


async def test_a_foreign_account_is_refused(running: Running) -> None:
    status, _, body = await running.raw("GET", "/v1/customers", Stripe_Account="acct_nobody")
    assert (status, body["error"]["code"]) == (403, "account_invalid")
    assert API_KEY not in body["error"]["message"]


async def test_headers_of_an_answer(running: Running) -> None:
    status, headers, _ = await running.raw(
        "POST", "/v1/customers", {"name": "Ada"}, Idempotency_Key="k1", Stripe_Version="2026-01-01"
    )
    assert status == 200
    assert headers["Request-Id"].startswith("req_")
    assert headers["Original-Request"] == headers["Request-Id"]
    assert headers["Idempotency-Key"] == "k1"
    assert headers["Stripe-Version"] == "2026-01-01"
    _, headers, _ = await running.raw("GET", "/v1/customers")
    assert headers["Stripe-Version"] == "2026-10-28.endive"


async def test_pages_go_both_ways(running: Running) -> None:
    newest_first = await create_customers(running, 5)
    customers = running.client.v1.customers
    first = await customers.list_async({"limit": 2})
    assert ([c.id for c in first.data], first.has_more) == (newest_first[:2], True)
    second = await customers.list_async({"limit": 2, "starting_after": newest_first[1]})
    assert [c.id for c in second.data] == newest_first[2:4]
    last = await customers.list_async({"limit": 2, "starting_after": newest_first[3]})
    assert ([c.id for c in last.data], last.has_more) == (newest_first[4:], False)
    back = await customers.list_async({"limit": 2, "ending_before": newest_first[3]})
    assert ([c.id for c in back.data], back.has_more) == (newest_first[1:3], True)
    listed = [c.id async for c in (await customers.list_async({"limit": 2})).auto_paging_iter()]
    assert listed == newest_first


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("starting_after=cus_nobody", "starting_after"),
        ("colour=red", "colour"),
    ],
)
async def test_a_list_refuses(running: Running, query: str, param: str) -> None:
    status, _, body = await running.raw("GET", f"/v1/customers?{query}")
    assert status in (400, 404)
    assert body["error"]["param"] == param


async def test_lists_by_time(running: Running) -> None:
    await create_customers(running, 1)
    await running.advance(100)
    await create_customers(running, 1)
    customers = running.client.v1.customers
    [newer, older] = (await customers.list_async()).data
    for created, expected in (
        ({"gt": older.created}, [newer.id]),
        ({"gte": older.created}, [newer.id, older.id]),
        ({"lt": newer.created}, [older.id]),
        ({"gte": older.created, "lte": older.created}, [older.id]),
    ):
        found = await customers.list_async({"created": created})  # type: ignore[arg-type] # not a literal
        assert [customer.id for customer in found.data] == expected


async def test_expand_reaches_through_ids_and_lists(running: Running) -> None:
    client = running.client.v1
    customer = await client.customers.create_async({"name": "Ada"})
    await client.payment_intents.create_async(
        {
            "amount": 1000,
            "currency": "usd",
            "customer": customer.id,
            "payment_method": "pm_card_visa",
            "allowed_payment_method_types": ["card"],
            "capture_method": "automatic",
            "confirm": True,
        }
    )
    listed = await client.payment_intents.list_async(
        {"expand": ["data.customer", "data.latest_charge.balance_transaction"]}
    )
    [intent] = listed.data
    assert isinstance(intent.customer, stripe.Customer)
    assert isinstance(intent.latest_charge, stripe.Charge)
    assert isinstance(intent.latest_charge.balance_transaction, stripe.BalanceTransaction)


@pytest.mark.parametrize("path", ["colour", "amount", "customer.colour", "a.b.c.d.e"])
async def test_what_cannot_be_expanded(running: Running, path: str) -> None:
    customer = await running.client.v1.customers.create_async({"name": "Ada"})
    with pytest.raises(stripe.InvalidRequestError, match="expand"):
        await running.client.v1.payment_intents.create_async(
            {"amount": 1000, "currency": "usd", "customer": customer.id, "expand": [path]}
        )
    assert (await running.client.v1.payment_intents.list_async()).data == []


async def test_private_fields_never_leave(running: Running) -> None:
    _, _, body = await running.raw("GET", "/v1/webhook_endpoints")
    assert body["data"]
    assert all(not name.startswith("_") for endpoint in body["data"] for name in endpoint)
    assert "whsec_" not in str(body)


async def test_an_unknown_url_answers_like_stripe(running: Running) -> None:
    for method, path in (("GET", "/v1/nothing"), ("DELETE", "/v1/payment_intents")):
        async with running.http.request(method, running.url + path) as answer:
            assert answer.status == 404
            message = (await answer.json())["error"]["message"]
            assert message.startswith(f"Unrecognized request URL ({method}: {path})")


@pytest.mark.parametrize(
    "body", [b"\xff\xfe", b"a=1&a[b]=2", b"metadata[a=1", b"metadata[a]=" + b"x" * 501]
)
async def test_a_body_that_makes_no_sense_is_a_400(running: Running, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with running.http.post(
        f"{running.url}/v1/customers", data=body, headers=headers
    ) as answer:
        assert answer.status == 400
    assert (await running.client.v1.customers.list_async()).data == []

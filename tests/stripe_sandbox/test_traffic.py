"""The traffic log lets any test hold all of a sandbox's traffic against the schemas."""

import pytest
import stripe

from tests.stripe_sandbox.conftest import Running
from tests.stripe_sandbox.schema_check import problems_in_traffic


async def test_requests_are_logged_with_their_answers(running: Running) -> None:
    customer = await running.client.v1.customers.create_async(
        {"email": "ann@example.com"}, {"idempotency_key": "k1"}
    )
    await running.client.v1.customers.create_async(
        {"email": "ann@example.com"}, {"idempotency_key": "k1"}
    )
    with pytest.raises(stripe.InvalidRequestError):
        await running.client.v1.customers.retrieve_async("cus_unknown")
    log = (await running.control("GET", "requests"))["data"]
    assert [(e["method"], e["path"], e["status"], e["replayed"]) for e in log] == [
        ("GET", "/v1/customers/cus_unknown", 404, False),
        ("POST", "/v1/customers", 200, True),
        ("POST", "/v1/customers", 200, False),
    ]
    assert log[2]["params"] == {"email": "ann@example.com"}
    assert log[2]["body"]["id"] == customer.id
    assert log[2]["account"] == running.sandbox.platform
    assert await problems_in_traffic(running.http, running.url) == []

    await running.control("POST", "reset")
    assert (await running.control("GET", "requests"))["data"] == []


async def test_traffic_that_breaks_a_schema_is_found(running: Running) -> None:
    await running.client.v1.customers.create_async({"email": "ann@example.com"})
    account = running.sandbox.platform
    event = next(running.sandbox.store.newest_first(account, "event"))
    broken = {**event, "data": {"object": {**event["data"]["object"], "mood": "sunny"}}}
    running.sandbox.store.write({(account, "event", event["id"]): broken})
    problems = await problems_in_traffic(running.http, running.url)
    assert len(problems) == 1
    assert "mood" in problems[0]

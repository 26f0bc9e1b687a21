"""An idempotency key answers what it answered first, for 24 hours."""

import asyncio

import pytest
import stripe

from tests.stripe_sandbox.conftest import Running

PAYMENT = {
    "amount": "10000",
    "currency": "usd",
    "payment_method": "pm_card_visa",
    "allowed_payment_method_types[]": "card",
    "confirm": "true",
}


async def count(running: Running) -> int:
    return len((await running.client.v1.payment_intents.list_async({"limit": 100})).data)


async def test_a_replay_answers_byte_for_byte(running: Running) -> None:
    first = await running.raw("POST", "/v1/payment_intents", PAYMENT, Idempotency_Key="k1")
    await running.advance(5)
    replay = await running.raw("POST", "/v1/payment_intents", PAYMENT, Idempotency_Key="k1")
    assert (replay[0], replay[2]) == (200, first[2])
    assert "Idempotent-Replayed" not in first[1]
    assert replay[1]["Idempotent-Replayed"] == "true"
    assert replay[1]["Original-Request"] == first[1]["Request-Id"] != replay[1]["Request-Id"]
    assert await count(running) == 1


async def test_a_stored_decline_is_replayed(running: Running) -> None:
    declined = PAYMENT | {"payment_method": "pm_card_visa_chargeDeclined"}
    first = await running.raw("POST", "/v1/payment_intents", declined, Idempotency_Key="k1")
    replay = await running.raw("POST", "/v1/payment_intents", declined, Idempotency_Key="k1")
    assert (first[0], replay[0], replay[2]) == (402, 402, first[2])
    assert replay[1]["Idempotent-Replayed"] == "true"
    assert await count(running) == 1


async def test_a_refused_validation_leaves_the_key_free(running: Running) -> None:
    wrong = PAYMENT | {"amount": "ten"}
    status, _, _ = await running.raw("POST", "/v1/payment_intents", wrong, Idempotency_Key="k1")
    assert status == 400
    status, _, _ = await running.raw("POST", "/v1/payment_intents", PAYMENT, Idempotency_Key="k1")
    assert status == 200


async def test_other_parameters_or_another_path_are_refused(running: Running) -> None:
    client = running.client.v1
    await client.customers.create_async({"name": "Ada"}, {"idempotency_key": "k1"})
    for other in (
        client.customers.create_async({"name": "Bob"}, {"idempotency_key": "k1"}),
        client.payment_intents.create_async(
            {"amount": 1000, "currency": "usd"}, {"idempotency_key": "k1"}
        ),
    ):
        with pytest.raises(stripe.IdempotencyError) as refused:
            await other
        assert refused.value.http_status == 400
    assert len((await client.customers.list_async()).data) == 1


async def test_concurrent_twins_act_once(running: Running) -> None:
    await running.control(
        "POST", "faults", kind="latency", path_prefix="/v1/payment_intents", latency_ms=200
    )
    answers = await asyncio.gather(
        *(
            running.raw("POST", "/v1/payment_intents", PAYMENT, Idempotency_Key="k1")
            for _ in range(10)
        )
    )
    assert sorted(status for status, _, _ in answers) == [200, *[409] * 9]
    conflict = next(answer for answer in answers if answer[0] == 409)
    assert conflict[2]["error"]["code"] == "idempotency_key_in_use"
    assert conflict[1]["Stripe-Should-Retry"] == "true"
    assert await count(running) == 1


async def test_a_key_is_forgotten_after_a_day(running: Running) -> None:
    first = await running.raw("POST", "/v1/payment_intents", PAYMENT, Idempotency_Key="k1")
    await running.advance(24 * 3600 - 60)
    again = await running.raw("POST", "/v1/payment_intents", PAYMENT, Idempotency_Key="k1")
    assert again[2] == first[2]
    await running.advance(60)
    fresh = await running.raw("POST", "/v1/payment_intents", PAYMENT, Idempotency_Key="k1")
    assert fresh[2]["id"] != first[2]["id"]
    assert await count(running) == 2


async def test_keys_belong_to_an_api_key_and_an_account(running: Running) -> None:
    account = await running.client.v1.accounts.create_async({"type": "express", "country": "US"})
    ids = set()
    for headers in (
        {},
        {"Authorization": "Bearer sk_test_another"},
        {"Stripe_Account": account.id},
    ):
        status, answered, body = await running.raw(
            "POST", "/v1/customers", {"name": "Ada"}, Idempotency_Key="k1", **headers
        )
        assert status == 200
        assert "Idempotent-Replayed" not in answered
        ids.add(body["id"])
    assert len(ids) == 3

"""Refunds that wait for the payer, are canceled, or fail: by rule, and by the controls."""

import pytest
import stripe

from stripe_sandbox.store import Json
from tests.stripe_sandbox.conftest import Running, charge_in, posted

DAY_S = 24 * 3600
PENDS = "pm_card_pendingRefund"


async def net(running: Running) -> int:
    books = await running.books()
    return int(books["accounts"][running.sandbox.platform]["sum_of_net"]["usd"])


async def transferred(running: Running, **customer: Json) -> Json:
    """A charge of 100.00 that came by a bank transfer."""
    client: Json = running.client
    payer = await client.v1.customers.create_async(customer)
    await client.v1.test_helpers.customers.fund_cash_balance_async(
        payer.id, {"amount": 10_000, "currency": "usd"}
    )
    intent = await client.v1.payment_intents.create_async(
        {
            "amount": 10_000,
            "currency": "usd",
            "customer": payer.id,
            "allowed_payment_method_types": ["customer_balance"],
            "payment_method_data": {"type": "customer_balance"},
            "payment_method_options": {
                "customer_balance": {
                    "funding_type": "bank_transfer",
                    "bank_transfer": {"type": "us_bank_transfer"},
                }
            },
            "confirm": True,
            "expand": ["latest_charge"],
        }
    )
    assert intent.status == "succeeded"
    await running.advance(2)  # past the asynchronous capture
    return intent.latest_charge


async def refund(running: Running, charge: Json, **params: Json) -> Json:
    client: Json = running.client
    return await client.v1.refunds.create_async({"charge": charge.id, **params})


async def read(running: Running, refund_id: str) -> Json:
    """With what moved the balance, and the charge."""
    client: Json = running.client
    expand = ["balance_transaction", "failure_balance_transaction", "charge"]
    return await client.v1.refunds.retrieve_async(refund_id, {"expand": expand})


async def asked(running: Running) -> Json:
    """A refund of a bank transfer, which waits for the payer's bank details."""
    charge = await transferred(running, email="ann@example.com")
    return await refund(running, charge, amount=4_000)


async def test_a_bank_transfer_needs_the_payers_bank_details(running: Running) -> None:
    before = await transferred(running, email="ann@example.com")
    held = await net(running)
    waiting = await refund(running, before, amount=4_000)
    assert waiting.status == "requires_action"
    details = waiting.next_action.display_details
    assert details.email_sent.email_sent_to == "ann@example.com"
    assert details.expires_at - details.email_sent.email_sent_at == 45 * DAY_S
    assert await net(running) == held - 4_000  # it is taken at once

    await running.control("POST", f"refunds/{waiting.id}/succeed")
    paid = await read(running, waiting.id)
    assert (paid.status, getattr(paid, "next_action", None)) == ("succeeded", None)
    assert await net(running) == held - 4_000
    [updated] = running.receiver.events("refund.updated")
    assert updated["data"]["previous_attributes"]["status"] == "requires_action"
    await running.advance(46 * DAY_S)
    assert (await read(running, waiting.id)).status == "succeeded"


async def test_stripe_has_to_know_whom_to_ask(running: Running) -> None:
    charge = await transferred(running)
    with pytest.raises(stripe.InvalidRequestError, match="email"):
        await refund(running, charge)
    asked_by_us = await refund(running, charge, instructions_email="bob@example.com")
    details = asked_by_us.next_action.display_details
    assert details.email_sent.email_sent_to == "bob@example.com"


async def test_we_cancel_what_waits_for_bank_details(running: Running) -> None:
    waiting = await asked(running)
    held = await net(running)
    canceled = await running.client.v1.refunds.cancel_async(waiting.id)
    assert (canceled.status, canceled.failure_reason) == ("canceled", "merchant_request")
    now = await read(running, waiting.id)
    assert posted(now.failure_balance_transaction) == (4_000, "usd", None)
    assert (now.charge.amount_refunded, now.charge.refunded) == (0, False)
    assert await net(running) == held + 4_000
    assert running.receiver.events("refund.failed") == []
    with pytest.raises(stripe.InvalidRequestError, match="canceled"):
        await running.client.v1.refunds.cancel_async(waiting.id)
    again = await refund(running, now.charge)
    assert again.amount == 10_000


@pytest.mark.parametrize("how", ["days", "helper", "control"])
async def test_the_payer_never_answers(running: Running, how: str) -> None:
    client: Json = running.client
    waiting = await asked(running)
    match how:
        case "days":
            await running.advance(45 * DAY_S)
        case "helper":
            await client.v1.test_helpers.refunds.expire_async(waiting.id)
        case _:
            await running.control("POST", f"refunds/{waiting.id}/cancel")
    now = await read(running, waiting.id)
    assert (now.status, getattr(now, "failure_reason", None)) == ("canceled", None)
    assert posted(now.failure_balance_transaction) == (4_000, "usd", None)


async def test_a_pending_card_refund_can_be_driven_through_every_state(running: Running) -> None:
    charge = await charge_in(running, "usd", 10_000, PENDS)
    waiting = await refund(running, charge, amount=3_000)
    assert (waiting.status, waiting.balance_transaction) == ("pending", None)
    await running.control("POST", f"refunds/{waiting.id}/require_action")
    assert await net(running) == 9_680 - 3_000
    await running.advance(60)  # when it would have succeeded by itself
    assert (await read(running, waiting.id)).status == "requires_action"
    await running.control("POST", f"refunds/{waiting.id}/succeed")
    await running.control("POST", f"refunds/{waiting.id}/fail", failure_reason="declined")
    failed = await read(running, waiting.id)
    assert (failed.status, failed.failure_reason) == ("failed", "declined")
    assert await net(running) == 9_680
    assert len(running.receiver.events("refund.failed")) == 1


async def test_what_fails_before_it_was_paid_moves_nothing(running: Running) -> None:
    charge = await charge_in(running, "usd", 10_000, PENDS)
    waiting = await refund(running, charge)
    await running.control("POST", f"refunds/{waiting.id}/fail")
    failed = await read(running, waiting.id)
    assert (failed.status, failed.balance_transaction) == ("failed", None)
    assert getattr(failed, "failure_balance_transaction", None) is None
    assert failed.charge.amount_refunded == 0
    await running.advance(DAY_S)
    assert await net(running) == 9_680


async def test_a_refund_fails_once(running: Running) -> None:
    charge = await charge_in(running, "usd", 10_000, "pm_card_refundFail")
    sent_back = await refund(running, charge)
    await running.control("POST", f"refunds/{sent_back.id}/fail")
    await running.advance(60)
    assert await net(running) == 9_680


@pytest.mark.parametrize("verb", ["succeed", "require_action", "cancel", "fail"])
async def test_what_has_failed_stays_so(running: Running, verb: str) -> None:
    charge = await charge_in(running, "usd", 10_000)
    ended = await refund(running, charge)
    await running.control("POST", f"refunds/{ended.id}/fail")
    url = f"{running.url}/_sandbox/refunds/{ended.id}/{verb}"
    async with running.http.post(url, json={}) as answer:
        assert answer.status == 400
    assert await net(running) == 9_680


async def test_no_control_pays_what_the_balance_does_not_cover(running: Running) -> None:
    charge = await charge_in(running, "usd", 10_000, "pm_card_bypassPending")
    waiting = await refund(running, charge)
    assert (waiting.status, waiting.pending_reason) == ("pending", "insufficient_funds")
    for verb in ("succeed", "require_action"):
        url = f"{running.url}/_sandbox/refunds/{waiting.id}/{verb}"
        async with running.http.post(url, json={}) as answer:
            assert answer.status == 400
    assert await net(running) == 9_680


async def test_a_dispute_fails_what_is_pending(running: Running) -> None:
    charge = await charge_in(running, "usd", 10_000, PENDS)
    waiting = await refund(running, charge, amount=3_000)
    paid = await refund(running, charge, amount=2_000)
    await running.control("POST", f"refunds/{paid.id}/succeed")
    dispute = await running.control("POST", f"charges/{charge.id}/dispute", inquiry=True)
    assert (await read(running, waiting.id)).status == "pending"
    await running.control("POST", f"disputes/{dispute['id']}/escalate")
    failed = await read(running, waiting.id)
    assert failed.status == "failed"
    assert failed.failure_reason == "charge_for_pending_refund_disputed"
    assert (await read(running, paid.id)).status == "succeeded"


async def test_what_was_taken_returns_at_the_rate_of_its_own_day(running: Running) -> None:
    await running.hold("usd")
    await running.worth(eur=1.10)
    charge = await charge_in(running, "eur", 10_500, PENDS)
    waiting = await refund(running, charge, amount=5_250)
    await running.worth(eur=1.20)
    await running.control("POST", f"refunds/{waiting.id}/require_action")
    await running.worth(eur=0.90)
    await running.control("POST", f"refunds/{waiting.id}/cancel")
    now = await read(running, waiting.id)
    assert posted(now.balance_transaction) == (-6_300, "usd", 1.2)
    assert posted(now.failure_balance_transaction) == (4_725, "usd", 0.9)
    assert await net(running) == 11_550 - 365 - 6_300 + 4_725

"""A card payment from the intent to the books, by the real Stripe client."""

import pytest
import stripe

from tests.stripe_sandbox.conftest import Running

DAY_S = 24 * 3600
RETURN_URL = "https://shop.example/return"


async def pay(running: Running, **changed: object) -> stripe.PaymentIntent:
    """A confirmed payment of 100.00, unless the parameters say otherwise; None leaves one out."""
    standard = {
        "amount": 10_000,
        "currency": "usd",
        "payment_method": "pm_card_visa",
        "allowed_payment_method_types": ["card"],
        "confirm": True,
    }
    params = {name: value for name, value in (standard | changed).items() if value}
    return await running.client.v1.payment_intents.create_async(params)  # type: ignore[arg-type] # the test's to choose


async def test_a_payment_reaches_the_balance_when_its_time_has_come(running: Running) -> None:
    intent = await pay(running, transfer_group="escrow_1", metadata={"escrow": "1"})
    assert (intent.status, intent.amount_received) == ("succeeded", 10_000)

    await running.advance(5)
    charge = await running.client.v1.charges.retrieve_async(
        str(intent.latest_charge), {"expand": ["balance_transaction"]}
    )
    posted = charge.balance_transaction
    assert isinstance(posted, stripe.BalanceTransaction)
    assert (posted.amount, posted.fee, posted.net) == (10_000, 320, 9_680)
    assert posted.status == "pending"
    assert posted.available_on == posted.created + 2 * DAY_S
    assert (charge.transfer_group, charge.metadata["escrow"]) == ("escrow_1", "1")

    books = (await running.books())["accounts"][running.sandbox.platform]
    assert books["balance"] == {"available": {}, "pending": {"usd": 9_680}}
    await running.advance(2 * DAY_S)
    books = (await running.books())["accounts"][running.sandbox.platform]
    assert books["balance"] == {"available": {"usd": 9_680}, "pending": {"usd": 0}}
    assert books["sum_of_net"] == {"usd": 9_680}


async def test_the_capture_is_asynchronous_by_default(running: Running) -> None:
    await running.control("POST", "settings", capture_delay_ms=60_000)
    intent = await pay(running, expand=["latest_charge"])
    assert intent.capture_method == "automatic_async"
    assert isinstance(intent.latest_charge, stripe.Charge)
    assert intent.latest_charge.balance_transaction is None

    await running.receiver.wait_for("payment_intent.succeeded")
    assert running.receiver.events("charge.updated") == []
    await running.advance(60)
    [updated] = running.receiver.events("charge.updated")
    assert updated["data"]["previous_attributes"] == {"balance_transaction": None}
    assert updated["data"]["object"]["balance_transaction"].startswith("txn_")


async def test_a_synchronous_capture_knows_its_fee_at_once(running: Running) -> None:
    intent = await pay(
        running, capture_method="automatic", expand=["latest_charge.balance_transaction"]
    )
    assert isinstance(intent.latest_charge, stripe.Charge)
    assert isinstance(intent.latest_charge.balance_transaction, stripe.BalanceTransaction)
    assert intent.latest_charge.balance_transaction.fee == 320


async def test_bypass_pending_is_available_at_once(running: Running) -> None:
    await pay(running, payment_method="pm_card_bypassPending", capture_method="automatic")
    books = (await running.books())["accounts"][running.sandbox.platform]
    assert books["balance"]["available"] == {"usd": 9_680}


async def test_a_decline_can_be_tried_again_with_the_same_intent(running: Running) -> None:
    with pytest.raises(stripe.CardError) as refused:
        await pay(running, payment_method="pm_card_visa_chargeDeclinedInsufficientFunds")
    error = refused.value.error
    assert error is not None
    assert (refused.value.http_status, error.code) == (402, "card_declined")
    assert error.decline_code == "insufficient_funds"
    assert error.payment_intent is not None
    declined = error.payment_intent
    assert declined.status == "requires_payment_method"
    assert declined.last_payment_error is not None
    assert declined.last_payment_error.charge == error.charge

    intent = await running.client.v1.payment_intents.confirm_async(
        declined.id, {"payment_method": "pm_card_visa"}
    )
    assert intent.status == "succeeded"
    assert intent.last_payment_error is None
    await running.receiver.wait_for("payment_intent.succeeded")
    assert len(running.receiver.events("payment_intent.payment_failed")) == 1
    charges = await running.client.v1.charges.list_async({"payment_intent": intent.id})
    assert [charge.status for charge in charges.data] == ["succeeded", "failed"]


async def test_authentication_on_session(running: Running) -> None:
    intent = await pay(
        running, payment_method="pm_card_authenticationRequired", return_url=RETURN_URL
    )
    assert intent.status == "requires_action"
    assert intent.next_action is not None
    assert intent.next_action.type == "redirect_to_url"
    assert intent.next_action.redirect_to_url is not None
    assert intent.next_action.redirect_to_url.return_url == RETURN_URL

    await running.control("POST", f"payment_intents/{intent.id}/authenticate")
    paid = await running.client.v1.payment_intents.retrieve_async(intent.id)
    assert (paid.status, paid.next_action) == ("succeeded", None)


async def test_authentication_without_return_url_is_for_the_browser_sdk(running: Running) -> None:
    intent = await pay(running, payment_method="pm_card_threeDSecure2Required")
    assert intent.next_action is not None
    assert intent.next_action.type == "use_stripe_sdk"


async def test_failed_authentication_goes_back_to_the_start(running: Running) -> None:
    intent = await pay(
        running, payment_method="pm_card_authenticationRequired", return_url=RETURN_URL
    )
    failed = await running.control(
        "POST", f"payment_intents/{intent.id}/authenticate", succeeds=False
    )
    assert failed["status"] == "requires_payment_method"
    assert failed["last_payment_error"]["code"] == "payment_intent_authentication_failure"


async def test_authentication_off_session_is_an_error_that_carries_the_intent(
    running: Running,
) -> None:
    with pytest.raises(stripe.CardError) as refused:
        await pay(running, payment_method="pm_card_authenticationRequired", off_session=True)
    assert refused.value.error is not None
    assert refused.value.error.code == "authentication_required"
    assert refused.value.error.payment_intent is not None
    assert refused.value.error.payment_intent.status == "requires_payment_method"


async def test_automatic_payment_methods_need_a_return_url(running: Running) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="return_url"):
        await running.client.v1.payment_intents.create_async(
            {"amount": 1000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
        )
    assert (await running.client.v1.payment_intents.list_async()).data == []


async def test_manual_capture_in_part(running: Running) -> None:
    intent = await pay(running, capture_method="manual")
    assert (intent.status, intent.amount_capturable) == ("requires_capture", 10_000)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await running.client.v1.payment_intents.capture_async(
            intent.id, {"amount_to_capture": 10_001}
        )
    assert refused.value.code == "amount_too_large"

    captured = await running.client.v1.payment_intents.capture_async(
        intent.id, {"amount_to_capture": 4_000, "expand": ["latest_charge"]}
    )
    assert (captured.status, captured.amount_received) == ("succeeded", 4_000)
    books = (await running.books())["accounts"][running.sandbox.platform]
    assert books["sum_of_net"] == {"usd": 4_000 - 146}


async def test_an_authorization_expires_after_seven_days(running: Running) -> None:
    intent = await pay(running, capture_method="manual")
    await running.advance(7 * DAY_S)
    expired = await running.client.v1.payment_intents.retrieve_async(intent.id)
    assert (expired.status, expired.cancellation_reason) == ("canceled", "automatic")
    assert len(running.receiver.events("charge.expired")) == 1


async def test_cancel_and_what_a_final_state_refuses(running: Running) -> None:
    intent = await running.client.v1.payment_intents.create_async(
        {"amount": 1000, "currency": "usd"}
    )
    canceled = await running.client.v1.payment_intents.cancel_async(
        intent.id, {"cancellation_reason": "abandoned"}
    )
    assert (canceled.status, canceled.cancellation_reason) == ("canceled", "abandoned")
    for refused_call in (
        running.client.v1.payment_intents.cancel_async(intent.id),
        running.client.v1.payment_intents.capture_async(intent.id),
        running.client.v1.payment_intents.update_async(intent.id, {"amount": 2000}),
    ):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await refused_call
        assert refused.value.code == "payment_intent_unexpected_state"


async def test_update_merges_metadata(running: Running) -> None:
    intent = await running.client.v1.payment_intents.create_async(
        {"amount": 1000, "currency": "usd", "metadata": {"a": "1", "b": "2"}}
    )
    updated = await running.client.v1.payment_intents.update_async(
        intent.id, {"amount": 1500, "metadata": {"b": "", "c": "3"}}
    )
    assert updated.amount == 1500
    assert updated.metadata.to_dict() == {"a": "1", "c": "3"}


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"currency": "usd"}, "parameter_missing", "amount"),
        ({"amount": 0, "currency": "usd"}, "parameter_invalid_integer", "amount"),
        ({"amount": "10.5", "currency": "usd"}, "parameter_invalid_integer", "amount"),
        ({"amount": 49, "currency": "usd"}, "amount_too_small", "amount"),
        ({"amount": 100_000_000, "currency": "usd"}, "amount_too_large", "amount"),
        ({"amount": 10_005, "currency": "kwd"}, "parameter_invalid_integer", "amount"),
        ({"amount": 100_050, "currency": "isk"}, "parameter_invalid_integer", "amount"),
        ({"amount": 5_000, "currency": "huf"}, "amount_too_small", "amount"),
        ({"amount": 1000, "currency": "usd", "colour": "red"}, "parameter_unknown", "colour"),
        (
            {"amount": 1000, "currency": "usd", "customer": "cus_nobody"},
            "resource_missing",
            "customer",
        ),
    ],
)
async def test_create_refuses(
    running: Running, params: dict[str, object], code: str, param: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await running.client.v1.payment_intents.create_async(params)  # type: ignore[arg-type] # wrong on purpose
    assert (refused.value.code, refused.value.param) == (code, param)


async def test_a_refused_confirmation_changes_nothing(running: Running) -> None:
    client = running.client.v1
    paid = await client.payment_intents.create_async(
        {
            "amount": 1_000,
            "currency": "usd",
            "payment_method": "pm_card_visa",
            "allowed_payment_method_types": ["card"],
            "confirm": True,
        }
    )
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.payment_intents.confirm_async(
            paid.id, {"payment_method": "pm_card_mastercard", "receipt_email": "ada@example.com"}
        )
    assert refused.value.code == "payment_intent_unexpected_state"
    unchanged = await client.payment_intents.retrieve_async(paid.id)
    assert (unchanged.payment_method, unchanged.receipt_email) == (paid.payment_method, None)

"""Bank debits are processing until the customer's bank answers, and are no money before."""

import pytest
import stripe

from stripe_sandbox.payments.bank_debits import TEST_IBANS
from stripe_sandbox.store import Json
from tests.stripe_sandbox.conftest import Running

FEE = 35
PAYS, PAYS_LATE = "AT611904300234573201", "AT321904300235473204"
REFUSES, REFUSES_LATE = "AT861904300235473202", "AT051904300235473205"


async def debit(running: Running, iban: str) -> stripe.PaymentIntent:
    """A payment of 10.00 EUR by SEPA Direct Debit, just confirmed."""
    await running.control("POST", "settings", capture_delay_ms=10_000)
    method = await running.client.v1.payment_methods.create_async(
        {
            "type": "sepa_debit",
            "sepa_debit": {"iban": iban},
            "billing_details": {"name": "Ada", "email": "ada@example.com"},
        }
    )
    return await running.client.v1.payment_intents.create_async(
        {
            "amount": 1_000,
            "currency": "eur",
            "payment_method": method.id,
            "allowed_payment_method_types": ["sepa_debit"],
            "confirm": True,
        }
    )


async def net(running: Running) -> int:
    books = await running.books()
    sums: Json = books["accounts"].get(running.sandbox.platform, {}).get("sum_of_net", {})
    return int(sums.get("eur", 0))


def test_every_test_iban_has_its_check_digits() -> None:
    for iban in TEST_IBANS:
        digits = "".join(str(int(character, 36)) for character in iban[4:] + iban[:4])
        assert int(digits) % 97 == 1, iban


@pytest.mark.parametrize(("iban", "answer_s"), [(PAYS, 10), (PAYS_LATE, 180)])
async def test_a_debit_that_the_bank_pays(running: Running, iban: str, answer_s: int) -> None:
    intent = await debit(running, iban)
    assert intent.status == "processing"
    charge = await running.client.v1.charges.retrieve_async(str(intent.latest_charge))
    assert (charge.id[:3], charge.status, charge.paid) == ("py_", "pending", False)
    assert await net(running) == 0
    await running.receiver.wait_for("payment_intent.processing")
    await running.advance(answer_s)
    paid = await running.client.v1.payment_intents.retrieve_async(intent.id)
    assert (paid.status, paid.amount_received) == ("succeeded", 1_000)
    assert await net(running) == 1_000 - FEE
    await running.receiver.wait_for("payment_intent.succeeded")


@pytest.mark.parametrize(("iban", "answer_s"), [(REFUSES, 10), (REFUSES_LATE, 180)])
async def test_a_debit_that_the_bank_refuses(running: Running, iban: str, answer_s: int) -> None:
    intent = await debit(running, iban)
    assert intent.status == "processing"
    await running.advance(answer_s)
    failed = await running.client.v1.payment_intents.retrieve_async(intent.id)
    assert failed.status == "requires_payment_method"
    assert failed.last_payment_error is not None
    assert failed.last_payment_error.code == "debit_not_authorized"
    assert await net(running) == 0
    [event] = await running.receiver.wait_for("charge.failed")
    assert event["data"]["object"]["failure_code"] == "debit_not_authorized"


async def test_a_debit_is_refunded_as_a_payment(running: Running) -> None:
    intent = await debit(running, PAYS)
    await running.advance(10)
    refund = await running.client.v1.refunds.create_async({"payment_intent": intent.id})
    assert (refund.id[:4], refund.status) == ("pyr_", "succeeded")
    posted = await running.client.v1.balance_transactions.retrieve_async(
        str(refund.balance_transaction)
    )
    assert (posted.type, posted.reporting_category) == ("payment_refund", "refund")
    assert await net(running) == -FEE


async def test_an_unknown_iban_is_refused(running: Running) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await debit(running, "DE00000000000000000000")
    assert refused.value.param == "sepa_debit[iban]"


async def test_a_payment_takes_only_the_types_it_allows(running: Running) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="not allowed"):
        await running.client.v1.payment_intents.create_async(
            {
                "amount": 1_000,
                "currency": "eur",
                "payment_method": "pm_card_visa",
                "allowed_payment_method_types": ["sepa_debit"],
            }
        )


async def test_a_debit_cannot_be_held_back(running: Running) -> None:
    client = running.client.v1
    method = await client.payment_methods.create_async(
        {"type": "sepa_debit", "sepa_debit": {"iban": PAYS}}
    )
    with pytest.raises(stripe.InvalidRequestError, match="does not support capture_method"):
        await client.payment_intents.create_async(
            {
                "amount": 1_000,
                "currency": "eur",
                "capture_method": "manual",
                "payment_method": method.id,
            }
        )

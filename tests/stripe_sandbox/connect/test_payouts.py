"""Payouts debit at once, arrive or fail on the clock, and a failure brings the money back."""

import pytest
import stripe

from stripe_sandbox.store import Json
from tests.stripe_sandbox.conftest import Running, charge_in
from tests.stripe_sandbox.connect.conftest import (
    BANK,
    DAY_S,
    EXPRESS,
    balances,
    charged,
    funded_payee,
    payee_in,
    sums,
)

PAYOUT = {"amount": 8000, "currency": "usd"}


async def test_a_payout_goes_to_the_bank(running: Running, client: Json) -> None:
    payee = await funded_payee(running)
    on_account = {"stripe_account": payee}
    payout = await client.v1.payouts.create_async(
        {**PAYOUT, "metadata": {"milestone": "m1"}, "expand": ["destination"]}, on_account
    )
    assert (payout.status, payout.destination.last4, payout.automatic) == ("pending", "6789", False)
    assert await balances(running, payee) == (0, 0)
    await running.advance(3600)
    await running.receiver.wait_for("payout.updated")
    await running.advance(2 * DAY_S)
    paid = await running.receiver.wait_for("payout.paid")
    assert paid[0]["account"] == payee
    payout = await client.v1.payouts.retrieve_async(payout.id, None, on_account)
    assert (payout.status, payout.trace_id.status) == ("paid", "supported")
    listed = await client.v1.payouts.list_async({"status": "paid"}, on_account)
    assert [p.id for p in listed.data] == [payout.id]
    updated = await client.v1.payouts.update_async(payout.id, {"metadata": {"a": "b"}}, on_account)
    assert updated.metadata.to_dict() == {"milestone": "m1", "a": "b"}
    with pytest.raises(stripe.InvalidRequestError, match="only be canceled while"):
        await client.v1.payouts.cancel_async(payout.id, None, on_account)
    with pytest.raises(stripe.InvalidRequestError):
        await client.v1.payouts.retrieve_async(payout.id)  # it is not the platform's
    await running.books()


async def test_the_control_pays_at_once(running: Running, client: Json) -> None:
    payee = await funded_payee(running)
    payout = await client.v1.payouts.create_async(PAYOUT, {"stripe_account": payee})
    paid = await running.control("POST", f"payouts/{payout.id}/pay")
    assert paid["status"] == "paid"
    await running.advance(5 * DAY_S)
    assert len(running.receiver.events("payout.paid")) == 1
    assert running.receiver.events("payout.failed") == []


@pytest.mark.parametrize(
    ("account_number", "failure_code"),
    [("000111111116", "no_account"), ("000111111113", "account_closed")],
)
async def test_a_failing_bank_account(
    running: Running, client: Json, account_number: str, failure_code: str
) -> None:
    payee = await funded_payee(running, account_number)
    on_account = {"stripe_account": payee}
    payout = await client.v1.payouts.create_async(PAYOUT, on_account)
    await running.advance(3 * DAY_S)
    failed = (await running.receiver.wait_for("payout.failed"))[0]["data"]["object"]
    assert failed["failure_code"] == failure_code
    payout = await client.v1.payouts.retrieve_async(
        payout.id, {"expand": ["failure_balance_transaction", "destination"]}, on_account
    )
    assert payout.status == "failed"
    assert payout.failure_balance_transaction.net == 8000
    assert payout.destination.status == "errored"
    assert await balances(running, payee) == (8000, 0)

    account = await client.v1.accounts.retrieve_async(payee)
    assert (account.payouts_enabled, account.capabilities.transfers) == (False, "active")
    await running.receiver.wait_for("account.external_account.updated")
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await client.v1.payouts.create_async(PAYOUT, on_account)
    assert refusal.value.code == "payouts_not_allowed"

    repaired = await client.v1.accounts.external_accounts.create_async(
        payee, {"external_account": BANK, "default_for_currency": True}
    )
    again = await client.v1.payouts.create_async(PAYOUT, on_account)
    assert again.destination == repaired.id
    await running.books()


async def test_paid_is_not_final(running: Running, client: Json) -> None:
    payee = await funded_payee(running)
    payout = await client.v1.payouts.create_async(PAYOUT, {"stripe_account": payee})
    await running.advance(3 * DAY_S)
    await running.receiver.wait_for("payout.paid")
    failed = await running.control("POST", f"payouts/{payout.id}/fail", failure_code="no_account")
    assert (failed["status"], failed["failure_code"]) == ("failed", "no_account")
    await running.receiver.wait_for("payout.failed")
    assert await balances(running, payee) == (8000, 0)
    await running.books()


async def test_cancel_before_it_is_submitted(running: Running, client: Json) -> None:
    payee = await funded_payee(running)
    on_account = {"stripe_account": payee}
    payout = await client.v1.payouts.create_async(PAYOUT, on_account)
    canceled = await client.v1.payouts.cancel_async(payout.id, None, on_account)
    assert canceled.status == "canceled"
    assert await balances(running, payee) == (8000, 0)
    await running.advance(3 * DAY_S)
    await running.receiver.wait_for("payout.canceled")
    assert running.receiver.events("payout.paid") == []
    await running.books()


async def test_reverse_a_paid_payout(running: Running, client: Json) -> None:
    payee = await funded_payee(running)
    on_account = {"stripe_account": payee}
    payout = await client.v1.payouts.create_async(PAYOUT, on_account)
    with pytest.raises(stripe.InvalidRequestError, match="Only a paid payout"):
        await client.v1.payouts.reverse_async(payout.id, None, on_account)
    await running.advance(3 * DAY_S)
    reversal = await client.v1.payouts.reverse_async(payout.id, None, on_account)
    assert (reversal.amount, reversal.original_payout) == (-8000, payout.id)
    original = await client.v1.payouts.retrieve_async(payout.id, None, on_account)
    assert original.reversed_by == reversal.id
    assert await balances(running, payee) == (0, 8000)
    await running.advance(3 * DAY_S)
    assert await balances(running, payee) == (8000, 0)
    await running.receiver.wait_for("payout.paid", 2)
    await running.books()


async def test_refusals(running: Running, client: Json) -> None:
    payee = await funded_payee(running)
    on_account = {"stripe_account": payee}
    payouts = client.v1.payouts
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await payouts.create_async({**PAYOUT, "amount": 8001}, on_account)
    assert refusal.value.code == "balance_insufficient"
    with pytest.raises(stripe.InvalidRequestError, match="any external accounts in that currency"):
        await payouts.create_async({**PAYOUT, "currency": "eur"}, on_account)
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await payouts.create_async({**PAYOUT, "method": "instant"}, on_account)
    assert refusal.value.code == "instant_payouts_unsupported"
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await payouts.create_async({**PAYOUT, "amount": 0}, on_account)
    assert refusal.value.param == "amount"
    newcomer = await client.v1.accounts.create_async(EXPRESS)
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await payouts.create_async(PAYOUT, {"stripe_account": newcomer.id})
    assert refusal.value.code == "payouts_not_allowed"
    assert await balances(running, payee) == (8000, 0)


async def test_the_platform_pays_out_its_own_balance(running: Running, client: Json) -> None:
    await charged(running, card="pm_card_bypassPending")
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await client.v1.payouts.create_async({"amount": 10_000, "currency": "usd"})
    assert refusal.value.code == "balance_insufficient"
    await client.v1.payouts.create_async({"amount": 9680, "currency": "usd"})
    await running.advance(3 * DAY_S)
    paid = await running.receiver.wait_for("payout.paid")
    assert "account" not in paid[0]
    assert await balances(running) == (0, 0)
    await running.books()


async def refused_payout(
    running: Running, client: Json, currency: str, account: str | None = None
) -> None:
    options = {"stripe_account": account} if account else {}
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await client.v1.payouts.create_async({"amount": 100, "currency": currency}, options)
    assert (refusal.value.http_status, refusal.value.param) == (400, "currency")
    assert refusal.value.user_message == (
        f"Sorry, you don't have any external accounts in that currency ({currency})."
    )


async def test_a_payout_is_in_a_currency_with_a_bank_account(
    running: Running, client: Json
) -> None:
    payee = await payee_in(running, "DE")
    await running.hold("usd")
    await running.worth(eur=1.10)
    charge = await charge_in(running, "usd", 10_000, "pm_card_bypassPending")
    await client.v1.transfers.create_async(
        {"amount": 8_800, "currency": "usd", "destination": payee, "source_transaction": charge.id}
    )
    await refused_payout(running, client, "usd", payee)
    on_account = {"stripe_account": payee}
    await client.v1.payouts.create_async({"amount": 8_000, "currency": "eur"}, on_account)
    assert await sums(running, payee) == {"eur": 0}


async def test_the_platform_has_a_bank_account_for_what_it_holds(
    running: Running, client: Json
) -> None:
    await running.hold("usd", "eur")
    await charge_in(running, "eur", 10_000, "pm_card_bypassPending")
    await refused_payout(running, client, "gbp")
    await client.v1.payouts.create_async({"amount": 680, "currency": "eur"})
    assert await sums(running) == {"eur": 10_000 - 320 - 680}
    await running.hold("usd")
    await refused_payout(running, client, "eur")


async def test_banks_are_paid_in_whole_forint(running: Running, client: Json) -> None:
    payee = await funded_payee(running)
    with pytest.raises(stripe.InvalidRequestError, match="evenly divisible by 100") as refusal:
        await client.v1.payouts.create_async(
            {"amount": 8050, "currency": "huf"}, {"stripe_account": payee}
        )
    assert refusal.value.code == "parameter_invalid_integer"

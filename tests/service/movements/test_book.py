"""Every balance transaction is booked, whoever caused it, in the order that the ledger lays down.

Each test is something that happened at Stripe and no event told of: the sweep finds it.
"""

import json
from datetime import timedelta
from typing import Any

import pytest

from escrow.v1 import escrow_service_pb2 as pb
from service.operations.sweeps.sweep_balance_transactions import sweep_account
from service.store.sweeps import add_accounts, find_sweep
from service.workers.sweeps import SweepsWorker
from tests.service.movements.strangers import (
    assert_same_as_stripe,
    charge_of,
    dispute,
    foreign_charge,
    freezes,
    moved,
    refund,
    rows,
)
from tests.service.operations.marketplace import CARD, TENANT, Marketplace
from tests.service.operations.transfers import TRANSFERS, accepted, lose_answer

THE_EFFECT = """
SELECT 'eff_' || replace(effect_id::text, '-', '') FROM effects WHERE kind = 'create_transfer'"""

# Between the platform and Stripe itself


@pytest.mark.parametrize(
    ("type_", "amount_minor", "kind", "account", "booked_minor"),
    [
        ("stripe_fee", -200, "stripe_fee", "exp:processing", 200),
        ("stripe_fee", 200, "stripe_fee_returned", "exp:processing", -200),
        ("tax_fee", -20, "stripe_fee", "exp:processing", 20),
        ("payout", -5_000, "platform_paid_out", "asset:bank", 5_000),
        ("payout_failure", 5_000, "platform_payout_returned", "asset:bank", -5_000),
        ("reserve_hold", -900, "reserve_held", "asset:stripe_reserved", 900),
        ("reserve_release", 900, "reserve_released", "asset:stripe_reserved", -900),
        ("payout_minimum_balance_hold", -70, "reserve_held", "asset:stripe_reserved", 70),
        ("topup", 3_000, "topped_up", "eq:platform_capital", -3_000),
    ],
)
async def test_what_stripe_does_by_itself(
    market: Marketplace, type_: str, amount_minor: int, kind: str, account: str, booked_minor: int
) -> None:
    transaction = await moved(market, type_, amount_minor)

    await market.sweep()

    assert await market.books() == [(kind, {"asset:stripe": amount_minor, account: booked_minor})]
    row = (await rows(market))[transaction["id"]]
    assert (row["type"], row["net_minor"], row["kind"]) == (type_, amount_minor, kind)
    assert await freezes(market) == []
    await assert_same_as_stripe(market)


async def test_a_topup_that_is_taken_back(market: Marketplace) -> None:
    await moved(market, "topup", 3_000)
    await moved(market, "topup_reversal", -3_000)

    await market.sweep()

    assert sorted(kind for kind, _ in await market.books()) == ["topped_up", "topup_reversed"]
    await assert_same_as_stripe(market)


async def test_what_moves_nothing_has_a_row_and_no_journal(market: Marketplace) -> None:
    transaction = await moved(market, "adjustment", 0)

    await market.sweep()

    assert await market.books() == []
    assert (await rows(market))[transaction["id"]]["kind"] is None


# Another product in the same Stripe account


async def test_another_product_is_booked_apart_with_its_refunds_and_disputes(
    market: Marketplace,
) -> None:
    """It was retried, and then put before a person; it alarms nobody and freezes nothing."""
    escrow = await market.funded_escrow()
    books = await market.books()
    charge = await foreign_charge(market)
    await refund(market, charge, 700)
    await dispute(market, await foreign_charge(market, 2_000))
    await market.settle()

    await market.sweep()

    booked = (await market.books())[len(books) :]
    assert {kind for kind, _ in booked} == {"other_business_brought", "other_business_took"}
    moved_minor = [entries["asset:stripe"] for _, entries in booked]
    assert sorted(moved_minor) == sorted([7_700 - 253, -700, 2_000 - 88, -2_000 - 1_500])
    assert all(entries["eq:other_business"] == -entries["asset:stripe"] for _, entries in booked)
    assert await freezes(market) == []
    assert (await market.read(escrow)).milestones[0].frozen.amount_minor == 0
    states = await market.owner.fetch("SELECT state, count(*) FROM stripe_events GROUP BY 1")
    assert {row["state"] for row in states} <= {"PROCESSED", "IGNORED"}
    await assert_same_as_stripe(market)


async def test_a_payment_of_another_database_is_another_products(market: Marketplace) -> None:
    """Two environments may share a test account: ids of ours that we never made are not ours."""
    metadata = {"metadata[payment]": f"pay_{'0193' * 8}", "metadata[tenant]": "default"}
    await market.sandbox.stripe(
        "/v1/payment_intents",
        amount="7700",
        currency="usd",
        confirm="true",
        payment_method="pm_card_bypassPending",
        **metadata,
        **{"payment_method_types[0]": "card"},
    )
    await market.sandbox.advance()

    await market.sweep()

    assert [kind for kind, _ in await market.books()] == ["other_business_brought"]


async def test_another_products_transfer_is_its_own(market: Marketplace) -> None:
    payee = await market.new_payee()
    await foreign_charge(market)
    transfer = await market.sandbox.stripe(
        TRANSFERS, amount="500", currency="usd", destination=payee.stripe_account
    )
    await market.sandbox.stripe(f"{TRANSFERS}/{transfer['id']}/reversals", amount="200")

    await market.sweep()

    kinds = [kind for kind, _ in await market.books()]
    assert sorted(kinds) == [
        "external_brought",
        "external_took",
        "other_business_brought",
        "other_business_brought",
        "other_business_took",
    ]
    assert await freezes(market) == []
    await assert_same_as_stripe(market)


# What touches ours


async def test_a_refund_made_in_the_dashboard_freezes_the_escrow(market: Marketplace) -> None:
    """It was ignored: the milestone stayed FUNDED, was released, and Stripe had 189.96 less."""
    escrow = await market.delivered_escrow(payee=await market.new_payee())
    await moved(market, "topup", 1_000)  # the charge brought less than it takes back
    made = await refund(market, await charge_of(market, escrow))

    await market.sweep()

    transaction = made["balance_transaction"]
    assert dict(await market.books())["taken_unexplained"] == {
        f"asset:unexplained:{transaction}": 10_500,
        "asset:stripe": -10_500,
    }
    assert await freezes(market) == [("REFUND", made["id"], "OPEN", 10_000, 0)]
    found = (await market.read(escrow)).milestones[0]
    assert (found.held.amount_minor, found.frozen.amount_minor) == (10_000, 10_000)
    async with market.refuses("AMOUNT_FROZEN"):
        await market.accept(escrow)
    await assert_same_as_stripe(market)


async def test_a_part_that_was_not_refunded_still_moves(market: Marketplace) -> None:
    escrow = await market.delivered_escrow(payee=await market.new_payee())
    await refund(market, await charge_of(market, escrow), 4_200)
    await market.sweep()

    await market.accept(escrow)
    await market.settle()

    found = (await market.read(escrow)).milestones[0]
    assert (found.released.amount_minor, found.held.amount_minor) == (5_800, 4_200)
    assert found.frozen.amount_minor == 4_200
    assert (await market.books())[-1][0] == "transfer_confirmed"
    await assert_same_as_stripe(market)


async def test_a_chargeback_freezes_and_its_fee_is_the_platforms(market: Marketplace) -> None:
    escrow = await market.funded_escrow()
    made = await dispute(market, await charge_of(market, escrow))

    await market.sweep()

    (kind, entries) = (await market.books())[-1]
    assert kind == "chargeback_withdrawn"
    assert sorted(entries.values()) == [-10_500 - 1_500, 1_500, 10_500]
    assert (entries["asset:stripe"], entries["exp:dispute_fee"]) == (-12_000, 1_500)
    assert await freezes(market) == [("CHARGEBACK", made["id"], "OPEN", 10_000, 0)]
    await assert_same_as_stripe(market)


async def test_a_dispute_that_was_won_before_anybody_heard_of_it_freezes_nothing(
    market: Marketplace,
) -> None:
    escrow = await market.funded_escrow()
    made = await dispute(market, await charge_of(market, escrow))
    await market.sandbox.control(f"disputes/{made['id']}/win")

    await market.sweep()

    kinds = [kind for kind, _ in await market.books()]
    assert sorted(kinds[-2:]) == ["chargeback_reinstated", "chargeback_withdrawn"]
    assert (await market.read(escrow)).milestones[0].frozen.amount_minor == 0
    await assert_same_as_stripe(market)


async def test_a_reversal_of_a_transfer_freezes_what_is_still_held(market: Marketplace) -> None:
    payee = await market.new_payee()
    escrow = await market.delivered_escrow(6_000, 4_000, payee=payee)
    await market.accept(escrow)
    await market.settle()
    (transfer,) = await market.sandbox.objects(TRANSFERS)
    reversal = await market.sandbox.stripe(f"{TRANSFERS}/{transfer['id']}/reversals")

    await market.sweep()

    kinds = dict(await market.books(payee))
    assert kinds["brought_unexplained"]["asset:stripe"] == 4_800
    external = kinds["external_took"]
    assert external == {"conn:account:external": -4_800, "conn:account:owner": 4_800}
    assert await freezes(market) == [("TRANSFER_REVERSED", reversal["id"], "OPEN", 4_000, 600)]
    await assert_same_as_stripe(market)


async def test_money_that_was_released_and_is_threatened_is_not_sent(market: Marketplace) -> None:
    """The payee was not ready; a refund came before they were."""
    payee = await market.new_payee(active=False)
    escrow = await market.delivered_escrow(payee=payee)
    await market.accept(escrow)
    await moved(market, "topup", 1_000)
    made = await refund(market, await charge_of(market, escrow))
    await market.sweep()

    await market.onboard(payee)

    assert await freezes(market) == [("REFUND", made["id"], "OPEN", 0, 10_500)]
    assert await market.sandbox.objects(TRANSFERS) == []
    found = (await market.read(escrow)).milestones[0]
    assert made["id"] in found.waiting_for
    assert "refund" in found.waiting_for


async def test_a_settlement_of_another_amount_is_booked_as_it_was_and_frozen(
    market: Marketplace,
) -> None:
    """Nothing can be released from it before a person has looked."""
    escrow = await market.new_escrow()
    await market.pay(await market.fund(escrow))
    await market.sandbox.advance()
    (charge,) = await market.sandbox.objects("/v1/charges")
    transaction = {"amount": 9_700, "fee": 0, "net": 9_700}
    path = f"/v1/payment_intents/{charge['payment_intent']}"
    balance = await market.sandbox.stripe(
        f"/v1/balance_transactions/{charge['balance_transaction']}", verb="GET"
    )
    altered: dict[str, Any] = {
        "latest_charge": charge | {"balance_transaction": balance | transaction}
    }
    for event in await market.news():
        await market.tell(event)
    await market.sandbox.fail_next(path, "altered", method="GET", answer=altered, times=10)

    await market.sweep()

    assert (await market.books())[-1][0] == "brought_unexplained"
    assert [each[:1] for each in await freezes(market)] == [("UNEXPLAINED",)]


async def test_what_nothing_caused_is_unexplained_and_nobodys(market: Marketplace) -> None:
    escrow = await market.funded_escrow()
    transaction = await moved(market, "adjustment", -1_234)

    await market.sweep()

    (_, entries) = (await market.books())[-1]
    assert entries == {f"asset:unexplained:{transaction['id']}": 1_234, "asset:stripe": -1_234}
    assert (await market.read(escrow)).milestones[0].frozen.amount_minor == 0
    await assert_same_as_stripe(market)


async def test_a_debit_that_fails_and_then_a_card(market: Marketplace) -> None:
    """Stripe moves the balance when a debit is submitted. It settled the payment, which could then
    never succeed.
    """
    escrow = await market.new_escrow()
    payment = await market.fund(escrow)
    await market.pay(payment, "pm_card_visa_chargeDeclined")
    (failed,) = await market.sandbox.objects("/v1/charges")
    debit = {"type": "payment", "amount": 10_500, "source": failed["id"]}
    await market.sandbox.control("balance_transactions", **debit)
    await market.sweep()
    back = {"type": "payment_failure_refund", "amount": -10_500, "source": failed["id"]}
    await market.sandbox.control("balance_transactions", **back)
    await market.sweep()
    assert [kind for kind, _ in await market.books()] == [
        "failed_debit_brought",
        "failed_debit_took",
    ]

    await market.pay(payment)
    await market.settle()
    await market.sweep()

    assert (await market.read(escrow)).milestones[0].held.amount_minor == 10_000
    assert await freezes(market) == []
    kinds = [kind for kind, _ in await market.books()][2:]
    assert kinds == ["payment_succeeded", "charge_settled"]
    await assert_same_as_stripe(market)


async def test_an_intent_that_is_not_the_pages_funds_nothing_by_the_sweep_either(
    market: Marketplace,
) -> None:
    escrow = await market.new_escrow()
    await market.fund(escrow, method=pb.PAYMENT_METHOD_CHECKOUT)
    (session,) = await market.sandbox.objects("/v1/checkout/sessions")
    asked = await market.owner.fetchval(
        "SELECT request FROM effects WHERE kind = 'create_checkout_session'"
    )
    copied = json.loads(asked)["payment_intent_data"]
    await market.sandbox.stripe(
        "/v1/payment_intents",
        amount="10500",
        currency="usd",
        confirm="true",
        payment_method=CARD,
        customer=session["customer"],
        transfer_group=copied["transfer_group"],
        **{f"metadata[{name}]": text for name, text in copied["metadata"].items()},
        **{"payment_method_types[0]": "card"},
    )
    await market.sandbox.advance()

    await market.sweep()

    assert (await market.read(escrow)).milestones[0].held.amount_minor == 0
    assert await market.books() == []  # the page may still name it
    path = f"checkout/sessions/{session['id']}/pay"
    await market.sandbox.control(path, payment_method=CARD)
    await market.settle()
    await market.owner.execute("UPDATE undecided_transactions SET due_at = now() - interval '1 s'")
    await market.sweep()
    kinds = [kind for kind, _ in await market.books()]
    assert kinds == ["payment_succeeded", "charge_settled", "brought_unexplained"]
    assert await freezes(market) == []
    await assert_same_as_stripe(market)


async def test_metadata_that_was_edited_does_not_say_whose_a_charge_is(
    market: Marketplace,
) -> None:
    escrow, other = await market.new_escrow(), await market.new_escrow()
    await market.pay(await market.fund(escrow))
    payment = await market.fund(other)
    await market.sandbox.advance()
    (charge,) = await market.sandbox.objects("/v1/charges")
    named = {"metadata[payment]": payment.id}
    await market.sandbox.stripe(f"/v1/charges/{charge['id']}", **named)

    await market.sweep()

    assert (await market.read(escrow)).milestones[0].held.amount_minor == 10_000
    assert await freezes(market) == []


async def test_what_cannot_be_decided_holds_no_other_up_and_is_decided_after_a_day(
    market: Marketplace,
) -> None:
    """Its age counts from when it was seen here: what happened long ago may be new to us, and an
    account may have no news for months.
    """
    await accepted(market)
    transfer = await market.sandbox.stripe(  # made, and our effect is only planned
        TRANSFERS,
        amount="8000",
        currency="usd",
        destination=str(await market.owner.fetchval("SELECT stripe_account FROM payees")),
        source_transaction=str(await market.owner.fetchval("SELECT stripe_charge FROM payments")),
        **{"metadata[effect]": str(await market.owner.fetchval(THE_EFFECT))},
    )
    await market.sandbox.advance(10 * 86_400)
    await moved(market, "stripe_fee", -1)
    await market.sweep()
    assert (await market.books())[-1][0] == "stripe_fee"
    (found, *_) = await market.compare()
    assert found.clean
    assert found.undecided == {transfer["balance_transaction"]: "the transfer's effect is PLANNED"}

    await market.owner.execute(
        "UPDATE undecided_transactions SET due_at = now() - interval '1 s',"
        " first_seen_at = now() - interval '25 h'"
    )
    await market.sweep()

    assert "taken_unexplained" in [kind for kind, _ in await market.books()]
    assert (await market.compare())[0].undecided == {}


# What is ours, and no event and no answer ever told


async def test_a_payment_of_which_no_event_came_is_funded_and_settled(market: Marketplace) -> None:
    escrow = await market.new_escrow()
    await market.pay(await market.fund(escrow))
    await market.sandbox.advance()

    await market.sweep()

    assert [kind for kind, _ in await market.books()] == ["payment_succeeded", "charge_settled"]
    assert (await market.read(escrow)).milestones[0].held.amount_minor == 10_000
    await assert_same_as_stripe(market)


async def test_a_transfer_of_which_no_answer_came_is_confirmed(market: Marketplace) -> None:
    await accepted(market)
    await lose_answer(market)
    await market.effects.run_once()
    assert (await market.books())[-1][0] == "transfer_requested"

    await market.sweep()

    assert (await market.books())[-1][0] == "transfer_confirmed"
    await market.patience()
    await market.settle()
    assert len(await market.sandbox.objects(TRANSFERS)) == 1
    assert [kind for kind, _ in await market.books()].count("transfer_confirmed") == 1
    await assert_same_as_stripe(market)


async def test_what_a_payee_got_by_a_transfer_that_is_confirmed_days_later_is_booked_once(
    market: Marketplace,
) -> None:
    """After a long outage the payee's account may be read before we know of our own transfer."""
    payee = await accepted(market)
    await lose_answer(market)
    await market.effects.run_once()
    await market.sandbox.advance(2 * 24 * 3600)
    await moved(market, "topup", 3_000)
    await market.sandbox.stripe(
        TRANSFERS, amount="500", currency="usd", destination=payee.stripe_account
    )
    runtime = market.alone
    got_at = runtime.clock()
    await add_accounts(runtime.pool, TENANT, {payee.stripe_account: got_at}, got_at)
    sweep = await find_sweep(runtime.pool, TENANT, payee.stripe_account)
    assert sweep is not None

    swept = await sweep_account(runtime, sweep, every=timedelta(days=1))

    assert list(swept.undecided.values()) == ["the transfer's effect is UNKNOWN"]
    await market.patience()
    await market.settle()
    await market.sweep()
    assert [kind for kind, _ in await market.books()].count("external_brought") == 1
    await assert_same_as_stripe(market)


async def test_a_transfer_that_came_back_before_we_knew_of_it(market: Marketplace) -> None:
    """It was a contradiction for ever. It went, and it came back: two movements."""
    await accepted(market)
    await lose_answer(market)
    await market.effects.run_once()
    (transfer,) = await market.sandbox.objects(TRANSFERS)
    await market.sandbox.stripe(f"{TRANSFERS}/{transfer['id']}/reversals")

    await market.sweep()

    kinds = [kind for kind, _ in await market.books()]
    assert "transfer_confirmed" in kinds
    assert "brought_unexplained" in kinds
    await assert_same_as_stripe(market)


async def test_rows_are_made_for_what_was_booked_before_there_were_rows(
    market: Marketplace,
) -> None:
    payee = await market.paid_payee()
    await market.sweep()
    before = await rows(market)
    books = await market.books()
    assert len(before) == 3  # a charge, a transfer, and what it brought the payee
    await market.owner.execute("TRUNCATE balance_transactions; TRUNCATE sweeps")
    await market.owner.execute("DELETE FROM operations WHERE kind = 'book_balance_transaction'")
    market.sweeps = SweepsWorker(market.alone)

    await market.sweep()
    await market.sweep()

    assert await rows(market) == before
    assert await market.books() == books
    assert payee.stripe_account in {row["stripe_account"] for row in before.values()}
    await assert_same_as_stripe(market)

"""Disputes take money and a fee, evidence is handed in once, and banks decide."""

import pytest
import stripe

from stripe_sandbox.store import Json
from tests.stripe_sandbox.conftest import Running, charge_in, posted

DAY_S = 24 * 3600
AMOUNT = 10_000
CHARGED = AMOUNT - 320  # what is left of it after the fee on the payment
DISPUTE_FEE = 1_500


async def pay(running: Running, method: str = "pm_card_visa") -> stripe.PaymentIntent:
    """A settled payment of 100.00 on the platform."""
    return await running.client.v1.payment_intents.create_async(
        {
            "amount": AMOUNT,
            "currency": "usd",
            "payment_method": method,
            "allowed_payment_method_types": ["card"],
            "capture_method": "automatic",
            "confirm": True,
        }
    )


async def disputed(running: Running, method: str = "pm_card_createDispute") -> stripe.Dispute:
    """The dispute of a payment with a test card that is always disputed."""
    intent = await pay(running, method)
    disputes = await running.client.v1.disputes.list_async({"payment_intent": intent.id})
    return disputes.data[0]


async def net(running: Running) -> int:
    books = await running.books()
    return int(books["accounts"][running.sandbox.platform]["sum_of_net"]["usd"])


async def types_of(running: Running, last: str) -> list[str]:
    """The types of the dispute's events in the order they happened, once the last has arrived."""
    await running.receiver.wait_for(last)
    events = (await running.control("GET", "events"))["data"]
    return [e["type"] for e in reversed(events) if e["type"].startswith("charge.dispute.")]


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ("pm_card_createDispute", "fraudulent"),
        ("pm_card_createDisputeProductNotReceived", "product_not_received"),
    ],
)
async def test_a_chargeback_takes_the_amount_and_a_fee(
    running: Running, card: str, reason: str
) -> None:
    dispute = await disputed(running, card)
    assert (dispute.status, dispute.reason, dispute.amount) == ("needs_response", reason, AMOUNT)
    details = dispute.evidence_details
    assert details.due_by == (dispute.created // DAY_S + 9) * DAY_S - 1  # 23:59:59 UTC
    assert (dispute.is_charge_refundable, dispute.evidence_details.submission_count) == (False, 0)
    [withdrawal] = dispute.balance_transactions
    assert (withdrawal.type, withdrawal.reporting_category) == ("adjustment", "dispute")
    assert (withdrawal.amount, withdrawal.fee) == (-AMOUNT, DISPUTE_FEE)
    assert (withdrawal.net, withdrawal.source) == (-AMOUNT - DISPUTE_FEE, dispute.id)
    assert await net(running) == CHARGED - AMOUNT - DISPUTE_FEE
    posted = await running.client.v1.balance_transactions.retrieve_async(withdrawal.id)
    assert posted.net == withdrawal.net
    charge = await running.client.v1.charges.retrieve_async(str(dispute.charge))
    assert charge.disputed
    assert await types_of(running, "charge.dispute.funds_withdrawn") == [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
    ]


async def test_an_asynchronous_capture_is_disputed_once_it_is_in_the_books(
    running: Running,
) -> None:
    await running.control("POST", "settings", capture_delay_ms=10_000)
    intent = await running.client.v1.payment_intents.create_async(
        {
            "amount": AMOUNT,
            "currency": "usd",
            "payment_method": "pm_card_createDispute",
            "allowed_payment_method_types": ["card"],
            "confirm": True,
        }
    )
    assert (await running.client.v1.disputes.list_async()).data == []
    await running.advance(10)
    charge = str(intent.latest_charge)
    assert len((await running.client.v1.disputes.list_async({"charge": charge})).data) == 1
    assert await net(running) == CHARGED - AMOUNT - DISPUTE_FEE


async def test_a_charge_that_was_charged_back_cannot_be_refunded(running: Running) -> None:
    dispute = await disputed(running)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await running.client.v1.refunds.create_async({"charge": str(dispute.charge)})
    assert refused.value.code == "charge_disputed"
    assert await net(running) == CHARGED - AMOUNT - DISPUTE_FEE


async def test_winning_evidence_brings_the_amount_back_but_not_the_fee(running: Running) -> None:
    disputes = running.client.v1.disputes
    dispute = await disputed(running)
    staged = await disputes.update_async(
        dispute.id,
        {"evidence": {"customer_name": "Ada", "service_date": "1 May"}, "submit": False},
    )
    assert (staged.status, staged.evidence.customer_name) == ("needs_response", "Ada")
    assert (staged.evidence_details.has_evidence, staged.evidence_details.submission_count) == (
        True,
        0,
    )
    submitted = await disputes.update_async(
        dispute.id, {"evidence": {"uncategorized_text": "winning_evidence"}}
    )
    assert (submitted.status, submitted.evidence.customer_name) == ("under_review", "Ada")
    assert submitted.evidence_details.submission_count == 1
    await running.advance(5)
    won = await disputes.retrieve_async(dispute.id)
    assert (won.status, won.is_charge_refundable) == ("won", True)
    assert [posted.net for posted in won.balance_transactions] == [-AMOUNT - DISPUTE_FEE, AMOUNT]
    assert won.balance_transactions[1].reporting_category == "dispute_reversal"
    assert await net(running) == CHARGED - DISPUTE_FEE
    assert await types_of(running, "charge.dispute.funds_reinstated") == [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.updated",
        "charge.dispute.updated",
        "charge.dispute.funds_reinstated",
        "charge.dispute.closed",
    ]
    await running.client.v1.refunds.create_async({"charge": str(dispute.charge)})
    assert await net(running) == CHARGED - DISPUTE_FEE - AMOUNT


async def test_losing_evidence_leaves_the_money_gone(running: Running) -> None:
    dispute = await disputed(running)
    await running.client.v1.disputes.update_async(
        dispute.id, {"evidence": {"uncategorized_text": "losing_evidence"}, "submit": True}
    )
    await running.advance(5)
    [closed] = await running.receiver.wait_for("charge.dispute.closed")
    assert closed["data"]["object"]["status"] == "lost"
    [*_, of_charge] = await running.receiver.wait_for("charge.updated", 2)  # as recorded
    assert (of_charge["data"]["object"]["disputed"], of_charge["data"]["previous_attributes"]) == (
        True,
        {},
    )
    assert await net(running) == CHARGED - AMOUNT - DISPUTE_FEE
    # A bank can change its mind later.
    won: Json = await running.control("POST", f"disputes/{dispute.id}/win")
    assert won["status"] == "won"
    assert await net(running) == CHARGED - DISPUTE_FEE


async def test_evidence_is_submitted_once(running: Running) -> None:
    disputes = running.client.v1.disputes
    dispute = await disputed(running)
    await disputes.update_async(dispute.id, {"evidence": {"uncategorized_text": "A letter."}})
    for again in ({"evidence": {"customer_name": "Ada"}, "submit": False}, {"submit": True}):
        with pytest.raises(stripe.InvalidRequestError, match="only once"):
            await disputes.update_async(dispute.id, again)  # type: ignore[arg-type] # a TypedDict
    await running.advance(5)
    assert (await disputes.retrieve_async(dispute.id)).status == "under_review"
    with pytest.raises(stripe.InvalidRequestError, match="cannot be closed"):
        await disputes.close_async(dispute.id)


async def test_metadata_alone_submits_nothing(running: Running) -> None:
    dispute = await disputed(running)
    updated = await running.client.v1.disputes.update_async(
        dispute.id, {"metadata": {"case": "17"}}
    )
    assert (updated.status, updated.metadata["case"]) == ("needs_response", "17")


async def test_closing_is_losing_for_good(running: Running) -> None:
    disputes = running.client.v1.disputes
    dispute = await disputed(running)
    assert (await disputes.close_async(dispute.id)).status == "lost"
    with pytest.raises(stripe.InvalidRequestError, match="already closed"):
        await disputes.close_async(dispute.id)
    for late in ({"evidence": {"customer_name": "Ada"}}, {"metadata": {"case": "17"}}):
        with pytest.raises(stripe.InvalidRequestError, match="already closed"):
            await disputes.update_async(dispute.id, late)  # type: ignore[arg-type] # a TypedDict
    assert await net(running) == CHARGED - AMOUNT - DISPUTE_FEE


async def test_no_answer_in_time_loses(running: Running) -> None:
    dispute = await disputed(running)
    await running.advance(9 * DAY_S)
    lost = await running.client.v1.disputes.retrieve_async(dispute.id)
    assert (lost.status, lost.evidence_details.past_due) == ("lost", False)


async def test_an_inquiry_moves_no_money_until_it_is_escalated(running: Running) -> None:
    dispute = await disputed(running, "pm_card_createDisputeInquiry")
    assert (dispute.status, dispute.is_charge_refundable) == ("warning_needs_response", True)
    assert dispute.balance_transactions == []
    assert await net(running) == CHARGED
    await running.client.v1.disputes.update_async(
        dispute.id, {"evidence": {"uncategorized_text": "escalate_inquiry_evidence"}}
    )
    await running.advance(5)
    escalated = await running.client.v1.disputes.retrieve_async(dispute.id)
    assert (escalated.status, escalated.is_charge_refundable) == ("needs_response", False)
    assert await net(running) == CHARGED - AMOUNT - DISPUTE_FEE
    assert await types_of(running, "charge.dispute.funds_withdrawn") == [
        "charge.dispute.created",
        "charge.dispute.updated",
        "charge.dispute.updated",
        "charge.dispute.funds_withdrawn",
    ]


async def test_a_full_refund_ends_an_inquiry(running: Running) -> None:
    dispute = await disputed(running, "pm_card_createDisputeInquiry")
    await running.client.v1.refunds.create_async({"charge": str(dispute.charge)})
    ended = await running.client.v1.disputes.retrieve_async(dispute.id)
    assert ended.status == "warning_closed"
    assert await net(running) == CHARGED - AMOUNT


async def test_an_inquiry_can_be_closed(running: Running) -> None:
    """A recipe of Stripe's own CLI does it."""
    dispute = await disputed(running, "pm_card_createDisputeInquiry")
    closed = await running.client.v1.disputes.close_async(dispute.id)
    assert (closed.status, closed.balance_transactions) == ("warning_closed", [])
    assert await net(running) == CHARGED


async def test_an_inquiry_ends_by_itself(running: Running) -> None:
    dispute = await disputed(running, "pm_card_createDisputeInquiry")
    await running.advance(120 * DAY_S)
    ended = await running.client.v1.disputes.retrieve_async(dispute.id)
    assert ended.status == "warning_closed"


async def test_one_charge_can_be_disputed_several_times(running: Running) -> None:
    intent = await pay(running, "pm_card_createMultipleDisputes")
    charge = str(intent.latest_charge)
    disputes = (await running.client.v1.disputes.list_async({"charge": charge})).data
    assert [dispute.amount for dispute in disputes] == [AMOUNT // 2, AMOUNT // 2]
    assert await net(running) == CHARGED - AMOUNT - 2 * DISPUTE_FEE
    await running.control("POST", f"disputes/{disputes[0].id}/win")
    with pytest.raises(stripe.InvalidRequestError, match="charged back"):
        await running.client.v1.refunds.create_async({"charge": charge})


async def test_a_control_disputes_any_charge_even_for_more_than_it_was(running: Running) -> None:
    intent = await pay(running, "pm_card_bypassPending")
    opened = await running.control(
        "POST", f"charges/{intent.latest_charge}/dispute", reason="duplicate", amount=10_500
    )
    assert (opened["amount"], opened["reason"]) == (10_500, "duplicate")
    assert await net(running) == CHARGED - 10_500 - DISPUTE_FEE
    books = await running.books()
    held = books["accounts"][running.sandbox.platform]["balance"]["available"]["usd"]
    assert held == CHARGED - 10_500 - DISPUTE_FEE  # what was available can become negative


@pytest.mark.parametrize(
    ("presented", "settled", "withdrawn", "reinstated", "fee"),
    [
        ("eur", "usd", -11_500, 12_000, 1_500),
        ("jpy", "usd", -6_550, 6_600, 1_500),
        ("kwd", "usd", -3_260, 3_270, 1_500),
        ("usd", "eur", -8_696, 8_333, 2_000),
        ("usd", "jpy", -15_267, 15_152, 1_300),
        ("usd", "usd", -10_000, 10_000, 1_500),
    ],
)
async def test_a_dispute_is_converted_twice_each_time_at_the_rate_of_the_day(
    running: Running,
    presented: str,
    settled: str,
    withdrawn: int,
    reinstated: int,
    fee: int,
) -> None:
    client: Json = running.client
    await running.hold(settled)
    await running.worth(eur=1.10, jpy=0.0065, kwd=3.25)
    charge = await charge_in(running, presented, AMOUNT)
    await running.worth(eur=1.15, jpy=0.00655, kwd=3.26)
    opened = await running.control("POST", f"charges/{charge.id}/dispute")
    await running.worth(eur=1.20, jpy=0.0066, kwd=3.27)
    await running.control("POST", f"disputes/{opened['id']}/win")

    dispute = await client.v1.disputes.retrieve_async(opened["id"])
    assert (dispute.amount, dispute.currency, dispute.status) == (AMOUNT, presented, "won")
    withdrawal, reinstatement = dispute.balance_transactions
    assert posted(withdrawal) == (withdrawn, settled, None)  # Stripe does not show the rate
    assert (withdrawal.fee, withdrawal.fee_details[0].currency) == (fee, settled)
    assert (posted(reinstatement), reinstatement.fee) == ((reinstated, settled, None), 0)
    books = await running.books()
    assert books["accounts"][running.sandbox.platform]["sum_of_net"] == {
        settled: charge.balance_transaction.net + withdrawn - fee + reinstated
    }


async def test_an_escalated_inquiry_has_the_rate_of_its_escalation(running: Running) -> None:
    client: Json = running.client
    await running.hold("usd")
    await running.worth(eur=1.10)
    charge = await charge_in(running, "eur", AMOUNT)
    opened = await running.control(
        "POST", f"charges/{charge.id}/dispute", inquiry=True, amount=4_001
    )
    await running.worth(eur=1.15)
    await running.control("POST", f"disputes/{opened['id']}/escalate")
    dispute = await client.v1.disputes.retrieve_async(opened["id"])
    [withdrawal] = dispute.balance_transactions
    assert posted(withdrawal) == (-4_601, "usd", None)  # 4601.15

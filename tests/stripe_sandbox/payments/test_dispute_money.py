"""What disputes do to the books when the news is adverse: fees, late wins, parts, corrections."""

import pytest
import stripe

from stripe_sandbox.store import Json
from tests.stripe_sandbox.conftest import Running, charge_in

DAY_S = 24 * 3600
AMOUNT = 10_000
CHARGED = AMOUNT - 320
FEE = 1_500
WON = {"evidence": {"uncategorized_text": "winning_evidence"}}


async def disputed(running: Running, **how: Json) -> Json:
    """A chargeback of a settled payment of 100.00."""
    charge = await charge_in(running, "usd", AMOUNT)
    return await running.control("POST", f"charges/{charge.id}/dispute", **how)


async def moves(running: Running) -> list[tuple[str, int, int]]:
    """Type, amount and fee of what moved the balance after the payment, the oldest first."""
    books = await running.books()
    posted = books["accounts"][running.sandbox.platform]["balance_transactions"]
    return [(p["type"], p["amount"], p["fee"]) for p in reversed(posted)][1:]


async def status_of(running: Running, dispute: Json) -> str:
    return (await running.client.v1.disputes.retrieve_async(dispute["id"])).status


async def told(running: Running, dispute: Json) -> list[tuple[str, str, int]]:
    """The dispute's events in their order: type, status and balance transactions of each."""
    events = (await running.control("GET", "events"))["data"]
    return [
        (event["type"].removeprefix("charge.dispute."), shown["status"], len(shown[MOVED]))
        for event in reversed(events)
        if (shown := event["data"]["object"])["id"] == dispute["id"]
    ]


MOVED = "balance_transactions"


@pytest.mark.parametrize(
    ("country", "counter_fee", "returned_fee"), [("US", FEE, 0), ("JP", 0, 0), ("MX", 0, FEE)]
)
async def test_the_fees_of_a_won_dispute_are_those_of_the_country(
    running: Running, country: str, counter_fee: int, returned_fee: int
) -> None:
    """The second fee is billed a day late, names no dispute, and returns a day after the win."""
    await running.control("POST", "settings", country=country)
    dispute = await disputed(running)
    await running.client.v1.disputes.update_async(dispute["id"], WON)  # type: ignore[arg-type]
    await running.advance(5)
    taken, returned = ("adjustment", -AMOUNT, FEE), ("adjustment", AMOUNT, -returned_fee)
    assert await moves(running) == [taken, returned]
    await running.advance(DAY_S)
    countered = [("stripe_fee", -counter_fee, 0), ("stripe_fee", counter_fee, 0)]
    assert await moves(running) == [taken, returned, *(countered if counter_fee else [])]
    fees: Json = await running.client.v1.balance_transactions.list_async({"type": "stripe_fee"})
    assert {(p.source, p.reporting_category) for p in fees.data} <= {(None, "fee")}
    won: Json = await running.client.v1.disputes.retrieve_async(dispute["id"])
    assert len(won.balance_transactions) == 2


async def test_a_countered_dispute_that_is_lost_costs_both_fees(running: Running) -> None:
    dispute = await disputed(running)
    evidence = {"evidence": {"uncategorized_text": "losing_evidence"}}
    await running.client.v1.disputes.update_async(dispute["id"], evidence)  # type: ignore[arg-type]
    await running.advance(2 * DAY_S)
    assert await moves(running) == [("adjustment", -AMOUNT, FEE), ("stripe_fee", -FEE, 0)]


async def test_an_answered_inquiry_costs_nothing_and_its_chargeback_both_fees(
    running: Running,
) -> None:
    update = running.client.v1.disputes.update_async
    dispute = await disputed(running, inquiry=True, network_reason_code="R03")
    card = dispute["payment_method_details"]["card"]
    assert (card["case_type"], card["network_reason_code"]) == ("inquiry", "R03")
    await update(dispute["id"], {"evidence": {"uncategorized_text": "escalate_inquiry_evidence"}})
    await running.advance(2 * DAY_S)
    assert await moves(running) == [("adjustment", -AMOUNT, FEE)]
    await update(dispute["id"], WON)  # type: ignore[arg-type] # a TypedDict
    await running.advance(2 * DAY_S)
    assert [amount for _, amount, _ in await moves(running)] == [-AMOUNT, AMOUNT, -FEE, FEE]
    assert await told(running, dispute) == [
        ("created", "warning_needs_response", 0),
        ("updated", "warning_under_review", 0),
        ("updated", "needs_response", 1),
        ("funds_withdrawn", "needs_response", 1),
        ("updated", "under_review", 1),
        ("funds_reinstated", "won", 2),
        ("closed", "won", 2),
    ]


async def test_what_a_win_brings_is_pending_like_a_payment(running: Running) -> None:
    charge = await charge_in(running, "usd", AMOUNT, "pm_card_bypassPending")
    dispute = await running.control("POST", f"charges/{charge.id}/dispute")
    await running.control("POST", f"disputes/{dispute['id']}/win")
    won: Json = await running.client.v1.disputes.retrieve_async(dispute["id"])
    assert [p.status for p in won.balance_transactions] == ["available", "pending"]
    await running.advance(2 * DAY_S)
    won = await running.client.v1.disputes.retrieve_async(dispute["id"])
    assert [p.status for p in won.balance_transactions] == ["available", "available"]
    by_source: Json = await running.client.v1.balance_transactions.list_async(
        {"source": dispute["id"]}
    )
    assert by_source.data == []  # as at Stripe, although it is their source


async def test_a_late_win_is_overturned(running: Running) -> None:
    dispute = await disputed(running)
    for verb, status in [("lose", "lost"), ("win", "won"), ("overturn", "lost"), ("win", "won")]:
        told_by = await running.control("POST", f"disputes/{dispute['id']}/{verb}")
        assert (told_by["status"], await status_of(running, dispute)) == (status, status)
        assert told_by["is_charge_refundable"] == (status == "won")
    assert await moves(running) == [
        ("adjustment", -AMOUNT, FEE),
        ("adjustment", AMOUNT, 0),
        ("adjustment", -AMOUNT, 0),
        ("adjustment", AMOUNT, 0),
    ]
    assert [kind for kind, _, _ in await told(running, dispute)] == [
        "created",
        "funds_withdrawn",
        "closed",
        *("funds_reinstated", "closed", "funds_withdrawn", "closed"),
        *("funds_reinstated", "closed"),
    ]


async def test_a_part_that_was_refunded_returns_from_a_loss(running: Running) -> None:
    """The cardholder disputed all of a payment of which a part had been refunded."""
    charge = await charge_in(running, "usd", AMOUNT)
    await running.client.v1.refunds.create_async({"charge": charge.id, "amount": 2_500})
    dispute = await running.control("POST", f"charges/{charge.id}/dispute", amount=AMOUNT)
    await running.control("POST", f"disputes/{dispute['id']}/lose", returned=2_500)
    assert [amount for _, amount, _ in await moves(running)] == [-2_500, -AMOUNT, 2_500]
    assert (await told(running, dispute))[2:] == [
        ("funds_reinstated", "lost", 2),
        ("closed", "lost", 2),
    ]
    with pytest.raises(stripe.InvalidRequestError, match="charged back"):
        await running.client.v1.refunds.create_async({"charge": charge.id})
    await running.control("POST", f"disputes/{dispute['id']}/win")  # the rest, later
    assert (await moves(running))[-1] == ("adjustment", 7_500, 0)


async def test_the_bank_corrects_what_it_took(running: Running) -> None:
    dispute = await disputed(running, amount=AMOUNT + 800)
    await running.control("POST", f"disputes/{dispute['id']}/adjust", amount=-37)
    read: Json = await running.client.v1.disputes.retrieve_async(dispute["id"])
    assert [p.net for p in read.balance_transactions] == [-AMOUNT - 800 - FEE, -37]
    assert (await told(running, dispute))[-1] == ("updated", "needs_response", 2)


@pytest.mark.parametrize(
    ("how", "refunded", "kinds"),
    [
        ({"prevented": "block"}, 0, ["created"]),
        ({"prevented": "resolution", "amount": 4_000}, 4_000, ["created"]),
        ({"answerable": False}, 0, ["created", "funds_withdrawn", "closed"]),
    ],
)
async def test_what_is_decided_before_anybody_can_answer(
    running: Running, how: Json, refunded: int, kinds: list[str]
) -> None:
    dispute = await disputed(running, **how)
    status, case_type = ("lost", "chargeback") if "answerable" in how else ("prevented", None)
    card = dispute["payment_method_details"]["card"]
    assert (dispute["status"], card["case_type"]) == (status, case_type or how["prevented"])
    assert [kind for kind, _, _ in await told(running, dispute)] == kinds
    charge = await running.client.v1.charges.retrieve_async(dispute["charge"])
    assert (charge.disputed, charge.amount_refunded) == (True, refunded)
    taken = [("adjustment", -AMOUNT, FEE)] if status == "lost" else []
    assert await moves(running) == taken + ([("refund", -refunded, 0)] if refunded else [])
    for path in ("win", "lose", "escalate"):
        if (status, path) != ("lost", "win"):
            url = f"{running.url}/_sandbox/disputes/{dispute['id']}/{path}"
            async with running.http.post(url, json={}) as answer:
                assert answer.status == 400


async def test_a_payment_can_be_disputed_before_its_funds_are_in_the_books(
    running: Running,
) -> None:
    """As at Stripe, where the asynchronous capture is often the later of the two."""
    await running.hold("usd")
    await running.control("POST", "settings", capture_delay_ms=10_000)
    charge = await charge_in(running, "eur", AMOUNT, capture_method="automatic_async")
    assert charge.balance_transaction is None
    dispute = await running.control("POST", f"charges/{charge.id}/dispute")
    [withdrawal] = dispute["balance_transactions"]
    assert (withdrawal["amount"], withdrawal["currency"]) == (-10_800, "usd")
    assert withdrawal["status"] == "available"  # the payment's own funds will be pending
    await running.advance(10)
    await running.books()


async def test_a_dispute_of_what_is_refunded_says_what_it_is_about(running: Running) -> None:
    charge = await charge_in(running, "usd", AMOUNT)
    await running.client.v1.refunds.create_async({"charge": charge.id})
    url = f"{running.url}/_sandbox/charges/{charge.id}/dispute"
    for refused in ({}, {"amount": 5, "reason": "bored"}):
        async with running.http.post(url, json=refused) as answer:
            assert answer.status == 400
    await running.control("POST", f"charges/{charge.id}/dispute", amount=AMOUNT)
    assert [amount for _, amount, _ in await moves(running)] == [-AMOUNT, -AMOUNT]

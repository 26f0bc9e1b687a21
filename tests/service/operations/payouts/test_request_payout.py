"""RequestPayout, GetPayout: a payee's money from their Stripe account to their bank."""

import asyncio
from datetime import UTC, datetime

import grpc
import pytest

from escrow.client import new_request_id
from escrow.v1 import party_service_pb2 as party_pb
from escrow.v1.money_pb2 import Money
from tests.service.operations.marketplace import AN_ID, Marketplace, usd

CREATED = ("payout_created", {"conn:account:in_transit": 3_000, "conn:account:balance": -3_000})
PAID = ("payout_paid", {"conn:account:owner": 3_000, "conn:account:in_transit": -3_000})
RETURNED = ("payout_returned", {"conn:account:balance": 3_000, "conn:account:in_transit": -3_000})
RETURNED_AFTER_PAID = (
    "payout_returned_after_paid",
    {"conn:account:in_transit": 0, "conn:account:balance": 3_000, "conn:account:owner": -3_000},
)


def payout_of(payee: party_pb.Payee, amount: Money) -> party_pb.RequestPayoutRequest:
    return party_pb.RequestPayoutRequest(
        request_id=new_request_id(), payee_id=payee.id, amount=amount
    )


async def read(market: Marketplace, payout: party_pb.Payout) -> party_pb.Payout:
    request = party_pb.GetPayoutRequest(payout_id=payout.id)
    return (await market.service.parties.GetPayout(request)).payout


async def payout_under_way(market: Marketplace) -> tuple[party_pb.Payee, party_pb.Payout]:
    payee = await market.paid_payee()
    request = payout_of(payee, usd(3_000))
    payout = (await market.payee.parties.RequestPayout(request)).payout
    await market.work()
    return payee, await read(market, payout)


async def test_money_goes_to_the_bank(market: Marketplace) -> None:
    payee = await market.paid_payee()
    (balance,) = payee.balances
    assert (balance.connected, balance.payable, balance.in_flight) == (usd(8_000), usd(0), usd(0))
    books = await market.books(payee)

    requested = await market.payee.parties.RequestPayout(payout_of(payee, usd(3_000)))

    assert requested.payout.state == party_pb.PAYOUT_STATE_REQUESTED
    assert requested.payout.payee_id == payee.id
    assert await market.books(payee) == books  # nothing has left

    await market.work()

    sent = await read(market, requested.payout)
    assert sent.state in (party_pb.PAYOUT_STATE_PENDING, party_pb.PAYOUT_STATE_IN_TRANSIT)
    assert sent.stripe_payout.startswith("po_")
    assert sent.arrival_time.ToSeconds() > 0
    assert (await market.books(payee))[len(books) :] == [CREATED]
    (balance,) = (await market.find_payee(payee)).balances
    assert (balance.connected, balance.in_transit) == (usd(5_000), usd(3_000))

    await market.sandbox.control(f"payouts/{sent.stripe_payout}/pay")
    await market.settle()

    assert (await read(market, sent)).state == party_pb.PAYOUT_STATE_PAID
    assert (await market.books(payee))[len(books) :] == [CREATED, PAID]
    (balance,) = (await market.find_payee(payee)).balances
    assert (balance.connected, balance.in_transit) == (usd(5_000), usd(0))


@pytest.mark.parametrize("paid_before", [False, True])
async def test_a_bank_sends_it_back_also_after_it_was_paid(
    market: Marketplace, *, paid_before: bool
) -> None:
    payee, payout = await payout_under_way(market)
    if paid_before:
        await market.sandbox.control(f"payouts/{payout.stripe_payout}/pay")
        await market.settle()

    await market.sandbox.control(f"payouts/{payout.stripe_payout}/fail")
    await market.settle()

    failed = await read(market, payout)
    assert failed.state == party_pb.PAYOUT_STATE_FAILED
    assert failed.failure_code
    assert failed.failure_message
    expected = [CREATED, PAID, RETURNED_AFTER_PAID] if paid_before else [CREATED, RETURNED]
    assert (await market.books(payee))[-len(expected) :] == expected
    (balance,) = (await market.find_payee(payee)).balances
    assert (balance.connected, balance.in_transit) == (usd(8_000), usd(0))


async def test_no_more_than_there_is(market: Marketplace) -> None:
    payee = await market.paid_payee()

    for amount, balance_minor in (
        (usd(8_001), 8_000),
        (Money(amount_minor=1_000, currency="EUR"), 0),
    ):
        async with market.refuses("AMOUNT_ABOVE_BALANCE") as refusal:
            await market.payee.parties.RequestPayout(payout_of(payee, amount))
        assert refusal.metadata == {
            "amount_minor": str(amount.amount_minor),
            "balance_minor": str(balance_minor),
            "currency": amount.currency,
        }


async def test_payouts_at_once_share_what_there_is(market: Marketplace) -> None:
    payee = await market.paid_payee()

    answers = await asyncio.gather(
        *(market.payee.parties.RequestPayout(payout_of(payee, usd(3_000))) for _ in range(10)),
        return_exceptions=True,
    )

    refused = [answer for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
    assert len(refused) == 8
    assert {error.code() for error in refused} == {grpc.StatusCode.FAILED_PRECONDITION}
    await market.work()
    assert len(await market.sandbox.objects("/v1/payouts", payee.stripe_account)) == 2
    (balance,) = (await market.find_payee(payee)).balances
    assert (balance.connected, balance.in_transit) == (usd(2_000), usd(6_000))


@pytest.mark.parametrize("amount_minor", [999, 1_000_001])
async def test_a_withdrawal_has_limits(market: Marketplace, amount_minor: int) -> None:
    payee = await market.paid_payee()

    async with market.refuses("AMOUNT_BEYOND_LIMITS"):
        await market.payee.parties.RequestPayout(payout_of(payee, usd(amount_minor)))


async def test_a_payee_who_is_not_ready_is_not_paid_out(market: Marketplace) -> None:
    payee = await market.new_payee(active=False)

    async with market.refuses("PAYEE_NOT_READY") as refusal:
        await market.payee.parties.RequestPayout(payout_of(payee, usd(1_000)))
    assert refusal.metadata == {"state": "ONBOARDING"}


async def test_a_payout_is_refused_to_who_has_not_seen_the_last_one(market: Marketplace) -> None:
    payee = await market.paid_payee()
    request = payout_of(payee, usd(1_000))
    request.etag = payee.etag
    first = await market.payee.parties.RequestPayout(request)

    second = payout_of(payee, usd(1_000))
    second.etag = payee.etag
    async with market.refuses("STALE_ETAG"):
        await market.payee.parties.RequestPayout(second)

    assert await market.payee.parties.RequestPayout(request) == first  # a replay is no other one
    second.etag = (await market.find_payee(payee)).etag
    assert (await market.payee.parties.RequestPayout(second)).payout.id != first.payout.id


async def held_back_payee(market: Marketplace) -> party_pb.Payee:
    """80.00 USD, of which Stripe holds the 40.00 of an ordinary card back for some days. Nobody has
    read the account since these came.
    """
    payee = await market.paid_payee(5_000)
    escrow = await market.new_escrow(5_000, payee=payee)
    await market.pay(await market.fund(escrow), "pm_card_visa")
    await market.settle()
    await market.accept(await market.deliver(escrow))
    await market.settle()
    return payee


async def test_what_stripe_holds_back_is_shown_and_not_paid_out(market: Marketplace) -> None:
    payee = await market.find_payee(await held_back_payee(market))
    (balance,) = payee.balances
    assert (balance.connected, balance.available) == (usd(8_000), usd(4_000))
    assert balance.available_time.ToDatetime() > datetime.now(UTC).replace(tzinfo=None)
    books = await market.books()

    async with market.refuses("AMOUNT_NOT_AVAILABLE") as refusal:
        await market.payee.parties.RequestPayout(payout_of(payee, usd(4_001)))

    assert refusal.metadata == {
        "amount_minor": "4001",
        "balance_minor": "8000",
        "available_minor": "4000",
        "currency": "USD",
        "available_time": balance.available_time.ToDatetime(UTC).isoformat(),
    }
    assert "only 40.00 USD can be paid out now, not 40.01 USD" in refusal.message
    moment = f"{balance.available_time.ToDatetime():%Y-%m-%d %H:%M:%S} UTC"
    assert refusal.message.endswith(f"All that was asked for can be from {moment} on.")
    assert await market.sandbox.objects("/v1/payouts", payee.stripe_account) == []

    requested = await market.payee.parties.RequestPayout(payout_of(payee, usd(3_000)))
    (balance,) = (await market.find_payee(payee)).balances
    assert (balance.connected, balance.available) == (usd(8_000), usd(1_000))
    async with market.refuses("AMOUNT_NOT_AVAILABLE") as refusal:
        await market.payee.parties.RequestPayout(payout_of(payee, usd(1_001)))
    assert refusal.metadata["available_minor"] == "1000"
    await market.work()
    assert (await read(market, requested.payout)).stripe_payout.startswith("po_")
    assert (await market.books(payee))[len(books) :] == [CREATED]
    (balance,) = (await market.find_payee(payee)).balances
    assert (balance.connected, balance.available) == (usd(5_000), usd(1_000))


async def test_stripes_clock_says_what_is_available(market: Marketplace) -> None:
    payee = await held_back_payee(market)
    await market.sandbox.advance(8 * 86_400)

    requested = await market.payee.parties.RequestPayout(payout_of(payee, usd(8_000)))
    await market.work()

    assert (await read(market, requested.payout)).stripe_payout.startswith("po_")


async def test_what_has_just_come_is_read_once(market: Marketplace) -> None:
    payee = await held_back_payee(market)

    async with market.refuses("AMOUNT_NOT_AVAILABLE", writes=True) as refusal:
        await market.payee.parties.RequestPayout(payout_of(payee, usd(4_001)))
    assert refusal.metadata["available_minor"] == "4000"

    await market.sandbox.fail_next("/v1/balance", method="GET", times=9)
    async with market.unchanged():
        (balance,) = (await market.find_payee(payee)).balances  # and Stripe is not asked
    assert balance.available == usd(4_000)


async def test_without_stripe_the_payout_is_asked_of_stripe_later(market: Marketplace) -> None:
    """What is not known refuses nothing: Stripe decides, as the payout's state says."""
    payee = await held_back_payee(market)
    await market.sandbox.fail_next("/v1/balance", method="GET", times=30)
    (balance,) = (await market.find_payee(payee)).balances
    assert balance.connected == usd(8_000)
    assert not balance.HasField("available")
    books = await market.books()

    requested = await market.payee.parties.RequestPayout(payout_of(payee, usd(8_000)))
    await market.sandbox.control("faults", verb="DELETE")
    await market.work()

    rejected = await read(market, requested.payout)
    assert rejected.state == party_pb.PAYOUT_STATE_REJECTED
    assert rejected.failure_code == "balance_insufficient"
    assert await market.books() == books


async def test_a_payout_whose_answer_is_lost_is_made_once(market: Marketplace) -> None:
    payee = await market.paid_payee()
    await market.sandbox.fail_next("/v1/payouts", "cut_after_effect", times=3)
    requested = await market.payee.parties.RequestPayout(payout_of(payee, usd(3_000)))
    await market.work()
    unknown = (
        "UPDATE effects SET due_at = now() - interval '1 s' WHERE state = 'UNKNOWN' RETURNING kind"
    )
    assert await market.owner.fetchval(unknown) == "create_payout"

    await market.work()

    assert len(await market.sandbox.objects("/v1/payouts", payee.stripe_account)) == 1
    assert (await read(market, requested.payout)).stripe_payout.startswith("po_")
    assert (await market.books(payee))[-1] == CREATED


async def test_there_is_no_such_payee_and_no_such_payout(market: Marketplace) -> None:
    async with market.refuses("PAYEE_MISSING"):
        await market.payee.parties.RequestPayout(
            payout_of(party_pb.Payee(id=f"pye_{AN_ID}"), usd(1_000))
        )
    async with market.refuses("PAYOUT_MISSING"):
        await read(market, party_pb.Payout(id=f"pyo_{AN_ID}"))


@pytest.mark.parametrize(
    ("currency", "price", "balance", "leaves"),
    [
        ("USD", 1_000, 800, 800),  # below the least payout of 10.00
        ("USD", 953, 762, 762),
        ("KWD", 12_340, 9_870, 9_870),
        ("HUF", 123_450, 98_760, 98_700),  # a bank is paid in whole forint
    ],
)
async def test_all_there_is_may_always_leave(
    market: Marketplace, currency: str, price: int, balance: int, leaves: int
) -> None:
    payee = await market.new_payee()
    bank = {
        "external_account[object]": "bank_account",
        "external_account[country]": "US",
        "external_account[currency]": currency.lower(),
        "external_account[routing_number]": "110000000",
        "external_account[account_number]": "000123456789",
    }
    await market.sandbox.stripe(f"/v1/accounts/{payee.stripe_account}/external_accounts", **bank)
    escrow = await market.new_escrow(price, currency=currency, payee=payee)
    await market.pay(await market.fund(escrow))
    await market.settle()
    await market.accept(await market.deliver(await market.read(escrow)))
    await market.settle()
    (held,) = (await market.find_payee(payee)).balances
    assert held.connected == Money(amount_minor=balance, currency=currency)
    if leaves != balance:
        async with market.refuses("AMOUNT_NOT_MULTIPLE") as refusal:
            request = payout_of(payee, Money(amount_minor=balance, currency=currency))
            await market.payee.parties.RequestPayout(request)
        assert set(refusal.fields) == {"amount.amount_minor"}
        assert refusal.metadata == {"step_minor": "100", "currency": "HUF"}
    part = Money(amount_minor=leaves // 2 // 100 * 100, currency=currency)
    async with market.refuses("AMOUNT_BEYOND_LIMITS"):
        await market.payee.parties.RequestPayout(payout_of(payee, part))

    whole = Money(amount_minor=leaves, currency=currency)
    requested = (await market.payee.parties.RequestPayout(payout_of(payee, whole))).payout
    await market.settle()

    await market.sandbox.control(f"payouts/{(await read(market, requested)).stripe_payout}/pay")
    await market.settle()
    assert (await read(market, requested)).state == party_pb.PAYOUT_STATE_PAID
    (held,) = (await market.find_payee(payee)).balances
    assert held.connected.amount_minor == balance - leaves

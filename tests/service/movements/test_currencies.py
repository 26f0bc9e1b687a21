"""What Stripe settles in another currency is booked as Stripe did it, to the last cent."""

import asyncio
from decimal import Decimal

import pytest
import structlog

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party_pb
from service.domain.settlement import Settlement
from service.operations.operators.verify_books import verify_books
from service.operations.operators.verify_stripe import verify_stripe
from tests.service.movements.strangers import assert_same_as_stripe, freezes
from tests.service.operations.marketplace import TENANT, Marketplace, usd
from tests.service.operations.transfers import TRANSFERS

EXCHANGE = (
    "SELECT currency, sum(amount_minor) FROM entries WHERE account = $1 GROUP BY 1 ORDER BY 1"
)


async def settles_in_dollars(market: Marketplace, eur: float = 1.10) -> None:
    """The platform holds USD only, and a EUR is worth so many of them."""
    await market.sandbox.control("settings", settlement_currencies=["usd"])
    await market.sandbox.control("exchange_rates", eur=eur)


async def in_euro(
    market: Marketplace, *amounts_minor: int, payee: party_pb.Payee | None = None
) -> pb.Escrow:
    """Funded, and settled in dollars."""
    payee = payee or await market.new_payee()
    escrow = await market.new_escrow(*amounts_minor, currency="EUR", payee=payee)
    await market.pay(await market.fund(escrow))
    await market.settle()
    return await market.read(escrow)


async def position(market: Marketplace) -> dict[str, int]:
    """What was converted and has not gone yet."""
    rows = await market.owner.fetch(EXCHANGE, "asset:exchange")
    return {row[0]: int(row[1]) for row in rows}


OF_NO_ESCROW = """
SELECT kind, source_id FROM journals WHERE escrow_id IS NULL
AND source_type IN ('payment', 'release', 'refund', 'receivable')"""


async def entries_of(market: Marketplace, kind: str) -> list[tuple[str, str, int]]:
    rows = await market.owner.fetch(
        "SELECT regexp_replace(e.account, '(mst|pye|acct)_[A-Za-z0-9]+', '*'), e.currency,"
        " e.amount_minor FROM journals AS j JOIN entries AS e USING (tenant_id, journal_id)"
        " WHERE j.kind = $1 ORDER BY j.journal_id, e.line",
        kind,
    )
    return [tuple(row) for row in rows]


async def assert_books_hold(market: Marketplace) -> None:
    report = await verify_books(market.running.runtime.pool)
    assert report.clean, [each for each in report.checks if each.breaches]
    assert await market.owner.fetch(OF_NO_ESCROW) == []


async def test_a_charge_in_euro_settles_in_dollars(market: Marketplace) -> None:
    """105.00 EUR at 1.10 are 115.50 USD, of which Stripe keeps a fee. It was a contradiction."""
    await settles_in_dollars(market)

    escrow = await in_euro(market, 10_000)

    (charge,) = await market.sandbox.objects("/v1/charges")
    (moved,) = await market.sandbox.objects("/v1/balance_transactions")
    assert (charge["amount"], moved["amount"], moved["currency"]) == (10_500, 11_550, "usd")
    assert await entries_of(market, "charge_converted") == [
        ("asset:exchange", "EUR", 10_500),
        ("asset:stripe", "USD", moved["net"]),
        ("exp:processing", "USD", moved["fee"]),
        ("asset:stripe_unsettled", "EUR", -10_500),
        ("asset:exchange", "USD", -11_550),
    ]
    assert escrow.milestones[0].held.amount_minor == 10_000
    payment = await market.read_payment(pb.Payment(id=escrow.milestones[0].payment_id))
    settled = payment.settled_amount
    assert (settled.amount_minor, settled.currency, payment.exchange_rate) == (11_550, "USD", "1.1")
    assert payment.processing_fee.currency == "USD"
    assert await freezes(market) == []
    await assert_same_as_stripe(market)


async def test_the_payee_gets_their_share_at_the_charges_own_rate(market: Marketplace) -> None:
    """The rate has moved since; the money of this charge has not."""
    await settles_in_dollars(market)
    escrow = await market.deliver(await in_euro(market, 10_000))
    await market.sandbox.control("exchange_rates", eur=1.50)

    await market.accept(escrow)
    await market.settle()

    (transfer,) = await market.sandbox.objects(TRANSFERS)
    assert (transfer["amount"], transfer["currency"]) == (8_800, "usd")
    assert await entries_of(market, "transfer_converted") == [
        ("liab:payee:*:payable", "EUR", 8_000),
        ("asset:exchange", "USD", 8_800),
        ("asset:exchange", "EUR", -8_000),
        ("liab:transfers_in_flight", "USD", -8_800),
    ]
    assert await entries_of(market, "fees_converted") == [
        ("rev:service_fee", "EUR", 2_000),
        ("rev:platform_fee", "EUR", 500),
        ("asset:exchange", "USD", 2_750),
        ("asset:exchange", "EUR", -2_500),
        ("rev:service_fee", "USD", -2_200),
        ("rev:platform_fee", "USD", -550),
    ]
    assert await position(market) == {"EUR": 0, "USD": 0}
    assert (await market.read(escrow)).state == pb.ESCROW_STATE_COMPLETED
    await assert_same_as_stripe(market)


@pytest.mark.parametrize("eur", [1.1, 0.9137, 1.3333])
async def test_parts_of_any_size_leave_nothing(market: Marketplace, eur: float) -> None:
    await settles_in_dollars(market, eur)
    escrow = await in_euro(market, 6_667, 3_339)
    for milestone in escrow.milestones:
        for amount_minor in (1_111, 777, None):
            request = pb.ReleaseMilestoneRequest(
                request_id=new_request_id(),
                escrow_id=escrow.id,
                milestone_id=milestone.id,
                amount_minor=amount_minor,
            )
            await market.payer.escrows.ReleaseMilestone(request)
            await market.settle()

    assert await position(market) == {"EUR": 0, "USD": 0}
    assert (await market.read(escrow)).state == pb.ESCROW_STATE_COMPLETED
    await assert_same_as_stripe(market)


async def test_what_was_released_before_it_settled_is_converted_when_it_is(
    market: Marketplace,
) -> None:
    await settles_in_dollars(market)
    payee = await market.new_payee()
    escrow = await market.new_escrow(10_000, currency="EUR", payee=payee)
    payment = await market.fund(escrow)
    await market.pay(payment)
    await market.read_payment(payment)
    await market.accept(await market.deliver(await market.read(escrow)))

    await market.settle()
    await market.owner.execute("UPDATE releases SET transfer_at = now() - interval '1 s'")
    await market.settle()

    assert await position(market) == {"EUR": 0, "USD": 0}
    await assert_same_as_stripe(market)


async def test_a_part_of_which_nothing_is_left_is_not_transferred(market: Marketplace) -> None:
    """A yen is less than a cent, and Stripe makes no transfer of nothing. The cent is not lost: it
    goes with what is released next.
    """
    await market.sandbox.control("settings", settlement_currencies=["usd"])
    await market.sandbox.control("exchange_rates", jpy=0.0064)
    payee = await market.new_payee()
    escrow = await market.new_escrow(10_000, currency="JPY", payee=payee)
    await market.pay(await market.fund(escrow))
    await market.settle()

    for amount_minor in (1, 1, None):
        request = pb.ReleaseMilestoneRequest(
            request_id=new_request_id(),
            escrow_id=escrow.id,
            milestone_id=escrow.milestones[0].id,
            amount_minor=amount_minor,
        )
        await market.payer.escrows.ReleaseMilestone(request)
        await market.settle()

    transfers = [t["amount"] for t in await market.sandbox.objects(TRANSFERS)]
    assert transfers == [5_119, 1]  # 8,000 yen are 51.20 dollars; newest first
    converted = await entries_of(market, "transfer_converted")
    assert converted[:2] == [("liab:payee:*:payable", "JPY", 1), ("asset:exchange", "JPY", -1)]
    assert await position(market) == {"JPY": 0, "USD": 0}
    assert (await market.read(escrow)).state == pb.ESCROW_STATE_COMPLETED
    await assert_same_as_stripe(market)
    await assert_books_hold(market)


async def test_a_part_of_which_nothing_is_left_is_of_its_escrow(market: Marketplace) -> None:
    """Also where it has waited for its payee, so that nothing else of the escrow has changed."""
    await market.sandbox.control("settings", settlement_currencies=["usd"])
    await market.sandbox.control("exchange_rates", jpy=0.0064)
    payee = await market.new_payee(active=False)
    escrow = await market.new_escrow(10_000, currency="JPY", payee=payee)
    await market.pay(await market.fund(escrow))
    await market.settle()
    request = pb.ReleaseMilestoneRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        amount_minor=1,
    )
    await market.payer.escrows.ReleaseMilestone(request)
    await market.settle()

    await market.onboard(payee)

    assert (await market.books(escrow))[-1] == (
        "transfer_converted",
        {"liab:payee:payee:payable": 1, "asset:exchange": -1},
    )
    assert await market.sandbox.objects(TRANSFERS) == []
    await assert_books_hold(market)


async def test_a_refused_transfer_goes_back_and_takes_the_same_again(market: Marketplace) -> None:
    await settles_in_dollars(market)
    escrow = await market.deliver(await in_euro(market, 10_000))
    account = await market.owner.fetchval("SELECT stripe_account FROM payees")
    await market.sandbox.control(f"accounts/{account}/restrict", silently=True)
    await market.accept(escrow)
    await market.work()
    assert [kind for kind, _ in await market.books()][-1] == "transfer_converted_back"
    await assert_books_hold(market)

    await market.sandbox.control(f"accounts/{account}/restrict", silently=True, lifted=True)
    await market.owner.execute("UPDATE releases SET transfer_at = now() - interval '1 s'")
    await market.settle()

    (transfer,) = await market.sandbox.objects(TRANSFERS)
    assert transfer["amount"] == 8_800
    assert await position(market) == {"EUR": 0, "USD": 0}
    await assert_same_as_stripe(market)


async def test_a_payee_who_holds_another_currency_has_what_arrived(market: Marketplace) -> None:
    """A USD transfer to a German payee arrives as EUR. We booked USD, so no payout was possible."""
    await market.sandbox.control("settings", accounts_settle_in="external_accounts")
    await market.sandbox.control("exchange_rates", eur=1.25)
    payee = await market.new_payee(country="DE")
    escrow = await market.delivered_escrow(10_000, payee=payee)
    await market.accept(escrow)
    await market.settle()

    await market.sweep()

    assert await entries_of(market, "arrived_converted") == [
        ("conn:*:owner", "USD", 8_000),
        ("conn:*:balance", "EUR", 6_400),
        ("conn:*:balance", "USD", -8_000),
        ("conn:*:owner", "EUR", -6_400),
    ]
    found = await market.find_payee(payee)
    assert {b.connected.currency: b.connected.amount_minor for b in found.balances}["EUR"] == 6_400
    await assert_same_as_stripe(market)
    await assert_books_hold(market)


# What would be converted is refused before anybody has paid


def holds(market: Marketplace, *currencies: str, convert: bool = False) -> None:
    """The tenant's settings say so."""
    gateway = market.running.runtime.stripe[TENANT]
    gateway.settlement = Settlement(tuple(currencies), convert)


async def test_a_currency_that_the_platform_does_not_hold_is_refused(market: Marketplace) -> None:
    payer, payee = await market.new_payer(), await market.new_payee()
    agreed = await market.new_escrow(currency="EUR", payer=payer, payee=payee)
    holds(market, "USD", "GBP")

    async with market.refuses("CURRENCY_NOT_SETTLED") as refusal:
        await market.new_escrow(currency="EUR", payer=payer, payee=payee)
    assert refusal.metadata == {"currency": "EUR", "settlement_currencies": "GBP, USD"}
    async with market.refuses("CURRENCY_NOT_SETTLED"):
        await market.fund(agreed)
    await market.new_escrow(currency="USD", payer=payer, payee=payee)


async def test_a_currency_that_did_not_arrive_at_the_payee_is_refused(market: Marketplace) -> None:
    await market.sandbox.control("settings", accounts_settle_in="external_accounts")
    payee = await market.new_payee(country="DE")
    escrow = await market.delivered_escrow(10_000, payee=payee)
    await market.accept(escrow)
    await market.settle()
    await market.sweep()
    payer = await market.new_payer()
    holds(market, "USD", "EUR")

    async with market.refuses("CURRENCY_NOT_RECEIVED") as refusal:
        await market.new_escrow(currency="USD", payer=payer, payee=payee)
    assert refusal.metadata == {"currency": "USD", "received": "EUR"}
    await market.new_escrow(currency="EUR", payer=payer, payee=payee)


async def test_a_currency_of_none_of_the_payees_banks_is_refused(market: Marketplace) -> None:
    """JPY for a German payee was accepted until the payout failed."""
    payer = await market.new_payer()
    payee = await market.new_payee(country="DE", account_api=party_pb.ACCOUNT_API_V1)
    holds(market, "USD", "EUR", "JPY")

    async with market.refuses("CURRENCY_NOT_RECEIVED") as refusal:
        await market.new_escrow(currency="JPY", payer=payer, payee=payee)
    assert refusal.metadata == {"currency": "JPY", "received": "EUR"}

    bank = {
        "external_account[object]": "bank_account",
        "external_account[country]": "US",
        "external_account[currency]": "jpy",
        "external_account[routing_number]": "110000000",
        "external_account[account_number]": "000123456789",
    }
    await market.sandbox.stripe(f"/v1/accounts/{payee.stripe_account}/external_accounts", **bank)
    await market.settle()
    await market.new_escrow(currency="JPY", payer=payer, payee=payee)


async def test_conversion_may_be_allowed(market: Marketplace) -> None:
    holds(market, "USD", convert=True)

    await market.new_escrow(currency="EUR")


async def test_a_setting_that_stripe_contradicts_is_an_error_in_the_log(
    market: Marketplace,
) -> None:
    await settles_in_dollars(market)
    holds(market, "USD", "EUR")
    escrow = await market.new_escrow(currency="EUR")
    await market.pay(await market.fund(escrow))
    await market.sandbox.advance()

    with structlog.testing.capture_logs() as logs:
        await market.sweep()

    (wrong,) = [each for each in logs if each["event"] == "settlement_currencies is wrong"]
    assert (wrong["currency"], wrong["settled_in"]) == ("EUR", "USD")


async def test_verify_names_a_setting_that_stripe_contradicts(market: Marketplace) -> None:
    await settles_in_dollars(market)
    await in_euro(market, 10_000)
    holds(market, "EUR", "GBP")
    platform, *_ = await verify_stripe(market.alone)
    assert (platform.clean, platform.settings) == (
        True,
        [
            "settlement_currencies is EUR, GBP, but EUR settles in USD: add USD",
        ],
    )

    holds(market, "USD", "EUR")
    platform, *_ = await verify_stripe(market.alone)
    assert platform.settings == [
        "settlement_currencies is USD, EUR, but EUR is converted to USD: remove EUR"
    ]

    holds(market, "USD")
    platform, *_ = await verify_stripe(market.alone)
    assert platform.settings == []


# What would be converted is quoted


def quote_request(currency: str, *amounts_minor: int) -> pb.QuoteFeesRequest:
    return pb.QuoteFeesRequest(currency=currency, amounts_minor=amounts_minor)


async def test_a_conversion_is_quoted_and_what_it_came_to_shown(market: Marketplace) -> None:
    """105.00 EUR, quoted at 1.08 and charged at 1.10."""
    await settles_in_dollars(market, 1.08)
    holds(market, "USD", convert=True)
    quoted = await market.service.escrows.QuoteFees(quote_request("EUR", 5_000, 5_000))

    conversion = quoted.total.conversion
    assert (conversion.settlement_currency, conversion.exchange_rate) == ("USD", "1.08")
    assert conversion.payer_total == usd(11_340)
    assert conversion.payee_total == usd(8_640)
    assert [each.conversion.payer_total for each in quoted.milestones] == [usd(5_670)] * 2

    await market.sandbox.control("exchange_rates", eur=1.10)
    escrow = await in_euro(market, 10_000)

    assert escrow.quote.conversion == conversion
    (converted,) = escrow.conversions
    assert converted.payment_id == escrow.milestones[0].payment_id
    assert (converted.charged.amount_minor, converted.charged.currency) == (10_500, "EUR")
    assert (converted.settled, converted.exchange_rate) == (usd(11_550), "1.1")


@pytest.mark.parametrize(
    ("currency", "amount_minor", "into", "rate", "payer_total"),
    [
        ("JPY", 10_000, "USD", "0.0064", 6_720),  # 10,500 yen are 67.20 dollars
        ("KWD", 10_000, "USD", "3.25", 3_413),  # 10.500 dinars, 34.125 dollars
        ("USD", 10_000, "JPY", "156.25", 16_406),  # 105.00 dollars, 16,406.25 yen
        ("USD", 10_000, "KWD", "0.307692", 32_308),  # 32.30766 dinars
    ],
)
async def test_currencies_with_other_decimals_are_quoted(
    market: Marketplace, currency: str, amount_minor: int, into: str, rate: str, payer_total: int
) -> None:
    holds(market, into, convert=True)

    quoted = await market.service.escrows.QuoteFees(quote_request(currency, amount_minor))

    told = quoted.total.conversion
    assert (told.exchange_rate, told.payer_total.amount_minor) == (rate, payer_total)


async def test_without_a_rate_the_currency_is_quoted_alone(market: Marketplace) -> None:
    """Neither a failure nor an unknown currency keeps an escrow from being made."""
    holds(market, "USD", convert=True)
    await market.sandbox.fail_next("/v1/exchange_rates", method="GET", times=9)

    quoted = await market.service.escrows.QuoteFees(quote_request("EUR", 10_000))
    escrow = await market.new_escrow(10_000, currency="EUR")

    for conversion in (quoted.total.conversion, escrow.quote.conversion):
        assert conversion == pb.ConversionQuote(settlement_currency="USD")


async def test_a_rate_is_asked_for_once_by_many(market: Marketplace) -> None:
    holds(market, "USD", convert=True)
    asked = market.running.runtime.stripe[TENANT].exchange_rates

    rates = await asyncio.gather(*(asked.rate("EUR", "USD") for _ in range(100)))

    assert set(rates) == {Decimal("1.08")}
    seen = await market.sandbox.control("requests", verb="GET")
    paths = [each["path"] for each in seen["data"]]
    assert paths.count("/v1/exchange_rates/eur") == 1


async def test_what_is_held_has_no_conversion(market: Marketplace) -> None:
    holds(market, "USD", convert=True)
    quoted = await market.service.escrows.QuoteFees(quote_request("USD", 10_000))
    assert not quoted.total.HasField("conversion")

    holds(market, "USD")
    async with market.refuses("CURRENCY_NOT_SETTLED"):
        await market.service.escrows.QuoteFees(quote_request("EUR", 10_000))

"""Escrows in many currencies, settled in others: examples entry by entry, and many at random held
against a calculator that shares no code with the service.
"""

import random
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party_pb
from service.operations.operators.verify_books import verify_books
from tests.depth import deeper
from tests.service.movements.strangers import assert_same_as_stripe
from tests.service.movements.test_currencies import entries_of, position
from tests.service.operations.marketplace import Marketplace
from tests.service.operations.transfers import TRANSFERS


async def rates(market: Marketplace, settled: str, dollars: dict[str, float]) -> None:
    """The platform holds one currency, and others are worth so much."""
    await market.sandbox.control("settings", settlement_currencies=[settled.lower()])
    await market.sandbox.control("exchange_rates", verb="POST", **dollars)


async def funded(market: Marketplace, currency: str, *amounts_minor: int) -> pb.Escrow:
    """Paid, and settled."""
    payee = await market.new_payee()
    escrow = await market.new_escrow(*amounts_minor, currency=currency, payee=payee)
    await market.pay(await market.fund(escrow))
    await market.settle()
    return await market.read(escrow)


# Examples


@dataclass(frozen=True)
class Example:
    """A price in one currency, and what it comes to in another. Minor units."""

    currency: str
    price: int
    settled: str
    dollars: dict[str, float]
    paid: int  # the price and 5 %
    gross: int
    transfer: int  # 80 % of the price
    service_fee: int  # 20 % of the price
    platform_fee: int  # 5 % of the price

    def __str__(self) -> str:
        return f"{self.price} {self.currency} in {self.settled}"


# The platform's fees are converted when a part is released, rounded down; the payee has the rest.
EXAMPLES = [
    # ledger.md: 105.00 EUR at 1.10
    Example("EUR", 10_000, "USD", {"eur": 1.10}, 10_500, 11_550, 8_800, 2_200, 550),
    # 35.00 EUR are 38.2795 dollars; the fees 7.2949 and 1.8262
    Example("EUR", 3_333, "USD", {"eur": 1.0937}, 3_500, 3_828, 2_916, 729, 183),
    Example("GBP", 10_000, "EUR", {"gbp": 1.25, "eur": 1.10}, 10_500, 11_932, 9_092, 2_272, 568),
    # 10,500 yen, which has no decimals, are 68.25 dollars
    Example("JPY", 10_000, "USD", {"jpy": 0.0065}, 10_500, 6_825, 5_200, 1_300, 325),
    Example("JPY", 12_347, "USD", {"jpy": 0.0065}, 12_964, 8_427, 6_422, 1_604, 401),
    # 105.00 dollars are 16,406.25 yen
    Example("USD", 10_000, "JPY", {"jpy": 0.0064}, 10_500, 16_406, 12_500, 3_124, 782),
    # 10.500 dinars, which has three decimals, are 34.125 dollars
    Example("KWD", 10_000, "USD", {"kwd": 3.25}, 10_500, 3_413, 2_601, 650, 162),
    Example("KWD", 12_340, "EUR", {"kwd": 3.25, "eur": 1.08}, 12_960, 3_900, 2_971, 743, 186),
    # from three decimals to none
    Example("BHD", 20_000, "JPY", {"bhd": 2.653, "jpy": 0.0064}, 21_000, 8_705, 6_633, 1_658, 414),
    Example("HUF", 10_000_000, "USD", {"huf": 0.0027}, 10_500_000, 28_350, 21_600, 5_400, 1_350),
    # from none to two: 105,000 won are 68.4375 francs
    Example(
        "KRW", 100_000, "CHF", {"krw": 0.00073, "chf": 1.12}, 105_000, 6_844, 5_215, 1_303, 326
    ),
]


@pytest.mark.parametrize("case", EXAMPLES, ids=str)
async def test_an_example_entry_by_entry(market: Marketplace, case: Example) -> None:
    await rates(market, case.settled, case.dollars)

    escrow = await funded(market, case.currency, case.price)
    await market.accept(await market.deliver(escrow))
    await market.settle()

    (charge,) = [
        each
        for each in await market.sandbox.objects("/v1/balance_transactions")
        if each["type"] == "charge"
    ]
    paid_in, settled_in = case.currency, case.settled
    assert await entries_of(market, "charge_converted") == [
        ("asset:exchange", paid_in, case.paid),
        ("asset:stripe", settled_in, case.gross - charge["fee"]),
        ("exp:processing", settled_in, charge["fee"]),
        ("asset:stripe_unsettled", paid_in, -case.paid),
        ("asset:exchange", settled_in, -case.gross),
    ]
    quote = escrow.quote
    payee_total = quote.payee_total.amount_minor
    assert await entries_of(market, "transfer_converted") == [
        ("liab:payee:*:payable", paid_in, payee_total),
        ("asset:exchange", settled_in, case.transfer),
        ("asset:exchange", paid_in, -payee_total),
        ("liab:transfers_in_flight", settled_in, -case.transfer),
    ]
    fees = quote.payee_fee.amount_minor, quote.payer_fee.amount_minor
    assert await entries_of(market, "fees_converted") == [
        ("rev:service_fee", paid_in, fees[0]),
        ("rev:platform_fee", paid_in, fees[1]),
        ("asset:exchange", settled_in, case.service_fee + case.platform_fee),
        ("asset:exchange", paid_in, -sum(fees)),
        ("rev:service_fee", settled_in, -case.service_fee),
        ("rev:platform_fee", settled_in, -case.platform_fee),
    ]
    assert await entries_of(market, "transfer_confirmed") == [
        ("liab:transfers_in_flight", settled_in, case.transfer),
        ("conn:*:balance", settled_in, case.transfer),
        ("asset:stripe", settled_in, -case.transfer),
        ("conn:*:owner", settled_in, -case.transfer),
    ]
    (transfer,) = await market.sandbox.objects(TRANSFERS)
    assert (transfer["amount"], transfer["currency"]) == (case.transfer, settled_in.lower())
    assert await position(market) == dict.fromkeys({paid_in, settled_in}, 0)
    await assert_same_as_stripe(market)


# At random

PRESENTED: dict[str, int] = {
    "EUR": 1,
    "GBP": 1,
    "JPY": 1,
    "KWD": 10,
    "HUF": 1,
}  # and the step of its charges
LEAST = {"EUR": 1_000, "GBP": 1_000, "JPY": 1_000, "KWD": 10_000, "HUF": 100_000}
DOLLARS = {"eur": 1.08, "gbp": 1.27, "jpy": 0.0064, "kwd": 3.25, "huf": 0.00274, "chf": 1.12}
ESCROWS = deeper(3, 14)  # for each of 15 pairs
PARTS = 6  # of each escrow


async def release_in_parts(
    market: Marketplace, escrow: pb.Escrow, draw: random.Random, step: int
) -> None:
    """Some steps of the currency, which can be less than a cent elsewhere; a half; the rest."""
    for milestone in escrow.milestones:
        half = milestone.amount.amount_minor // step // 2
        for steps in (draw.randint(1, 3), draw.randint(1, half), None):
            await market.payer.escrows.ReleaseMilestone(
                pb.ReleaseMilestoneRequest(
                    request_id=new_request_id(),
                    escrow_id=escrow.id,
                    milestone_id=milestone.id,
                    amount_minor=step * steps if steps else None,
                )
            )


async def every(market: Marketplace, path: str) -> list[dict[str, Any]]:
    """All objects of a kind, page by page."""
    found: list[dict[str, Any]] = []
    while True:
        after = f"&starting_after={found[-1]['id']}" if found else ""
        page = await market.sandbox.stripe(f"{path}?limit=100{after}", verb="GET")
        found += page["data"]
        if not page["has_more"]:
            return found


async def total(market: Marketplace, accounts: str, currency: str) -> int:
    """Debits less credits of the accounts that a pattern names."""
    sums = "SELECT coalesce(sum(amount_minor), 0) FROM entries WHERE account ~ $1 AND currency = $2"
    return int(await market.owner.fetchval(sums, accounts, currency))


@pytest.mark.parametrize("settled", ["USD", "EUR", "CHF"])
@pytest.mark.parametrize("currency", PRESENTED)
async def test_many_escrows_at_random(market: Marketplace, currency: str, settled: str) -> None:
    """What Stripe shows of charges and transfers says what the books must have."""
    draw = random.Random(f"{currency} in {settled}")
    payee: party_pb.Payee = await market.new_payee()
    step, least = PRESENTED[currency], LEAST[currency]
    escrows = []
    for _ in range(ESCROWS):
        moved = {code: round(worth * draw.uniform(0.8, 1.25), 6) for code, worth in DOLLARS.items()}
        await rates(market, settled, moved)
        amounts = [step * draw.randint(least // step, 20 * least // step) for _ in range(2)]
        escrow = await market.new_escrow(*amounts, currency=currency, payee=payee)
        payment = await market.fund(escrow)
        await market.pay(payment)
        escrows.append((escrow, payment))
    await market.settle()
    for escrow, _ in escrows:
        await release_in_parts(market, escrow, draw, step)
    await market.settle()

    moved_by = {each["id"]: each for each in await every(market, "/v1/balance_transactions")}
    charges = {each["payment_intent"]: each for each in await every(market, "/v1/charges")}
    sent: Counter[str] = Counter()
    for transfer in await every(market, TRANSFERS):
        sent[transfer["source_transaction"]] += transfer["amount"]
    came = kept = fees = 0
    for escrow, payment in escrows:
        shown = await market.read_payment(payment)
        charge = charges[shown.stripe_payment_intent]
        settlement = moved_by[charge["balance_transaction"]]
        gross, share = int(settlement["amount"]), sent[charge["id"]]
        exact = Fraction(gross * escrow.quote.payee_total.amount_minor, charge["amount"])
        assert abs(share - exact) < PARTS  # each part is off by less than a minor unit
        assert shown.settled_amount.amount_minor == (gross if currency != settled else 0)
        came, kept, fees = came + gross, kept + gross - share, fees + settlement["fee"]
    # The payee's and the platform's shares, Stripe's fee, and what is left at Stripe.
    if currency != settled:
        assert await total(market, "^rev:", currency) == 0
        assert await position(market) == {currency: 0, settled: 0}
    assert await total(market, "^rev:", settled) == -kept
    assert await total(market, "^exp:processing", settled) == fees
    assert await total(market, "^asset:stripe$", settled) == kept - fees
    assert await total(market, "^conn:.*:balance", settled) == came - kept
    for escrow, _ in escrows:
        assert (await market.read(escrow)).state == pb.ESCROW_STATE_COMPLETED
    await assert_same_as_stripe(market)
    report = await verify_books(market.running.runtime.pool)
    assert report.clean, report

"""One escrow, and all that can happen to its refunds in any order: the books hold after each step.

A seed draws the steps. In a seed that converts, Stripe settles the payment in dollars, and the
payee's account may convert once more. Of three payees, two cannot be paid at first; parts of those
are given to others.
"""

import random
from collections.abc import Awaitable, Callable

import grpc
import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party_pb
from escrow.v1 import refund_service_pb2 as refund_pb
from tests.depth import deeper
from tests.service.movements.strangers import assert_same_as_stripe
from tests.service.movements.test_currencies import assert_books_hold, position, settles_in_dollars
from tests.service.operations.escrows.split import request_of, share
from tests.service.operations.marketplace import CARD, Marketplace
from tests.service.operations.refunds.money import platform, receivables, refund, stocked
from tests.service.operations.refunds.test_converting_accounts import read_account
from tests.service.operations.refunds.test_currencies import now_at
from tests.service.operations.refunds.test_failed_refunds import FAILS, resolve
from tests.service.operations.refusals import read_refusal
from tests.service.operations.transfers import TRIES

STEPS = 40
REFUSED = {
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.UNAVAILABLE,
}
FAILED = refund_pb.REFUND_STATE_FAILED
WAYS_ON = ("SEND_AGAIN", "PUT_BACK", "PAID_OUTSIDE")


class Story:
    """What a seed draws for one escrow."""

    def __init__(self, market: Marketplace, draw: random.Random, currency: str) -> None:
        self.market, self.draw, self.currency = market, draw, currency
        self.escrow = pb.Escrow()
        self.done: list[str] = []

    async def begin(self, country: str, payees: int) -> None:
        market = self.market
        await stocked(market)
        self.payee = await market.new_payee(country=country)
        self.payees = [self.payee]
        for _ in range(1, payees):
            self.payees.append(await market.new_payee(country=country, active=False))
        shares = [share(self.payee), *(share(each, basis=3_333) for each in self.payees[1:])]
        asked = await request_of(market, shares, 10_007, currency=self.currency)
        escrow = (await market.service.escrows.CreateEscrow(asked)).escrow
        await market.pay(await market.fund(escrow), self.draw.choice([CARD, CARD, FAILS]))
        await market.settle()
        self.escrow = await market.read(escrow)

    async def step(self) -> None:
        steps: list[Callable[[], Awaitable[object]]] = [
            *[self.release, self.refund] * 3,
            *[self.hear, self.send, self.recover] * 4,
            *[self.read_account, self.lose, self.find_out, self.pay_out] * 2,
            self.wait,
            self.resolve,
            self.write_off,
            self.market.sweep,
            *([self.redirect, self.redirect, self.onboard] if len(self.payees) > 1 else []),
        ]
        chosen = self.draw.choice(steps)
        self.done.append(chosen.__name__)
        try:
            await chosen()
        except grpc.aio.AioRpcError as refused:
            self.check(refused)

    def check(self, refused: grpc.aio.AioRpcError) -> None:
        """What cannot be done now is refused in its own words, and not by the books."""
        self.done[-1] += f" ({refused.details()})"
        assert refused.code() in REFUSED, self.done
        assert read_refusal(refused).reason != "BOOKS_REFUSED", self.done

    def amount(self) -> int:
        return self.draw.choice([1, 7, 333, 1_001, 2_500, 4_999, 10_007])

    async def release(self) -> None:
        request = pb.ReleaseMilestoneRequest(
            request_id=new_request_id(),
            escrow_id=self.escrow.id,
            milestone_id=self.escrow.milestones[0].id,
            amount_minor=self.amount(),
        )
        await self.market.payer.escrows.ReleaseMilestone(request)

    async def refund(self) -> None:
        await refund(self.market, self.escrow, self.amount())

    async def redirect(self) -> None:
        """A payee's part goes to another, who can be paid or not."""
        before, after = self.draw.sample(self.payees, 2)
        request = pb.RedirectShareRequest(
            request_id=new_request_id(),
            escrow_id=self.escrow.id,
            milestone_id=self.escrow.milestones[0].id,
            payee_id=before.id,
            to_payee_id=after.id,
            reason="They have closed their shop.",
        )
        operator = self.market.client("operator", role="operator")
        await operator.escrows.RedirectShare(request)

    async def onboard(self) -> None:
        payee = self.draw.choice(self.payees)
        await self.market.sandbox.control(f"accounts/{payee.stripe_account}/onboard")

    async def hear(self) -> None:
        """Some of the news, in any order; the rest comes later."""
        news = await self.market.news()
        for event in self.draw.sample(news, self.draw.randint(0, len(news))):
            await self.market.tell(event)
        await self.market.inbox.run_once()

    async def send(self) -> None:
        await self.market.transfers.run_once()
        await self.market.effects.run_once()

    async def recover(self) -> None:
        await self.market.owner.execute(
            "UPDATE receivables SET recover_at = now() WHERE recover_at IS NOT NULL"
        )
        await self.market.receivables.run_once()

    async def read_account(self) -> None:
        types = self.draw.choice([("payment",), ("payment_refund",), ("payment", "payment_refund")])
        await read_account(self.market, self.draw.choice(self.payees), *types)

    async def lose(self) -> None:
        """The next answer is lost, whatever it is of."""
        path = self.draw.choice(["/v1/refunds", "/v1/transfers"])
        kind = self.draw.choice(["cut_after_effect", "cut_before_effect"])
        await self.market.sandbox.fail_next(path, kind, method="POST", times=TRIES)

    async def find_out(self) -> None:
        await self.market.patience()
        await self.market.owner.execute("UPDATE releases SET transfer_at = now() - interval '1 s'")
        await self.market.effects.run_once()

    async def pay_out(self) -> None:
        found = await self.market.find_payee(self.draw.choice(self.payees))
        for balance in found.balances:
            if balance.available.amount_minor > 0:
                request = party_pb.RequestPayoutRequest(
                    request_id=new_request_id(), payee_id=found.id, amount=balance.available
                )
                await self.market.payee.parties.RequestPayout(request)

    async def wait(self) -> None:
        if self.currency != "USD":
            await now_at(self.market, self.draw.choice([0.91, 1.0, 1.1, 1.15, 1.3333]))
        await self.market.sandbox.advance(self.draw.choice([5, 120, 3 * 86_400]))

    async def resolve(self) -> None:
        for each in await self.refunds():
            if each.state == FAILED:
                await resolve(self.market, each, self.draw.choice(WAYS_ON))

    async def write_off(self) -> None:
        for debt in await receivables(self.market, "state = OWED"):
            request = refund_pb.WriteOffReceivableRequest(
                request_id=new_request_id(), receivable_id=debt.id, reason="They are gone."
            )
            await self.market.client("operator", role="operator").refunds.WriteOffReceivable(
                request
            )

    async def refunds(self) -> list[refund_pb.Refund]:
        request = refund_pb.ListRefundsRequest(page_size=200)
        return list((await self.market.service.refunds.ListRefunds(request)).refunds)

    async def end(self) -> None:
        """All news is heard, and nothing is left open but what the payee owes."""
        market = self.market
        await market.sandbox.control("faults", verb="DELETE")
        for payee in self.payees:
            await market.sandbox.control(f"accounts/{payee.stripe_account}/onboard")
        for _ in range(4):
            await market.sandbox.advance(120)
            await market.patience()
            await market.owner.execute("UPDATE releases SET transfer_at = now() - interval '1 s'")
            await market.settle()
            for each in await self.refunds():
                if each.state == FAILED:
                    await resolve(market, each, "PAID_OUTSIDE")
        await market.owner.execute(
            "UPDATE undecided_transactions SET due_at = now() - interval '1 s'"
        )
        await market.sweep()


@pytest.mark.parametrize("seed", range(deeper(1, 6)))
@pytest.mark.parametrize(
    ("currency", "country", "payees"),
    [("USD", "US", 1), ("EUR", "US", 1), ("EUR", "DE", 1), ("USD", "US", 3), ("EUR", "US", 3)],
)
async def test_the_books_hold_after_every_step(
    market: Marketplace, seed: int, currency: str, country: str, payees: int
) -> None:
    if currency != "USD":
        await settles_in_dollars(market)
        await market.sandbox.control("settings", accounts_settle_in="external_accounts")
    story = Story(market, random.Random(f"{seed} {currency} {country}"), currency)
    await story.begin(country, payees)
    for _ in range(STEPS):
        await story.step()
        try:
            await assert_books_hold(market)
        except AssertionError as broken:
            raise AssertionError(story.done) from broken

    await story.end()

    assert await platform(market, "liab:refunds_in_flight", currency) == 0, story.done
    assert await platform(market, "liab:transfers_in_flight") == 0, story.done
    await assert_books_hold(market)
    await assert_same_as_stripe(market)
    owed = [debt for debt in await receivables(market) if debt.owed.amount_minor]
    left = (await market.read(story.escrow)).milestones[0]
    if currency != "USD" and not owed and not left.held.amount_minor:
        assert set((await position(market)).values()) <= {0}, story.done

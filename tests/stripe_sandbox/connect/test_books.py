"""The books of every account balance after any sequence of Connect operations."""

import contextlib
import random

import pytest
import stripe

from stripe_sandbox.store import Json
from tests.stripe_sandbox.conftest import Running, Start, charge_in
from tests.stripe_sandbox.connect.conftest import (
    DAY_S,
    EXPRESS,
    balances,
    charged,
    funded_payee,
    payee_in,
)
from tests.stripe_sandbox.schema_check import problems_in_traffic

STEPS = 200
DECISIONS = ("win", "lose", "escalate", "appeal", "overturn", "adjust")
EVIDENCE = {"evidence": {"uncategorized_text": "It was delivered."}}


class Player:
    """Does random things to a sandbox that are legal often enough to be interesting."""

    def __init__(self, running: Running, seed: int) -> None:
        self.running = running
        self.client: Json = running.client
        self.random = random.Random(seed)
        self.payees: list[str] = []
        self.charges: list[str] = []
        self.transfers: list[str] = []
        self.payouts: list[tuple[str, str]] = []

    def amount(self) -> int:
        return self.random.randint(1, 6000)

    async def open_account(self) -> None:
        account = await self.client.v1.accounts.create_async(EXPRESS)
        number = self.random.choice(["000123456789", "000111111116"])
        await self.running.control("POST", f"accounts/{account.id}/onboard", account_number=number)
        self.payees.append(account.id)

    async def charge(self) -> None:
        card = self.random.choice(["pm_card_visa", "pm_card_bypassPending"])
        settled = self.random.random() < 0.5
        charge = await charged(self.running, self.amount() + 100, card, settled)
        self.charges.append(charge.id)

    async def transfer(self) -> None:
        params = {
            "amount": self.amount(),
            "currency": "usd",
            "destination": self.random.choice(self.payees),
        }
        if self.random.random() < 0.7:
            params["source_transaction"] = self.random.choice(self.charges)
        transfer = await self.client.v1.transfers.create_async(params)
        self.transfers.append(transfer.id)

    async def reverse(self) -> None:
        await self.client.v1.transfers.reversals.create_async(
            self.random.choice(self.transfers), {"amount": self.amount()}
        )

    async def pay_out(self) -> None:
        payee = self.random.choice(self.payees)
        payout = await self.client.v1.payouts.create_async(
            {"amount": self.amount(), "currency": "usd"}, {"stripe_account": payee}
        )
        self.payouts.append((payee, payout.id))

    async def cancel(self) -> None:
        payee, payout = self.random.choice(self.payouts)
        await self.client.v1.payouts.cancel_async(payout, None, {"stripe_account": payee})

    async def pass_time(self) -> None:
        await self.running.advance(self.random.choice([2, 3600, DAY_S]))


@pytest.mark.parametrize("seed", range(3))
async def test_random_operations_keep_the_books(running: Running, seed: int) -> None:
    player = Player(running, seed)
    await player.open_account()
    await player.charge()
    moves = [player.charge, player.transfer, player.reverse, player.pay_out, player.cancel]
    done = 0
    for _ in range(STEPS):
        move = player.random.choice([*moves, *moves, player.open_account, player.pass_time])
        try:
            await move()
            done += 1
        except (stripe.InvalidRequestError, IndexError):
            pass  # not now: no funds, nothing to choose from
    assert done > STEPS / 4
    assert min(len(player.transfers), len(player.payouts)) > 5
    for _ in range(2):
        books = await running.books()
        sent = sum([await moved_by(player, transfer) for transfer in player.transfers])
        received = sum(
            posted["net"]
            for account, held in books["accounts"].items()
            if account != books["platform"]
            for posted in held["balance_transactions"]
            if posted["type"] in {"payment", "payment_refund"}
        )
        assert sent == received
        await running.advance(5 * DAY_S)
    assert await problems_in_traffic(running.http, running.url) == []


class Trader(Player):
    """The same among accounts that hold different currencies, whose rates move."""

    def __init__(self, running: Running, seed: int) -> None:
        super().__init__(running, seed)
        self.currency_of: dict[str, str] = {}
        self.told: set[str] = set()  # which controls did something

    async def open_accounts(self) -> None:
        for country, currency in [("US", "usd"), ("DE", "eur"), ("JP", "jpy"), ("KW", "kwd")]:
            payee = await payee_in(self.running, country, currency)
            self.payees.append(payee)
            self.currency_of[payee] = currency

    async def charge(self) -> None:
        currency = self.random.choice(["usd", "eur", "gbp", "jpy", "kwd"])
        capture = self.random.choice(["automatic", "automatic_async"])
        amount = self.random.randint(1_000, 50_000)
        charge = await charge_in(self.running, currency, amount, "pm_card_bypassPending", capture)
        self.charges.append(charge.id)

    async def transfer(self) -> None:
        params = {
            "amount": self.amount(),
            "currency": self.random.choice(["usd", "eur"]),
            "destination": self.random.choice(self.payees),
            "source_transaction": self.random.choice(self.charges),
        }
        self.transfers.append((await self.client.v1.transfers.create_async(params)).id)

    async def refund(self) -> None:
        charge = self.random.choice(self.charges)
        await self.client.v1.refunds.create_async({"charge": charge, "amount": self.amount()})

    async def dispute(self) -> None:
        """The bank, and whoever answers it, do whatever is possible in any order."""
        charge = f"charges/{self.random.choice(self.charges)}"
        inquiry = self.random.random() < 0.3
        opened = await self.tell(f"{charge}/dispute", amount=self.amount(), inquiry=inquiry)
        for verb in self.random.choices([*DECISIONS, "evidence"], k=8) if opened else ():
            await self.move_rates()
            if verb == "evidence":
                with contextlib.suppress(stripe.InvalidRequestError):
                    await self.client.v1.disputes.update_async(opened["id"], EVIDENCE)
            else:
                how = {"adjust": {"amount": -7}, "lose": {"returned": self.random.randint(0, 50)}}
                await self.tell(f"disputes/{opened['id']}/{verb}", **how.get(verb, {}))

    async def tell(self, path: str, **how: Json) -> Json:
        """The answer of a control; None where it refuses."""
        url = f"{self.running.url}/_sandbox/{path}"
        async with self.running.http.post(url, json=how) as answer:
            told = await answer.json() if answer.status == 200 else None
        self.told |= {path.rpartition("/")[2]} if told else set()
        return told

    async def move_rates(self) -> None:
        by = self.random.uniform(0.8, 1.25)
        await self.running.worth(eur=1.08 * by, gbp=1.27 / by, jpy=0.0064 * by, kwd=3.25 / by)

    async def pay_out(self) -> None:
        payee = self.random.choice(self.payees)
        params = {"amount": self.amount(), "currency": self.currency_of[payee]}
        payout = await self.client.v1.payouts.create_async(params, {"stripe_account": payee})
        self.payouts.append((payee, payout.id))


@pytest.mark.parametrize("seed", range(3))
async def test_random_operations_in_many_currencies_keep_the_books(
    running: Running, seed: int
) -> None:
    await running.hold("usd", "eur")
    player = Trader(running, seed)
    await player.open_accounts()
    moves = [player.charge, player.reverse, player.cancel, player.refund, player.dispute]
    moves += [player.move_rates, player.pass_time]
    moves += 4 * [player.transfer] + 2 * [player.pay_out]
    for _ in range(STEPS):
        with contextlib.suppress(stripe.InvalidRequestError, IndexError):  # as above
            await player.random.choice(moves)()
    assert min(len(player.transfers), len(player.payouts)) > 5
    assert player.told >= {"dispute", "win", "lose", "overturn", "adjust"}
    await running.advance(5 * DAY_S)
    accounts = (await running.books())["accounts"]
    held = {account: set(books["sum_of_net"]) for account, books in accounts.items()}
    assert held == {
        running.sandbox.platform: {"usd", "eur"},
        **{payee: {currency} for payee, currency in player.currency_of.items()},
    }
    assert await problems_in_traffic(running.http, running.url) == []


async def moved_by(player: Player, transfer_id: str) -> int:
    """What a transfer moved and did not bring back; nothing while it waits for its charge."""
    transfer = await player.client.v1.transfers.retrieve_async(transfer_id)
    moved = transfer.balance_transaction is not None
    return int(transfer.amount - transfer.amount_reversed) if moved else 0


async def test_a_restart_keeps_accounts_and_money_in_flight(
    start: Start, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = tmp_path_factory.mktemp("sandbox") / "state.db"
    first = await start(data=data)
    payee = await funded_payee(first)
    client: Json = first.client
    on_account = {"stripe_account": payee}
    payout = await client.v1.payouts.create_async({"amount": 5000, "currency": "usd"}, on_account)
    await first.stop()

    second = await start(data=data)
    client = second.client
    assert await balances(second, payee) == (3000, 0)
    await second.advance(3 * DAY_S)
    assert (await client.v1.payouts.retrieve_async(payout.id, None, on_account)).status == "paid"
    account = await client.v2.core.accounts.retrieve_async(payee)
    assert account.applied_configurations == ["recipient"]
    await second.books()

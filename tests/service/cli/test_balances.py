"""``escrow balances``, as an operator and as a program reads it."""

import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from service.domain.journal import Part, Source
from service.domain.postings import JournalKind
from service.store.commit import write
from tests.forked import Said, run_escrow
from tests.postgres import Database
from tests.records import Deal, fund_deal, later, new_transaction, new_unit
from tests.service.store.closed_books import close, roll_all_up
from tests.service.store.pools import service_pool


async def escrow(database: Database, *arguments: str) -> Said:
    login = {"ESCROW_AUTH": "development", "ESCROW_DATABASE_URL": database.reader_dsn}
    return await run_escrow(["balances", *arguments], os.environ | login | {"COLUMNS": "140"})


@pytest.fixture
async def deal(database: Database) -> Deal:
    """Paid with 105.00 and settled a minute later for a fee of 3.35; all before is closed."""
    async with service_pool(database, size=1) as pool:
        deal = await fund_deal(pool)
        unit = new_unit(now=later(seconds=60))
        part = Part(deal.names(), {"net": 101_65, "fee": 3_35})
        unit.post(
            JournalKind.CHARGE_SETTLED,
            Source("txn", "txn_1"),
            "USD",
            [part],
            transaction=new_transaction(101_65, fee_minor=3_35),
        )
        await write(pool, [unit])
        await roll_all_up(pool, await close(pool, later(seconds=30)))
        return deal


async def test_the_platforms_own_accounts_now(database: Database, deal: Deal) -> None:
    said = await escrow(database, "--json")

    assert said.status == 0, said.err
    assert json.loads(said.out) == {
        "tenant": "default",
        "as_of": None,
        "final": False,
        "balances": [
            document("asset:stripe", "debit", 101_65),
            document("asset:stripe_unsettled", "debit", 0),
            document("exp:processing", "debit", 3_35),
        ],
    }


def document(account: str, side: str, balance_minor: int) -> dict[str, str | int]:
    return {
        "account": account,
        "currency": "USD",
        "normal_side": side,
        "balance_minor": balance_minor,
    }


async def test_any_accounts_at_any_time(database: Database, deal: Deal) -> None:
    accounts = [deal.held, "asset:stripe_unsettled"]

    paid = await escrow(database, *accounts, "--as-of", later(seconds=20).isoformat(), "--json")
    before = await escrow(database, *accounts, "--as-of", later(seconds=-1).isoformat(), "--json")
    settled = await escrow(database, *accounts, "--as-of", later(seconds=60).isoformat(), "--json")

    assert json.loads(paid.out) == {
        "tenant": "default",
        "as_of": later(seconds=20).isoformat().replace("+00:00", "Z"),
        "final": True,
        "balances": [
            document("asset:stripe_unsettled", "debit", 105_00),
            document(deal.held, "credit", 100_00),
        ],
    }
    assert {b["balance_minor"] for b in json.loads(before.out)["balances"]} == {0}
    assert json.loads(settled.out)["final"] is False
    assert json.loads(settled.out)["balances"][0]["balance_minor"] == 0


async def test_people_see_sides_and_what_is_not_final(database: Database, deal: Deal) -> None:
    told = await escrow(database, deal.held, "asset:stripe", "--as-of", later(hours=1).isoformat())
    nothing = await escrow(database, "--currency", "EUR")

    lines = [line.split() for line in told.out.splitlines()]
    assert ["asset:stripe", "101.65", "USD"] in lines
    assert [deal.held, "100.00", "USD"] in lines
    stripe, held = (
        next(line for line in told.out.splitlines() if line.startswith(account))
        for account in ("asset:stripe", deal.held)
    )
    assert held.index("USD") > stripe.index("USD")  # a credit stands to the right of a debit
    assert "not final" in told.out
    assert nothing.out == "nothing is booked there for tenant default\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--as-of", "yesterday"], "'yesterday' is not a time such as 2026-11-30"),
        (["--as-of", "2026-11-20"], "2026-11-20 is a whole day; say the time"),
        (["--as-of", "1969-12-31T23:59"], "is before 1970"),
        (["asset:strype"], "the chart of accounts has no 'asset:strype'"),
        (["--csv", "/nowhere/balances.csv"], "cannot write /nowhere/balances.csv: No such file"),
        (["--as-of", (datetime.now(UTC) + timedelta(days=1)).isoformat()], "is in the future"),
        (["--currency", "usd"], "there is no currency 'usd'"),
    ],
)
async def test_what_cannot_be_asked_is_told(
    database: Database, arguments: list[str], complaint: str
) -> None:
    said = await escrow(database, *arguments)

    assert (said.status, said.out) == (2, "")
    assert said.err.startswith("escrow: ")
    assert complaint in said.err

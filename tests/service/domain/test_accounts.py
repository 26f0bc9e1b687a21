"""The chart of accounts: what a row is, and how its accounts are spelled and read."""

from collections.abc import Mapping
from uuid import UUID

import pytest

from service.domain import accounts, ids
from service.domain.accounts import (
    CHART,
    DEBIT,
    Account,
    UnknownAccount,
    account_named,
    normal_side,
)
from tests.postgres import Database, connected
from tests.service.domain.entries import (
    BALANCE,
    BROUGHT_UNEXPLAINED,
    EXTERNAL,
    FEE_HELD,
    HELD,
    IN_TRANSIT,
    OWNER,
    PAYABLE,
    SUSPENSE,
    TAKEN_UNEXPLAINED,
)

UUIDS: Mapping[str, UUID] = {
    "milestone": UUID("01a1faa3-fb80-7db4-8bc0-c0dd6ad3c71a"),
    "payee": UUID("01a1faa3-fb80-7db4-8bc0-c0dd6ad3c71b"),
    "payment": UUID("01a1faa3-fb80-7db4-8bc0-c0dd6ad3c71c"),
    "chargeback": UUID("01a1faa3-fb80-7db4-8bc0-c0dd6ad3c71d"),
}
ACCOUNT = "acct_1Pgaf7D2b"
TRANSACTION = "txn_1Pgaf8Q"
NAMES: Mapping[str, str] = {
    "milestone": ids.show(ids.MILESTONE, UUIDS["milestone"]),
    "payee": ids.show(ids.PAYEE, UUIDS["payee"]),
    "payment": ids.show(ids.PAYMENT, UUIDS["payment"]),
    "chargeback": ids.show(ids.CHARGEBACK, UUIDS["chargeback"]),
    "account": ACCOUNT,
    "balance_transaction": TRANSACTION,
}


@pytest.mark.parametrize(
    ("account", "side", "tracked"),
    [
        ("asset:stripe", 1, False),
        ("asset:stripe_unsettled", 1, False),
        ("asset:stripe_reserved", 1, False),
        ("asset:bank", 1, False),
        ("asset:exchange", 1, False),
        ("asset:dispute:cbk_1", 1, False),
        ("exp:dispute_fee", 1, False),
        ("exp:fx", 1, False),
        ("liab:failed_debits", -1, False),
        (TAKEN_UNEXPLAINED, 1, True),
        (BROUGHT_UNEXPLAINED, -1, True),
        ("eq:other_business", -1, False),
        ("eq:platform_capital", -1, False),
        ("exp:processing", 1, False),
        ("rev:platform_fee", -1, False),
        ("rev:service_fee", -1, False),
        ("liab:transfers_in_flight", -1, False),
        (HELD, -1, True),
        (FEE_HELD, -1, True),
        (PAYABLE, -1, True),
        (SUSPENSE, -1, True),
        (BALANCE, 1, True),
        (IN_TRANSIT, 1, True),
        (EXTERNAL, 1, False),
        (OWNER, -1, False),
    ],
)
def test_the_chart_of_accounts(account: str, side: int, tracked: bool) -> None:
    row = account_named(account)
    assert row.normal == side
    assert row.tracked is tracked
    assert row.book == ("connected" if account.startswith("conn:") else "platform")


def test_no_two_rows_are_of_one_account() -> None:
    assert len({row.name(NAMES) for row in CHART}) == len(CHART)


@pytest.mark.parametrize("row", CHART, ids=lambda row: row.template)
def test_a_row_is_found_by_the_name_of_its_account(row: Account) -> None:
    name = row.name(NAMES)

    assert "{" not in name
    assert account_named(name) is row
    assert normal_side(name) == row.normal
    assert row.of_platform == (name == row.template)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "asset",
        "asset:cash",
        "asset:stripe:",
        " asset:stripe",
        "liab:escrow:held",
        "liab:escrow::held",
        "liab:escrow:mst_1",
        "liab:escrow:mst_1:held:more",
        "liab:escrow:1:held",
        "liab:escrow:esc_1:held",
        "liab:escrow:{milestone}:held",
        "liab:payee:pye_1:receivable",
    ],
)
def test_what_the_chart_does_not_have_is_refused_and_grows_by_debits(name: str) -> None:
    with pytest.raises(UnknownAccount, match="the chart of accounts has no"):
        account_named(name)
    assert normal_side(name) == DEBIT


def test_names_are_spelled_in_sql_too() -> None:
    assert accounts.STRIPE.sql() == "'asset:stripe'"
    assert accounts.CONN_OWNER.sql(account="p.stripe_account") == (
        "'conn:' || p.stripe_account || ':owner'"
    )
    assert accounts.HELD.sql(milestone="m.milestone_id") == (
        "'liab:escrow:' || 'mst_' || replace(m.milestone_id::text, '-', '') || ':held'"
    )


def test_a_pattern_takes_an_underscore_for_nothing_else() -> None:
    assert accounts.STRIPE.like == "asset:stripe"
    assert accounts.FEE_HELD.like == r"liab:escrow:%:fee\_held"
    assert accounts.CONN_IN_TRANSIT.like == r"conn:%:in\_transit"


async def test_postgresql_spells_every_name_alike_and_finds_it_by_its_row_alone(
    database: Database,
) -> None:
    columns = {name: f"'{value}'::uuid" for name, value in UUIDS.items()}
    columns["account"] = f"'{ACCOUNT}'"
    columns["balance_transaction"] = f"'{TRANSACTION}'"

    async with connected(database.service_dsn) as connection:
        for row in CHART:
            name = row.name(NAMES)
            assert await connection.fetchval(f"SELECT {row.sql(**columns)}") == name
            found = [
                other
                for other in CHART
                if await connection.fetchval("SELECT $1::text LIKE $2", name, other.like)
            ]
            assert found == [row]

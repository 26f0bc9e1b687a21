"""``escrow balances``, ``journals`` and ``trial-balance``: patterns, periods and files."""

import asyncio
import csv
import io
import json
import os
import signal
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from escrow.v1 import escrow_service_pb2 as pb
from service.cli import balances, journals, trial_balance
from service.domain.ids import new_uuid
from service.store.journals import PAGE
from tests.postgres import Database
from tests.service.cli.processes import Run, escrow_at
from tests.service.operations.marketplace import Marketplace

FORMULA = '=HYPERLINK("https://evil.example";"paid")'


@pytest.fixture
def escrow(market: Marketplace, database: Database) -> Run:
    return escrow_at(market, database)


async def paid(market: Marketplace) -> pb.Escrow:
    """Two deals of 100.00: one is paid out to its payee, and the other's money is held."""
    deal = await market.accept(await market.delivered_escrow(payee=await market.new_payee()))
    await market.work()
    await market.settle()
    await market.funded_escrow()
    await market.settle()
    return await market.read(deal)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def contents(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def header(text: str) -> tuple[str, ...]:
    return tuple(text.splitlines()[0].split(","))


async def test_a_pattern_stands_for_all_accounts_that_fit(market: Marketplace, escrow: Run) -> None:
    deal = await paid(market)
    milestone = deal.milestones[0].id

    held = json.loads((await escrow("balances", "liab:escrow:*:held", "--json")).out)
    every = await escrow("balances", "*", "--csv", "-")
    touched = json.loads((await escrow("journals", "liab:payee:*", "--json")).out)
    of_one = json.loads(
        (await escrow("journals", f"liab:escrow:{milestone}:fee_held", "--json")).out
    )
    underscore = await escrow("balances", "liab:escrow:*:fee_hel_")

    assert sorted(each["balance_minor"] for each in held["balances"]) == [0, 100_00]
    assert header(every.out) == balances.HEADER
    accounts = await market.owner.fetch("SELECT DISTINCT account FROM entries ORDER BY 1")
    assert [row["account"] for row in rows(every.out)] == [row[0] for row in accounts]
    assert {"released", "transfer_requested"} == {each["kind"] for each in touched["journals"]}
    assert [each["kind"] for each in of_one["journals"]] == ["payment_succeeded", "released"]
    assert underscore.out == "nothing is booked there for tenant default\n"  # no pattern of SQL's


async def test_more_accounts_than_a_page_are_all_shown(market: Marketplace, escrow: Run) -> None:
    """Every account comes once, whatever page it is on."""
    count = PAGE + 1
    await market.owner.execute(
        """
        WITH numbers AS (SELECT i, id FROM unnest($1::uuid[]) WITH ORDINALITY AS made (id, i)),
        added AS (
            INSERT INTO journals (tenant_id, journal_id, kind, source_type, source_id, currency,
                operation_id, event_at, created_at)
            SELECT 'other', id, 'topped_up', 'test', i::text, 'USD', id, now(), now() FROM numbers
        )
        INSERT INTO entries (tenant_id, journal_id, line, book, account, currency, amount_minor)
        SELECT 'other', id, line, 'platform', 'asset:unexplained:txn_' || i || line, 'USD',
            CASE line WHEN 1 THEN 7 ELSE -7 END
        FROM numbers, generate_series(1, 2) AS line""",
        [new_uuid(datetime.now(UTC)) for _ in range(count)],
    )

    said = json.loads(
        (await escrow("balances", "asset:unexplained:*", "--tenant", "other", "--json")).out
    )
    listed = json.loads(
        (await escrow("journals", "--tenant", "other", "--from", "2020-01-01", "--json")).out
    )
    newest = json.loads((await escrow("journals", "--tenant", "other", "--json")).out)

    assert len({each["account"] for each in said["balances"]}) == 2 * count
    assert len(said["balances"]) == 2 * count
    assert len({each["journal_id"] for each in listed["journals"]}) == count
    assert len(newest["journals"]) == journals.LATEST
    await market.owner.execute("DELETE FROM entries WHERE tenant_id = 'other'")
    await market.owner.execute("DELETE FROM journals WHERE tenant_id = 'other'")


async def test_a_trial_balance_of_a_period_begins_with_what_was_before(
    market: Marketplace, escrow: Run
) -> None:
    await paid(market)
    last = await market.owner.fetchval(
        "SELECT min(created_at) FROM journals WHERE kind = 'released'"
    )
    since = last.isoformat()
    before = json.loads((await escrow("trial-balance", "--to", since, "--json")).out)
    after = json.loads((await escrow("trial-balance", "--from", since, "--json")).out)
    whole = json.loads((await escrow("trial-balance", "--json")).out)
    shown = await escrow("trial-balance")
    file = await escrow("trial-balance", "--by-account", "--csv", "-")

    def amounts(said: dict[str, Any], name: str) -> dict[str, int]:
        return {each["account"]: each[name] for each in said["accounts"] if each[name]}

    assert amounts(before, "opening_minor") == {}
    assert amounts(before, "closing_minor") == amounts(after, "opening_minor")
    assert amounts(after, "closing_minor") == amounts(whole, "closing_minor")
    assert amounts(whole, "closing_minor")["liab:escrow:*:held"] == -100_00
    assert amounts(whole, "debit_minor")["liab:payee:*:payable"] == 80_00
    assert amounts(whole, "credit_minor")["liab:payee:*:payable"] == 80_00
    assert whole["balanced"] is True
    assert {total["book"] for total in whole["totals"]} == {"platform", "connected"}
    assert shown.status == 0
    assert shown.out.count("sums to zero") == 2
    assert header(file.out) == trial_balance.HEADER
    assert sum(int(row["closing_minor"]) for row in rows(file.out)) == 0
    held = [int(r["closing_minor"]) for r in rows(file.out) if r["account"].endswith(":held")]
    assert sorted(held) == [-100_00, 0]


async def test_a_trial_balance_that_is_off_exits_with_1(market: Marketplace, escrow: Run) -> None:
    await paid(market)
    spoil = "UPDATE entries SET amount_minor = amount_minor + {} WHERE account = 'rev:service_fee'"
    await market.owner.execute(spoil.format(1))

    said = await escrow("trial-balance")
    told = await escrow("trial-balance", "--json")

    assert (said.status, told.status) == (1, 1)
    assert "out of balance" in said.out
    assert json.loads(told.out)["balanced"] is False
    await market.owner.execute(spoil.format(-1))


async def test_a_period_has_its_beginning_and_not_its_end(market: Marketplace, escrow: Run) -> None:
    deal = await paid(market)
    booked = await market.owner.fetch(
        "SELECT journal_id, created_at FROM journals ORDER BY journal_id"
    )
    third, fifth = (booked[n]["created_at"].isoformat() for n in (2, 4))
    wanted = [
        f"jrn_{row['journal_id'].hex}"
        for row in booked
        if booked[2]["created_at"] <= row["created_at"] < booked[4]["created_at"]
    ]

    said = await escrow("journals", "--from", third, "--to", fifth, "--json")
    tomorrow = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}"
    of_today = await escrow("journals", "--to", tomorrow, "--escrow", deal.id, "--csv", "-")
    none = await escrow("journals", "--from", tomorrow)

    assert [each["journal_id"] for each in json.loads(said.out)["journals"]] == wanted
    assert {row["escrow_id"] for row in rows(of_today.out)} == {deal.id}
    assert none.out == "nothing is booked there for tenant default\n"


async def test_people_read_dates_ids_and_names_that_balances_takes(
    market: Marketplace, escrow: Run
) -> None:
    deal = await paid(market)

    said = await escrow("journals", "--escrow", deal.id)
    accounts = {word for word in said.out.split() if word.startswith(("liab:", "asset:", "conn:"))}
    summed = await escrow("balances", *accounts, "--json")

    assert f"{datetime.now(UTC):%Y-%m-%d}" in said.out
    assert "payment_succeeded" in said.out
    assert "jrn_" in said.out
    assert deal.id in said.out
    assert f"liab:escrow:{deal.milestones[0].id}:held" in accounts
    assert {each["account"] for each in json.loads(summed.out)["balances"]} == accounts


async def test_journals_of_an_escrow_are_found_by_its_reference_in_the_order_of_posting(
    market: Marketplace, escrow: Run
) -> None:
    deal, other = await paid(market), await paid(market)

    said = await escrow("journals", "--escrow", deal.reference, "--json")
    none = await escrow("journals", "--escrow", "job-1")
    await market.owner.execute("UPDATE escrows SET reference = 'the same'")
    both = await escrow("journals", "--escrow", "the same")

    journals = json.loads(said.out)["journals"]
    assert {each["escrow_id"] for each in journals} == {deal.id}
    in_order = await market.owner.fetch(
        "SELECT journal_id FROM journals WHERE escrow_id = $1 ORDER BY ctid", uuid.UUID(deal.id[4:])
    )
    assert [each["journal_id"] for each in journals] == [f"jrn_{j.hex}" for (j,) in in_order]
    assert (none.status, none.out) == (2, "")
    assert none.err == "escrow: No escrow of tenant default is called 'job-1'.\n"
    assert both.status == 2
    assert all(id_ in both.err for id_ in (deal.id, other.id))


async def test_where_a_link_leads_is_written_and_the_link_stays(
    market: Marketplace, escrow: Run, tmp_path: Path
) -> None:
    await paid(market)
    file, link = tmp_path / "there" / "books.csv", tmp_path / "link.csv"
    file.parent.mkdir()
    link.symlink_to(file)

    for _ in range(2):  # at first it leads nowhere
        assert (await escrow("balances", "--csv", str(link))).status == 0

    assert link.is_symlink()
    assert len(rows(file.read_text())) > 1
    assert contents(tmp_path) == [link, file.parent, file]
    loop = tmp_path / "loop.csv"
    loop.symlink_to(loop)
    said = await escrow("balances", "--csv", str(loop))
    assert (said.status, said.err.count("\n")) == (2, 1)
    assert said.err.startswith(f"escrow: cannot write {loop}: ")


@pytest.mark.parametrize(
    "command",
    [["journals"], ["journals", "--json"], ["balances", "--csv", "-"], ["show", "--help"]],
)
async def test_an_output_that_cannot_be_written_is_not_the_databases_fault(
    market: Marketplace, database: Database, command: list[str]
) -> None:
    await paid(market)
    full = os.open("/dev/full", os.O_WRONLY)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "service", *command),
        env=os.environ | {"ESCROW_DATABASE_URL": database.reader_dsn},
        stdout=full,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    os.close(full)

    told = "the output cannot be written: No space left on device"
    assert process.returncode == 2
    if "--json" in command:
        assert json.loads(said)["error"]["message"] == told
    else:
        assert said.decode() == f"escrow: {told}\n"


async def test_a_file_holds_every_entry_and_no_formula(
    market: Marketplace, escrow: Run, tmp_path: Path
) -> None:
    deal = await paid(market)
    await market.owner.execute("UPDATE escrows SET reference = $1", FORMULA)
    file = tmp_path / "journals.csv"

    said = await escrow("journals", "--csv", str(file))

    assert (said.status, said.out) == (0, "")
    text = file.read_text()
    assert header(text) == journals.HEADER
    found = rows(text)
    booked = await market.owner.fetchval("SELECT count(*) FROM entries")
    assert len(found) == booked
    assert {row["reference"] for row in found} == {f"'{FORMULA}"}
    ours = [row for row in found if row["escrow_id"] == deal.id and row["kind"] == "released"]
    assert [(row["debit_minor"], row["credit_minor"], row["currency"]) for row in ours] == [
        ("10000", "", "USD"),
        ("500", "", "USD"),
        ("", "8000", "USD"),
        ("", "2000", "USD"),
        ("", "500", "USD"),
    ]
    debits, credits_ = (
        sum(int(row[name] or 0) for row in found) for name in ("debit_minor", "credit_minor")
    )
    assert debits == credits_ > 0
    assert contents(tmp_path) == [file]


@pytest.mark.parametrize("command", ["journals", "balances", "trial-balance"])
async def test_a_file_that_cannot_be_written_is_one_line_and_nothing_is_left(
    escrow: Run, tmp_path: Path, command: str
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    kept = tmp_path / "kept.csv"
    kept.write_text("as it was")

    folder = await escrow(command, "--csv", str(closed))
    nowhere = await escrow(command, "--csv", str(tmp_path / "none" / "a.csv"))
    wrong = await escrow(command, "--csv", str(kept), "--tenant", "x", "--nonsense", "1")

    for said in (folder, nowhere):
        assert (said.status, said.out) == (2, "")
        assert said.err.startswith("escrow: cannot write ")
        assert said.err.count("\n") == 1
    assert wrong.status == 2
    assert "No such option" in wrong.err
    assert kept.read_text() == "as it was"
    assert contents(tmp_path) == [closed, kept]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["journals", "--from", "monday"], "--from: 'monday' is not a time"),
        (
            ["journals", "--from", "2026-11-02", "--to", "2026-11-02"],
            "--to: 2026-11-02 is not after",
        ),
        (["trial-balance", "--from", "2026-02-30"], "--from: '2026-02-30' is not a time"),
        (["trial-balance", "--to", "2026-12-01", "--as-of", "2026-11-01T00:00"], "with --to"),
        (["journals", "liab:nobody"], "ACCOUNTS: the chart of accounts has no 'liab:nobody'"),
        (["journals", "--csv", ""], "--csv: must name a file, or be - for standard output"),
        (["balances", "--csv", " "], "--csv: must name a file"),
        (["journals", "--kind", "released"], "No such option: --kind"),
    ],
)
async def test_what_cannot_be_asked_is_told(
    escrow: Run, arguments: list[str], complaint: str
) -> None:
    said = await escrow(*arguments)
    told = await escrow(*arguments, "--json")

    assert (said.status, said.out) == (2, "")
    assert said.err.startswith("escrow: ")
    assert complaint in said.err
    assert said.err.count("\n") == 1
    assert (told.status, told.out) == (2, "")
    assert json.loads(told.err)["error"]["status"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    "command",
    [["journals"], ["journals", "--json"], ["journals", "--csv", "-"], ["version"], ["verify"]],
)
async def test_a_reader_that_goes_away_ends_it_quietly(
    market: Marketplace, database: Database, command: list[str]
) -> None:
    await paid(market)
    environment = os.environ | {
        "ESCROW_AUTH": "development",
        "ESCROW_DATABASE_URL": database.reader_dsn,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "service", *command),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
    _, said = await process.communicate()

    assert said == b""
    assert process.returncode == 128 + signal.SIGPIPE

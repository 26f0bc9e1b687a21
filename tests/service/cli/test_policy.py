"""``escrow policy``: a marketplace applies its own fees from a file."""

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from service.domain.policy import Periods, Policy
from tests.postgres import Database
from tests.service.cli.processes import Run, escrow_at
from tests.service.operations.marketplace import Marketplace, usd

OWN = """\
currencies:
  USD:
    payment_limits: {least_minor: 200, most_minor: 50000}
    payer_fee: {basis_points: 300, fixed_minor: 30}
    payee_fee: {basis_points: 1000}
"""
WHY = ("--reason", "our own fees")


@pytest.fixture
def escrow(market: Marketplace, database: Database) -> Run:
    return escrow_at(market, database)


async def test_a_marketplace_applies_three_percent_and_thirty_cents(
    market: Marketplace, escrow: Run, tmp_path: Path
) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(OWN)
    older = await market.new_escrow(100_00)

    async with market.unchanged():
        tried = await escrow("policy", "apply", str(file), "--dry-run", *WHY)
    applied = await escrow("policy", "apply", str(file), "--json", *WHY)
    again = await escrow("policy", "apply", str(file), *WHY)
    newer = await market.new_escrow(100_00)

    assert tried.status == 0, tried.err
    assert (
        "currencies.USD.payer_fee.fixed_minor: 0 (0.00 USD) by default -> 30 (0.30 USD)"
        in tried.out
    )
    assert re.search(r"^no longer charged, \d{3} currencies: AED, AFN, ", tried.out)
    assert len(tried.out.splitlines()) < 12
    assert "nothing is written; it would be version 2" in tried.out
    changed = json.loads(applied.out)
    assert changed["policy_version"] == 2
    found = {each.pop("path"): each for each in changed["changes"]}
    gone = {"before": 500, "after": None, "by_default": ""}
    assert found["currencies.AED.payer_fee.basis_points"] == gone
    said = {"before": 0, "after": 30, "by_default": "before"}
    assert found["currencies.USD.payer_fee.fixed_minor"] == said
    assert again.out == "version 2 says the same already\n"
    assert (older.policy_version, newer.policy_version) == (1, 2)
    assert (await market.fund(older)).amount == usd(105_00)
    assert (await market.fund(newer)).amount == usd(103_30)


async def test_what_is_the_same_for_many_currencies_is_one_line(
    escrow: Run, tmp_path: Path
) -> None:
    file = tmp_path / "policy.yaml"
    shown = (await escrow("policy", "show")).out
    file.write_text(shown.replace("basis_points: 500", "basis_points: 300"))

    (line, *rest) = (await escrow("policy", "diff", str(file))).out.splitlines()

    assert re.match(
        r"currencies\.\*\.payer_fee\.basis_points: 500 -> 300, \d{3} currencies: AED", line
    )
    assert len(rest) == 1


async def test_every_place_is_told_at_once(escrow: Run, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(OWN.replace("least_minor: 200", "least_minor: 20").replace("    payee", "#"))

    said = await escrow("policy", "lint", str(file), "--json")

    violations = json.loads(said.err)["error"]["violations"]
    assert [each["field"] for each in violations] == [
        "currencies.USD.payee_fee",
        "currencies.USD.payment_limits.least_minor",
    ]


async def test_what_is_shown_can_be_applied(escrow: Run, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text((await escrow("policy", "show")).out)

    assert (await escrow("policy", "lint", str(file))).status == 0
    assert (await escrow("policy", "diff", str(file))).out == "version 1 says the same already\n"


async def test_what_is_so_by_default_is_shown_and_means_the_same_when_it_is_said(
    escrow: Run, tmp_path: Path
) -> None:
    shown = (await escrow("policy", "show")).out
    silent = shown.partition("where nothing is said:\n")[2]
    for name in (
        each.name for each in fields(Policy) if each.name not in ("currencies", "approvals")
    ):
        assert f"\n# {name}: " in f"\n{silent}"
    for period in fields(Periods):
        assert f"{period.name}: " in silent
    file = tmp_path / "policy.yaml"

    file.write_text(re.sub(r"^# (?=\w+: |  )", "", shown, flags=re.MULTILINE))
    assert (await escrow("policy", "diff", str(file))).out == "version 1 says the same already\n"

    file.write_text(file.read_text().replace("answer_hours: 120", "answer_hours: 12"))
    (line, _) = (await escrow("policy", "diff", str(file))).out.splitlines()
    assert line == "periods.answer_hours: 120 by default -> 12"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (OWN.replace("fixed_minor: 30", "fixed: 30"), "payer_fee.fixed: is not known; known are"),
        (OWN.replace("least_minor: 200", "least_minor: 49"), "must be at least 50 (0.50 USD)"),
        (OWN.replace("  USD:", "  XXX:"), "currencies.XXX: is no currency"),
        (OWN + "currencies: {}\n", 'line 6: found duplicate key "currencies"'),
        ("currencies: [", "line 1: "),
        ("", "must have currencies"),
        (OWN.replace("least_minor: 200", f"least_minor: {'9' * 5_000}"), "is no policy: "),
        ("[" * 1_000 + "]" * 1_000, "is no policy: "),
        ("a: &a [1, 1]\nb: [*a, *a]\n", "has aliases (*name): write out what they stand for"),
        ("# " + "x" * 1_000_000, "is longer than 1,000,000 characters"),
    ],
)
async def test_a_file_that_is_no_policy_is_told_with_the_place(
    escrow: Run, market: Marketplace, tmp_path: Path, text: str, says: str
) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(text)

    async with market.unchanged():
        linted = await escrow("policy", "lint", str(file))
        applied = await escrow("policy", "apply", str(file), *WHY)

    assert (linted.status, applied.status) == (2, 2)
    assert says in linted.err
    assert "Traceback" not in applied.err


async def test_a_file_that_is_not_there_is_one_line(escrow: Run) -> None:
    said = await escrow("policy", "lint", "nowhere.yaml")
    assert said.status == 2
    assert said.err.startswith("escrow: nowhere.yaml cannot be read: ")

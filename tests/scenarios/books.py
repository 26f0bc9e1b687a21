"""What the ledger should say: journals as kinds with their entries, debits positive.

Most scenarios are about one milestone of 100.00 USD: the payer pays 5 % on top, Stripe keeps 2.9 %
and 0.30 of the 105.00, and 20 % is kept from the payee.
"""

from collections.abc import Mapping
from typing import NamedTuple

import asyncpg

from tests.scenarios.sandbox_client import SandboxClient

JOURNALS = """
SELECT j.journal_id, j.kind, e.account, e.amount_minor
FROM journals AS j JOIN entries AS e USING (tenant_id, journal_id)
WHERE j.escrow_id = $1::uuid OR (j.source_type = 'payout' AND e.account LIKE $2)
ORDER BY j.journal_id, e.line"""
WHAT_STRIPE_HOLDS = """
SELECT account, currency, sum(amount_minor)::bigint AS amount_minor FROM entries
WHERE tenant_id = 'default' AND (
    account IN ('asset:stripe', 'asset:stripe_unsettled', 'liab:transfers_in_flight')
    OR account LIKE 'conn:%:balance' OR account LIKE 'conn:%:external')
GROUP BY account, currency HAVING sum(amount_minor) <> 0"""

Expected = tuple[str, Mapping[str, int]]


class Journal(NamedTuple):
    """One journal with its entries by account; ids in accounts say m1, payee, account."""

    kind: str
    entries: tuple[tuple[str, int], ...]


def books(*journals: Expected) -> list[Journal]:
    """These journals, each once, whatever their order."""
    return sorted(Journal(kind, tuple(sorted(lines.items()))) for kind, lines in journals)


async def read_journals(
    pool: asyncpg.Pool, escrow_id: str, names: Mapping[str, str], *, account: str = ""
) -> list[Journal]:
    """Everything that was booked for an escrow, and for the payouts of a connected account.

    Args:
        pool: of the database.
        escrow_id: "esc_...".
        names: what the ids in the names of accounts are called.
        account: "acct_...".
    """
    found: dict[str, tuple[str, dict[str, int]]] = {}
    rows = await pool.fetch(JOURNALS, uuid_of(escrow_id), f"conn:{account}:%")
    for row in rows:
        _, lines = found.setdefault(row["journal_id"], (row["kind"], {}))
        named = ":".join(names.get(part, part) for part in row["account"].split(":"))
        # One account may stand on both sides of a journal (a payout's return).
        lines[named] = lines.get(named, 0) + row["amount_minor"]
    return books(*found.values())


async def assert_same_as_stripe(pool: asyncpg.Pool, sandbox: SandboxClient) -> None:
    """When nothing is on its way: our books say of the platform and of every connected account what
    Stripe's own books say, and nothing is left unsettled or in flight.
    """
    ours: dict[str, dict[str, int]] = {}
    for (holder, currency), amount_minor in (await held_at_stripe(pool)).items():
        ours.setdefault(holder, {})[currency] = amount_minor
    theirs = {name: held for name, held in (await sandbox.balances()).items() if held}
    assert ours == theirs, f"ours {ours}, Stripe's {theirs}"


async def held_at_stripe(pool: asyncpg.Pool) -> dict[tuple[str, str], int]:
    """What our books say of the platform and of every connected account, by (holder, currency).
    What is unsettled or in flight is a holder of its own, which Stripe does not know.
    """
    held: dict[tuple[str, str], int] = {}
    for account, currency, amount_minor in await pool.fetch(WHAT_STRIPE_HOLDS):
        name = account.split(":")[1] if account.startswith("conn:") else account
        key = "platform" if name == "asset:stripe" else name, currency
        held[key] = held.get(key, 0) + amount_minor
    return {key: amount_minor for key, amount_minor in held.items() if amount_minor}


def uuid_of(shown: str) -> str:
    """The UUID in an id such as esc_..."""
    return shown.partition("_")[2]


def funded(amount_minor: int, payer_fee_minor: int, milestone: str = "m1") -> Expected:
    return (
        "payment_succeeded",
        {
            "asset:stripe_unsettled": amount_minor + payer_fee_minor,
            f"liab:escrow:{milestone}:held": -amount_minor,
            f"liab:escrow:{milestone}:fee_held": -payer_fee_minor,
        },
    )


def settled(amount_minor: int, processing_fee_minor: int) -> Expected:
    return (
        "charge_settled",
        {
            "asset:stripe": amount_minor - processing_fee_minor,
            "exp:processing": processing_fee_minor,
            "asset:stripe_unsettled": -amount_minor,
        },
    )


def released(
    amount_minor: int, *, payee_fee_minor: int, payer_fee_minor: int, milestone: str = "m1"
) -> Expected:
    return (
        "released",
        {
            f"liab:escrow:{milestone}:held": amount_minor,
            f"liab:escrow:{milestone}:fee_held": payer_fee_minor,
            "liab:payee:payee:payable": payee_fee_minor - amount_minor,
            "rev:service_fee": -payee_fee_minor,
            "rev:platform_fee": -payer_fee_minor,
        },
    )


def requested(amount_minor: int) -> Expected:
    return (
        "transfer_requested",
        {"liab:payee:payee:payable": amount_minor, "liab:transfers_in_flight": -amount_minor},
    )


def refused(amount_minor: int) -> Expected:
    return (
        "transfer_refused",
        {"liab:transfers_in_flight": amount_minor, "liab:payee:payee:payable": -amount_minor},
    )


def confirmed(amount_minor: int) -> Expected:
    return (
        "transfer_confirmed",
        {
            "liab:transfers_in_flight": amount_minor,
            "asset:stripe": -amount_minor,
            "conn:account:balance": amount_minor,
            "conn:account:owner": -amount_minor,
        },
    )


def paid_out(kind: str, amount_minor: int, *, debit: str, credit: str) -> Expected:
    """A journal of the connected book: from one of its accounts to another."""
    return (kind, {f"conn:account:{debit}": amount_minor, f"conn:account:{credit}": -amount_minor})


FUNDED = funded(10_000, 500)
SETTLED = settled(10_500, 335)
RELEASED = released(10_000, payee_fee_minor=2_000, payer_fee_minor=500)
REQUESTED = requested(8_000)
CONFIRMED = confirmed(8_000)
TRANSFERRED = (FUNDED, SETTLED, RELEASED, REQUESTED, CONFIRMED)
PAYOUT_CREATED = paid_out("payout_created", 8_000, debit="in_transit", credit="balance")
PAYOUT_PAID = paid_out("payout_paid", 8_000, debit="owner", credit="in_transit")
# Through in_transit and back: the two lines of an account are shown as their sum.
PAYOUT_RETURNED_AFTER_PAID = (
    "payout_returned_after_paid",
    {"conn:account:balance": 8_000, "conn:account:owner": -8_000, "conn:account:in_transit": 0},
)

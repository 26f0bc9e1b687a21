"""What each payee must have received, worked out once more from what was agreed and from Stripe's
lists, and by no code of the service.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from math import ceil, floor
from uuid import UUID

import asyncpg

from tests.chaos.caller import Breach
from tests.chaos.currencies import PRESENTED
from tests.scenarios.sandbox_client import Json, SandboxClient
from tests.world import World

RELEASES = """
SELECT 'rel_' || replace(r.release_id::text, '-', '') AS id, r.state, r.sent_minor,
    r.currency, p.stripe_charge, r.destination, (
        SELECT count(*) FROM refunds AS f WHERE f.tenant_id = r.tenant_id
        AND f.payment_id = r.payment_id) AS refunds
FROM releases AS r JOIN payments AS p USING (tenant_id, payment_id)"""
# Those of which everything was paid, released and transferred, and nothing refunded.
GONE = """
SELECT e.escrow_id, e.currency,
    array(SELECT m.amount_minor FROM milestones AS m
        WHERE m.tenant_id = e.tenant_id AND m.escrow_id = e.escrow_id) AS prices_minor,
    array(SELECT r.payee_share_minor FROM releases AS r
        WHERE r.tenant_id = e.tenant_id AND r.escrow_id = e.escrow_id) AS shares_minor
FROM escrows AS e WHERE e.state = 'COMPLETED' AND NOT EXISTS (
    SELECT FROM milestones AS m LEFT JOIN payments AS p
        ON p.tenant_id = m.tenant_id AND p.payment_id = m.payment_id
    WHERE m.tenant_id = e.tenant_id AND m.escrow_id = e.escrow_id
    AND (m.state <> 'RELEASED' OR p.stripe_balance_transaction IS NULL))
AND NOT EXISTS (
    SELECT FROM releases AS r WHERE r.tenant_id = e.tenant_id AND r.escrow_id = e.escrow_id
    AND r.state <> 'TRANSFERRED')
AND NOT EXISTS (
    SELECT FROM refunds AS r WHERE r.tenant_id = e.tenant_id AND r.escrow_id = e.escrow_id)
AND NOT EXISTS (
    SELECT FROM journals AS j WHERE j.tenant_id = e.tenant_id AND j.escrow_id = e.escrow_id
    AND j.kind = 'payment_unexpected')"""
LEFT = """
SELECT e.account, e.currency, sum(e.amount_minor)::bigint AS left_minor
FROM entries AS e JOIN journals AS j USING (tenant_id, journal_id)
WHERE j.escrow_id = $1 AND e.account LIKE ANY ($2::text[])
GROUP BY e.account, e.currency HAVING sum(e.amount_minor) <> 0"""
ENTRIES = """
SELECT j.kind, j.source_id, e.account, e.currency, e.amount_minor
FROM entries AS e JOIN journals AS j USING (tenant_id, journal_id)
WHERE j.escrow_id = $1 ORDER BY j.journal_id, e.line"""
DRAINED = (
    "asset:exchange",
    "asset:stripe_unsettled",
    "liab:escrow:%",
    "liab:payee:%",
    "liab:transfers_in_flight",
)
FEE_PERCENT = 20  # of a price; the payee gets the rest
BROUGHT = """
SELECT split_part(e.account, ':', 2) AS account, e.currency, sum(e.amount_minor)::bigint
FROM entries AS e JOIN journals AS j USING (tenant_id, journal_id)
WHERE e.account LIKE 'conn:%:balance' AND j.kind IN ('transfer_confirmed', 'arrived_converted')
GROUP BY 1, 2"""


async def check_received(world: World, given_back: set[str]) -> list[Breach]:
    """Every difference between what payees got and what they must have got. ``given_back`` are the
    releases of what somebody had taken back at Stripe, to the cent that they took.
    """
    charges = await _by_id(world.sandbox, "/v1/charges")
    moved = await _by_id(world.sandbox, "/v1/balance_transactions")
    transfers = [t for t in await world.sandbox.all_of("/v1/transfers") if _is_ours(t)]
    releases = {row["id"]: row for row in await world.pool.fetch(RELEASES)}
    return [
        *_transferred_as_charged(releases, transfers, charges, moved, given_back),
        *await _arrived_as_transferred(world, transfers),
        *[b for row in await world.pool.fetch(GONE) for b in await _gone_without_rest(world, row)],
    ]


def _transferred_as_charged(
    releases: dict[str, asyncpg.Record],
    transfers: Iterable[Json],
    charges: dict[str, Json],
    moved: dict[str, Json],
    given_back: set[str],
) -> list[Breach]:
    """Each transfer is its share of what the charge came to, in that currency, to the cent: the
    cent that no part has whole goes to one of them.
    """
    made = defaultdict(list)
    for transfer in transfers:
        made[transfer["metadata"]["release"]].append(transfer)
    breaches = []
    for id_, row in releases.items():
        if row["state"] != "TRANSFERRED":
            continue
        charge = charges[row["stripe_charge"]]
        settled = moved[charge["balance_transaction"]]
        # What of the share was not netted. Each refund of a converted payment may shift a cent.
        exact = Fraction((row["sent_minor"] or 0) * settled["amount"], charge["amount_captured"])
        shift = row["refunds"] if settled["currency"] != charge["currency"] else 0
        if id_ in given_back:  # the share is rounded, and the transfer is not
            shift += ceil(Fraction(settled["amount"], charge["amount_captured"]))
        taken = sum(transfer["amount"] for transfer in made[id_])
        wrong = [t["id"] for t in made[id_] if t["currency"] != settled["currency"]]
        wrong += [t["id"] for t in made[id_] if t["destination"] != row["destination"]]
        fits = floor(exact) - shift <= taken <= ceil(exact) + shift
        if wrong or not fits or len(made[id_]) > 1:
            facts = {**row, "must be": f"{float(exact)} {settled['currency']}", "is": taken}
            breaches.append(Breach("a payee's share is another", {**facts, "wrong": wrong}))
    return breaches


async def _arrived_as_transferred(world: World, transfers: Iterable[Json]) -> list[Breach]:
    """The book of each connected account got, by currency, what our transfers came to there."""
    must: Counter[tuple[str, str]] = Counter()
    breaches = []
    listed: dict[str, tuple[dict[str, Json], dict[str, Json]]] = {}
    for transfer in transfers:
        account = transfer["destination"]
        if account not in listed:
            listed[account] = (
                await _by_id(world.sandbox, "/v1/charges", account),
                await _by_id(world.sandbox, "/v1/balance_transactions", account),
            )
        payments, moved = listed[account]
        arrived = moved[payments[transfer["destination_payment"]]["balance_transaction"]]
        must[account, arrived["currency"].upper()] += arrived["amount"]
        if arrived["amount"] != _converted(transfer["amount"], arrived["exchange_rate"]):
            facts = {"transfer": transfer["id"], "sent": transfer["amount"], "arrived": arrived}
            breaches.append(Breach("another amount arrived", facts))
    rows = await world.pool.fetch(BROUGHT)
    booked = {(row[0], row[1]): row[2] for row in rows}
    return breaches + [
        Breach("booked other than arrived", {"of": key, "is": booked.get(key), "must": must[key]})
        for key in sorted(booked.keys() | must.keys())
        if booked.get(key, 0) != must[key]
    ]


def _fee(price_minor: int, step_minor: int) -> int:
    fee = Decimal(price_minor * FEE_PERCENT) / 100 / step_minor
    return int(fee.quantize(Decimal(1), ROUND_HALF_UP)) * step_minor


async def _gone_without_rest(world: World, row: asyncpg.Record) -> list[Breach]:
    """Of an escrow that has gone completely nothing is left anywhere, in any currency, and the
    payee got the prices, each less its own fee.
    """
    breaches = await nothing_left(world.pool, row["escrow_id"])
    step_minor = PRESENTED[row["currency"]].step_minor
    must_minor = sum(price - _fee(price, step_minor) for price in row["prices_minor"])
    if sum(row["shares_minor"]) != must_minor:
        breaches.append(Breach("a payee's price is another", {**row, "must be": must_minor}))
    return breaches


async def nothing_left(pool: asyncpg.Pool, escrow_id: UUID) -> list[Breach]:
    """Every account in which something is left of an escrow that has gone."""
    left = await pool.fetch(LEFT, escrow_id, DRAINED)
    entries = await pool.fetch(ENTRIES, escrow_id) if left else []
    journals = [" ".join(map(str, entry)) for entry in entries]
    return [
        Breach("something is left of an escrow", {**rest, "escrow": escrow_id, "rows": journals})
        for rest in left
    ]


async def _by_id(sandbox: SandboxClient, path: str, account: str = "") -> dict[str, Json]:
    return {each["id"]: each for each in await sandbox.all_of(path, account)}


def _is_ours(transfer: Json) -> bool:
    return "release" in transfer["metadata"]


def _converted(amount_minor: int, rate: float | None) -> int:
    exact = amount_minor * Decimal(str(rate or 1))
    return int(exact.quantize(Decimal(1), ROUND_HALF_UP))

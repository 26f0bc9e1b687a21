"""What payers got back: every refund of ours is one at Stripe, in the state and the amount that
Stripe shows, and nobody gets more back than they paid.
"""

from collections import Counter, defaultdict

import asyncpg

from escrow.v1.refund_service_pb2 import RefundResolution
from tests.chaos.caller import Breach, Caller
from tests.chaos.listed import is_ours
from tests.chaos.received import nothing_left
from tests.scenarios.sandbox_client import Json
from tests.world import World

REFUNDS = """
SELECT 'rfn_' || replace(r.refund_id::text, '-', '') AS id, r.state, r.amount_minor, r.currency,
    r.stripe_refund, r.failure_code, p.stripe_charge
FROM refunds AS r JOIN payments AS p USING (tenant_id, payment_id)
WHERE r.chargeback_id IS NULL"""
IN_FLIGHT = """
SELECT currency, -sum(amount_minor)::bigint FROM entries WHERE account = 'liab:refunds_in_flight'
GROUP BY currency HAVING sum(amount_minor) <> 0"""
# Of which nothing is under way, with whoever has to give it: nothing of them is left anywhere.
GONE = """
SELECT e.escrow_id FROM escrows AS e WHERE EXISTS (
    SELECT FROM refunds AS r WHERE r.tenant_id = e.tenant_id AND r.escrow_id = e.escrow_id)
AND NOT EXISTS (
    SELECT FROM refunds AS r WHERE r.tenant_id = e.tenant_id AND r.escrow_id = e.escrow_id
    AND r.state NOT IN ('SUCCEEDED', 'REJECTED', 'PUT_BACK', 'PAID_OUTSIDE', 'CHARGED_BACK'))
AND NOT EXISTS (
    SELECT FROM receivables AS d WHERE d.tenant_id = e.tenant_id AND d.escrow_id = e.escrow_id
    AND (d.state <> 'SETTLED' OR d.written_off_minor > 0))
AND NOT EXISTS (
    SELECT FROM milestones AS m LEFT JOIN payments AS p USING (tenant_id, payment_id)
    WHERE m.tenant_id = e.tenant_id AND m.escrow_id = e.escrow_id
    AND (m.state NOT IN ('RELEASED', 'REFUNDED') OR p.stripe_balance_transaction IS NULL))
AND NOT EXISTS (
    SELECT FROM releases AS r WHERE r.tenant_id = e.tenant_id AND r.escrow_id = e.escrow_id
    AND r.state NOT IN ('TRANSFERRED', 'RETURNED'))
AND NOT EXISTS (
    SELECT FROM journals AS j WHERE j.tenant_id = e.tenant_id AND j.escrow_id = e.escrow_id
    AND j.kind = 'payment_unexpected')"""
UNDONE = ("failed", "canceled")
# What Stripe shows of a refund in each of our states, but for those that it has undone.
STANDING = {"SUCCEEDED": "succeeded", "PENDING": "pending", "REQUIRES_ACTION": "requires_action"}
WITH_THE_PAYER = ("SUCCEEDED", "PAID_OUTSIDE")
ENDED = ("SUCCEEDED", "FAILED", "REJECTED", "PUT_BACK", "PAID_OUTSIDE")


def adopted(caller: Caller) -> dict[str, str]:
    """The refunds that clients were told are ours now: by the id at Stripe that of ours."""
    told = (i.answer for i in caller.intentions if i.method == "AdoptRefund" and i.answer)
    return {a.refund.stripe_refund: a.refund.id for a in told}


def _adopted_still(caller: Caller) -> set[str]:
    """Those of them that did not fail and were sent again: Stripe has made others of these."""
    sent_again = _resolved(caller, RefundResolution.REFUND_RESOLUTION_SEND_AGAIN)
    return {at_stripe for at_stripe, ours in adopted(caller).items() if ours not in sent_again}


def put_back(caller: Caller) -> set[str]:
    """Our ids of the refunds whose money went back to where it was, because an operator said so."""
    return _resolved(caller, RefundResolution.REFUND_RESOLUTION_PUT_BACK)


def _resolved(caller: Caller, how: RefundResolution.ValueType) -> set[str]:
    return {
        i.request.refund_id
        for i in caller.intentions
        if i.method == "ResolveRefund" and i.answer and i.request.resolution == how
    }


async def check_refunded(world: World, caller: Caller) -> list[Breach]:
    """Every breach there is."""
    listed = {each["id"]: each for each in await world.sandbox.all_of("/v1/refunds")}
    charges = {each["id"]: each for each in await world.sandbox.all_of("/v1/charges")}
    rows = await world.pool.fetch(REFUNDS)
    gone = await world.pool.fetch(GONE)
    return [
        *[b for row in gone for b in await nothing_left(world.pool, row["escrow_id"])],
        *_one_to_one(rows, listed),
        *_no_more_than_paid(rows, charges),
        *await _in_flight(world.pool, rows),
        *_as_adopted(rows, listed, _adopted_still(caller)),
    ]


def _one_to_one(rows: list[asyncpg.Record], listed: dict[str, Json]) -> list[Breach]:
    made = defaultdict(list)
    for each in listed.values():
        if is_ours(each):
            made[each["metadata"]["refund"]].append(each)
    breaches = []
    for row in rows:
        found = made.pop(row["id"], [])
        if row["stripe_refund"] and row["stripe_refund"] not in {each["id"] for each in found}:
            found = [*found, listed[row["stripe_refund"]]]
        standing = [each["status"] for each in found if each["status"] not in UNDONE]
        meant = [STANDING[row["state"]]] if row["state"] in STANDING else []
        wanted = row["amount_minor"], row["currency"].lower(), row["stripe_charge"]
        shown = {(each["amount"], each["currency"], each["charge"]) for each in found}
        if standing != meant or shown - {wanted}:
            breaches.append(Breach("not refunded exactly once", {**row, "at Stripe": found}))
        if row["state"] not in ENDED:
            breaches.append(Breach("a refund never ends", dict(row)))
    return breaches + [Breach("a refund of ours is not here", {"of": of}) for of in made]


def _no_more_than_paid(rows: list[asyncpg.Record], charges: dict[str, Json]) -> list[Breach]:
    back: Counter[str] = Counter()
    for row in rows:
        if row["state"] in WITH_THE_PAYER:
            back[row["stripe_charge"]] += row["amount_minor"]
    return [
        Breach("more was given back than paid", {"charge": charge, "back": amount_minor})
        for charge, amount_minor in back.items()
        if amount_minor > charges[charge]["amount_captured"]
    ]


async def _in_flight(pool: asyncpg.Pool, rows: list[asyncpg.Record]) -> list[Breach]:
    """What is in flight in the books is what has failed, and nobody has said what becomes of it."""
    failed: Counter[str] = Counter()
    for row in rows:
        if row["state"] == "FAILED":
            failed[row["currency"]] += row["amount_minor"]
    booked = {row[0]: row[1] for row in await pool.fetch(IN_FLIGHT)}
    if booked == failed:
        return []
    return [Breach("refunds in flight differ", {"booked": booked, "failed": dict(failed)})]


def _as_adopted(
    rows: list[asyncpg.Record], listed: dict[str, Json], told: set[str]
) -> list[Breach]:
    """Of the dashboard's refunds those are ours that clients were told of, and no others."""
    here = {row["stripe_refund"] for row in rows if row["stripe_refund"]}
    by_hand = {id_ for id_ in here if not is_ours(listed[id_])}
    return [] if by_hand == told else [Breach("adopted otherwise", {"is": by_hand, "told": told})]

"""What threatens money of ours is frozen, exactly, and nothing else is."""

from typing import NamedTuple

import asyncpg

from tests.chaos.caller import Breach, Caller
from tests.chaos.listed import AtStripe, is_impersonation, is_ours, payment_of
from tests.scenarios.sandbox_client import Json
from tests.world import TENANTS, World

DISPUTES_OVER = ("won", "warning_closed", "prevented")
FREEZES = """
SELECT f.tenant_id, f.source, f.reason, p.amount_minor AS payment_minor, p.currency,
    'pay_' || replace(f.payment_id::text, '-', '') AS payment, sum(f.amount_minor)::bigint AS held,
    sum(f.beyond_minor)::bigint AS beyond, bool_or(f.state = 'LIFTED') AS lifted
FROM freezes AS f JOIN payments AS p USING (tenant_id, payment_id)
WHERE f.reason <> 'DISPUTE' AND f.source NOT LIKE 'rfn\\_%'
GROUP BY f.tenant_id, f.source, f.reason, f.payment_id, p.amount_minor, p.currency"""
BY_OPERATORS = ("RISK", "LEGAL", "KYC", "ADMIN")
MOST_FEE = 10  # percent of what is held: the payer's fee is threatened with it


class Threatened(NamedTuple):
    """A payment of ours, and what threatens it."""

    source: str
    reason: str
    payment: str


class Extent(NamedTuple):
    """How much is threatened, None for all of it, and whether that is over: then it may have been
    before anybody saw it.
    """

    amount_minor: int | None
    currency: str = ""
    over: bool = False


async def check_frozen(world: World, there: AtStripe, caller: Caller) -> list[Breach]:
    """Each threat to money of ours has its freeze, and there is no other; those of disputes are
    proved by the books.
    """
    rows: list[asyncpg.Record] = []
    placed: list[asyncpg.Record] = []
    for row in await world.pool.fetch(FREEZES):
        (placed if row["reason"] in BY_OPERATORS else rows).append(row)
    odd = [dict(row) for row in rows if row["tenant_id"] != TENANTS[0]]
    breaches = [Breach("a freeze of nobody", facts) for facts in odd] + _placed(placed, caller)
    frozen = {Threatened(row["source"], row["reason"], row["payment"]) for row in rows}
    threats = _threats(there)
    breaches += [
        Breach("not frozen", threat._asdict())
        for threat, extent in threats.items()
        if not extent.over and threat not in frozen
    ]
    for row in rows:
        extent = threats.get(Threatened(row["source"], row["reason"], row["payment"]))
        if extent and not _covers(row, extent):
            breaches.append(Breach("frozen otherwise", {**row, "threatened": extent}))
    return breaches + [
        Breach("frozen for nothing", threat._asdict()) for threat in frozen - threats.keys()
    ]


def _placed(rows: list[asyncpg.Record], caller: Caller) -> list[Breach]:
    """Operators' freezes are those that clients were told of, each of the amount asked for."""
    told = {
        i.request.request_id: i.request.amount_minor or None
        for i in caller.intentions
        if i.method == "PlaceFreeze" and i.answer
    }
    breaches = [
        Breach("placed otherwise", {**row, "asked": asked})
        for row in rows
        if (asked := told.pop(row["source"], 0)) not in (row["held"], None) or row["beyond"]
    ]
    return breaches + [Breach("a freeze is not placed", {"request": each}) for each in told]


def _covers(row: asyncpg.Record, extent: Extent) -> bool:
    """What is frozen of what is held, with its part of the fee, and what lies beyond: all of the
    payment where the amount is in another currency. Of a source that an operator has lifted that is
    not known any more.
    """
    if row["lifted"]:
        return True
    same = extent.currency == row["currency"].lower()
    threatened_minor = (extent.amount_minor if same else None) or row["payment_minor"]
    most_minor = min(threatened_minor, row["payment_minor"])
    least_minor = row["held"] + row["beyond"]
    fee_minor = row["held"] * MOST_FEE // 100 + 1
    return bool(least_minor <= most_minor <= least_minor + fee_minor)


def _threats(there: AtStripe) -> dict[Threatened, Extent]:
    """What threatens payments of ours, and how much. A charge that only claims to be of one
    threatens nothing of it: it is unexplained, and belongs to nobody.
    """
    found: dict[tuple[str, str, str], Extent] = {}
    for refund in there.refunds.values():
        if is_ours(refund):
            continue
        extent = Extent(refund["amount"], refund["currency"], over=_may_be_unseen(refund, there))
        found[refund["id"], "REFUND", refund["charge"]] = extent
    for dispute in there.disputes.values():
        extent = Extent(
            dispute["amount"], dispute["currency"], over=dispute["status"] in DISPUTES_OVER
        )
        found[dispute["id"], "CHARGEBACK", dispute["charge"]] = extent
    for warning in there.warnings.values():
        found[warning["id"], "EARLY_FRAUD_WARNING", warning["charge"]] = Extent(None)
    for reversal in there.reversals.values():
        if is_ours(reversal):
            continue
        charge = there.transfers[reversal["transfer"]]["source_transaction"]
        found[reversal["id"], "TRANSFER_REVERSED", charge] = Extent(
            reversal["amount"], reversal["currency"]
        )
    return {
        Threatened(source, reason, payment): extent
        for (source, reason, charge), extent in found.items()
        if (payment := payment_of(there, charge))
    }


def _may_be_unseen(refund: Json, there: AtStripe) -> bool:
    """Whether nobody has to have seen it: it failed, or it waits for money and is of a charge that
    only claims to be of ours. That one is found when it moves the balance, and not before.
    """
    waits = refund["status"] == "pending" and is_impersonation(there.charges[refund["charge"]])
    return waits or refund["status"] in ("failed", "canceled")

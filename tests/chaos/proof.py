"""What strangers did is open, exactly: all of it that touched money of ours, and nothing else.

What is expected is told by Stripe's lists and the strangers' marks there, and by no code of the
service.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import asyncpg
from pydantic import SecretStr

from service.config import Config, DatabaseRole, Settings, Tenant
from service.operations.operators.verify_stripe import verify_stripe
from service.operations.sweeps.compare_with_stripe import Comparison
from service.server import open_runtime
from tests.chaos.caller import Breach
from tests.chaos.recovery import PAYEES
from tests.chaos.strangers import BY_HAND, ORDER, Strangers
from tests.scenarios.sandbox_client import API_KEY, Json, SandboxClient
from tests.world import TENANTS, World

# Where a balance transaction is booked: by what we did, apart, as Stripe's own, or unexplained.
OURS, OTHER, STRIPE, UNEXPLAINED = "ours", "other business", "Stripe's", "unexplained"
KINDS = {
    "charge_settled": OURS,
    "charge_converted": OURS,
    "transfer_confirmed": OURS,
    "other_business_brought": OTHER,
    "other_business_took": OTHER,
    "brought_unexplained": UNEXPLAINED,
    "taken_unexplained": UNEXPLAINED,
}
DISPUTES_OVER = ("won", "warning_closed")
# A payment's state here, by the status of its intent there.
ENDED = {"succeeded": "SUCCEEDED", "canceled": "CANCELED"}

ROWS = """
SELECT t.balance_transaction_id, t.net_minor, j.kind FROM balance_transactions AS t
LEFT JOIN journals AS j USING (tenant_id, journal_id)
WHERE t.tenant_id = $1 AND t.stripe_account IS NULL"""
ROWS_OF = """
SELECT t.balance_transaction_id, t.type, t.net_minor, t.source, j.kind, j.source_id, t.journal_id
FROM balance_transactions AS t LEFT JOIN journals AS j USING (tenant_id, journal_id)
WHERE t.tenant_id = $1 AND coalesce(t.stripe_account, '') = $2 ORDER BY t.created_at"""
ENTRIES_OF = """
SELECT j.kind, j.source_id, e.account, e.amount_minor, j.journal_id
FROM entries AS e JOIN journals AS j USING (tenant_id, journal_id)
WHERE e.tenant_id = $1 AND e.account LIKE $2 AND e.book = 'connected' ORDER BY j.created_at"""
BALANCES = """
SELECT account, currency, sum(amount_minor)::bigint FROM entries
WHERE tenant_id = $1 AND (account LIKE '%:unexplained:%' OR account = 'eq:other_business')
GROUP BY account, currency"""
FREEZES = """
SELECT f.tenant_id, f.source, f.reason, p.amount_minor AS payment_minor, p.currency,
    'pay_' || replace(f.payment_id::text, '-', '') AS payment, sum(f.amount_minor)::bigint AS held,
    sum(f.beyond_minor)::bigint AS beyond, bool_or(f.state = 'LIFTED') AS lifted
FROM freezes AS f JOIN payments AS p USING (tenant_id, payment_id)
GROUP BY f.tenant_id, f.source, f.reason, f.payment_id, p.amount_minor, p.currency"""
MOST_FEE = 10  # percent of what is held: the payer's fee is threatened with it
PAYMENTS = """
SELECT 'pay_' || replace(payment_id::text, '-', '') AS id, state, stripe_payment_intent
FROM payments"""
DEAUTHORIZED = "SELECT stripe_account FROM payees WHERE state = 'DEAUTHORIZED'"


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


class AtStripe(NamedTuple):
    """What Stripe lists, by id."""

    moved: dict[str, Json]
    charges: dict[str, Json]
    refunds: dict[str, Json]
    disputes: dict[str, Json]
    transfers: dict[str, Json]
    warnings: dict[str, Json]

    @property
    def reversals(self) -> dict[str, Json]:
        """Every one is shown by its transfer."""
        shown = (r for t in self.transfers.values() for r in t["reversals"]["data"])
        return {reversal["id"]: reversal for reversal in shown}


async def prove(world: World, strangers: Strangers) -> list[Breach]:
    """Every difference between what is open and what strangers did."""
    there = await _read(world.sandbox)
    return [
        *await _same_as_stripe(world, there),
        *_remembered(strangers, there),
        *[b for tenant in TENANTS for b in await _booked_as_meant(world, tenant, there)],
        *await _frozen_as_meant(world, there),
        *await _ended_as_at_stripe(world),
    ]


async def _read(sandbox: SandboxClient) -> AtStripe:
    expand = {"expand[0]": "data.source"}
    lists = [await sandbox.all_of("/v1/balance_transactions", **expand)] + [
        await sandbox.all_of(f"/v1/{name}")
        for name in ("charges", "refunds", "disputes", "transfers", "radar/early_fraud_warnings")
    ]
    return AtStripe(*({each["id"]: each for each in found} for found in lists))


async def _same_as_stripe(world: World, there: AtStripe) -> list[Breach]:
    """`escrow verify --stripe` is clean for every account, and nothing is undecided."""
    tenant = Tenant(API_KEY, world.sandbox.url, 1000)
    settings = Settings(auth="development", database_url=SecretStr(world.database.worker_dsn))
    config = Config(settings, dict.fromkeys(TENANTS, tenant))
    async with open_runtime(config, DatabaseRole.WORKER) as runtime:
        compared = await verify_stripe(runtime)
    breaches = [
        Breach(
            "differs from Stripe",
            {"compared": str(each), "by": each.differences, "rows": await _rows_of(world, each)},
        )
        for each in compared
        if not each.clean or each.undecided
    ]
    paid = {"", *(transfer["destination"] for transfer in there.transfers.values())}
    for tenant_id in TENANTS:
        payees = {row[0] for row in await world.pool.fetch(PAYEES, tenant_id)}
        read = {each.account for each in compared if each.tenant == tenant_id}
        left = (paid & {"", *payees}) - read
        breaches += [Breach("never compared", {"tenant": tenant_id, "account": a}) for a in left]
    return breaches


async def _rows_of(world: World, found: Comparison) -> list[str]:
    """What a person needs who looks for the difference: rows with their journals, and entries."""
    rows = await world.pool.fetch(ROWS_OF, found.tenant, found.account)
    entries = await world.pool.fetch(ENTRIES_OF, found.tenant, f"%{found.account}%")
    return [str(dict(row)) for row in (*rows, *entries)]


def _remembered(strangers: Strangers, there: AtStripe) -> list[Breach]:
    """Strangers remember nothing that Stripe does not list, and nobody else did any of it."""
    breaches = []
    for what, told, listed in (
        ("refund", strangers.refunds, there.refunds),
        ("dispute", strangers.disputes, there.disputes),
        ("reversal", strangers.reversals, there.reversals),
    ):
        breaches += [Breach(f"a {what} is not at Stripe", {"id": i}) for i in told - listed.keys()]
        marked = {id_ for id_, each in listed.items() if BY_HAND in (each["metadata"] or {})}
        unknown = listed.keys() - told - marked
        breaches += [Breach(f"a {what} of nobody", {"id": id_}) for id_ in unknown]
    return breaches


async def _booked_as_meant(world: World, tenant: str, there: AtStripe) -> list[Breach]:
    """Each balance transaction is booked where it belongs, and nothing is booked beside."""
    rows = await world.pool.fetch(ROWS, tenant)
    booked = {row[0]: KINDS.get(row["kind"], STRIPE) for row in rows if row["net_minor"]}
    meant = {
        id_: _meaning(transaction, there, mine=tenant == TENANTS[0])
        for id_, transaction in there.moved.items()
        if transaction["net"]
    }
    breaches = _differing("booked otherwise", tenant, booked, meant)
    rows = await world.pool.fetch(BALANCES, tenant)
    balances = {f"{row[0]} {row[1]}": row[2] for row in rows}
    wanted: Counter[str] = Counter()
    for id_, meaning in meant.items():
        net_minor, currency = there.moved[id_]["net"], there.moved[id_]["currency"].upper()
        if meaning == UNEXPLAINED:
            side = "asset" if net_minor < 0 else "liab"
            wanted[f"{side}:unexplained:{id_} {currency}"] -= net_minor
        elif meaning == OTHER:
            wanted[f"eq:other_business {currency}"] -= net_minor
    return breaches + _differing("a balance is not what was moved", tenant, balances, wanted)


def _meaning(transaction: Json, there: AtStripe, *, mine: bool) -> str:
    """Where it belongs. Of two tenants in the same Stripe account one has everything: for the other
    all of it is another product's.
    """
    source = transaction["source"]
    if source is None:
        return UNEXPLAINED if transaction["type"] == "adjustment" else STRIPE
    if not mine:
        return OTHER
    cause = _cause(source, there)
    if _is_impersonation(cause):
        return UNEXPLAINED  # it carries the id of a payment of ours, which did not ask for it
    if ORDER in cause["metadata"]:
        return OTHER
    return OURS if cause is source else UNEXPLAINED


def _cause(source: Json, there: AtStripe) -> Json:
    """The charge or the transfer that a balance transaction is of, or that it takes back."""
    if charge := source.get("charge"):
        return there.charges[charge]
    if transfer := source.get("transfer"):
        return there.transfers[transfer]
    return source


def _is_impersonation(cause: Json) -> bool:
    return ORDER in cause["metadata"] and "payment" in cause["metadata"]


async def _frozen_as_meant(world: World, there: AtStripe) -> list[Breach]:
    """Each threat to money of ours has its freeze, and there is no other freeze."""
    rows = await world.pool.fetch(FREEZES)
    odd = [dict(row) for row in rows if row["tenant_id"] != TENANTS[0]]
    breaches = [Breach("a freeze of nobody", facts) for facts in odd]
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
        charge = there.transfers[reversal["transfer"]]["source_transaction"]
        found[reversal["id"], "TRANSFER_REVERSED", charge] = Extent(
            reversal["amount"], reversal["currency"]
        )
    return {
        Threatened(source, reason, payment): extent
        for (source, reason, charge), extent in found.items()
        if (payment := _payment_of(there, charge))
    }


def _may_be_unseen(refund: Json, there: AtStripe) -> bool:
    """Whether nobody has to have seen it: it failed, or it waits for money and is of a charge that
    only claims to be of ours. That one is found when it moves the balance, and not before.
    """
    waits = refund["status"] == "pending" and _is_impersonation(there.charges[refund["charge"]])
    return waits or refund["status"] == "failed"


def _payment_of(there: AtStripe, charge: str | None) -> str:
    """The payment of ours that a charge is of, or claims to be of; "" of another product's."""
    metadata: Mapping[str, str] = there.charges[charge]["metadata"] if charge else {}
    return metadata.get("payment", "")


async def _ended_as_at_stripe(world: World) -> list[Breach]:
    """No payment and no payee ended because an event said so."""
    intents = {i["id"]: i["status"] for i in await world.sandbox.all_of("/v1/payment_intents")}
    breaches = []
    for row in await world.pool.fetch(PAYMENTS):
        status = intents.get(row["stripe_payment_intent"])
        here = row["state"] if row["state"] in ENDED.values() else None
        if status is not None and here != ENDED.get(status):
            breaches.append(Breach("ended otherwise", {**row, "at Stripe": status}))
    gone = await world.pool.fetch(DEAUTHORIZED)
    return breaches + [Breach("a payee is deauthorized", dict(row)) for row in gone]


def _differing(
    what: str, tenant: str, found: Mapping[str, object], wanted: Mapping[str, object]
) -> list[Breach]:
    return [
        Breach(what, {"tenant": tenant, "of": key, "is": found.get(key), "meant": wanted.get(key)})
        for key in _keys(found, wanted)
        if (found.get(key) or 0) != (wanted.get(key) or 0)
    ]


def _keys(*mappings: Iterable[str]) -> list[str]:
    return sorted({key for mapping in mappings for key in mapping})

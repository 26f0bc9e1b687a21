"""What strangers did is open, exactly: all of it that touched money of ours, and nothing else.

What is expected is told by Stripe's lists and the strangers' marks there, and by no code of the
service.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from pydantic import SecretStr

from service.config import Config, DatabaseRole, Settings, Tenant
from service.operations.operators.verify_stripe import verify_stripe
from service.operations.sweeps.compare_with_stripe import Comparison
from service.server import open_runtime
from tests.chaos.caller import Breach, Caller
from tests.chaos.frozen import check_frozen
from tests.chaos.listed import AtStripe, cause_of, is_impersonation, is_ours, read_lists
from tests.chaos.recovery import PAYEES
from tests.chaos.refunded import adopted
from tests.chaos.reversals import taken_of_reversals
from tests.chaos.strangers import BY_HAND, ORDER, Strangers
from tests.scenarios.sandbox_client import API_KEY, Json
from tests.world import TENANTS, World

# Where a balance transaction is booked: by what we did, apart, as Stripe's own, or unexplained.
OURS, OTHER, STRIPE, UNEXPLAINED = "ours", "other business", "Stripe's", "unexplained"
KINDS = {
    "charge_settled": OURS,
    "charge_converted": OURS,
    "transfer_confirmed": OURS,
    "refund_confirmed": OURS,
    "refund_converted": OURS,
    "refund_failed": OURS,
    "refund_failed_converted": OURS,
    "reversal_confirmed": OURS,
    "reversal_converted": OURS,
    "chargeback_withdrawn": OURS,
    "chargeback_reinstated": OURS,
    "other_business_brought": OTHER,
    "other_business_took": OTHER,
    "brought_unexplained": UNEXPLAINED,
    "taken_unexplained": UNEXPLAINED,
}
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
PAYMENTS = """
SELECT 'pay_' || replace(payment_id::text, '-', '') AS id, state, stripe_payment_intent
FROM payments"""
MOST_LOOKS = 3
DISPUTING_CARDS = ("0259", "2685", "1976", "0079")  # the last digits of those of chargebacks.py
DEAUTHORIZED = "SELECT stripe_account FROM payees WHERE state = 'DEAUTHORIZED'"


async def prove(world: World, strangers: Strangers, caller: Caller) -> list[Breach]:
    """Every difference between what is open and what strangers did. Where Stripe moved something
    while we looked, we look again.
    """
    breaches: list[Breach] = []
    there = await read_lists(world.sandbox, {*adopted(caller)}, taken_of_reversals(caller))
    for _ in range(MOST_LOOKS):
        breaches = await _differences(world, strangers, caller, there)
        if not breaches:
            break
        seen = there.moved.keys()
        there = await read_lists(world.sandbox, {*adopted(caller)}, taken_of_reversals(caller))
        if there.moved.keys() == seen:
            break
    return breaches


async def _differences(
    world: World, strangers: Strangers, caller: Caller, there: AtStripe
) -> list[Breach]:
    return [
        *await _same_as_stripe(world, there),
        *_remembered(strangers, there),
        *[b for tenant in TENANTS for b in await _booked_as_meant(world, tenant, there)],
        *await check_frozen(world, there, caller),
        *await _ended_as_at_stripe(world),
    ]


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
        marked = {
            id_
            for id_, each in listed.items()
            if BY_HAND in (each["metadata"] or {}) or is_ours(each)
        }
        unknown = listed.keys() - told - marked - _by_stripe(there)
        breaches += [Breach(f"a {what} of nobody", {"id": id_}) for id_ in unknown]
    return breaches


def _by_stripe(there: AtStripe) -> set[str]:
    """The refunds by which Stripe resolved disputes, and the disputes of its test cards."""
    resolved = {
        (dispute["charge"], dispute["amount"])
        for dispute in there.disputes.values()
        if dispute["payment_method_details"]["card"]["case_type"] == "resolution"
    }
    refunds = {i for i, r in there.refunds.items() if (r["charge"], r["amount"]) in resolved}
    return refunds | {i for i, d in there.disputes.items() if _of_card(there.charges[d["charge"]])}


def _of_card(charge: Json) -> bool:
    return charge["payment_method_details"]["card"]["last4"] in DISPUTING_CARDS


async def _booked_as_meant(world: World, tenant: str, there: AtStripe) -> list[Breach]:
    """Each balance transaction is booked where it belongs, and nothing is booked beside."""
    rows = await world.pool.fetch(ROWS, tenant)
    booked = {row[0]: KINDS.get(row["kind"], STRIPE) for row in rows if row["net_minor"]}
    meant = {
        id_: _meaning(transaction, there, mine=tenant == TENANTS[0])
        for id_, transaction in there.moved.items()
        if transaction["net"]
    }
    for id_, meaning in booked.items():  # what was unexplained until it was adopted
        source = there.moved[id_]["source"] if id_ in there.moved else None
        later = source and meant.get(id_) == OURS and _is_explained_later(source, there)
        if meaning == UNEXPLAINED and later:
            booked[id_] = OURS
    breaches = _differing("booked otherwise", tenant, booked, meant)
    rows = await world.pool.fetch(BALANCES, tenant)
    balances = {f"{row[0]} {row[1]}": row[2] for row in rows}
    wanted: Counter[str] = Counter()
    for id_, meaning in meant.items():
        net_minor, currency = there.moved[id_]["net"], there.moved[id_]["currency"].upper()
        if meaning == UNEXPLAINED:
            side = "asset" if net_minor < 0 else "liab"
            if source := there.moved[id_]["source"]:
                net_minor -= there.taken[source["id"]]
            wanted[f"{side}:unexplained:{id_} {currency}"] -= net_minor
        elif meaning == OTHER:
            wanted[f"eq:other_business {currency}"] -= net_minor
    return breaches + _differing("a balance is not what was moved", tenant, balances, wanted)


def _is_explained_later(source: Json, there: AtStripe) -> bool:
    """Adopted by an operator; or of a dispute, of which somebody had not heard yet: the balances
    prove that nothing of it is left unexplained.
    """
    return source["id"] in there.adopted or source["object"] == "dispute"


def _meaning(transaction: Json, there: AtStripe, *, mine: bool) -> str:
    """Where it belongs. Of two tenants in the same Stripe account one has everything: for the other
    all of it is another product's.
    """
    source = transaction["source"]
    if source is None:
        return UNEXPLAINED if transaction["type"] == "adjustment" else STRIPE
    if not mine:
        return OTHER
    cause = cause_of(source, there)
    if is_impersonation(cause):
        return UNEXPLAINED  # it carries the id of a payment of ours, which did not ask for it
    if ORDER in cause["metadata"]:
        return OTHER
    asked_for = cause is source or is_ours(source) or source["id"] in there.adopted
    ours = asked_for or source["object"] == "dispute"
    return OURS if ours else UNEXPLAINED


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

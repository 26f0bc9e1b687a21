"""What banks took back is borne by somebody, once: told by Stripe's disputes and by what clients
were answered, and by no code of the service.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

import asyncpg

from escrow.v1 import chargeback_service_pb2 as pb
from escrow.v1 import refund_service_pb2 as refund
from tests.chaos.caller import Breach, Caller
from tests.chaos.chargebacks import MOST_LISTED, read_all
from tests.chaos.dispute_fees import OVER, check_fees
from tests.chaos.drawn import Drawn
from tests.scenarios.sandbox_client import Json
from tests.world import World

# What we say of a dispute that Stripe shows to be decided.
STATES = {
    "won": pb.CHARGEBACK_STATE_WON,
    "lost": pb.CHARGEBACK_STATE_LOST,
    "prevented": pb.CHARGEBACK_STATE_PREVENTED,
    "warning_closed": pb.CHARGEBACK_STATE_INQUIRY_CLOSED,
}
BALANCES = """
SELECT account, sum(amount_minor)::bigint FROM entries
WHERE account LIKE 'asset:dispute:%' OR account LIKE 'liab:disputed:%' GROUP BY account"""
# What was released to whom, before anything of it was taken; of what was released again, because a
# refund or a settlement was taken back, no journal tells it alone.
SHARES = """
SELECT 'rel_' || replace(r.release_id::text, '-', ''), coalesce(
    (SELECT -sum(e.amount_minor) FROM journals AS j JOIN entries AS e USING (tenant_id, journal_id)
        WHERE j.kind = 'released' AND e.account LIKE 'liab:payee:%:payable'
        AND j.source_id = 'rel_' || replace(r.release_id::text, '-', '')),
    r.payee_share_minor + (SELECT coalesce(sum(p.payee_share_minor), 0) FROM refund_parts AS p
        WHERE p.release_id = r.release_id))::bigint
FROM releases AS r"""
PAID = "SELECT 'pay_' || replace(payment_id::text, '-', ''), amount_minor FROM payments"


async def check_charged_back(world: World, caller: Caller, drawn: Drawn) -> list[Breach]:
    """Every breach there is; what is lost was settled before."""
    disputes = {each["id"]: each for each in await world.sandbox.all_of("/v1/disputes")}
    booked = {row[0]: row[1] for row in await world.pool.fetch(BALANCES)}
    paid = {row[0]: row[1] for row in await world.pool.fetch(PAID)}
    taken: dict[str, list[refund.Refund]] = defaultdict(list)
    for each in await settled_losses(caller):
        taken[each.chargeback_id].append(each)
    breaches = []
    for known in await read_all(caller):
        dispute = disputes[known.stripe_dispute]
        wrong = [
            *_otherwise_at_stripe(known, dispute),
            *_booked_otherwise(known, booked),
            *_settled_otherwise(known, taken[known.id], paid[known.payment_id]),
        ]
        facts = {"chargeback": known, "dispute": dispute, "taken": taken[known.id]}
        breaches += [Breach(what, facts) for what in wrong]
    breaches += _told(caller, taken)
    asked = refund.ListReceivablesRequest(page_size=MOST_LISTED)
    listed = await caller.read("ListReceivables", asked, "operator")
    debts = list(listed.receivables) if listed else []
    breaches += check_fees(caller, await read_all(caller), taken, debts, drawn.approvals.rules.fee)
    return breaches + await _charged_twice(world.pool, debts)


async def settled_losses(caller: Caller) -> list[refund.Refund]:
    """What somebody bears of chargebacks, other than the platform, and nobody has taken back."""
    asked = refund.ListRefundsRequest(filter="state = CHARGED_BACK", page_size=MOST_LISTED)
    found = await caller.read("ListRefunds", asked, "operator")
    return list(found.refunds) if found else []


def _otherwise_at_stripe(known: pb.Chargeback, dispute: Json) -> Iterator[str]:
    if (known.state in STATES.values()) != (dispute["status"] in STATES):
        yield "a chargeback is in another state"
    if STATES.get(dispute["status"], known.state) != known.state:
        yield "a chargeback is in another state"
    moved = [each["amount"] for each in dispute["balance_transactions"]]
    if known.withdrawn.amount_minor != -sum(each for each in moved if each < 0):
        yield "another amount was withdrawn"
    if known.reinstated.amount_minor != sum(each for each in moved if each > 0):
        yield "another amount was reinstated"


def _booked_otherwise(known: pb.Chargeback, booked: Mapping[str, int]) -> Iterator[str]:
    """What is gone and borne by nobody is in the dispute's account."""
    left_minor = gone_minor(known) - known.settled.amount_minor
    if booked.get(f"asset:dispute:{known.id}", 0) != left_minor:
        yield "a dispute's account is not what nobody bears"
    if booked.get(f"liab:disputed:{known.id}", 0):
        yield "something is left between what was lost and who bears it"


def gone_minor(known: pb.Chargeback) -> int:
    """What Stripe has not given back, in the currency of its balance."""
    return known.withdrawn.amount_minor - known.reinstated.amount_minor


def _settled_otherwise(
    known: pb.Chargeback, taken: list[refund.Refund], paid_minor: int
) -> Iterator[str]:
    if len(taken) > 1:
        yield "a loss was taken twice"
    if taken and not known.HasField("settle_time"):
        yield "something is taken, and it is not settled"
    if known.state not in STATES.values():
        return
    lost_minor = max(0, min(gone_minor(known), paid_minor))
    if known.state == pb.CHARGEBACK_STATE_LOST and not known.HasField("settle_time"):
        yield "a loss is not settled"
    if known.unsettled or known.settled.amount_minor != gone_minor(known):
        yield "not all that is gone is settled"
    if known.withdrawn.currency not in ("", known.amount.currency):  # by rates of other days
        if known.state in OVER and taken:
            yield "what was won is still taken"
    elif _borne_minor(known, taken) != lost_minor:  # nothing of what was won and came back
        yield "what is borne is not what is lost"


def _borne_minor(known: pb.Chargeback, taken: Iterable[refund.Refund]) -> int:
    by_payees_minor = sum(each.amount.amount_minor for each in taken)
    return by_payees_minor + known.borne_by_platform.amount_minor


def _told(caller: Caller, taken: Mapping[str, list[refund.Refund]]) -> Iterator[Breach]:
    """What is taken is what an operator was told of, and not of another chargeback."""
    told: dict[str, refund.Refund] = {}
    for intention in caller.intentions:
        if intention.method == "SettleChargeback" and intention.answer:
            told[intention.answer.taken.id] = intention.answer.taken
    for chargeback_id, found in taken.items():
        for each in found:
            said = told.get(each.id)
            parts = list(said.parts) if said else []
            if said is None or said.amount != each.amount or parts != list(each.parts):
                facts = {"chargeback": chargeback_id, "is": each, "told": said}
                yield Breach("taken otherwise than told", facts)


async def _charged_twice(pool: asyncpg.Pool, debts: Iterable[refund.Receivable]) -> list[Breach]:
    """Nobody owes, or has paid back, more of a release than they got of it."""
    shares = {row[0]: row[1] for row in await pool.fetch(SHARES)}
    charged = _charged(debts)
    return [
        Breach("a payee is charged twice", {"release": id_, "got": shares[id_], "charged": minor})
        for id_, minor in charged.items()
        if minor > shares[id_]
    ]


def _charged(debts: Iterable[refund.Receivable]) -> Counter[str]:
    found: Counter[str] = Counter()
    for each in debts:
        if not each.release_id:
            continue  # a fee
        parts = each.owed, each.reversed, each.netted, each.written_off
        found[each.release_id] += sum(part.amount_minor for part in parts)
    return found

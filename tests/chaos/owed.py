"""What payees have of us at Stripe is what was released to them and stands, less what waits for a
transfer, and with what they owe.

Only in a seed that converts nothing: else that is in two currencies (received.py).
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party
from escrow.v1 import refund_service_pb2 as refund
from tests.chaos.caller import Breach, Caller
from tests.chaos.charged_back import settled_losses
from tests.chaos.dispute_fees import fee_of
from tests.chaos.listed import is_ours
from tests.chaos.refunded import put_back
from tests.chaos.reversals import taken_of_reversals
from tests.chaos.splits import released_to
from tests.world import World

SHARE_PERCENT = 80  # of a price; the rest is the platform's fee
MOST_LISTED = 200
SETTLE = "SettleChargeback"
PAYEES = """
SELECT 'pye_' || replace(payee_id::text, '-', '') AS payee, stripe_account FROM payees"""


async def check_owed(world: World, caller: Caller, escrows: Sequence[pb.Escrow]) -> list[Breach]:
    """``escrows`` as they are now."""
    has = await _at_stripe(world, taken_of_reversals(caller, kept=False))
    shares, parts = _shares(escrows), _parts(caller) + _divided(escrows)
    debts, fees = await _debts(caller)
    breaches = []
    for payee_id, share_minor in shares.items():
        answer = await caller.read("GetPayee", party.GetPayeeRequest(payee_id=payee_id))
        if answer is None:
            breaches.append(Breach("a payee cannot be read", {"id": payee_id}))
            continue
        payable = sum(b.payable.amount_minor for b in answer.payee.balances)
        owed = sum(b.receivable.amount_minor for b in answer.payee.balances)
        facts = {"has": has[payee_id], "share": share_minor, "payable": payable, "owed": owed}
        given_up = debts[payee_id]
        must_minor = share_minor - fees[payee_id]
        if abs(has[payee_id] + payable - owed - given_up - must_minor) > parts:
            breaches.append(
                Breach(
                    "a payee has another amount",
                    {**facts, "given up": given_up, "fees": fees[payee_id]},
                )
            )
    return breaches


def _shares(escrows: Iterable[pb.Escrow]) -> Counter[str]:
    """What of the prices that were released, and not refunded, is for whom."""
    found: Counter[str] = Counter()
    for escrow in escrows:
        for milestone in escrow.milestones:
            for payee_id, released_minor in released_to(escrow, milestone):
                found[payee_id] += released_minor * SHARE_PERCENT // 100
    return found


def _parts(caller: Caller) -> int:
    """By how many cents rounding may be off: each part that was released or refunded by one."""
    answers = [i.answer for i in caller.intentions if i.answer]
    made = [answer.refund for answer in answers if hasattr(answer, "refund")]
    made += [answer.taken for answer in answers if hasattr(answer, "taken")]
    return len(answers) + sum(len(each.parts) for each in made)


def _divided(escrows: Iterable[pb.Escrow]) -> int:
    """The same, of the fees that are divided among several payees."""
    return sum(len(milestone.payees) for escrow in escrows for milestone in escrow.milestones)


async def _at_stripe(world: World, adopted: Counter[str]) -> Counter[str]:
    """What went to each payee, less what was called back. Strangers' reversals are not ours, but
    for what of them paid a debt, or is to be sent again.
    """
    found: Counter[str] = Counter()
    for transfer in await world.sandbox.all_of("/v1/transfers"):
        if is_ours(transfer):
            back = [
                r["amount"] if is_ours(r) else adopted[r["id"]]
                for r in transfer["reversals"]["data"]
            ]
            found[transfer["destination"]] += transfer["amount"] - sum(back)
    rows = await world.pool.fetch(PAYEES)
    return Counter({row["payee"]: found[row["stripe_account"]] for row in rows})


async def _debts(caller: Caller) -> tuple[Counter[str], Counter[str]]:
    """What was written off, and what payees bear of the fees of chargebacks; but for refunds that
    were put back: of these it is theirs again.
    """
    undone = put_back(caller) | await _taken_back(caller)
    given_up, fees = Counter[str](), Counter[str]()
    request = refund.ListReceivablesRequest(page_size=MOST_LISTED)
    listed = await caller.read("ListReceivables", request, "operator")
    for each in listed.receivables if listed else ():
        if each.refund_id not in undone:
            given_up[each.payee_id] += each.written_off.amount_minor
            fees[each.payee_id] += fee_of(each)
    return given_up, fees


async def _taken_back(caller: Caller) -> set[str]:
    """What settlements took that do not stand any more."""
    told = {i.answer.taken.id for i in caller.intentions if i.method == SETTLE and i.answer}
    return told - {each.id for each in await settled_losses(caller)}

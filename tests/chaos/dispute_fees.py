"""Who bears what Stripe charged for a lost chargeback: told by the seed's policy, by what operators
asked for and by Stripe's fee, and by no code of the service.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from escrow.v1 import chargeback_service_pb2 as pb
from escrow.v1 import policy_service_pb2 as policy
from escrow.v1 import refund_service_pb2 as refund
from tests.chaos.caller import Breach, Caller
from tests.chaos.currencies import PRESENTED

OVER = (
    pb.CHARGEBACK_STATE_WON,
    pb.CHARGEBACK_STATE_PREVENTED,
    pb.CHARGEBACK_STATE_INQUIRY_CLOSED,
)


def check_fees(
    caller: Caller,
    chargebacks: Iterable[pb.Chargeback],
    taken: Mapping[str, Sequence[refund.Refund]],
    debts: Iterable[refund.Receivable],
    by_policy: policy.DisputeFeeBearer.ValueType,
) -> list[Breach]:
    """``taken`` is what stands of each settlement."""
    asked: Counter[str] = Counter()
    for debt in debts:
        asked[debt.refund_id] += fee_of(debt)
    bearers = {
        i.answer.taken.id: i.request.dispute_fee or by_policy
        for i in caller.intentions
        if i.method == "SettleChargeback" and i.answer
    }
    breaches = []
    for known in chargebacks:
        stands = taken.get(known.id, ())
        borne_minor = known.fee_borne_by_payees.amount_minor
        wrong = [] if borne_minor == sum(asked[r.id] for r in stands) else ["is not what they owe"]
        wrong += [w for r in stands for w in _wrong(known, r, bearers.get(r.id), borne_minor)]
        wrong += [] if stands or not borne_minor else ["is of no settlement"]
        facts = {"chargeback": known, "taken": stands}
        breaches += [Breach(f"the fee that payees bear {what}", facts) for what in wrong]
    return breaches


def fee_of(debt: refund.Receivable) -> int:
    """What of the fee of a chargeback a payee bears by this debt."""
    parts = debt.owed, debt.netted, debt.written_off
    return 0 if debt.release_id else sum(part.amount_minor for part in parts)


def _wrong(
    known: pb.Chargeback,
    taken: refund.Refund,
    bearer: policy.DisputeFeeBearer.ValueType | None,
    borne_minor: int,
) -> Iterator[str]:
    """In proportion to the loss; each payee's part may be rounded by a step."""
    converts = known.withdrawn.currency != known.amount.currency
    lost = known.state not in OVER
    if bearer != policy.DISPUTE_FEE_BEARER_PAYEE or converts or not lost:
        if borne_minor:
            yield "should be the platform's"
        return
    of_payees = [part for part in taken.parts if part.milestone_id]
    lost_minor = sum(p.price.amount_minor + p.payer_fee.amount_minor for p in of_payees)
    whole_minor = taken.amount.amount_minor + known.borne_by_platform.amount_minor
    must_minor = known.fee.amount_minor * lost_minor / whole_minor
    step_minor = PRESENTED[known.amount.currency].step_minor
    if abs(borne_minor - must_minor) > step_minor * (len(of_payees) + 1):
        yield "is another"

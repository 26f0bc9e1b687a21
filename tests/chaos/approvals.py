"""Two pairs of eyes: what is above the limits of a seed's policy waits for a second person, who
approves what they see, approves what they saw some time ago, rejects, or does nothing.

Not in every seed. In time it expires where the seed lets that pass (deadlines.py).
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from escrow.client import EscrowClient, new_request_id
from escrow.v1 import approval_service_pb2 as approval
from escrow.v1 import policy_service_pb2 as policy
from tests.chaos.caller import NEEDED, Caller, Intention, Party
from tests.chaos.currencies import PRESENTED

if TYPE_CHECKING:
    from tests.chaos.deal import Deal

SEED_SHARE = 0.5  # of the seeds
STEP_SHARE = 0.4  # of the steps of these while something waits
# Times the least of a payment; prices are two to ninety times that.
REFUNDS, WRITE_OFFS, REDIRECTIONS, REPAIRS, RELEASES = 20, 2, 10, 10, 20
MOST_SEEN = 50
STALE_SHARE = 0.35  # of the approvals name the plan that somebody saw some time ago
SELF_SHARE = 0.1  # of the decisions are tried by who asked


class Rules(NamedTuple):
    """What a version of a policy says beside the default."""

    approvals: bool
    loss: policy.LossBearer.ValueType = policy.LOSS_BEARER_PAYEES
    fee: policy.DisputeFeeBearer.ValueType = policy.DISPUTE_FEE_BEARER_PLATFORM


# The versions after the first, which is the default. The same in every seed: the service knows a
# version by its number, and remembers it. A seed applies those before its own, too.
FEE_OF_PAYEE, LOSS_OF_PLATFORM = policy.DISPUTE_FEE_BEARER_PAYEE, policy.LOSS_BEARER_PLATFORM
VERSIONS = (
    Rules(approvals=True),
    Rules(approvals=False, fee=FEE_OF_PAYEE),
    Rules(approvals=True, fee=FEE_OF_PAYEE),
    Rules(approvals=False, loss=LOSS_OF_PLATFORM, fee=FEE_OF_PAYEE),
    Rules(approvals=True, loss=LOSS_OF_PLATFORM, fee=FEE_OF_PAYEE),
)


class Approvals:
    """Those of one seed, and its policy."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(f"{seed} approvals")
        self.happen = rng.random() < SEED_SHARE
        fitting = [each for each in VERSIONS if each.approvals == self.happen]
        self.rules = rng.choice([*fitting, *([] if self.happen else [Rules(approvals=False)])])
        self.seen: dict[str, approval.Approval] = {}
        """What waited, as it was when somebody first looked at it."""

    @property
    def who_cancels(self) -> Sequence[Party]:
        """Operators cancel above their limit as well; parties do what is their right."""
        return ("payer", "payee", "operator") if self.happen else ("payer", "payee")

    async def begin(self, client: EscrowClient) -> None:
        """Applies its policy, which charges what the default does."""
        if self.rules not in VERSIONS:
            return
        policies = client.acting("operator").policies
        versions = (await policies.ListPolicyVersions(policy.ListPolicyVersionsRequest())).versions
        for rules in VERSIONS[: VERSIONS.index(self.rules) + 1]:
            wanted = policy.Policy()
            wanted.CopyFrom(versions[-1].policy)
            _write(rules, wanted)
            request = policy.CreatePolicyVersionRequest(
                request_id=new_request_id(), policy=wanted, reason="Two look at it."
            )
            await policies.CreatePolicyVersion(request)

    def choose(self, deal: Deal, rng: random.Random) -> Action | None:
        """What somebody does about what waits, if anything does."""
        if not self.happen or rng.random() >= STEP_SHARE or not waiting(deal.caller):
            return None
        return rng.choice([decide, decide, decide, ask_again])


def _write(rules: Rules, wanted: policy.Policy) -> None:
    wanted.lost_chargeback, wanted.dispute_fee = rules.loss, rules.fee
    for currency, of in PRESENTED.items() if rules.approvals else ():
        wanted.approvals.add(
            currency=currency,
            refunds_minor=REFUNDS * of.least_minor,
            write_offs_minor=WRITE_OFFS * of.least_minor,
            redirections_minor=REDIRECTIONS * of.least_minor,
            repairs_minor=REPAIRS * of.least_minor,
            releases_minor=RELEASES * of.least_minor,
        )


def waiting(caller: Caller) -> list[Intention]:
    """What was told to wait, when it was asked for last."""
    return [i for i in caller.intentions if i.answer is None and i.refusal == NEEDED]


async def decide(deal: Deal, rng: random.Random) -> None:
    """Somebody looks at what waits, and approves or rejects one of it."""
    asked = approval.ListApprovalsRequest(filter="state = WAITING", page_size=MOST_SEEN)
    found = await deal.caller.read("ListApprovals", asked, "approver")
    if found is None or not found.approvals:
        return
    seen = deal.approvals.seen
    first = {each.id for each in found.approvals if each.id not in seen}
    seen |= {each.id: each for each in found.approvals if each.id in first}
    chosen = rng.choice(found.approvals)
    if chosen.id in first and rng.random() < STALE_SHARE:
        return  # they think about it, and approve later what they saw now
    who: Party = "operator" if rng.random() < SELF_SHARE else "approver"
    if rng.random() < 0.2:
        no = approval.RejectRequest(approval_id=chosen.id, reason="I do not believe it.")
        await deal.want("Reject", who, no, rng)
        return
    shown = seen[chosen.id] if rng.random() < STALE_SHARE else chosen
    yes = approval.ApproveRequest(
        approval_id=chosen.id, plan_hash=shown.plan_hash, reason="I looked at it."
    )
    await deal.want("Approve", who, yes, rng)
    await deal.look(rng)


async def ask_again(deal: Deal, rng: random.Random) -> None:
    """Who asked wants to know what has become of it."""
    await deal.caller.send(rng.choice(waiting(deal.caller)))


Action = Callable[["Deal", random.Random], Awaitable[None]]

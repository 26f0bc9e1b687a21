"""Two pairs of eyes: what is above the limits of a seed's policy waits for a second person, who
approves what they see, approves what they saw some time ago, rejects, or does nothing.

Not in every seed. In time it expires where the seed lets that pass (deadlines.py).
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from escrow.client import EscrowClient, new_request_id
from escrow.v1 import approval_service_pb2 as approval
from escrow.v1 import policy_service_pb2 as policy
from tests.chaos.caller import NEEDED, Caller, Intention, Party
from tests.chaos.currencies import PRESENTED

if TYPE_CHECKING:
    from tests.chaos.deal import Deal

SEED_SHARE = 0.5  # of the seeds
STEP_SHARE = 0.4  # of the steps of these while something waits
# Times the least of a payment; prices are two to ninety times that. The same in every seed: the
# service knows a version of a policy by its number, and remembers it.
REFUNDS, WRITE_OFFS, REDIRECTIONS, REPAIRS = 20, 2, 10, 10
MOST_SEEN = 50
STALE_SHARE = 0.35  # of the approvals name the plan that somebody saw some time ago
SELF_SHARE = 0.1  # of the decisions are tried by who asked


class Approvals:
    """Those of one seed."""

    def __init__(self, seed: int) -> None:
        self.happen = random.Random(f"{seed} approvals").random() < SEED_SHARE
        self.seen: dict[str, approval.Approval] = {}
        """What waited, as it was when somebody first looked at it."""

    @property
    def who_cancels(self) -> Sequence[Party]:
        """Operators cancel above their limit as well; parties do what is their right."""
        return ("payer", "payee", "operator") if self.happen else ("payer", "payee")

    async def begin(self, client: EscrowClient) -> None:
        """Applies a policy that says what waits, and charges what the default does."""
        if not self.happen:
            return
        policies = client.acting("operator").policies
        versions = (await policies.ListPolicyVersions(policy.ListPolicyVersionsRequest())).versions
        wanted = policy.Policy()
        wanted.CopyFrom(versions[-1].policy)
        for currency, of in PRESENTED.items():
            wanted.approvals.add(
                currency=currency,
                refunds_minor=REFUNDS * of.least_minor,
                write_offs_minor=WRITE_OFFS * of.least_minor,
                redirections_minor=REDIRECTIONS * of.least_minor,
                repairs_minor=REPAIRS * of.least_minor,
            )
        request = policy.CreatePolicyVersionRequest(
            request_id=new_request_id(), policy=wanted, reason="Two look at it."
        )
        await policies.CreatePolicyVersion(request)

    def choose(self, deal: Deal, rng: random.Random) -> Action | None:
        """What somebody does about what waits, if anything does."""
        if not self.happen or rng.random() >= STEP_SHARE or not waiting(deal.caller):
            return None
        return rng.choice([decide, decide, decide, ask_again])


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

"""What is said to who wants to move what is frozen: how much of it is, and who ends that."""

from __future__ import annotations

from service.aggregates.escrow import EscrowCase
from service.domain.errors import AmountFrozen
from service.domain.money import format_minor
from service.domain.records.escrow import Milestone
from service.domain.records.freeze import FreezeReason

_OF_DISPUTE = (
    "The parties' dispute has to end first: they agree (RespondToDispute, AcceptDisputeSplit), or"
    " an operator decides (ResolveDispute)."
)
_OF_OTHERS = "GetEscrow shows the freezes; operators lift them (LiftFreeze)."


def amount_frozen(case: EscrowCase, milestone: Milestone, wanted_minor: int) -> AmountFrozen:
    """The refusal to release or refund so much of a milestone; 0 is all that is free of it."""
    says = f"{_how_much(milestone, wanted_minor, case.escrow.currency)} {_who(case, milestone)}"
    return AmountFrozen(
        says,
        amount_minor=wanted_minor,
        held_minor=milestone.held_minor,
        frozen_minor=milestone.frozen_minor,
        currency=case.escrow.currency,
    )


def _how_much(milestone: Milestone, wanted_minor: int, currency: str) -> str:
    amounts_minor = (wanted_minor, milestone.held_minor, milestone.frozen_minor)
    wanted, held, frozen = (format_minor(each, currency) for each in amounts_minor)
    if not milestone.frozen_minor:
        return "What was released of it does not move while its payment is frozen."
    if not milestone.releasable_minor:
        return f"All {held} that are held are frozen."
    return f"{wanted} is more than what may move: of the {held} that are held {frozen} are frozen."


def _who(case: EscrowCase, milestone: Milestone) -> str:
    """Who ends it. A dispute counts also where others have frozen all that it is about."""
    of_payment = (f for f in case.records.freezes if f.payment_id == milestone.payment_id)
    ours = {
        freeze.reason
        for freeze in of_payment
        if freeze.is_open and (freeze.milestone_id == milestone.milestone_id or freeze.beyond_minor)
    }
    disputed, others = FreezeReason.DISPUTE in ours, ours != {FreezeReason.DISPUTE}
    return " ".join([_OF_DISPUTE] * disputed + [_OF_OTHERS] * others)

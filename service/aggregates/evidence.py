"""When Stripe takes evidence against a chargeback, and what that may cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from service.domain.blocker import Blocker, Rule
from service.domain.call import Party
from service.domain.evidence import MOST_TOGETHER, characters_of
from service.domain.records.chargeback import Chargeback
from service.domain.records.effect import Effect
from service.domain.states.chargeback import ChargebackState
from service.domain.states.effect import OPEN, EffectState

C = ChargebackState
NOT_TAKEN: Mapping[ChargebackState, str] = {
    C.INQUIRY_CLOSED: "the bank asks no longer",
    C.PREVENTED: "it was prevented, and nobody has to answer",
    C.UNDER_REVIEW: "evidence was submitted, and the bank looks at it",
    C.LOST: "it is lost",
    C.WON: "it is won",
}
REPAIRS = {Party.OPERATOR: ("GetEffect", "RetryEffect", "RejectEffect")}
SHORTENS = {Party.OPERATOR: ("StageChargebackEvidence",)}
COSTS = (
    "Stripe may take a second fee for countering it, and gives that back with a win; in some"
    " countries there is none."
)


def blockers_of_evidence(
    known: Chargeback, fields: Mapping[str, str], submission: Effect | None, now: datetime
) -> list[Blocker]:
    """Why Stripe takes none now. ``submission`` is the effect of this stage, if there is one."""
    found = [Blocker(known.public_id, why, Rule.EVIDENCE) for why in _whys(known, now)]
    if submission and not found and submission.state in OPEN:
        why = "its evidence is on its way to Stripe"
        found.append(Blocker(submission.public_id, why, Rule.EVIDENCE, REPAIRS))
    elif submission and not found and submission.state is EffectState.SUCCEEDED:
        found.append(Blocker(known.public_id, NOT_TAKEN[C.UNDER_REVIEW], Rule.EVIDENCE))
    characters = characters_of(fields)
    if characters > MOST_TOGETHER:
        why = f"its evidence has {characters:,} characters, and Stripe takes {MOST_TOGETHER:,}"
        found.append(Blocker(known.public_id, why, Rule.EVIDENCE, SHORTENS))
    return found


def _whys(known: Chargeback, now: datetime) -> Iterator[str]:
    if known.state in NOT_TAKEN:
        yield NOT_TAKEN[known.state]
        return
    if known.state is C.INQUIRY and known.submissions:
        yield NOT_TAKEN[C.UNDER_REVIEW]
    elif known.is_appeal:
        yield "an appeal is answered in Stripe's dashboard"
    if known.due_by is None:
        yield "the network takes no evidence"
    elif known.due_by < now:
        yield f"Stripe took evidence until {known.due_by:%Y-%m-%d %H:%M:%S} UTC"


def costs_of_evidence(known: Chargeback) -> str:
    """Countering an inquiry costs nothing."""
    return COSTS if known.state is C.NEEDS_RESPONSE else ""

"""Why an escrow is not where a request needs it: its blockers, as ExplainEscrow tells them."""

from __future__ import annotations

from contextlib import suppress

from google.protobuf.message import Message

from service.aggregates.blockers import blockers_of
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import Precondition, Unavailable
from service.runtime import Runtime


async def add_blockers(
    runtime: Runtime, call: Call, request: Message, refusal: Precondition
) -> None:
    """Tells with a refusal what is in the way of the milestones that the request names, or of all.

    The escrow is read again for it: the story that was refused has changed the one that it had.
    """
    escrow_id = getattr(request, "escrow_id", "")
    if refusal.blockers or not refusal.because_of or not escrow_id:
        return
    with suppress(Unavailable):  # the refusal itself is what counts
        records = await runtime.find_escrow(call.tenant_id, ids.parse(escrow_id))
        if records is not None:
            named = _milestones(request)
            refusal.blockers = [
                each
                for each in blockers_of(records)
                if each.rule in refusal.because_of and (not named or each.milestone_id in named)
            ]


def _milestones(request: Message) -> set[object]:
    one = getattr(request, "milestone_id", "")
    several = [*getattr(request, "milestone_ids", ())]
    return {ids.parse(each) for each in [*filter(None, [one]), *several]}

"""People are warned before Stripe takes no more evidence, once at a time."""

from datetime import UTC, timedelta

from structlog.testing import capture_logs

from escrow.client import new_request_id
from escrow.v1 import agreement_service_pb2 as agreement_pb
from escrow.v1 import chargeback_service_pb2 as pb
from escrow.v1 import escrow_service_pb2 as escrow_pb
from escrow.v1.explanation_pb2 import ExplainEscrowRequest
from tests.service.operations.asked import WHY
from tests.service.operations.chargebacks.disputes import chargebacks, disputed, preview
from tests.service.operations.later import Later
from tests.service.operations.marketplace import Marketplace

EVIDENCE = escrow_pb.DEADLINE_KIND_EVIDENCE
HOUR = timedelta(hours=1)


async def running(market: Marketplace, escrow: escrow_pb.Escrow) -> list[escrow_pb.Deadline]:
    return [each for each in (await market.read(escrow)).deadlines if each.kind == EVIDENCE]


async def test_operators_are_warned_72_and_24_hours_before(market: Marketplace) -> None:
    escrow = await market.funded_escrow()
    await disputed(market, escrow)
    (found,) = await chargebacks(market)
    (deadline,) = await running(market, escrow)
    assert (deadline.chargeback_id, deadline.due_time) == (found.id, found.due_time)
    assert deadline.milestone_id == ""
    explained = await market.service.escrows.ExplainEscrow(
        ExplainEscrowRequest(escrow_id=escrow.id)
    )
    assert found.id in [each.subject for each in explained.timers]
    extends = agreement_pb.ExtendDeadlineRequest(
        request_id=new_request_id(), escrow_id=escrow.id, deadline_id=deadline.id, reason=WHY
    )
    extends.due_time.FromDatetime(found.due_time.ToDatetime(UTC) + HOUR)
    async with market.refuses("DEADLINE_FIXED"):
        await market.client("operator", role="operator").agreements.ExtendDeadline(extends)

    later = Later(market)
    left = found.due_time.ToDatetime(UTC) - later.runtime.clock()
    warned: list[str] = []
    for hours in (73, 71, 60, 23, 5, -1):
        later.ahead = left - hours * HOUR
        with capture_logs() as logs:
            await later.deadlines.run_once()
            await later.deadlines.run_once()
        warned += [str(each["note"]) for each in logs if each["event"] == "deadline nears"]

    assert [note.partition("takes it for ")[2][:4] for note in warned] == ["70 h", "22 h"]
    timeline = await market.timeline(escrow)
    assert [t.note for t in timeline if t.operation == "warn_of_evidence"] == warned
    assert all(found.id in note for note in warned)
    await market.sandbox.control(f"disputes/{found.stripe_dispute}/lose")
    await market.settle()
    assert await running(market, escrow) == []


async def test_it_runs_while_evidence_is_waited_for_and_by_its_newest_date(
    market: Marketplace,
) -> None:
    escrow = await market.funded_escrow()
    await disputed(market, escrow, inquiry=True)
    (inquiry,) = await chargebacks(market)
    (first,) = await running(market, escrow)
    await market.sandbox.advance(2 * 86_400)
    await market.sandbox.control(f"disputes/{inquiry.stripe_dispute}/escalate")
    await market.settle()
    (found,) = await chargebacks(market)
    (second,) = await running(market, escrow)
    assert second.due_time == found.due_time != first.due_time
    await market.deliver(escrow)  # what runs for milestones is begun and ended apart from it
    assert await running(market, escrow) == [second]

    request = pb.SubmitChargebackEvidenceRequest(
        request_id=new_request_id(),
        chargeback_id=found.id,
        evidence_hash=(await preview(market, found)).evidence.hash,
        reason=WHY,
    )
    operator = market.client("operator", role="operator").chargebacks
    await operator.SubmitChargebackEvidence(request)

    assert await running(market, escrow) == []

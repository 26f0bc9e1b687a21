"""Evidence is given to the bank once, as an operator has seen it, whatever happens on the way."""

import asyncio
from datetime import timedelta
from typing import Any

import grpc

from escrow.client import new_request_id, reason_of
from escrow.v1 import chargeback_service_pb2 as pb
from escrow.v1 import operator_service_pb2 as operator_pb
from service.effects.perform import LEASE
from service.effects.submit_evidence import SUBMIT_EVIDENCE
from service.stripe.outcomes import Succeeded
from tests.service.movements.strangers import Json, assert_same_as_stripe
from tests.service.operations.asked import WHY
from tests.service.operations.chargebacks.disputes import chargebacks, disputed, preview
from tests.service.operations.chargebacks.test_evidence import texts
from tests.service.operations.later import Later
from tests.service.operations.marketplace import TENANT, Marketplace

DISPUTES = "/v1/disputes/"


def operator(market: Marketplace, who: str = "orders") -> Any:  # noqa: ANN401  a stub
    return market.client("operator", role="operator", caller=who).chargebacks


async def answered(market: Marketplace, **more: Any) -> pb.Chargeback:  # noqa: ANN401  JSON
    """A chargeback of an escrow whose delivery was accepted."""
    escrow = await market.delivered_escrow(payee=await market.new_payee())
    await market.accept(escrow)
    await market.settle()
    await disputed(market, escrow, **more)
    (found,) = await chargebacks(market, f'escrow_id = "{escrow.id}"')
    return found


async def stage(market: Marketplace, found: pb.Chargeback, **given: str) -> pb.SentEvidence:
    request = pb.StageChargebackEvidenceRequest(
        request_id=new_request_id(), chargeback_id=found.id, evidence=given, reason=WHY
    )
    evidence: pb.SentEvidence = (await operator(market).StageChargebackEvidence(request)).evidence
    return evidence


async def submission(
    market: Marketplace,
    found: pb.Chargeback,
    hash_: str = "",
    **more: Any,  # noqa: ANN401
) -> pb.SubmitChargebackEvidenceRequest:
    return pb.SubmitChargebackEvidenceRequest(
        request_id=new_request_id(),
        chargeback_id=found.id,
        evidence_hash=hash_ or (await preview(market, found)).evidence.hash,
        reason=WHY,
        **more,
    )


async def shown(market: Marketplace, found: pb.Chargeback) -> Json:
    disputes = await market.sandbox.objects("/v1/disputes")
    return next(each for each in disputes if each["id"] == found.stripe_dispute)


async def submissions(market: Marketplace, found: pb.Chargeback) -> int:
    return int((await shown(market, found))["evidence_details"]["submission_count"])


async def sent(market: Marketplace, found: pb.Chargeback) -> list[pb.SentEvidence]:
    request = pb.ListChargebackEvidenceRequest(filter=f'chargeback_id = "{found.id}"')
    auditor = market.client("operator", role="auditor").chargebacks
    return list((await auditor.ListChargebackEvidence(request)).evidence)


async def test_what_was_seen_is_staged_submitted_once_and_kept(market: Marketplace) -> None:
    found = await answered(market)
    before = await preview(market, found)

    staged = await stage(market, found, uncategorized_text="winning_evidence")

    at_stripe = await shown(market, found)
    assert at_stripe["status"] == "needs_response"
    assert at_stripe["evidence"]["uncategorized_text"] == "winning_evidence"
    seen = (await preview(market, found)).evidence
    assert staged.hash == seen.hash != before.evidence.hash
    assert [each.name for each in seen.fields if each.given] == ["uncategorized_text"]
    async with market.refuses("EVIDENCE_CHANGED") as refusal:
        await operator(market).SubmitChargebackEvidence(
            await submission(market, found, before.evidence.hash)
        )
    assert refusal.metadata["evidence_hash"] == seen.hash
    async with market.unchanged():
        dry = await submission(market, found, validate_only=True)
        assert (await operator(market).SubmitChargebackEvidence(dry)).evidence.hash == seen.hash

    request = await submission(market, found)
    answer = await operator(market, "kim").SubmitChargebackEvidence(request)

    at_stripe = await shown(market, found)
    assert at_stripe["status"] == "under_review"
    assert texts(seen).items() <= at_stripe["evidence"].items()
    (now,) = await chargebacks(market)
    assert (now.state, now.submissions) == (pb.CHARGEBACK_STATE_UNDER_REVIEW, 1)
    async with market.unchanged():
        assert await operator(market, "kim").SubmitChargebackEvidence(request) == answer
    async with market.refuses("EVIDENCE_BLOCKED") as refusal:
        await operator(market).SubmitChargebackEvidence(await submission(market, found))
    assert "evidence was submitted" in refusal.message
    last, first = await sent(market, found)
    assert (last.step, first.step) == (pb.EVIDENCE_STEP_SUBMITTED, pb.EVIDENCE_STEP_STAGED)
    assert (last.caller, last.hash, list(last.fields)) == ("kim", seen.hash, list(seen.fields))
    await market.settle()
    (now,) = await chargebacks(market)
    assert now.state == pb.CHARGEBACK_STATE_WON
    assert await submissions(market, found) == 1
    async with market.refuses("EVIDENCE_BLOCKED"):
        await stage(market, found)
    await market.sweep()
    await assert_same_as_stripe(market)


async def test_what_cannot_be_sent_is_refused_and_nothing_written(market: Marketplace) -> None:
    found = await answered(market)
    too_long = {f"{name}_disclosure": "x" * 20_000 for name in ("refund_policy",)}
    for given, why in (
        ({"nonsense": "x"}, "is no field of Stripe's evidence"),
        ({"customer_name": "x" * 5_001}, "5,001 characters, and Stripe takes 5,000"),
        ({"customer_name": " "}, "must not be empty"),
        ({"access_activity_log": "x" * 20_001}, "at most 20,000 characters"),
        (too_long | {"uncategorized_text": "4242 4242 4242 4242"}, "card number"),
    ):
        async with market.refuses("INVALID_FIELD") as refusal:
            await stage(market, found, **given)
        assert why in refusal.message
    long = [each for each in LONG if each != "uncategorized_text"]
    async with market.refuses("EVIDENCE_BLOCKED") as refusal:
        await stage(
            market,
            found,
            **dict.fromkeys([*long, *SHORT], "x" * 5_000) | dict.fromkeys(long, "x" * 20_000),
        )
    assert "Stripe takes 150,000" in refusal.message

    hash_ = (await preview(market, found)).evidence.hash
    await market.owner.execute("UPDATE chargebacks SET due_by = now() - interval '1 second'")
    async with market.refuses("EVIDENCE_BLOCKED") as refusal:
        await operator(market).SubmitChargebackEvidence(await submission(market, found, hash_))
    assert "Stripe took evidence until" in refusal.message
    await market.owner.execute("UPDATE chargebacks SET due_by = NULL")
    async with market.refuses("EVIDENCE_BLOCKED"):
        await stage(market, found)
    assert await submissions(market, found) == 0
    await market.owner.execute(
        "UPDATE chargebacks SET due_by = to_timestamp($1)", float(found.due_time.seconds)
    )


LONG = (
    *("access_activity_log", "cancellation_policy_disclosure", "cancellation_rebuttal"),
    *("duplicate_charge_explanation", "product_description", "refund_policy_disclosure"),
    *("refund_refusal_explanation", "uncategorized_text"),
)
SHORT = ("billing_address", "shipping_address", "shipping_carrier")


async def test_an_answer_that_is_lost_and_a_process_that_dies_submit_once(
    market: Marketplace,
) -> None:
    """And so do two operators at once, who saw the same."""
    found = await answered(market)
    request = await submission(market, found)
    await market.sandbox.fail_next(DISPUTES, kind="cut_after_effect", times=3)

    async with market.refuses("STRIPE_UNAVAILABLE", writes=True):
        await operator(market).SubmitChargebackEvidence(request)
    assert await submissions(market, found) == 1
    async with market.refuses("EVIDENCE_BLOCKED") as refusal:
        await operator(market).SubmitChargebackEvidence(await submission(market, found))
    assert "on its way to Stripe" in refusal.message
    await market.patience()
    await market.work()
    assert (await operator(market).SubmitChargebackEvidence(request)).evidence.hash

    another = await answered(market)
    await market.sandbox.fail_next(DISPUTES, method="GET")
    request = await submission(market, another)
    async with market.refuses("STRIPE_UNAVAILABLE", writes=True):
        await operator(market).SubmitChargebackEvidence(request)
    later = Later(market)
    await later.pass_by(timedelta(minutes=10))
    leased = await later.lease()
    outcome = await later.runtime.stripe[TENANT].send(leased, SUBMIT_EVIDENCE.send)
    assert isinstance(outcome, Succeeded), outcome  # and it dies
    assert await submissions(market, another) == 1
    await later.pass_by(2 * LEASE)
    await later.effects.run_once()
    assert (await operator(market).SubmitChargebackEvidence(request)).evidence.hash

    third = await answered(market)
    requests = [await submission(market, third) for _ in range(2)]
    outcomes = await asyncio.gather(
        *(
            operator(market, who).SubmitChargebackEvidence(each)
            for who, each in zip(("kim", "lee"), requests, strict=True)
        ),
        return_exceptions=True,
    )
    refused = [each for each in outcomes if isinstance(each, grpc.aio.AioRpcError)]
    assert [reason_of(each) for each in refused] == ["EVIDENCE_BLOCKED"]
    await market.settle()
    for each in (found, another, third):
        assert await submissions(market, each) == 1
        assert len(await sent(market, each)) == 1
    await assert_same_as_stripe(market)


async def test_what_stripe_refuses_is_shown_and_can_be_sent_again(market: Marketplace) -> None:
    """Stripe wants a fee acknowledged first; and what somebody did in the dashboard counts."""
    found = await answered(market, reason="noncompliant")
    async with market.refuses("STRIPE_REFUSED", writes=True) as refusal:
        await operator(market).SubmitChargebackEvidence(await submission(market, found))
    assert "Nothing was submitted" in refusal.message
    assert not (await preview(market, found)).blockers
    await market.sandbox.stripe(
        f"{DISPUTES}{found.stripe_dispute}",
        **{
            "evidence[enhanced_evidence][visa_compliance][fee_acknowledged]": "true",
            "submit": "false",
        },
    )

    request = await submission(market, found)
    answer = await operator(market).SubmitChargebackEvidence(request)

    assert (answer.evidence.effect_generation, await submissions(market, found)) == (2, 1)
    effect = await market.client("operator", role="auditor").operators.GetEffect(
        operator_pb.GetEffectRequest(effect_id=answer.evidence.effect_id)
    )
    assert effect.effect.subject_id == found.id

    inquiry = await answered(market, inquiry=True)
    assert (await preview(market, inquiry)).costs == ""
    await market.sandbox.stripe(
        f"{DISPUTES}{inquiry.stripe_dispute}", **{"evidence[customer_name]": "Ann"}
    )
    async with market.refuses("STRIPE_REFUSED", writes=True) as refusal:
        await operator(market).SubmitChargebackEvidence(await submission(market, inquiry))
    assert refusal.metadata["code"] == "dispute_moved"
    await market.settle()
    async with market.refuses("EVIDENCE_BLOCKED"):
        await operator(market).SubmitChargebackEvidence(await submission(market, inquiry))
    await market.sandbox.control(f"disputes/{inquiry.stripe_dispute}/escalate")
    await market.settle()
    await operator(market).SubmitChargebackEvidence(await submission(market, inquiry))
    assert await submissions(market, inquiry) == 1
    assert [each.stage for each in await sent(market, inquiry)] == ["chargeback", "inquiry"]

"""A request_id names one intention, for every mutation alike: told again, it is not done again."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from google.protobuf.message import Message

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party_pb
from tests.service.operations.asked import Asked
from tests.service.operations.catalogue import (
    EVERY_REQUEST,
    METHODS,
    MUTATIONS,
    ask,
    client_for,
)
from tests.service.operations.marketplace import Marketplace

# One field of each request, with another value that is just as valid.
OTHERWISE: Mapping[str, Mapping[str, Any]] = {
    "CreateEscrow": {"reference": "another job"},
    "FundEscrow": {"capture": pb.CAPTURE_STRATEGY_MANUAL},
    "CapturePayment": {"payment_id": f"pay_{'0' * 32}"},
    "CancelPayment": {"payment_id": f"pay_{'0' * 32}"},
    "SubmitDelivery": {"note": "It is somewhere else."},
    "RequestChanges": {"note": "In green, please."},
    "AcceptDelivery": {"etag": ""},
    "ReleaseMilestone": {"amount_minor": 2_501},
    "CancelEscrow": {"reason": "No reason."},
    "PlaceFreeze": {"amount_minor": 2_501},
    "LiftFreeze": {"reason": "No reason."},
    "RedirectShare": {"reason": "No reason."},
    "RefundMilestone": {"plan_hash": "0"},
    "RefundSuspense": {"amount_minor": 501},
    "AdoptRefund": {"reason": "No reason."},
    "AdoptReversal": {"reason": "No reason."},
    "ResolveRefund": {"reason": "No reason."},
    "WriteOffReceivable": {"reason": "No reason."},
    "SettleChargeback": {"reason": "No reason."},
    "OpenDispute": {"amount_minor": 5_001},
    "RespondToDispute": {"statement": "It was not."},
    "ProposeDisputeSplit": {"to_payer_minor": 4_001},
    "AcceptDisputeSplit": {"etag": ""},
    "RequestMediation": {"etag": ""},
    "ResolveDispute": {"reason": "No reason."},
    "AddDisputeEvidence": {"note": "It never came."},
    "WithdrawDispute": {"etag": ""},
    "RequestCancellation": {"reason": "No reason."},
    "ApproveCancellation": {"reason": "No reason."},
    "DeclineCancellation": {"reason": "No reason."},
    "RequestExtension": {"reason": "No reason."},
    "ExtendDeadline": {"reason": "No reason."},
    "DeclineExtension": {"reason": "No reason."},
    "ProposeAmendment": {"reason": "No reason."},
    "AcceptAmendment": {"reason": "No reason."},
    "DeclineAmendment": {"reason": "No reason."},
    "Approve": {"reason": "No reason."},
    "Reject": {"reason": "No reason."},
    "RetryEffect": {"reason": "No reason."},
    "RejectEffect": {"reason": "No reason."},
    "SettleEffect": {"reason": "No reason."},
    "RetryStripeEvent": {"reason": "No reason."},
    "DismissStripeEvent": {"reason": "No reason."},
    "ApplySuspense": {"reason": "No reason."},
    "CreatePolicyVersion": {"reason": "No reason."},
    "UploadChargebackEvidenceFile": {"content": b"%PDF-2.0"},
    "StageChargebackEvidence": {"evidence": {"customer_name": "Anne Payer"}},
    "SubmitChargebackEvidence": {"evidence_hash": "0" * 32},
    "CreatePayer": {"name": "Anne Payer"},
    "CreatePayee": {"account_api": party_pb.ACCOUNT_API_V1},
    "UpdatePayer": {"name": "Anne Payer"},
    "UpdatePayee": {"name": "Robert Payee"},
    "ReplacePayeeAccount": {"reason": "No reason."},
    "CreateOnboardingLink": {"return_url": "https://other.example/"},
    "RequestPayout": {"amount": {"amount_minor": 3_001, "currency": "USD"}},
}


ANY_NUMBER = {"CreateOnboardingLink"} | {
    *("UploadChargebackEvidenceFile", "StageChargebackEvidence"),
}


def as_bytes(answer: Message) -> bytes:
    return answer.SerializeToString(deterministic=True)


def test_every_method_is_in_the_catalogue() -> None:
    assert set(EVERY_REQUEST) == set(METHODS)
    assert set(OTHERWISE) == set(MUTATIONS)


@pytest.mark.parametrize("name", MUTATIONS)
async def test_an_id_names_one_request_of_one_caller(market: Marketplace, name: str) -> None:
    """One test, because what it takes to ask is dear to make."""
    asked = await EVERY_REQUEST[name](market)
    first = await ask(client_for(market, asked), name, asked.request)

    await _a_replay_answers_the_same_and_writes_nothing(market, name, asked, first)
    await _the_same_id_for_another_request_is_refused(market, name, asked)
    await _two_callers_do_not_hear_each_others_answers(market, name, asked)


async def _a_replay_answers_the_same_and_writes_nothing(
    market: Marketplace, name: str, asked: Asked, first: Message
) -> None:
    async with market.unchanged():
        again = await ask(client_for(market, asked), name, asked.request)

    assert as_bytes(again) == as_bytes(first)


async def _the_same_id_for_another_request_is_refused(
    market: Marketplace, name: str, asked: Asked
) -> None:
    changed = type(asked.request)()
    changed.CopyFrom(asked.request)
    for field in OTHERWISE[name]:
        changed.ClearField(field)
    changed.MergeFrom(type(asked.request)(**OTHERWISE[name]))

    # A payment is looked at before it is acted on.
    reason = "PAYMENT_MISSING" if "payment_id" in OTHERWISE[name] else "REQUEST_ID_REUSED"
    async with market.refuses(reason):
        await ask(client_for(market, asked), name, changed)


async def _two_callers_do_not_hear_each_others_answers(
    market: Marketplace, name: str, asked: Asked
) -> None:
    """Although they have chosen the same id."""
    stranger = market.client(asked.party, caller="another-service", role=asked.role)

    if name in ANY_NUMBER:  # may be asked for as often as one likes
        assert await ask(stranger, name, asked.request)
    elif name == "CreateEscrow":
        answer = await ask(stranger, name, asked.request)
        first = await ask(client_for(market, asked), name, asked.request)
        assert as_bytes(answer) != as_bytes(first)
    elif name in ("CreatePayer", "CreatePayee"):
        async with market.refuses("ALREADY_EXISTS"):
            await ask(stranger, name, asked.request)
    elif name == "SubmitChargebackEvidence":
        async with market.refuses("EVIDENCE_BLOCKED"):
            await ask(stranger, name, asked.request)
    elif name == "AddDisputeEvidence":
        async with market.refuses("FILE_GIVEN"):
            await ask(stranger, name, asked.request)
    elif name == "CreatePolicyVersion":
        async with market.refuses("POLICY_UNCHANGED"):
            await ask(stranger, name, asked.request)
    elif name in {
        *("CapturePayment", "CancelPayment", "RetryStripeEvent", "DismissStripeEvent"),
        *("WriteOffReceivable", "Approve", "Reject"),
    }:
        async with market.refuses("WRONG_STATE"):
            await ask(stranger, name, asked.request)
    else:
        async with market.refuses("STALE_ETAG"):
            await ask(stranger, name, asked.request)


@pytest.mark.parametrize("name", MUTATIONS)
async def test_twenty_twins_are_one(shared_market: Marketplace, name: str) -> None:
    asked = await EVERY_REQUEST[name](shared_market)
    client = client_for(shared_market, asked)

    answers = await asyncio.gather(*(ask(client, name, asked.request) for _ in range(20)))

    # A payment is read from Stripe for every answer: it may have gone on in between.
    heard = {a.payment.id if hasattr(a, "payment") else as_bytes(a) for a in answers}
    assert len(heard) == 1
    done = await shared_market.owner.fetchval(
        "SELECT count(*) FROM operations WHERE key = $1 AND caller = 'orders'",
        asked.request.request_id,
    )
    assert done == 1


async def test_an_id_is_for_one_method(market: Marketplace) -> None:
    asked = await EVERY_REQUEST["SubmitDelivery"](market)
    await ask(market.payee, "SubmitDelivery", asked.request)
    acceptance = pb.AcceptDeliveryRequest(
        request_id=asked.request.request_id,
        escrow_id=asked.request.escrow_id,
        milestone_id=asked.request.milestone_id,
    )

    async with market.refuses("REQUEST_ID_REUSED") as refusal:
        await market.payer.escrows.AcceptDelivery(acceptance)

    assert refusal.message == "This request_id was used for SubmitDelivery before; send a new one."
    again = await ask(market.payee, "SubmitDelivery", asked.request)  # and still is for the first
    assert again.escrow.milestones[0].state == pb.MILESTONE_STATE_DELIVERED
    await market.client("payer", caller="another-service").escrows.AcceptDelivery(acceptance)


@pytest.mark.parametrize("name", MUTATIONS)
async def test_an_id_that_another_method_has_used_is_refused(
    shared_market: Marketplace, name: str
) -> None:
    asked = await EVERY_REQUEST[name](shared_market)
    other = "CreateEscrow" if name == "CreatePayer" else "CreatePayer"
    used = await EVERY_REQUEST[other](shared_market)
    used.request.request_id = asked.request.request_id
    await ask(shared_market.service, other, used.request)

    async with shared_market.refuses("REQUEST_ID_REUSED", writes=True):
        await ask(client_for(shared_market, asked), name, asked.request)


async def test_a_refusal_is_not_an_answer_that_is_kept(market: Marketplace) -> None:
    """The same request succeeds as soon as its time has come."""
    escrow = await market.new_escrow()
    request = pb.SubmitDeliveryRequest(
        request_id=new_request_id(), escrow_id=escrow.id, milestone_id=escrow.milestones[0].id
    )
    async with market.refuses("WRONG_STATE"):
        await market.payee.escrows.SubmitDelivery(request)
    await market.pay(await market.fund(escrow))
    await market.settle()

    delivered = await market.payee.escrows.SubmitDelivery(request)

    assert delivered.escrow.milestones[0].state == pb.MILESTONE_STATE_DELIVERED

"""A service acts for a person, as their token says: it touches what is theirs, by any method."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio

from escrow.client import EscrowClient, new_request_id
from escrow.v1 import agreement_service_pb2 as agreement_pb
from escrow.v1 import dispute_service_pb2 as dispute_pb
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party_pb
from escrow.v1 import refund_service_pb2 as refund_pb
from service.operations.ownership import OF_NOBODY, check_own
from service.rpc.grpc_server import Listening, serving
from service.rpc.identity.verified import VerifiedIdentities
from service.rpc.services import OPERATIONS, SERVICES
from tests.depth import deeper
from tests.service.operations.catalogue import EVERY_REQUEST, METHODS, ask
from tests.service.operations.disputes.disputing import named as of_dispute
from tests.service.operations.disputes.disputing import opened, resolution
from tests.service.operations.escrows.split import share, split_escrow
from tests.service.operations.marketplace import AN_ID, Marketplace
from tests.service.rpc.identity.issuer import Issuer, write_document

ISSUES = Issuer()
As = Callable[..., EscrowClient]


@pytest_asyncio.fixture
async def acting_for(shared_market: Marketplace, tmp_path: Path) -> AsyncIterator[As]:
    """The same service, where callers prove who they are: a client for a person and a party."""
    whole = {"permissions": ["*.*"], "parties": ["payer", "payee", "operator"]}
    roles = {"whole": whole, "backend": {**whole, "of_programs": True}}
    file = write_document(tmp_path / "auth.json", ISSUES, roles)
    identities = VerifiedIdentities(file, {"default"})
    runtime = shared_market.running.runtime
    own = partial(check_own, runtime)
    listening = Listening("127.0.0.1", 0, 20, 300, 1, reflection=False)
    async with (
        serving(
            runtime, SERVICES, OPERATIONS, identities.identify, listening, check_own=own
        ) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):

        def client(
            person: str, party: str = "", role: str = "service", program: str = "orders"
        ) -> EscrowClient:
            act = {"sub": program} if program else None
            token = ISSUES.token(sub=person, act=act, roles=role.split("+"))
            identity = {"escrow-party": party} if party else {}
            return EscrowClient(channel, identity, 20, token)

        yield client


def named(request: Any) -> bool:  # noqa: ANN401  any request
    return request.DESCRIPTOR.name not in OF_NOBODY


PARTIES = ("payer", "payee", "")
# Usually one party for each method: what asks who they are is the same for all.
FOR_OTHERS = [
    (name, party)
    for number, name in enumerate(sorted(METHODS))
    for party in deeper(PARTIES[number % 3 :][:1], PARTIES)
]


@pytest.mark.parametrize(("name", "party"), FOR_OTHERS)
async def test_nothing_of_others_is_touched(
    shared_market: Marketplace, acting_for: As, name: str, party: str
) -> None:
    """By every method, as the catalogue asks for it, for a person whom it does not name."""
    asked = await EVERY_REQUEST[name](shared_market)
    if not named(asked.request) or name == "ListEscrows":
        return
    refused: list[str] = []
    before = await shared_market.contents()

    try:
        await ask(acting_for("somebody-else", party), name, asked.request)
    except grpc.aio.AioRpcError as error:
        refused.append(error.code().name)

    assert refused == ["PERMISSION_DENIED"]
    assert before == await shared_market.contents()


async def test_a_payer_sees_and_does_what_is_theirs(
    shared_market: Marketplace, acting_for: As
) -> None:
    market = shared_market
    escrow = await market.new_escrow()
    other = await market.new_escrow()
    reference = await payer_of(market, escrow)
    ann = acting_for(reference, "payer")

    assert (await ann.escrows.GetEscrow(pb.GetEscrowRequest(escrow_id=escrow.id))).escrow == escrow
    listed = await ann.escrows.ListEscrows(pb.ListEscrowsRequest())
    assert [each.id for each in listed.escrows] == [escrow.id]
    listed = await ann.escrows.ListEscrows(
        pb.ListEscrowsRequest(filter=f'reference = "{other.reference}"')
    )
    assert list(listed.escrows) == []
    mine = pb.ListEscrowsRequest(filter=f'payer_id = "{escrow.payer_id}"')
    assert [each.id for each in (await ann.escrows.ListEscrows(mine)).escrows] == [escrow.id]
    of_another = pb.ListEscrowsRequest(filter=f'payer_id = "{other.payer_id}"')
    async with market.refuses("NOT_YOURS"):
        await ann.escrows.ListEscrows(of_another)
    by_reference = party_pb.GetPayerRequest(reference=reference)
    assert (await ann.parties.GetPayer(by_reference)).payer.id == escrow.payer_id
    funding = pb.FundEscrowRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        method=pb.PAYMENT_METHOD_PAYMENT_INTENT,
    )
    payment = (await ann.escrows.FundEscrow(funding)).payment
    assert payment.client_secret
    reads = pb.GetPaymentRequest(payment_id=payment.id)
    assert (await ann.escrows.GetPayment(reads)).payment.client_secret
    async with market.refuses("NOT_YOURS"):
        await ann.escrows.GetEscrow(pb.GetEscrowRequest(escrow_id=other.id))


async def test_nobody_else_sees_a_client_secret(shared_market: Marketplace, acting_for: As) -> None:
    market = shared_market
    payee = await market.new_payee()
    payment = await market.fund(await market.new_escrow(payee=payee))
    reads = pb.GetPaymentRequest(payment_id=payment.id)

    assert (await market.payer.escrows.GetPayment(reads)).payment.client_secret
    for client in (
        market.payee,
        market.operator,
        market.client(role="reader"),
        market.client("payer", role="reader"),
        acting_for(payee.reference, "payee"),
    ):
        assert not (await client.escrows.GetPayment(reads)).payment.client_secret


async def test_a_party_is_made_for_oneself(shared_market: Marketplace, acting_for: As) -> None:
    reference = new_request_id()
    request = party_pb.CreatePayerRequest(
        request_id=new_request_id(), reference=reference, name="Ann", email="ann@example.com"
    )
    made = (await acting_for(reference, "payer").parties.CreatePayer(request)).payer

    assert made.reference == reference
    request.request_id, request.reference = new_request_id(), "another"
    async with shared_market.refuses("NOT_YOURS"):
        await acting_for(reference, "payer").parties.CreatePayer(request)


async def test_a_payee_of_a_part_sees_the_escrow_and_acts_for_nobody(
    shared_market: Marketplace, acting_for: As
) -> None:
    market = shared_market
    lead, bob = await market.new_payee(), await market.new_payee()
    escrow = await split_escrow(market, [share(lead), share(bob, of=100)], delivered=False)
    of_lead, of_bob = acting_for(lead.reference, "payee"), acting_for(bob.reference, "payee")

    reads = pb.GetEscrowRequest(escrow_id=escrow.id)
    assert (await of_bob.escrows.GetEscrow(reads)).escrow == escrow
    payment = pb.GetPaymentRequest(payment_id=escrow.milestones[0].payment_id)
    assert (await of_bob.escrows.GetPayment(payment)).payment.client_secret == ""
    parts = pb.ListEscrowsRequest(filter=f"part_payee_id = {bob.id}")
    assert [each.id for each in (await of_bob.escrows.ListEscrows(parts)).escrows] == [escrow.id]
    async with market.refuses("NOT_YOURS"):
        await of_lead.escrows.ListEscrows(parts)
    delivery = pb.SubmitDeliveryRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        note="It is in the shared folder.",
    )
    async with market.refuses("NOT_YOURS"):
        await of_bob.escrows.SubmitDelivery(delivery)
    await of_lead.escrows.SubmitDelivery(delivery)


async def test_evidence_is_listed_for_the_parties_of_its_dispute(
    shared_market: Marketplace, acting_for: As
) -> None:
    market = shared_market
    payee, bob = await market.new_payee(), await market.new_payee()
    escrow = await market.delivered_escrow(payee=payee)
    ann, dispute = await payer_of(market, escrow), await opened(market.payer, escrow)
    other = await opened(
        market.payer, await split_escrow(market, [share(payee), share(bob, of=100)])
    )
    for each in (dispute, other):
        note = dispute_pb.AddDisputeEvidenceRequest(**of_dispute(each), note="It is broken.")
        await market.payer.disputes.AddDisputeEvidence(note)

    async def sees(whose: str, party: str, of: str) -> list[str]:
        request = dispute_pb.ListDisputeEvidenceRequest(filter=of)
        found = await acting_for(whose, party).disputes.ListDisputeEvidence(request)
        return [each.dispute_id for each in found.evidence]

    its = f'dispute_id = "{dispute.id}"'
    both = f'escrow_id = "{other.escrow_id}" AND {its}'
    assert await sees(ann, "payer", its) == await sees(payee.reference, "payee", its)
    assert await sees(ann, "payer", f"{its} AND party = payer") == [dispute.id]
    assert await sees(ann, "payer", f'escrow_id = "{dispute.escrow_id}"') == [dispute.id]
    assert await sees(bob.reference, "payee", f'dispute_id = "{other.id}"') == [other.id]
    assert await sees(payee.reference, "payee", both) == []  # each is theirs, and nothing is both
    for whose, party, of in (
        ("somebody", "payer", its),
        (ann, "payee", its),
        (bob.reference, "payee", its),
        (ann, "payer", both),
        (ann, "payer", f'dispute_id = "dsp_{AN_ID}"'),
        (ann, "payer", "party = payer"),
        (ann, "payer", ""),
    ):
        async with market.refuses("NOT_YOURS"):
            await sees(whose, party, of)


@pytest.mark.parametrize(
    ("role", "program", "refused"),
    [
        ("service+operator", "", True),
        ("whole", "", True),
        ("service", "orders", True),  # an end user
        ("service", "", False),  # a program, by its role
        ("backend", "", False),
    ],
)
async def test_who_acted_for_a_party_decides_nothing_of_its_escrow(
    shared_market: Marketplace, acting_for: As, role: str, program: str, *, refused: bool
) -> None:
    """A program that serves everybody may."""
    market = shared_market
    escrow = await market.delivered_escrow()
    jo = await payer_of(market, escrow)
    dispute = await opened(acting_for(jo, "payer", role, program), escrow, amount_minor=3_000)
    other = await opened(market.payer, escrow, amount_minor=1_000)
    decider = acting_for(jo, "operator", "backend" if role == "backend" else "operator", "")

    if refused:
        async with market.refuses("RESOLVER_IS_PARTY"):
            await decider.disputes.ResolveDispute(resolution(dispute, 1_000))
        kim = acting_for("kim", "operator", "operator", "")
        await kim.disputes.ResolveDispute(resolution(dispute, 1_000))
        for asked in await decisions(market, escrow, other):
            async with market.refuses("RESOLVER_IS_PARTY"):
                await ask(decider, *asked)
        decider = kim
    done = await decider.disputes.ResolveDispute(resolution(other, 1_000))
    assert done.dispute.outcome.to_payer.amount_minor == 1_000


async def decisions(
    market: Marketplace, escrow: pb.Escrow, dispute: dispute_pb.Dispute
) -> list[tuple[str, Any]]:
    """Every way in which an operator gives a party money of an escrow; a dispute of it is open."""
    of_escrow: dict[str, Any] = {"escrow_id": escrow.id, "reason": "They are right."}
    of_milestone = {**of_escrow, "milestone_id": escrow.milestones[0].id, "amount_minor": 100}
    refunding = refund_pb.RefundMilestoneRequest(**of_milestone, request_id=new_request_id())
    refund = (await market.payee.refunds.RefundMilestone(refunding)).refund
    asked: dict[str, Any] = {
        "ResolveDispute": resolution(dispute, 1_000),
        "ReleaseMilestone": pb.ReleaseMilestoneRequest(**of_milestone),
        "RefundMilestone": refund_pb.RefundMilestoneRequest(**of_milestone),
        "CancelEscrow": pb.CancelEscrowRequest(**of_escrow),
        "ApproveCancellation": agreement_pb.ApproveCancellationRequest(
            **of_escrow, proposal_id=f"prp_{AN_ID}"
        ),
        "LiftFreeze": pb.LiftFreezeRequest(**of_escrow, freeze_id=f"frz_{AN_ID}"),
        "ResolveRefund": refund_pb.ResolveRefundRequest(
            refund_id=refund.id, reason="sent", resolution=refund_pb.REFUND_RESOLUTION_PAID_OUTSIDE
        ),
    }
    for request in asked.values():
        request.request_id = new_request_id()
    return [*asked.items()]


async def payer_of(market: Marketplace, escrow: pb.Escrow) -> str:
    """The payer's reference."""
    request = party_pb.GetPayerRequest(payer_id=escrow.payer_id)
    return (await market.service.parties.GetPayer(request)).payer.reference

"""What is large: a page never breaks a client, and an answer is not stored again and again."""

from typing import Any

import pytest
from google.protobuf.message import Message

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from tests.service.operations.catalogue import METHODS, MUTATIONS, ask
from tests.service.operations.large import large_request
from tests.service.operations.marketplace import CARD, TENANT, Marketplace, acceptance

STORED = "SELECT kind, octet_length(response) FROM operations WHERE escrow_id = $1 AND kind = $2"


async def ids_of_all_pages(market: Marketplace) -> list[list[str]]:
    """The ids of every page of 200, read by a client that takes 4 MiB, as it comes."""
    pages: list[list[str]] = []
    request = pb.ListEscrowsRequest(page_size=200)
    while True:
        page = await market.service.escrows.ListEscrows(request)
        assert page.ByteSize() < 3_600_000
        pages.append([escrow.id for escrow in page.escrows])
        if not page.next_page_token:
            return pages
        request.page_token = page.next_page_token


@pytest.mark.parametrize(
    ("count", "milestones", "line_items", "size"), [(11, 50, 20, 811_000), (130, 2, 17, 30_000)]
)
async def test_a_page_of_escrows_ends_by_bytes(
    market: Marketplace, count: int, milestones: int, line_items: int, size: int
) -> None:
    request = await large_request(market, milestones=milestones, line_items=line_items)
    assert request.ByteSize() == pytest.approx(size, rel=0.05)
    made = []
    for _ in range(count):
        request.request_id = new_request_id()
        made.append((await market.service.escrows.CreateEscrow(request)).escrow.id)

    pages = await ids_of_all_pages(market)

    assert [escrow_id for page in pages for escrow_id in page] == made[::-1]
    assert len(pages) > 1
    assert max(map(len, pages)) * size > 3_000_000  # and not much earlier than it has to


async def test_a_page_of_a_timeline_ends_by_bytes(market: Marketplace) -> None:
    escrow = await market.funded_escrow()
    note, milestone_id = "🦊" * 2_000, escrow.milestones[0].id
    for _ in range(240):
        for client, method, kind in (
            (market.payee, "SubmitDelivery", pb.SubmitDeliveryRequest),
            (market.payer, "RequestChanges", pb.RequestChangesRequest),
        ):
            request = kind(
                request_id=new_request_id(),
                escrow_id=escrow.id,
                milestone_id=milestone_id,
                note=note,
            )
            await ask(client, method, request)
    listed = pb.ListTimelineRequest(escrow_id=escrow.id, page_size=500)
    first = await market.service.escrows.ListTimeline(listed)
    listed.page_token = first.next_page_token
    second = await market.service.escrows.ListTimeline(listed)

    versions = [entry.version for entry in (*first.entries, *second.entries)]
    assert versions == list(range(1, int((await market.read(escrow)).etag) + 1))
    assert len(versions) < 500  # they would fit, by count
    assert first.ByteSize() < 3_600_000
    assert second.entries
    assert second.next_page_token == ""


async def test_an_answer_is_stored_without_the_texts_of_its_escrow(market: Marketplace) -> None:
    """Its 0.8 MB stay in its rows, whatever is done to it and however often."""
    request = await large_request(market, payee=await market.new_payee())
    escrow = (await market.service.escrows.CreateEscrow(request)).escrow
    await market.pay(await market.fund(escrow), CARD)
    await market.settle()
    released = pb.ReleaseMilestoneResponse()
    for milestone in escrow.milestones[:2]:
        release = pb.ReleaseMilestoneRequest(
            request_id=new_request_id(), escrow_id=escrow.id, milestone_id=milestone.id
        )
        released = await market.payer.escrows.ReleaseMilestone(release)

    whole = len(pb.ReleaseMilestoneResponse(escrow=released.escrow).SerializeToString())
    sizes = await market.owner.fetch(
        "SELECT octet_length(response) FROM operations WHERE response IS NOT NULL"
        " AND kind IN ('create_escrow', 'release_milestone')"
    )
    assert whole > 800_000
    assert len(sizes) == 3
    assert all(size < 16_000 for (size,) in sizes), sizes


SHOW_AN_ESCROW = [
    name for name in MUTATIONS if "escrow" in METHODS[name].output_type.fields_by_name
]


async def answered(market: Marketplace, name: str, request: Message, **who: str) -> bytes:
    """The answer as it came over the wire."""
    path = f"/{METHODS[name].containing_service.full_name}/{name}"
    call: Any = market.channel.unary_unary(path, request_serializer=type(request).SerializeToString)
    identity = {"escrow-tenant": TENANT, "escrow-caller": "orders"} | {
        f"escrow-{key}": value for key, value in who.items()
    }
    answer: bytes = await call(request, metadata=tuple(identity.items()), timeout=20)
    return answer


async def test_a_replay_is_the_same_to_the_byte_long_after(market: Marketplace) -> None:
    """Each step is told again when the escrow has gone on, and says what it said."""
    creation = await large_request(market, payee=await market.new_payee())
    created = await answered(market, "CreateEscrow", creation)
    told: list[tuple[str, Message, dict[str, str], bytes]] = [
        ("CreateEscrow", creation, {}, created)
    ]
    escrow = pb.CreateEscrowResponse.FromString(created).escrow
    await market.pay(await market.fund(escrow), CARD)
    await market.settle()
    milestone = {"escrow_id": escrow.id, "milestone_id": escrow.milestones[3].id}
    steps: list[tuple[str, Any, str]] = [
        ("SubmitDelivery", pb.SubmitDeliveryRequest(**milestone, note="done"), "payee"),
        ("RequestChanges", pb.RequestChangesRequest(**milestone, note="in blue"), "payer"),
        ("ReleaseMilestone", pb.ReleaseMilestoneRequest(**milestone, amount_minor=300), "payer"),
        ("SubmitDelivery", pb.SubmitDeliveryRequest(**milestone, note="again"), "payee"),
        ("AcceptDelivery", acceptance(escrow, 4), "payer"),
    ]
    for name, request, party in steps:
        request.request_id = new_request_id()
        who = {"party": party}
        told.append((name, request, who, await answered(market, name, request, **who)))
    await market.settle()

    async with market.unchanged():
        for name, request, who, first in told:
            assert await answered(market, name, request, **who) == first, name


async def test_an_answer_that_was_stored_whole_is_told_as_it_is(market: Marketplace) -> None:
    """As all were before their texts were left out."""
    request = await large_request(market, milestones=2, line_items=2)
    first = await answered(market, "CreateEscrow", request)
    whole = pb.CreateEscrowResponse.FromString(first)
    whole.escrow.metadata["key 0"] = "as it was stored"
    stored = whole.SerializeToString(deterministic=True)
    await market.owner.execute(
        "UPDATE operations SET response = $1 WHERE kind = 'create_escrow'", stored
    )

    assert await answered(market, "CreateEscrow", request) == stored


def test_every_answer_with_an_escrow_is_told_again_above() -> None:
    """The others go the same way, and are replayed in test_idempotency.py."""
    assert set(SHOW_AN_ESCROW) == {
        *("CreateEscrow", "SubmitDelivery", "RequestChanges", "AcceptDelivery"),
        *("ReleaseMilestone", "CancelEscrow", "PlaceFreeze", "LiftFreeze", "ApplySuspense"),
        *("RefundMilestone", "AdoptRefund", "AdoptReversal", "SettleChargeback"),
        *("RequestCancellation", "ApproveCancellation"),
        *("OpenDispute", "RespondToDispute", "ProposeDisputeSplit", "AcceptDisputeSplit"),
        *("RequestMediation", "ResolveDispute", "WithdrawDispute"),
        *("DeclineCancellation", "RequestExtension", "ExtendDeadline", "DeclineExtension"),
        *("RedirectShare", "ProposeAmendment", "AcceptAmendment", "DeclineAmendment"),
    }

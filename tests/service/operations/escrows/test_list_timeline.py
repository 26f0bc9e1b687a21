"""ListTimeline: every transition with its time, actor and cause, oldest first."""

import base64

from escrow.v1 import escrow_service_pb2 as pb
from tests.service.operations.marketplace import AN_ID, Marketplace, transitions


async def test_it_tells_the_whole_story(market: Marketplace) -> None:
    payee = await market.new_payee()
    escrow = await market.delivered_escrow(payee=payee)
    await market.accept(escrow)
    await market.settle()

    entries = await market.timeline(escrow)

    assert [entry.version for entry in entries] == list(range(1, len(entries) + 1))
    times = [entry.time.ToNanoseconds() for entry in entries]
    assert times == sorted(times)
    assert all(entry.cause and entry.caller and entry.actor for entry in entries)
    by_hand = [e.operation for e in entries if e.actor not in ("stripe", "timer")]
    assert by_hand == ["create_escrow", "fund_escrow", "submit_delivery", "accept_delivery"]
    moves = [move for entry in entries for move in transitions(entry)]
    milestone = [(before, after) for kind, before, after in moves if kind == "mst"]
    assert milestone == [
        ("", "AWAITING_FUNDS"),
        ("AWAITING_FUNDS", "FUNDED"),
        ("FUNDED", "DELIVERED"),
        ("DELIVERED", "RELEASING"),
        ("RELEASING", "RELEASED"),
    ]


async def test_a_trace_is_found_again(market: Marketplace) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    escrow = await market.new_escrow()
    request = pb.CancelEscrowRequest(
        request_id="6b1c1b1e-3c9a-4a73-9d6f-0a3b1a0f6d11", escrow_id=escrow.id
    )
    await market.payer.escrows.CancelEscrow(
        request, metadata=[("traceparent", f"00-{trace_id}-b7ad6b7169203331-01")]
    )

    assert (await market.timeline(escrow))[-1].trace_id == trace_id


async def test_pages_while_the_story_goes_on(market: Marketplace) -> None:
    escrow = await market.funded_escrow()
    before = await market.timeline(escrow)
    request = pb.ListTimelineRequest(escrow_id=escrow.id, page_size=2)
    seen: list[pb.TimelineEntry] = []

    while True:
        page = await market.service.escrows.ListTimeline(request)
        seen += page.entries
        if len(seen) == 2:
            await market.deliver(escrow)
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token

    assert seen[: len(before)] == before
    assert [entry.operation for entry in seen[len(before) :]] == ["submit_delivery"]


async def test_a_token_is_never_trusted(market: Marketplace) -> None:
    escrow = await market.funded_escrow()
    request = pb.ListTimelineRequest(escrow_id=escrow.id, page_size=1)
    token = (await market.service.escrows.ListTimeline(request)).next_page_token
    raw = base64.urlsafe_b64decode(token)

    for tail in (b"one", b"-1", b"9" * 30, b"1e3", b" 1", "٣".encode()):
        request.page_token = base64.urlsafe_b64encode(raw[:8] + tail).decode()
        async with market.refuses("INVALID_FIELD") as refusal:
            await market.service.escrows.ListTimeline(request)
        assert set(refusal.fields) == {"page_token"}


async def test_there_is_no_such_escrow(market: Marketplace) -> None:
    async with market.refuses("ESCROW_MISSING"):
        await market.timeline(pb.Escrow(id=f"esc_{AN_ID}"))

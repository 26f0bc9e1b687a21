"""ListTimeline: every transition with its time, actor and cause, oldest first."""

import base64
from collections.abc import Iterable

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from service.domain.money import format_minor
from tests.service.movements.strangers import charge_of, dispute
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


def amounts(entries: Iterable[pb.TimelineEntry]) -> list[tuple[str, str, str]]:
    """Every change that says an amount: (operation, kind of its subject, amount)."""
    return [
        (entry.operation, t.subject[:3], format_minor(t.amount.amount_minor, t.amount.currency))
        for entry in entries
        for t in entry.transitions
        if t.HasField("amount")
    ]


async def test_what_moves_or_promises_money_says_how_much(market: Marketplace) -> None:
    payee = await market.new_payee()
    escrow = await market.funded_escrow(6_000, 4_000, payee=payee)
    request = pb.ReleaseMilestoneRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        amount_minor=2_500,
    )
    await market.payer.escrows.ReleaseMilestone(request)
    await market.settle()

    entries = await market.timeline(escrow)

    told = amounts(entries)
    assert told[:3] == [
        ("create_escrow", "mst", "60.00 USD"),
        ("create_escrow", "mst", "40.00 USD"),
        ("fund_escrow", "pay", "105.00 USD"),
    ]
    assert ("apply_stripe_event", "pay", "105.00 USD") in told
    assert ("apply_stripe_event", "mst", "40.00 USD") in told
    assert ("release_milestone", "rel", "25.00 USD") in told
    assert {amount for _, kind, amount in told if kind == "eff"} == {"105.00 USD", "20.00 USD"}
    without = [t for e in entries for t in e.transitions if not t.HasField("amount")]
    assert {t.subject for t in without} == {escrow.id}


async def test_a_freeze_says_how_much(market: Marketplace) -> None:
    escrow = await market.funded_escrow()
    await dispute(market, await charge_of(market, escrow), amount=4_000)
    await market.sweep()

    told = amounts(await market.timeline(escrow))

    assert "40.00 USD" in [amount for _, kind, amount in told if kind == "frz"]


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

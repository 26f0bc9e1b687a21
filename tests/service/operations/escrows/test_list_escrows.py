"""ListEscrows: pages, filters, and what is no filter."""

import base64

import pytest

from escrow.v1 import escrow_service_pb2 as pb
from tests.service.operations.escrows.split import request_of, share
from tests.service.operations.marketplace import AN_ID, Marketplace


async def ids_of(market: Marketplace, filter_: str) -> list[str]:
    answer = await market.service.escrows.ListEscrows(pb.ListEscrowsRequest(filter=filter_))
    assert answer.next_page_token == ""
    return [escrow.id for escrow in answer.escrows]


@pytest.mark.parametrize("page_size", [1, 2, 3, 7])
async def test_pages_without_gaps_or_repeats_while_new_ones_come(
    market: Marketplace, page_size: int
) -> None:
    payer, payee = await market.new_payer(), await market.new_payee(active=False)
    made = [(await market.new_escrow(payer=payer, payee=payee)).id for _ in range(7)]
    request = pb.ListEscrowsRequest(page_size=page_size, filter=f"payer_id = {payer.id}")
    seen: list[str] = []

    while True:
        page = await market.service.escrows.ListEscrows(request)
        assert len(page.escrows) <= page_size
        seen += [escrow.id for escrow in page.escrows]
        await market.new_escrow(payer=payer, payee=payee)
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token

    assert seen == made[::-1]


async def test_a_listed_escrow_is_whole(market: Marketplace) -> None:
    escrow = await market.funded_escrow(6_000, 4_000)

    (listed,) = (await market.service.escrows.ListEscrows(pb.ListEscrowsRequest())).escrows

    assert listed == escrow


async def test_a_page_is_never_larger_than_two_hundred(market: Marketplace) -> None:
    await market.new_escrow()
    request = pb.ListEscrowsRequest(page_size=2**31 - 1)
    assert len((await market.service.escrows.ListEscrows(request)).escrows) == 1


async def test_filters(market: Marketplace) -> None:
    payer, payee = await market.new_payer(), await market.new_payee(active=False)
    euros = await market.new_escrow(payer=payer, payee=payee, currency="EUR")
    dollars = await market.new_escrow(payer=payer)
    paid = await market.funded_escrow()

    assert await ids_of(market, f"payer_id = {payer.id}") == [dollars.id, euros.id]
    assert await ids_of(market, f'payee_id="{payee.id}"') == [euros.id]
    assert await ids_of(market, f"payer_id={payer.id} AND currency = USD") == [dollars.id]
    assert await ids_of(market, f'reference = "{euros.reference}"') == [euros.id]
    assert await ids_of(market, "state = ACTIVE") == [paid.id]
    assert await ids_of(market, "state = ESCROW_STATE_ACTIVE") == [paid.id]
    assert await ids_of(market, "  currency = EUR   AND\tstate = AWAITING_FUNDS ") == [euros.id]
    assert await ids_of(market, f"payer_id = pyr_{AN_ID}") == []
    assert await ids_of(market, r'reference = "no \"such\" job"') == []
    assert await ids_of(market, 'reference = "\'; DROP TABLE escrows; --"') == []


async def test_escrows_of_a_time(market: Marketplace) -> None:
    payer = await market.new_payer()
    first, second, third = [await market.new_escrow(payer=payer) for _ in range(3)]
    since, until = (each.create_time.ToJsonString() for each in (second, third))

    of_payer = f"payer_id = {payer.id}"
    assert await ids_of(market, f"create_time >= {since}") == [third.id, second.id]
    assert await ids_of(market, f"{of_payer} AND create_time < {since}") == [first.id]
    window = f"create_time >= {since} AND create_time < {until} AND state = AWAITING_FUNDS"
    assert await ids_of(market, window) == [second.id]


@pytest.mark.parametrize(
    "filter_",
    [
        "state >= ACTIVE",
        "create_time > now",
        "state",
        "state =",
        "= ACTIVE",
        "state = ACTIVE currency = USD",
        "state = ACTIVE AND",
        "AND state = ACTIVE",
        "state = ACTIVE OR currency = USD",
        "state = ACTIVE AND state = ACTIVE",
        "state != ACTIVE",
        "NOT state = ACTIVE",
        "(state = ACTIVE)",
        "state = SLEEPING",
        "state = active",
        "currency = usd",
        "payer_id = 17",
        f"payer_id = pye_{AN_ID}",
        "payer_id = *",
        'reference = "open',
        "tenant_id = neighbour",
        "state = ACTIVE; DROP TABLE escrows",
        "state = ACTIVE ANDcurrency",
    ],
)
async def test_what_is_no_filter(shared_market: Marketplace, filter_: str) -> None:
    async with shared_market.refuses("INVALID_FIELD") as refusal:
        await shared_market.service.escrows.ListEscrows(pb.ListEscrowsRequest(filter=filter_))
    assert set(refusal.fields) == {"filter"}


async def test_a_token_belongs_to_its_list_and_is_never_trusted(shared_market: Marketplace) -> None:
    payer = await shared_market.new_payer()
    for _ in range(2):
        await shared_market.new_escrow(payer=payer)
    ours = pb.ListEscrowsRequest(page_size=1, filter=f"payer_id = {payer.id}")
    token = (await shared_market.service.escrows.ListEscrows(ours)).next_page_token
    raw = base64.urlsafe_b64decode(token)
    forged = [
        base64.urlsafe_b64encode(body).decode()
        for body in (b"", raw[:8], raw[:8] + b"zz", raw[:-1], raw + b"0", raw[:8] + b"\xff" * 32)
    ]

    for wrong in ("x", "%%%", "é" * 10, token[:-2], *forged):
        if not wrong:
            continue
        ours.page_token = wrong
        async with shared_market.refuses("INVALID_FIELD") as refusal:
            await shared_market.service.escrows.ListEscrows(ours)
        assert set(refusal.fields) == {"page_token"}
    other = pb.ListEscrowsRequest(page_size=1, page_token=token)
    async with shared_market.refuses("INVALID_FIELD"):
        await shared_market.service.escrows.ListEscrows(other)


async def test_of_whom_a_part_is(market: Marketplace) -> None:
    ann, bob = await market.new_payee(active=False), await market.new_payee(active=False)
    request = await request_of(market, [share(ann), share(bob, of=1)])
    split = (await market.service.escrows.CreateEscrow(request)).escrow
    alone = await market.new_escrow(payee=bob)

    assert await ids_of(market, f"part_payee_id = {bob.id}") == [split.id]
    assert await ids_of(market, f"payee_id = {bob.id}") == [alone.id]
    assert await ids_of(market, f"part_payee_id = {bob.id} AND payee_id = {bob.id}") == []

"""GetPayer, GetPayee, ListPayers, ListPayees: a party whose id was lost is found again."""

from datetime import UTC, datetime

import pytest

from escrow.client import new_request_id
from escrow.v1 import party_service_pb2 as party_pb
from tests.service.operations.marketplace import AN_ID, Marketplace


async def payers(market: Marketplace, filter_: str) -> list[party_pb.Payer]:
    answer = await market.service.parties.ListPayers(party_pb.ListPayersRequest(filter=filter_))
    assert answer.next_page_token == ""
    return list(answer.payers)


async def payees(market: Marketplace, filter_: str) -> list[party_pb.Payee]:
    answer = await market.service.parties.ListPayees(party_pb.ListPayeesRequest(filter=filter_))
    assert answer.next_page_token == ""
    return list(answer.payees)


async def test_a_payer_is_read_by_reference(market: Marketplace) -> None:
    payer, _ = await market.new_payer(), await market.new_payer()

    request = party_pb.GetPayerRequest(reference=payer.reference)
    assert (await market.service.parties.GetPayer(request)).payer == payer
    async with market.refuses("PAYER_MISSING"):
        await market.neighbour.parties.GetPayer(request)
    async with market.refuses("PAYER_MISSING") as refusal:
        await market.service.parties.GetPayer(party_pb.GetPayerRequest(reference="nobody"))
    assert refusal.message == "There is no payer with the reference 'nobody'."
    assert refusal.metadata == {"reference": "nobody"}


async def test_a_payee_is_read_by_reference_with_their_balances(market: Marketplace) -> None:
    payee, _ = await market.paid_payee(), await market.new_payee(active=False)

    request = party_pb.GetPayeeRequest(reference=payee.reference)
    found = (await market.service.parties.GetPayee(request)).payee

    assert found == payee
    assert found.balances
    async with market.refuses("PAYEE_MISSING"):
        await market.neighbour.parties.GetPayee(request)


async def test_an_account_that_became_ready_is_seen_by_reference_too(market: Marketplace) -> None:
    payee = await market.new_payee(active=False)
    await market.sandbox.control(f"accounts/{payee.stripe_account}/onboard")

    request = party_pb.GetPayeeRequest(reference=payee.reference)

    assert (
        await market.service.parties.GetPayee(request)
    ).payee.state == party_pb.PAYEE_STATE_ACTIVE


@pytest.mark.parametrize("both", [True, False])
async def test_a_party_is_named_once(shared_market: Marketplace, *, both: bool) -> None:
    payer = party_pb.GetPayerRequest()
    payee = party_pb.GetPayeeRequest()
    if both:
        payer = party_pb.GetPayerRequest(payer_id=f"pyr_{AN_ID}", reference="u-1")
        payee = party_pb.GetPayeeRequest(payee_id=f"pye_{AN_ID}", reference="u-1")

    async with shared_market.refuses("INVALID_FIELD") as refusal:
        await shared_market.service.parties.GetPayer(payer)
    assert set(refusal.fields) == {"payer_id"}
    assert "reference" in refusal.message
    async with shared_market.refuses("INVALID_FIELD") as refusal:
        await shared_market.service.parties.GetPayee(payee)
    assert set(refusal.fields) == {"payee_id"}


async def test_payers_are_listed_by_what_support_knows(market: Marketplace) -> None:
    ann, another = await market.new_payer(), await market.new_payer()
    bob = (
        await market.service.parties.CreatePayer(
            party_pb.CreatePayerRequest(
                request_id=new_request_id(),
                reference='u "7" \\ 8',
                name="Bob",
                email="bob+shop@example.com",
            )
        )
    ).payer

    assert await payers(market, "") == [bob, another, ann]
    assert await payers(market, "email = ann@example.com") == [another, ann]
    assert await payers(market, "email=bob+shop@example.com") == [bob]
    assert await payers(market, f'reference = "{ann.reference}"') == [ann]
    assert await payers(market, r'reference = "u \"7\" \\ 8"') == [bob]
    assert await payers(market, f"email = x@example.com AND reference = {ann.reference}") == []


async def test_payees_are_listed_by_what_support_knows(market: Marketplace) -> None:
    ready = await market.new_payee()
    waiting = await market.new_payee(active=False, country="DE")

    assert await payees(market, "") == [waiting, ready]
    assert await payees(market, "state = ACTIVE") == [ready]
    assert await payees(market, "state = PAYEE_STATE_ONBOARDING") == [waiting]
    assert await payees(market, "country = DE AND email = bob@example.com") == [waiting]
    assert await payees(market, f"stripe_account = {ready.stripe_account}") == [ready]
    assert await payees(market, f"reference = {ready.reference} AND state = RESTRICTED") == []


async def test_what_was_made_in_a_time_is_listed(market: Marketplace) -> None:
    before, made, after = [await market.new_payer() for _ in range(3)]
    moment = made.create_time.ToJsonString()

    assert await payers(market, f"create_time = {moment}") == [made]
    assert await payers(market, f'create_time >= "{moment}"') == [after, made]
    assert await payers(market, f"create_time > {moment}") == [after]
    assert await payers(market, f"create_time < {moment}") == [before]
    assert await payers(market, f"create_time <= {moment}") == [made, before]
    between = (
        f"create_time > {before.create_time.ToJsonString()}"
        f" AND create_time<{after.create_time.ToJsonString()}"
    )
    assert await payers(market, between) == [made]
    elsewhere = made.create_time.ToDatetime(UTC).astimezone(datetime.now().astimezone().tzinfo)
    assert await payers(market, f"create_time = {elsewhere.isoformat()}") == [made]
    assert await payers(market, "create_time < 1969-07-20T20:17:40Z") == []
    assert await payers(market, "create_time > 0001-01-01T00:00:00+00:00") == [after, made, before]
    assert await payers(market, "create_time > 9999-12-31T23:59:59Z") == []


@pytest.mark.parametrize(
    "filter_",
    [
        "create_time = yesterday",
        "create_time >= 2026-11-01",
        "create_time >= 2026-11-01T00:00:00",
        "create_time >= 2026-02-31T00:00:00Z",
        "create_time >= 2026-11-01T25:00:00Z",
        "create_time >= 0001-01-01T00:00:00+23:59",
        "create_time >= 9999-12-31T23:59:59-23:59",
        "create_time >= 2026-11-01T00:00:00Z AND create_time >= 2026-11-02T00:00:00Z",
        "create_time != 2026-11-01T00:00:00Z",
        "create_time == 2026-11-01T00:00:00Z",
        "create_time => 2026-11-01T00:00:00Z",
        "email >= a",
        "name = Ann",
        "reference > u",
    ],
)
async def test_what_is_no_filter_of_parties(shared_market: Marketplace, filter_: str) -> None:
    async with shared_market.refuses("INVALID_FIELD") as refusal:
        await payers(shared_market, filter_)
    assert set(refusal.fields) == {"filter"}


@pytest.mark.parametrize("page_size", [1, 2, 7])
async def test_pages_of_payers_without_gaps_or_repeats(market: Marketplace, page_size: int) -> None:
    made = [(await market.new_payer()).id for _ in range(5)]
    request = party_pb.ListPayersRequest(page_size=page_size, filter="email = ann@example.com")
    seen: list[str] = []

    while True:
        page = await market.service.parties.ListPayers(request)
        assert len(page.payers) <= page_size
        seen += [payer.id for payer in page.payers]
        await market.new_payer()
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token

    assert seen == made[::-1]

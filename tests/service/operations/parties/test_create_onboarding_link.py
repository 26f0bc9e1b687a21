"""CreateOnboardingLink: a link to Stripe's page, which is a credential and never stored."""

import pytest

from escrow.client import new_request_id
from escrow.v1 import party_service_pb2 as party_pb
from tests.service.operations.marketplace import AN_ID, Marketplace


def link_for(payee: party_pb.Payee) -> party_pb.CreateOnboardingLinkRequest:
    return party_pb.CreateOnboardingLinkRequest(
        request_id=new_request_id(),
        payee_id=payee.id,
        return_url="https://shop.example/payee",
        refresh_url="https://shop.example/payee/again",
    )


@pytest.mark.parametrize("account_api", [party_pb.ACCOUNT_API_V1, party_pb.ACCOUNT_API_V2])
async def test_it_leads_to_stripes_page(
    market: Marketplace, account_api: party_pb.AccountApi.ValueType
) -> None:
    payee = await market.new_payee(active=False, account_api=account_api)

    link = await market.payee.parties.CreateOnboardingLink(link_for(payee))

    assert link.expire_time.ToSeconds() > 0
    async with market.sandbox.http.get(link.url) as page:
        assert page.status == 200
    rows = await market.owner.fetch("SELECT response, t::text FROM operations AS t")
    assert not any(link.url in text or link.url.encode() in (kept or b"") for kept, text in rows)
    asked = "SELECT note FROM operations WHERE kind = 'create_onboarding_link'"
    assert await market.owner.fetchval(asked) == payee.id


async def test_every_request_gets_a_link_of_its_own(market: Marketplace) -> None:
    payee = await market.new_payee(active=False)

    first = await market.payee.parties.CreateOnboardingLink(link_for(payee))
    second = await market.payee.parties.CreateOnboardingLink(link_for(payee))

    assert first.url != second.url


async def test_a_payee_without_an_account_has_to_wait(market: Marketplace) -> None:
    payee = await market.new_payee(active=False)
    await market.owner.execute("UPDATE payees SET stripe_account = NULL, state = 'NONE'")

    async with market.refuses("PAYEE_NOT_READY"):
        await market.payee.parties.CreateOnboardingLink(link_for(payee))


async def test_stripe_is_away(market: Marketplace) -> None:
    payee = await market.new_payee(active=False)
    request = link_for(payee)
    await market.sandbox.fail_next("/v2/core/account_links", "cut_before_effect", times=3)

    async with market.refuses("STRIPE_UNAVAILABLE", writes=True):
        await market.payee.parties.CreateOnboardingLink(request)
    link = await market.payee.parties.CreateOnboardingLink(request)
    assert link.url.startswith("http")


async def test_there_is_no_such_payee(market: Marketplace) -> None:
    async with market.refuses("PAYEE_MISSING"):
        await market.payee.parties.CreateOnboardingLink(link_for(party_pb.Payee(id=f"pye_{AN_ID}")))


async def test_an_account_that_is_gone_at_stripe(market: Marketplace) -> None:
    payee = await market.new_payee(active=False)
    await market.owner.execute("UPDATE payees SET stripe_account = 'acct_gone'")

    async with market.refuses("STRIPE_REFUSED", writes=True) as refusal:
        await market.payee.parties.CreateOnboardingLink(link_for(payee))
    assert refusal.metadata["code"]

"""UpdatePayee: what is wrong is corrected, here and at Stripe; a country with the next account."""

from typing import Any, TypeAlias

import pytest

from escrow.client import new_request_id
from escrow.v1 import party_service_pb2 as party_pb
from tests.service.operations.marketplace import AN_ID, Marketplace
from tests.service.operations.parties.test_create_onboarding_link import link_for
from tests.service.operations.parties.test_create_payee import APIS, payee_request
from tests.service.operations.parties.test_update_payer import REFUSED, effects

Api: TypeAlias = party_pb.AccountApi.ValueType
# What Stripe makes no account from, and what is right.
MISTAKES = [("email", REFUSED, "email_invalid"), ("country", "BR", "country_unsupported")]
RIGHT = {"email": "bob@example.com", "country": "US"}


def change(payee_id: str, **changes: str) -> party_pb.UpdatePayeeRequest:
    return party_pb.UpdatePayeeRequest(request_id=new_request_id(), payee_id=payee_id, **changes)


async def refused_payee(
    market: Marketplace, field: str, value: str, account_api: Api = party_pb.ACCOUNT_API_V2
) -> party_pb.Payee:
    """A payee from whose data Stripe made no account."""
    await market.sandbox.control("settings", unsupported_countries=["BR"])
    request = payee_request(account_api)
    setattr(request, field, value)
    async with market.refuses("STRIPE_REFUSED", writes=True) as refusal:
        await market.service.parties.CreatePayee(request)
    return await market.find_payee(party_pb.Payee(id=refusal.metadata["payee_id"]))


async def account(market: Marketplace) -> dict[str, Any]:
    """The one account that there is at Stripe."""
    (found,) = await market.sandbox.objects("/v1/accounts")
    return found


@pytest.mark.parametrize("account_api", APIS)
@pytest.mark.parametrize(("field", "value", "code"), MISTAKES)
async def test_a_payee_that_stripe_refused_is_corrected(
    market: Marketplace, field: str, value: str, code: str, account_api: Api
) -> None:
    payee = await refused_payee(market, field, value, account_api)
    assert (payee.state, payee.stripe_account) == (party_pb.PAYEE_STATE_REJECTED, "")
    async with market.refuses("PAYEE_REFUSED"):
        await market.payee.parties.CreateOnboardingLink(link_for(payee))
    async with market.refuses("ALREADY_EXISTS") as taken:
        await market.service.parties.CreatePayee(payee_request(account_api))
    assert taken.metadata == {"payee_id": payee.id, "code": code}
    assert f"UpdatePayee ({payee.id})" in taken.message

    request = change(payee.id, **{field: RIGHT[field]})
    corrected = (await market.service.parties.UpdatePayee(request)).payee

    shown = await account(market)
    assert corrected.stripe_account == shown["id"]
    assert (shown["email"], shown["country"]) == (RIGHT["email"], RIGHT["country"])
    assert corrected.state == party_pb.PAYEE_STATE_ONBOARDING
    assert (await effects(market))[0] == ("create_account", "SUCCEEDED", 2)
    assert (await market.onboard(corrected)).state == party_pb.PAYEE_STATE_ACTIVE


async def test_money_that_waits_for_a_refused_payee_says_what_to_do(market: Marketplace) -> None:
    payee = await refused_payee(market, "email", REFUSED)
    escrow = await market.delivered_escrow(payee=payee)
    released = await market.accept(escrow)
    assert released.milestones[0].waiting_for == (
        "the payee's data to be corrected, for Stripe refused them (UpdatePayee)"
    )

    request = change(payee.id, email=RIGHT["email"])
    corrected = (await market.service.parties.UpdatePayee(request)).payee
    assert (await market.read(escrow)).milestones[0].waiting_for == "the payee to finish onboarding"
    await market.onboard(corrected)
    await market.settle()

    (transfer,) = await market.sandbox.objects("/v1/transfers")
    assert (transfer["destination"], transfer["amount"]) == (corrected.stripe_account, 8_000)


@pytest.mark.parametrize("account_api", APIS)
async def test_stripe_shows_what_was_changed(market: Marketplace, account_api: Api) -> None:
    payee = await market.new_payee(account_api=account_api)

    request = change(payee.id, name="Rob Payee", email="rob@example.com", country="US")
    changed = (await market.service.parties.UpdatePayee(request)).payee

    assert (changed.name, changed.email) == ("Rob Payee", "rob@example.com")
    assert changed.state == party_pb.PAYEE_STATE_ACTIVE
    shown = await account(market)
    assert (shown["id"], shown["email"]) == (payee.stripe_account, "rob@example.com")
    if account_api == party_pb.ACCOUNT_API_V2:
        assert shown["settings"]["dashboard"]["display_name"] == "Rob Payee"
    again = change(payee.id, email="bob@example.com")
    await market.service.parties.UpdatePayee(again)
    assert (await account(market))["email"] == "bob@example.com"
    kinds = await effects(market)
    assert [each for each in kinds if each[0] == "update_account"] == [
        ("update_account", "SUCCEEDED", 2)
    ]


@pytest.mark.parametrize("account_api", APIS)
@pytest.mark.parametrize("kind", ["cut_before_effect", "cut_after_effect"])
async def test_an_answer_that_is_lost_is_looked_up(
    market: Marketplace, kind: str, account_api: Api
) -> None:
    payee = await market.new_payee(active=False, account_api=account_api)
    request = change(payee.id, email="rob@example.com")
    of_api = "/v1/accounts/" if account_api == party_pb.ACCOUNT_API_V1 else "/v2/core/accounts/"
    await market.sandbox.fail_next(of_api, kind, times=3)

    async with market.refuses("STRIPE_UNAVAILABLE", writes=True):
        await market.service.parties.UpdatePayee(request)
    await market.patience()
    await market.service.parties.UpdatePayee(request)

    assert (await account(market))["email"] == "rob@example.com"
    events = (await market.sandbox.control("events", verb="GET"))["data"]
    assert sum(event["type"] == "account.updated" for event in events) == 1


async def test_a_change_that_stripe_refuses_is_corrected_in_turn(market: Marketplace) -> None:
    payee = await market.new_payee()
    async with market.refuses("STRIPE_REFUSED", writes=True) as refusal:
        await market.service.parties.UpdatePayee(change(payee.id, email=REFUSED))
    assert refusal.metadata == {"payee_id": payee.id, "code": "email_invalid"}
    assert (await market.find_payee(payee)).state == party_pb.PAYEE_STATE_ACTIVE

    await market.service.parties.UpdatePayee(change(payee.id, email="rob@example.com"))

    assert (await account(market))["email"] == "rob@example.com"


async def test_the_country_of_an_account_stays(market: Marketplace) -> None:
    payee = await market.new_payee()

    async with market.refuses("COUNTRY_FIXED") as refusal:
        await market.service.parties.UpdatePayee(change(payee.id, country="DE"))
    assert refusal.metadata["payee_id"] == payee.id


async def test_no_country_changes_under_an_account_that_is_being_made(market: Marketplace) -> None:
    await market.sandbox.fail_next("/v2/core/accounts", "cut_after_effect", times=3)
    async with market.refuses("STRIPE_UNAVAILABLE", writes=True):
        await market.service.parties.CreatePayee(payee_request())
    async with market.refuses("ALREADY_EXISTS") as taken:
        await market.service.parties.CreatePayee(payee_request())
    request = change(taken.metadata["payee_id"], country="DE")

    async with market.refuses("STRIPE_UNAVAILABLE"):
        await market.service.parties.UpdatePayee(request)
    await market.patience()
    await market.work()

    async with market.refuses("COUNTRY_FIXED"):
        await market.service.parties.UpdatePayee(request)
    assert (await account(market))["country"] == "US"


async def test_an_account_that_is_lost_is_not_told(market: Marketplace) -> None:
    payee = await market.lost_payee()

    request = change(payee.id, email="rob@example.com", country="DE")
    changed = (await market.service.parties.UpdatePayee(request)).payee

    assert (changed.email, changed.country) == ("rob@example.com", "DE")
    assert changed.state == party_pb.PAYEE_STATE_DEAUTHORIZED
    assert "update_account" not in {kind for kind, _, _ in await effects(market)}


async def test_there_is_no_such_payee(market: Marketplace) -> None:
    async with market.refuses("PAYEE_MISSING"):
        await market.service.parties.UpdatePayee(change(f"pye_{AN_ID}", name="Bob"))

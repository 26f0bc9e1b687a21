"""CreatePayer: a payer, and the Stripe customer that every later payment reuses."""

import pytest

from escrow.client import new_request_id
from escrow.v1 import party_service_pb2 as party_pb
from tests.service.operations.marketplace import AN_ID, Marketplace

TIMES = (("cut_before_effect", 3), ("cut_after_effect", 3), ("status", 1))


def payer_request(reference: str = "u-1") -> party_pb.CreatePayerRequest:
    return party_pb.CreatePayerRequest(
        request_id=new_request_id(),
        reference=reference,
        name="Zoë Ångström 山田",
        email="zoe@example.com",
    )


async def test_there_is_one_customer_at_stripe(market: Marketplace) -> None:
    request = payer_request()

    payer = (await market.service.parties.CreatePayer(request)).payer

    assert payer.id.startswith("pyr_")
    assert (payer.reference, payer.name, payer.email) == (
        request.reference,
        request.name,
        request.email,
    )
    (customer,) = await market.sandbox.objects("/v1/customers")
    assert customer["id"] == payer.stripe_customer
    assert (customer["name"], customer["email"]) == (request.name, request.email)
    assert customer["metadata"]["payer"] == payer.id
    read = await market.service.parties.GetPayer(party_pb.GetPayerRequest(payer_id=payer.id))
    assert read.payer == payer
    assert await market.books() == []


async def test_every_payment_reuses_the_customer(market: Marketplace) -> None:
    payer = await market.new_payer()
    for _ in range(2):
        await market.fund(await market.new_escrow(payer=payer))

    intents = await market.sandbox.objects("/v1/payment_intents")
    assert {intent["customer"] for intent in intents} == {payer.stripe_customer}
    assert len(await market.sandbox.objects("/v1/customers")) == 1


async def test_a_reference_is_one_payer(market: Marketplace) -> None:
    payer = (await market.service.parties.CreatePayer(payer_request())).payer

    async with market.refuses("ALREADY_EXISTS") as refusal:
        await market.service.parties.CreatePayer(payer_request())
    assert refusal.metadata == {"payer_id": payer.id}


@pytest.mark.parametrize(("kind", "times"), TIMES)
async def test_an_answer_that_is_lost_is_looked_up(
    market: Marketplace, kind: str, times: int
) -> None:
    request = payer_request()
    await market.sandbox.fail_next("/v1/customers", kind, times=times)

    async with market.refuses("STRIPE_UNAVAILABLE", writes=True):
        await market.service.parties.CreatePayer(request)
    await market.patience()
    payer = (await market.service.parties.CreatePayer(request)).payer

    (customer,) = await market.sandbox.objects("/v1/customers")
    assert payer.stripe_customer == customer["id"]


async def test_there_is_no_such_payer(market: Marketplace) -> None:
    async with market.refuses("PAYER_MISSING"):
        await market.service.parties.GetPayer(party_pb.GetPayerRequest(payer_id=f"pyr_{AN_ID}"))


async def test_what_stripe_has_refused_is_asked_again_under_a_new_key(market: Marketplace) -> None:
    """A failure that Stripe stored under the key is told; the next try is not poisoned by it."""
    request = payer_request()
    await market.sandbox.fail_next("/v1/customers", "stored_error", effect=False)
    async with market.refuses("STRIPE_UNAVAILABLE", writes=True):
        await market.service.parties.CreatePayer(request)
    await market.patience()

    async with market.refuses("STRIPE_REFUSED", writes=True) as refusal:
        await market.service.parties.CreatePayer(request)
    assert refusal.metadata["code"] == "stored_failure"
    payer = (await market.service.parties.CreatePayer(request)).payer

    assert refusal.metadata["payer_id"] == payer.id
    (customer,) = await market.sandbox.objects("/v1/customers")
    assert payer.stripe_customer == customer["id"]
    assert await market.owner.fetchval("SELECT generation FROM effects") == 2

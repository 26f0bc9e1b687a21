"""No URL that we are given sends anybody to a host that the tenant does not list."""

import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1.options_pb2 import rules
from service.domain.return_hosts import ReturnHosts
from tests.service.operations.catalogue import EVERY_REQUEST, METHODS, ask, client_for
from tests.service.operations.marketplace import TENANT, Marketplace

FIELDS = [
    (name, field.name)
    for name, method in METHODS.items()
    for field in method.input_type.fields
    if field.GetOptions().Extensions[rules].url
]
EVIL = ("https://evil.example/", "https://shop.example.evil.example/", "http://shop.example/")


def test_the_contract_has_urls() -> None:
    assert len(FIELDS) >= 4


@pytest.fixture
async def listed(market: Marketplace) -> Marketplace:
    market.running.runtime.stripe[TENANT].return_hosts = ReturnHosts(frozenset({"shop.example"}))
    return market


@pytest.mark.parametrize(("name", "field"), FIELDS)
async def test_each_leads_to_a_listed_host_only(listed: Marketplace, name: str, field: str) -> None:
    asked = await EVERY_REQUEST[name](listed)
    for url in EVIL:
        setattr(asked.request, field, url)
        async with listed.refuses("INVALID_FIELD") as refusal:
            await ask(client_for(listed, asked), name, asked.request)
        assert set(refusal.fields) == {field}

    setattr(asked.request, field, "https://shop.example/back")
    await ask(client_for(listed, asked), name, asked.request)


async def test_a_checkout_page_is_never_made_with_another(listed: Marketplace) -> None:
    escrow = await listed.new_escrow()
    request = pb.FundEscrowRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        method=pb.PAYMENT_METHOD_CHECKOUT,
        return_url="https://shop.example/paid",
        cancel_url="https://shop.example@evil.example/",
    )
    async with listed.refuses("INVALID_FIELD"):
        await listed.payer.escrows.FundEscrow(request)
    assert await listed.sandbox.objects("/v1/checkout/sessions") == []

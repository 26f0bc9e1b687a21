"""Who may do what, for every method: the roles of the contract, the parties of the states."""

import pytest

from tests.service.operations.catalogue import EVERY_REQUEST, METHODS, ask
from tests.service.operations.marketplace import Marketplace

EVERYBODY = {"payer", "payee", "operator", "service"}
# As ledger.md tells it. What is not here, any caller may do on anybody's behalf.
ALLOWED = {
    "FundEscrow": {"payer", "operator", "service"},
    "CapturePayment": {"payer", "operator", "service"},
    "CancelPayment": EVERYBODY,
    "CancelEscrow": {"payer", "payee", "operator"},
    "SubmitDelivery": {"payee"},
    "RequestChanges": {"payer"},
    "AcceptDelivery": {"payer"},
    "ReleaseMilestone": {"payer", "operator"},
    "ReplacePayeeAccount": {"payee", "operator"},
}


@pytest.mark.parametrize("party", sorted(EVERYBODY))
@pytest.mark.parametrize("name", sorted(ALLOWED))
async def test_a_party_does_what_is_its_own(
    shared_market: Marketplace, name: str, party: str
) -> None:
    asked = await EVERY_REQUEST[name](shared_market)
    client = shared_market.client(party)

    if party in ALLOWED[name]:
        assert await ask(client, name, asked.request)
    else:
        async with shared_market.refuses("PARTY_NOT_ALLOWED") as refusal:
            await ask(client, name, asked.request)
        assert refusal.metadata["party"] == party
        told = set(refusal.metadata["allowed"].split(", "))
        assert told - {"stripe", "timer"} == ALLOWED[name]


@pytest.mark.parametrize("name", sorted(METHODS))
async def test_the_gateway_tells_events_and_nothing_else(
    shared_market: Marketplace, name: str
) -> None:
    asked = await EVERY_REQUEST[name](shared_market)
    tells_events = METHODS[name].containing_service.name == "StripeEventService"
    strangers = ["service", "operator"] if tells_events else ["gateway"]

    for role in strangers:
        async with shared_market.refuses("ROLE_NOT_ALLOWED") as refusal:
            await ask(shared_market.client(role=role), name, asked.request)
        assert refusal.metadata["method"].endswith(f"/{name}")


@pytest.mark.parametrize(("role", "party"), [("gateway", "payer"), ("operator", "payee")])
async def test_a_role_acts_for_its_own_parties_only(
    shared_market: Marketplace, role: str, party: str
) -> None:
    asked = await EVERY_REQUEST["AcceptDelivery"](shared_market)

    async with shared_market.refuses("PARTY_NOT_ALLOWED"):
        client = shared_market.client(party, role=role)
        await ask(client, "AcceptDelivery", asked.request)

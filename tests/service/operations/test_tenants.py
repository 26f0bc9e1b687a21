"""A tenant sees nothing of another: its ids name nothing there, and its lists are empty."""

import pytest

from escrow.v1 import escrow_service_pb2 as pb
from tests.service.operations.catalogue import EVERY_REQUEST, METHODS, ask
from tests.service.operations.marketplace import NEIGHBOUR, Marketplace, escrow_request

MISSING = {
    "CreateEscrow": "PAYER_MISSING",
    "GetEscrow": "ESCROW_MISSING",
    "FundEscrow": "ESCROW_MISSING",
    "GetPayment": "PAYMENT_MISSING",
    "CapturePayment": "PAYMENT_MISSING",
    "CancelPayment": "PAYMENT_MISSING",
    "SubmitDelivery": "ESCROW_MISSING",
    "RequestChanges": "ESCROW_MISSING",
    "AcceptDelivery": "ESCROW_MISSING",
    "ReleaseMilestone": "ESCROW_MISSING",
    "CancelEscrow": "ESCROW_MISSING",
    "LiftFreeze": "ESCROW_MISSING",
    "ListTimeline": "ESCROW_MISSING",
    "GetEffect": "EFFECT_MISSING",
    "RetryEffect": "EFFECT_MISSING",
    "RejectEffect": "EFFECT_MISSING",
    "SettleEffect": "EFFECT_MISSING",
    "GetStripeEvent": "STRIPE_EVENT_MISSING",
    "RetryStripeEvent": "STRIPE_EVENT_MISSING",
    "DismissStripeEvent": "STRIPE_EVENT_MISSING",
    "ApplySuspense": "PAYMENT_MISSING",
    "GetPayer": "PAYER_MISSING",
    "GetPayee": "PAYEE_MISSING",
    "UpdatePayer": "PAYER_MISSING",
    "UpdatePayee": "PAYEE_MISSING",
    "ReplacePayeeAccount": "PAYEE_MISSING",
    "CreateOnboardingLink": "PAYEE_MISSING",
    "RequestPayout": "PAYEE_MISSING",
    "GetPayout": "PAYOUT_MISSING",
}
EMPTY = {
    "ListEscrows": "escrows",
    "ListPayments": "payments",
    "ListPayers": "payers",
    "ListPayees": "payees",
    "ListPayouts": "payouts",
}
EMPTY_FOR_OPERATORS = {
    "ListEffects": "effects",
    "ListStripeEvents": "events",
    "ListSuspense": "items",
}
NAMES_NOTHING = {
    "QuoteFees",
    "CreatePayer",
    "CreatePayee",
    "CreatePolicyVersion",
    "ListPolicyVersions",
    "IngestStripeEvent",
    "BatchIngestStripeEvents",
}


def test_every_method_is_asked() -> None:
    assert set(MISSING) | set(EMPTY) | set(EMPTY_FOR_OPERATORS) | NAMES_NOTHING == set(METHODS)


@pytest.mark.parametrize(("name", "reason"), MISSING.items())
async def test_an_id_of_another_tenant_names_nothing(
    shared_market: Marketplace, name: str, reason: str
) -> None:
    asked = await EVERY_REQUEST[name](shared_market)
    neighbour = shared_market.client(asked.party, tenant=NEIGHBOUR, role=asked.role)

    async with shared_market.refuses(reason):
        await ask(neighbour, name, asked.request)
    assert await ask(shared_market.client(asked.party, role=asked.role), name, asked.request)


@pytest.mark.parametrize(("name", "field"), EMPTY.items())
async def test_a_list_of_another_tenant_is_empty(
    shared_market: Marketplace, name: str, field: str
) -> None:
    payee = await shared_market.paid_payee()
    requested = await EVERY_REQUEST["RequestPayout"](shared_market)
    await ask(shared_market.payee, "RequestPayout", requested.request)
    asked = await EVERY_REQUEST[name](shared_market)
    if name == "ListPayouts":
        asked.request.payee_id = requested.request.payee_id
    elif name == "ListEscrows":
        asked.request.filter = f"payee_id = {payee.id}"

    assert getattr(await ask(shared_market.service, name, asked.request), field)
    assert not getattr(await ask(shared_market.neighbour, name, asked.request), field)


@pytest.mark.parametrize(("name", "field"), EMPTY_FOR_OPERATORS.items())
async def test_an_operator_sees_nothing_that_waits_at_another_tenant(
    shared_market: Marketplace, name: str, field: str
) -> None:
    for one_of_each in ("GetStripeEvent", "ApplySuspense", "GetEffect"):  # in time it is sent
        await EVERY_REQUEST[one_of_each](shared_market)
    everything = type((await EVERY_REQUEST[name](shared_market)).request)()
    neighbour = shared_market.client("operator", tenant=NEIGHBOUR, role="operator")

    assert getattr(await ask(shared_market.operator, name, everything), field)
    assert not getattr(await ask(neighbour, name, everything), field)


async def test_two_tenants_may_use_the_same_reference_and_request_id(market: Marketplace) -> None:
    asked = await EVERY_REQUEST["CreatePayer"](market)

    ours = (await market.service.parties.CreatePayer(asked.request)).payer
    theirs = (await market.neighbour.parties.CreatePayer(asked.request)).payer

    assert ours.reference == theirs.reference
    assert ours.id != theirs.id


async def test_an_escrow_is_between_parties_of_one_tenant(market: Marketplace) -> None:
    asked = await EVERY_REQUEST["CreatePayer"](market)
    theirs = (await market.neighbour.parties.CreatePayer(asked.request)).payer
    payee = await market.new_payee(active=False)

    async with market.refuses("PAYER_MISSING"):
        await market.service.escrows.CreateEscrow(escrow_request(payer=theirs, payee=payee))
    async with market.refuses("PAYEE_MISSING"):
        await market.neighbour.escrows.CreateEscrow(escrow_request(payer=theirs, payee=payee))


async def test_a_neighbours_event_does_not_touch_our_payment(market: Marketplace) -> None:
    """Both tell of one object of Stripe, and only one of them has it."""
    payment = await market.fund(await market.new_escrow())
    await market.pay(payment)
    stranger = market.client(tenant=NEIGHBOUR, role="gateway")
    market.gateway, ours = stranger, market.gateway
    for event in await market.news():
        await market.tell(event)
    await market.work()

    assert await market.books() == []
    states = "SELECT DISTINCT state FROM stripe_events WHERE type LIKE 'payment_intent.%'"
    assert await market.owner.fetchval(states) == "PARKED"

    market.gateway, market.told = ours, set()
    await market.settle()
    assert [kind for kind, _ in await market.books()] == ["payment_succeeded", "charge_settled"]
    assert (await market.read_payment(payment)).state == pb.PAYMENT_STATE_SUCCEEDED

"""UpdatePayer: what is wrong is corrected, here and at Stripe, and Stripe is told once."""

import asyncio
from typing import Any

import pytest

from escrow.client import new_request_id
from escrow.v1 import party_service_pb2 as party_pb
from service.domain.call import Call, Party
from service.domain.unit import UnitOfWork
from service.effects.settle import settle
from service.effects.update_customer import UPDATE_CUSTOMER
from service.store.commit import Overtaken
from service.stripe.outcomes import Succeeded
from tests.service.operations.later import PAUSE, Later
from tests.service.operations.marketplace import AN_ID, TENANT, Marketplace
from tests.service.operations.parties.test_create_payer import payer_request

REFUSED = "zoë@example.com"  # Stripe takes ASCII only
EFFECTS = "SELECT kind, state, generation FROM effects ORDER BY created_at, kind"


def change(payer_id: str, **changes: str) -> party_pb.UpdatePayerRequest:
    return party_pb.UpdatePayerRequest(request_id=new_request_id(), payer_id=payer_id, **changes)


def refused_request() -> party_pb.CreatePayerRequest:
    request = payer_request()
    request.email = REFUSED
    return request


async def refused_payer(market: Marketplace) -> party_pb.CreatePayerRequest:
    """A request whose payer Stripe made no customer for."""
    request = refused_request()
    async with market.refuses("STRIPE_REFUSED", writes=True):
        await market.service.parties.CreatePayer(request)
    return request


async def customer(market: Marketplace) -> dict[str, Any]:
    """The one customer that there is at Stripe."""
    (found,) = await market.sandbox.objects("/v1/customers")
    return found


async def updates(market: Marketplace) -> int:
    """How often Stripe has changed a customer."""
    events = (await market.sandbox.control("events", verb="GET"))["data"]
    return sum(event["type"] == "customer.updated" for event in events)


async def effects(market: Marketplace) -> list[tuple[str, str, int]]:
    return [tuple(row) for row in await market.owner.fetch(EFFECTS)]


async def test_stripe_shows_what_was_changed(market: Marketplace) -> None:
    payer = await market.new_payer()
    request = change(payer.id, name="Anna Payer", email="anna@example.com")

    changed = (await market.service.parties.UpdatePayer(request)).payer

    assert (changed.name, changed.email) == ("Anna Payer", "anna@example.com")
    assert (changed.reference, changed.stripe_customer) == (payer.reference, payer.stripe_customer)
    assert changed.etag != payer.etag
    shown = await customer(market)
    assert (shown["id"], shown["name"], shown["email"]) == (
        payer.stripe_customer,
        "Anna Payer",
        "anna@example.com",
    )
    assert shown["metadata"]["payer"] == payer.id
    read = await market.service.parties.GetPayer(party_pb.GetPayerRequest(payer_id=payer.id))
    assert read.payer == changed
    assert await updates(market) == 1
    assert await effects(market) == [
        ("create_customer", "SUCCEEDED", 1),
        ("update_customer", "SUCCEEDED", 1),
    ]
    note = "SELECT note FROM operations WHERE kind = 'update_payer'"
    assert await market.owner.fetchval(note) == payer.id


async def test_what_is_not_set_stays(market: Marketplace) -> None:
    payer = await market.new_payer()

    await market.service.parties.UpdatePayer(change(payer.id, email="anna@example.com"))
    changed = (await market.service.parties.UpdatePayer(change(payer.id, name="Anna"))).payer

    assert (changed.name, changed.email) == ("Anna", "anna@example.com")
    shown = await customer(market)
    assert (shown["name"], shown["email"]) == ("Anna", "anna@example.com")
    assert await effects(market) == [
        ("create_customer", "SUCCEEDED", 1),
        ("update_customer", "SUCCEEDED", 2),
    ]


async def test_a_payer_that_stripe_refused_is_corrected(market: Marketplace) -> None:
    request = await refused_payer(market)
    assert await market.sandbox.objects("/v1/customers") == []
    corrected = payer_request()
    async with market.refuses("ALREADY_EXISTS") as taken:
        await market.service.parties.CreatePayer(corrected)
    corrected.request_id = request.request_id
    async with market.refuses("REQUEST_ID_REUSED") as reused:
        await market.service.parties.CreatePayer(corrected)
    payer_id = taken.metadata["payer_id"]
    for refusal in (taken, reused):
        assert refusal.metadata == {"payer_id": payer_id, "code": "email_invalid"}
        assert f"UpdatePayer ({payer_id})" in refusal.message

    payer = (
        await market.service.parties.UpdatePayer(change(payer_id, email=corrected.email))
    ).payer

    shown = await customer(market)
    assert (shown["id"], shown["email"]) == (payer.stripe_customer, corrected.email)
    assert await effects(market) == [("create_customer", "SUCCEEDED", 2)]
    await market.fund(await market.new_escrow(payer=payer))


async def test_a_refusal_names_the_payer_and_stripes_code(market: Marketplace) -> None:
    async with market.refuses("STRIPE_REFUSED", writes=True) as refusal:
        await market.service.parties.CreatePayer(refused_request())

    assert refusal.metadata["code"] == "email_invalid"
    assert f"UpdatePayer ({refusal.metadata['payer_id']})" in refusal.message
    found = await market.service.parties.GetPayer(
        party_pb.GetPayerRequest(payer_id=refusal.metadata["payer_id"])
    )
    assert (found.payer.email, found.payer.stripe_customer) == (REFUSED, "")


async def test_a_request_id_of_another_kind_of_mistake_says_no_more(market: Marketplace) -> None:
    request = payer_request()
    await market.service.parties.CreatePayer(request)
    request.name = "Somebody"

    async with market.refuses("REQUEST_ID_REUSED") as refusal:
        await market.service.parties.CreatePayer(request)
    assert refusal.metadata == {}


async def test_a_change_that_stripe_refuses_is_corrected_in_turn(market: Marketplace) -> None:
    payer = await market.new_payer()
    request = change(payer.id, email=REFUSED)
    for _ in range(2):  # the same again is refused again, under a new key
        async with market.refuses("STRIPE_REFUSED", writes=True) as refusal:
            await market.service.parties.UpdatePayer(request)
        assert refusal.metadata == {"payer_id": payer.id, "code": "email_invalid"}
    assert (await customer(market))["email"] == payer.email

    await market.service.parties.UpdatePayer(change(payer.id, email="zoe@example.com"))

    assert (await customer(market))["email"] == "zoe@example.com"
    assert await updates(market) == 1


@pytest.mark.parametrize(
    ("kind", "times"), [("cut_before_effect", 3), ("cut_after_effect", 3), ("status", 1)]
)
async def test_an_answer_that_is_lost_is_looked_up(
    market: Marketplace, kind: str, times: int
) -> None:
    payer = await market.new_payer()
    request = change(payer.id, name="Anna")
    await market.sandbox.fail_next("/v1/customers/", kind, times=times)

    async with market.refuses("STRIPE_UNAVAILABLE", writes=True):
        await market.service.parties.UpdatePayer(request)
    await market.patience()
    changed = (await market.service.parties.UpdatePayer(request)).payer

    assert changed.name == (await customer(market))["name"] == "Anna"
    assert await updates(market) == 1


@pytest.mark.parametrize("kind", ["cut_before_effect", "cut_after_effect"])
async def test_a_change_while_the_customer_is_being_made_follows(
    market: Marketplace, kind: str
) -> None:
    request = payer_request()
    await market.sandbox.fail_next("/v1/customers", kind, times=3)
    async with market.refuses("STRIPE_UNAVAILABLE", writes=True):
        await market.service.parties.CreatePayer(request)
    async with market.refuses("ALREADY_EXISTS") as taken:
        await market.service.parties.CreatePayer(payer_request())
    correction = change(taken.metadata["payer_id"], name="Anna")

    changed = (await market.service.parties.UpdatePayer(correction)).payer
    assert (changed.name, bool(changed.stripe_customer)) == ("Anna", True)
    assert (await customer(market))["name"] == "Anna"
    assert await updates(market) == 1


async def test_a_correction_before_stripe_has_refused(market: Marketplace) -> None:
    await market.sandbox.fail_next("/v1/customers", "cut_before_effect", times=3)
    async with market.refuses("STRIPE_UNAVAILABLE", writes=True):
        await market.service.parties.CreatePayer(refused_request())
    async with market.refuses("ALREADY_EXISTS") as taken:
        await market.service.parties.CreatePayer(payer_request())
    correction = change(taken.metadata["payer_id"], email="zoe@example.com")

    await market.service.parties.UpdatePayer(correction)  # the refusal comes, and it is sent again

    assert (await customer(market))["email"] == "zoe@example.com"
    assert await effects(market) == [("create_customer", "SUCCEEDED", 2)]


async def test_changes_reach_stripe_in_their_order(market: Marketplace) -> None:
    """The first may still be executed when the second is asked for: the second waits for it."""
    payer = await market.new_payer()
    await market.sandbox.fail_next("/v1/customers/", "cut_before_effect", times=6)
    async with market.refuses("STRIPE_UNAVAILABLE", writes=True):
        await market.service.parties.UpdatePayer(change(payer.id, name="First"))
    second = change(payer.id, name="Second")
    async with market.refuses("STRIPE_UNAVAILABLE", writes=True):
        await market.service.parties.UpdatePayer(second)
    assert (await customer(market))["name"] == payer.name

    await market.patience()
    await market.work()

    assert (await customer(market))["name"] == "Second"
    assert (await market.service.parties.UpdatePayer(second)).payer.name == "Second"
    assert await updates(market) == 2


async def test_many_changes_at_once_end_in_one_truth(market: Marketplace) -> None:
    payer = await market.new_payer()
    requests = [change(payer.id, name=f"Ann {number}") for number in range(20)]

    await asyncio.gather(
        *(market.service.parties.UpdatePayer(request) for request in requests),
        return_exceptions=True,
    )
    await market.patience()
    await market.work()

    found = await market.service.parties.GetPayer(party_pb.GetPayerRequest(payer_id=payer.id))
    assert found.payer.name == (await customer(market))["name"] != payer.name
    open_ones = "SELECT count(*) FROM effects WHERE state <> 'SUCCEEDED'"
    assert await market.owner.fetchval(open_ones) == 0


async def test_an_answer_of_another_change_is_not_believed(market: Marketplace) -> None:
    """A worker that hung since the change before brings its answer, as old as that."""
    payer = await market.new_payer()
    await market.service.parties.UpdatePayer(change(payer.id, name="First"))
    old = await customer(market)
    request = change(payer.id, name="Second")
    await market.sandbox.fail_next("/v1/customers/", "altered", answer=old)

    async with market.refuses("STRIPE_UNAVAILABLE", writes=True):
        await market.service.parties.UpdatePayer(request)
    assert ("update_customer", "UNKNOWN", 2) in await effects(market)

    await market.patience()
    await market.service.parties.UpdatePayer(request)
    assert (await customer(market))["name"] == "Second"
    assert await updates(market) == 2


async def test_an_answer_that_was_decided_on_before_a_change_is_decided_on_again(
    market: Marketplace,
) -> None:
    """Else nobody would send the change: it waits for the answer, and the answer knew nothing."""
    payer = await market.new_payer()
    await market.sandbox.fail_next("/v1/customers/", "cut_before_effect", times=3)
    async with market.refuses("STRIPE_UNAVAILABLE", writes=True):
        await market.service.parties.UpdatePayer(change(payer.id, name="First"))
    later = Later(market)
    await later.pass_by(PAUSE)
    leased = await later.lease()
    call = Call(TENANT, "stripe", Party.STRIPE, "late")
    unit = UnitOfWork(call, "settle_effect", b"", later.runtime.clock())
    subject, effect = await UPDATE_CUSTOMER.load(later.runtime, unit, leased)

    second = asyncio.ensure_future(
        market.service.parties.UpdatePayer(change(payer.id, name="Second"))
    )
    named = "SELECT count(*) FROM payers WHERE name = 'Second'"
    async with asyncio.timeout(10):
        while not await market.owner.fetchval(named):  # noqa: ASYNC110  rows tell nobody
            await asyncio.sleep(0.02)
    second.cancel()

    outcome = Succeeded({"id": payer.stripe_customer, "metadata": effect.request["metadata"]})
    assert settle(unit, UPDATE_CUSTOMER, subject, effect, outcome)
    with pytest.raises(Overtaken):
        await later.runtime.commit(unit)


async def test_a_worker_that_dies_before_or_after_its_call(market: Marketplace) -> None:
    payer = await market.new_payer()
    await market.sandbox.fail_next("/v1/customers/", "cut_after_effect", times=3)
    async with market.refuses("STRIPE_UNAVAILABLE", writes=True):
        await market.service.parties.UpdatePayer(change(payer.id, name="Anna"))
    later = Later(market)
    await later.pass_by(PAUSE)
    await later.lease()  # and the worker dies

    await later.pass_by(PAUSE)
    await later.effects.run_once()

    assert (await effects(market))[1] == ("update_customer", "SUCCEEDED", 1)
    assert (await customer(market))["name"] == "Anna"
    assert await updates(market) == 1


async def test_whoever_has_not_seen_the_last_change_is_refused(market: Marketplace) -> None:
    payer = await market.new_payer()
    await market.service.parties.UpdatePayer(change(payer.id, name="Anna", etag=payer.etag))

    async with market.refuses("STALE_ETAG"):
        await market.service.parties.UpdatePayer(change(payer.id, name="Ann", etag=payer.etag))


@pytest.mark.parametrize("blank", ["", " "])
async def test_a_name_is_never_blank(market: Marketplace, blank: str) -> None:
    payer = await market.new_payer()

    async with market.refuses("INVALID_FIELD") as refusal:
        await market.service.parties.UpdatePayer(change(payer.id, name=blank))
    assert refusal.fields == {"name": "must not be empty"}


async def test_there_is_no_such_payer(market: Marketplace) -> None:
    async with market.refuses("PAYER_MISSING"):
        await market.service.parties.UpdatePayer(change(f"pyr_{AN_ID}", name="Ann"))

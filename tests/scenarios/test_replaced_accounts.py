"""A payee's account is lost and replaced while the worker dies in a transfer to it, and the server
dies while Stripe makes the new one: the money ends in one of the two, once, and is booked there.
"""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party
from tests.postgres import Server
from tests.scenarios.books import TRANSFERRED, books, refused
from tests.scenarios.deal import Deal, open_deal
from tests.scenarios.program import until
from tests.scenarios.wire import Wire
from tests.world import World, open_world

LEASE_S = 600  # longer than the lease of an effect, whose worker is then taken for dead
TRANSFERS, ACCOUNTS = "/v1/transfers", "/v2/core/accounts"


@pytest.fixture(scope="module")
async def shaky_world(
    postgres_server: Server, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """A wired world, so that what is on its way can be lost."""
    folder = tmp_path_factory.mktemp("replaced")
    async with open_world(postgres_server, template_database, folder, wired=True) as world:
        yield world
        await world.check()


def wire_of(world: World) -> Wire:
    assert world.wire is not None
    return world.wire


async def replace_with_a_dying_server(deal: Deal, *, before: bool) -> party.Payee:
    """The server is killed while Stripe is asked for the new account; the client asks again."""
    world = deal.world
    held = wire_of(world).hold("POST", ACCOUNTS, before=before)
    request = party.ReplacePayeeAccountRequest(request_id=new_request_id(), payee_id=deal.payee.id)
    asked = asyncio.ensure_future(deal.as_payee.parties.ReplacePayeeAccount(request))
    await held.reached()
    await world.kill("service")
    held.lose()
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await asked
    assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
    await world.start("service")
    await world.let_pass(LEASE_S)
    return (await deal.as_payee.parties.ReplacePayeeAccount(request)).payee


async def destinations(deal: Deal) -> list[str]:
    found = await deal.world.sandbox.all_of(TRANSFERS, transfer_group=deal.escrow.id)
    return [transfer["destination"] for transfer in found]


@pytest.mark.parametrize("made", [True, False], ids=["account made", "account not made"])
@pytest.mark.parametrize("sent", [True, False], ids=["transfer made", "transfer not made"])
async def test_everybody_dies_while_an_account_is_replaced(
    shaky_world: World, sent: bool, made: bool
) -> None:
    world = shaky_world
    deal = await open_deal(world)
    await deal.pay_for()
    await world.sandbox.hold()  # no event helps
    held = wire_of(world).hold("POST", TRANSFERS, before=not sent)
    await deal.release()
    await held.reached()
    await world.kill("worker")
    held.lose()
    old = deal.payee.stripe_account
    await world.sandbox.control("POST", f"accounts/{old}/deauthorize")

    replaced = await replace_with_a_dying_server(deal, before=not made)

    new = replaced.stripe_account
    assert new not in ("", old)
    theirs = [
        account["id"]
        for account in await world.sandbox.all_of("/v1/accounts")
        if account["metadata"].get("payee") == deal.payee.id
    ]
    assert theirs == [new]
    await world.start("worker")
    await world.sandbox.release()
    deal.payee = replaced
    await deal.onboard()

    async def has_ended() -> bool:
        await world.let_pass(LEASE_S)
        state = (await deal.read()).milestones[0].state
        return state == pb.MILESTONE_STATE_RELEASED

    await until(has_ended, "the release")
    assert await destinations(deal) == [old if sent else new]
    if sent:
        deal.payee.stripe_account = old  # "account" is what was sent to
        assert await deal.journals() == books(*TRANSFERRED)
    else:
        requested = [entry for entry in TRANSFERRED if entry[0] == "transfer_requested"]
        assert await deal.journals() == books(*TRANSFERRED, *requested, refused(8_000))
    found = await deal.find_payee()
    (previous,) = found.previous_accounts
    assert previous.stripe_account == old
    assert [each.amount_minor for each in previous.connected] == ([8_000] if sent else [])
    assert found.state == party.PAYEE_STATE_ACTIVE
    await world.check()

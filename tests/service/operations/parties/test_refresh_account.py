"""Accounts whose events never came are read again when somebody asks, or Stripe refuses."""

from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party_pb
from service.domain.states.release import ReleaseState
from tests.service.operations.marketplace import Marketplace

LET_PASS = "UPDATE releases SET transfer_at = now() - interval '1 s' WHERE state = 'WAITING'"
RELEASES = "SELECT state, refusal_code FROM releases"


async def test_get_payee_finds_out_that_a_payee_is_ready(market: Marketplace) -> None:
    payee = await market.new_payee(active=False)
    await market.sandbox.control(f"accounts/{payee.stripe_account}/onboard")

    ready = await market.find_payee(payee)

    assert ready.state == party_pb.PAYEE_STATE_ACTIVE


async def test_a_payee_stays_readable_while_stripe_is_away(market: Marketplace) -> None:
    payee = await market.new_payee(active=False)
    await market.sandbox.fail_next("/v2/core/accounts", status=500, times=5)

    known = await market.find_payee(payee)

    assert known.state == party_pb.PAYEE_STATE_ONBOARDING


async def test_a_refused_transfer_waits_for_the_account_and_then_goes(market: Marketplace) -> None:
    payee = await market.new_payee()
    escrow = await market.delivered_escrow(payee=payee)
    account = f"accounts/{payee.stripe_account}"
    await market.sandbox.control(f"{account}/restrict", silently=True)
    await market.accept(escrow)
    await market.effects.run_once()
    assert [tuple(row) for row in await market.owner.fetch(RELEASES)] == [
        (ReleaseState.WAITING, "insufficient_capabilities_for_transfer")
    ]

    await market.owner.execute(LET_PASS)
    assert await market.transfers.run_once() == 1

    assert (await market.owner.fetchval("SELECT state FROM payees")) == "RESTRICTED"
    assert await market.effects.run_once() == 0, "Stripe is not asked for what it would refuse"

    await market.sandbox.control(f"{account}/restrict", lifted=True, silently=True)
    await market.find_payee(payee)
    await market.work()
    released = await market.read(escrow)
    assert released.milestones[0].state == pb.MILESTONE_STATE_RELEASED

"""What Stripe's API answers is understood, or looked up; never guessed."""

from typing import Any

import pytest

from escrow.client import new_request_id
from escrow.v1 import party_service_pb2 as party_pb
from tests.service.operations.marketplace import Marketplace, usd
from tests.service.operations.transfers import TRANSFERS, accepted


async def test_an_answer_that_is_no_json_is_looked_up_and_pays_once(market: Marketplace) -> None:
    """A proxy's page was taken for a refusal, and asking again paid the payout twice."""
    payee = await market.paid_payee()
    await market.sandbox.fail_next("/v1/payouts", "page_after_effect")
    request = party_pb.RequestPayoutRequest(
        request_id=new_request_id(), payee_id=payee.id, amount=usd(3_000)
    )
    payout = (await market.payee.parties.RequestPayout(request)).payout
    await market.effects.run_once()
    assert await market.owner.fetchval("SELECT state FROM payouts") == "REQUESTED"

    await market.patience()
    await market.settle()

    made = await market.sandbox.objects("/v1/payouts", payee.stripe_account)
    assert len(made) == 1
    assert made[0]["metadata"]["payout"] == payout.id
    kinds = [kind for kind, _ in await market.books()]
    assert kinds.count("payout_created") == 1


@pytest.mark.parametrize("answer", [{"id": None}, {"id": ""}, {"id": 7}], ids=str)
async def test_an_answer_without_an_id_is_looked_up(
    market: Marketplace, answer: dict[str, Any]
) -> None:
    await accepted(market)
    await market.sandbox.fail_next(TRANSFERS, "altered", answer=answer)
    await market.effects.run_once()
    assert "transfer_confirmed" not in [kind for kind, _ in await market.books()]

    await market.patience()
    await market.work()

    assert [kind for kind, _ in await market.books()].count("transfer_confirmed") == 1
    assert len(await market.sandbox.objects(TRANSFERS)) == 1


async def test_another_account_than_the_payees_is_never_stored(market: Marketplace) -> None:
    """Reading an account once answered another id, which was stored, and paid."""
    payee = await market.new_payee(active=False)
    await market.sandbox.control(f"accounts/{payee.stripe_account}/onboard")
    path = f"/v2/core/accounts/{payee.stripe_account}"
    altered = {"id": "acct_of_somebody_else"}
    await market.sandbox.fail_next(path, "altered", method="GET", answer=altered)

    found = await market.find_payee(payee)

    assert found.stripe_account == payee.stripe_account
    assert found.state == party_pb.PAYEE_STATE_ONBOARDING
    assert (await market.find_payee(payee)).state == party_pb.PAYEE_STATE_ACTIVE

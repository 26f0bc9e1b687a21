"""Stripe answers badly, late or not at all: it does once what was asked, and we book it once."""

from collections.abc import AsyncIterator

import pytest

from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party
from tests.scenarios.books import (
    CONFIRMED,
    FUNDED,
    PAYOUT_CREATED,
    RELEASED,
    REQUESTED,
    SETTLED,
    TRANSFERRED,
    books,
    refused,
)
from tests.scenarios.deal import Deal
from tests.scenarios.program import until

PAUSE_S = 700  # longer than any pause between two attempts of an effect
TRIES = 3  # the SDK itself tries again when the connection was cut, or the key is in use
FAULTS: dict[str, dict[str, object]] = {
    "cut_before_effect": {"kind": "cut_before_effect", "times": TRIES},
    "cut_after_effect": {"kind": "cut_after_effect", "times": TRIES},
    "error_after_effect": {"kind": "error_after_effect"},
    "stored_error_after_effect": {"kind": "stored_error", "effect": True},
    "server_error": {"kind": "status", "status": 500},
    "key_in_use": {"kind": "status", "status": 409, "times": TRIES},
    "rate_limit": {"kind": "status", "status": 429},
}
STATE_OF_EFFECT = """
SELECT state FROM effects WHERE subject_id IN (
    SELECT release_id FROM releases WHERE escrow_id = $1::uuid
    UNION ALL SELECT payout_id FROM payouts WHERE payee_id = $2::uuid)
ORDER BY created_at DESC LIMIT 1"""


@pytest.fixture
async def deal(deal: Deal) -> AsyncIterator[Deal]:
    """A funded deal; what is armed for it strikes nobody else."""
    await deal.pay_for()
    yield deal
    await deal.world.sandbox.control("DELETE", "faults")


async def until_tried(deal: Deal) -> None:
    """The first attempt has ended without success, and the effect waits for its next."""

    async def waits() -> bool:
        state = await deal.world.pool.fetchval(
            STATE_OF_EFFECT, deal.escrow.id[4:], deal.payee.id[4:]
        )
        return state in ("UNKNOWN", "PLANNED")

    await until(waits, "failed attempt")


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_transfer_is_made_once(deal: Deal, fault: str) -> None:
    sandbox = deal.world.sandbox
    await sandbox.hold()  # the event would tell what the answer did not
    await sandbox.arm(path_prefix="/v1/transfers", **FAULTS[fault])
    await deal.release()
    await until_tried(deal)
    await deal.world.let_pass(PAUSE_S)
    await deal.until_milestone(pb.MILESTONE_STATE_RELEASED)
    assert await deal.transfers() == [8_000]
    assert await deal.journals() == books(*TRANSFERRED)
    await sandbox.release()


async def test_a_failure_that_stripe_has_stored_is_asked_for_under_another_key(deal: Deal) -> None:
    sandbox = deal.world.sandbox
    await sandbox.arm(kind="stored_error", path_prefix="/v1/transfers", effect=False)
    await deal.release()
    await until_tried(deal)
    await deal.world.let_pass(PAUSE_S)

    async def given_back() -> bool:
        return await deal.journals() == books(FUNDED, SETTLED, RELEASED, REQUESTED, refused(8_000))

    await until(given_back, "money back in payable")
    assert (await deal.read()).milestones[0].waiting_for
    await deal.world.let_pass(PAUSE_S)
    await deal.until_milestone(pb.MILESTONE_STATE_RELEASED)
    assert await deal.transfers() == [8_000]
    assert await deal.journals() == books(
        FUNDED, SETTLED, RELEASED, REQUESTED, refused(8_000), REQUESTED, CONFIRMED
    )


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_payout_is_made_once(deal: Deal, fault: str) -> None:
    sandbox = deal.world.sandbox
    await deal.release()
    await deal.until_milestone(pb.MILESTONE_STATE_RELEASED)
    await sandbox.hold()
    await sandbox.arm(path_prefix="/v1/payouts", **FAULTS[fault])
    await deal.pay_out(8_000)
    await until_tried(deal)
    await deal.world.let_pass(PAUSE_S)
    await deal.until_payout(party.PAYOUT_STATE_PENDING)
    made = await sandbox.all_of("/v1/payouts", account=deal.payee.stripe_account)
    assert [payout["amount"] for payout in made] == [8_000]
    assert await deal.journals() == books(*TRANSFERRED, PAYOUT_CREATED)
    await sandbox.release()

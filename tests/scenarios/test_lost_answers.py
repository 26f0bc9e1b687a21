"""Stripe answers badly, late or not at all: it does once what was asked, and we book it once."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import grpc
import pytest

from escrow.client import new_request_id
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
from tests.scenarios.deal import RETURN_URL, Deal, open_deal
from tests.scenarios.program import until
from tests.world import World

Answer = TypeVar("Answer")
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
# How often the newest effect was tried. Its state says so only until the next try.
TRIED = """
SELECT count(a.ended_at)
FROM effects AS f LEFT JOIN effect_attempts AS a USING (tenant_id, effect_id)
WHERE f.subject_id IN (
    SELECT release_id FROM releases WHERE escrow_id = $1::uuid
    UNION ALL SELECT payout_id FROM payouts WHERE payee_id = $2::uuid)
GROUP BY f.effect_id, f.created_at ORDER BY f.created_at DESC LIMIT 1"""


@pytest.fixture
async def deal(deal: Deal) -> AsyncIterator[Deal]:
    """A funded deal; what is armed for it strikes nobody else."""
    await deal.pay_for()
    yield deal
    await deal.world.sandbox.control("DELETE", "faults")


async def until_tried(deal: Deal) -> None:
    """The first attempt has ended: without success, but where the SDK's own next try was told."""

    async def tried() -> bool:
        ids = deal.escrow.id[4:], deal.payee.id[4:]
        return bool(await deal.world.pool.fetchval(TRIED, *ids))

    await until(tried, "attempt")


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


async def persistently(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """What a client does: the same request again for as long as the answer is UNAVAILABLE."""

    async def answered() -> Answer | None:
        try:
            return await ask()
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            return None

    answer = await until(answered, "answer")
    assert answer is not None
    return answer


@pytest.mark.parametrize(
    ("fault", "method"),
    [
        *((fault, pb.PAYMENT_METHOD_PAYMENT_INTENT) for fault in FAULTS),
        ("cut_after_effect", pb.PAYMENT_METHOD_CHECKOUT),
        ("stored_error_after_effect", pb.PAYMENT_METHOD_CHECKOUT),
    ],
)
async def test_a_payment_is_made_once(
    world: World, fault: str, method: pb.PaymentMethod.ValueType
) -> None:
    checkout = method == pb.PAYMENT_METHOD_CHECKOUT
    path = "/v1/checkout/sessions" if checkout else "/v1/payment_intents"
    deal = await open_deal(world, onboarded=False)
    await world.sandbox.hold()
    await world.sandbox.arm(path_prefix=path, **FAULTS[fault])
    request = pb.FundEscrowRequest(
        request_id=new_request_id(),
        escrow_id=deal.escrow.id,
        method=method,
        return_url=RETURN_URL if checkout else "",
    )
    answer = await persistently(lambda: deal.as_payer.escrows.FundEscrow(request))
    made = await world.sandbox.all_of(path, customer=deal.payer.stripe_customer)
    assert len(made) == 1
    if checkout:
        assert answer.payment.checkout_url == made[0]["url"]
    else:
        assert answer.payment.stripe_payment_intent == made[0]["id"]
        assert answer.payment.client_secret == made[0]["client_secret"]
    await world.sandbox.release()
    await world.sandbox.control("DELETE", "faults")


@pytest.mark.parametrize("fault", ["cut_after_effect", "error_after_effect", "rate_limit"])
async def test_a_customer_and_an_account_are_made_once(world: World, fault: str) -> None:
    sandbox, reference = world.sandbox, new_request_id()
    email = f"{reference}@example.com"
    await sandbox.arm(path_prefix="/v1/customers", **FAULTS[fault])
    new_payer = party.CreatePayerRequest(
        request_id=new_request_id(), reference=reference, name="Ann", email=email
    )
    payer = (await persistently(lambda: world.client.parties.CreatePayer(new_payer))).payer
    made = await sandbox.all_of("/v1/customers", email=email)
    assert [customer["id"] for customer in made] == [payer.stripe_customer]

    await sandbox.arm(path_prefix="/v1/accounts", **FAULTS[fault])
    new_payee = party.CreatePayeeRequest(
        request_id=new_request_id(),
        reference=reference,
        name="Bob",
        email=email,
        country="US",
        account_api=party.ACCOUNT_API_V1,
    )
    payee = (await persistently(lambda: world.client.parties.CreatePayee(new_payee))).payee
    accounts = await sandbox.all_of("/v1/accounts")
    ours = [account["id"] for account in accounts if account["email"] == email]
    assert ours == [payee.stripe_account]
    await sandbox.control("DELETE", "faults")

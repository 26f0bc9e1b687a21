"""ListEffects: one damaged row fails no list."""

from escrow.client import new_request_id
from escrow.v1 import operator_service_pb2 as operator_pb
from escrow.v1 import party_service_pb2 as party_pb
from service.domain import ids
from tests.service.operations.marketplace import Marketplace, usd

NEWEST = "SELECT effect_id FROM effects WHERE state = 'PLANNED' ORDER BY effect_id DESC LIMIT 1"
SPOIL = "UPDATE effects SET kind = $2 WHERE effect_id = $1"


async def test_a_damaged_row_is_named_and_the_others_are_shown(market: Marketplace) -> None:
    payee = await market.paid_payee()
    for _ in range(2):
        await market.payee.parties.RequestPayout(
            party_pb.RequestPayoutRequest(
                request_id=new_request_id(), payee_id=payee.id, amount=usd(1_000)
            )
        )
    newest = await market.owner.fetchval(NEWEST)
    await market.owner.execute(SPOIL, newest, "nonsense")

    listed = await market.operator.operators.ListEffects(operator_pb.ListEffectsRequest())

    assert list(listed.unreadable) == [ids.show(ids.EFFECT, newest)]
    assert [effect.kind for effect in listed.effects] == ["create_payout"]
    await market.owner.execute(
        SPOIL, newest, "create_payout"
    )  # every test ends with its books held

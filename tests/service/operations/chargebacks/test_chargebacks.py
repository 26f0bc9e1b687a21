"""A dispute at Stripe is one record here; it freezes, and what it froze moves when it is over."""

from datetime import UTC, datetime, timedelta

import pytest

from escrow.client import new_request_id
from escrow.v1 import chargeback_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party_pb
from tests.service.events.forgeries import of_type, verdict
from tests.service.movements.strangers import assert_same_as_stripe, charge_of, dispute, freezes
from tests.service.operations.asked import WHY
from tests.service.operations.chargebacks.disputes import chargebacks, disputed
from tests.service.operations.marketplace import Marketplace, transitions
from tests.service.operations.transfers import TRANSFERS

State = pb.ChargebackState


async def test_a_chargeback_is_what_stripe_shows_and_is_found_by_what_it_is(
    market: Marketplace,
) -> None:
    escrow, other = await market.funded_escrow(), await market.funded_escrow()
    made = await disputed(market, escrow, amount=4_000)
    asks = await disputed(market, other, inquiry=True)

    inquiry, found = await chargebacks(market)

    (moved,) = made["balance_transactions"]
    assert (found.state, inquiry.state) == (
        pb.CHARGEBACK_STATE_NEEDS_RESPONSE,
        pb.CHARGEBACK_STATE_INQUIRY,
    )
    assert (found.escrow_id, found.stripe_dispute, found.reason) == (
        escrow.id,
        made["id"],
        made["reason"],
    )
    assert (found.amount.amount_minor, found.amount.currency) == (4_000, "USD")
    assert found.withdrawn.amount_minor == -moved["amount"] == 4_000
    assert found.fee.amount_minor == moved["fee"] > 0
    assert found.reinstated.amount_minor == 0
    assert found.reinstated.currency == "USD"
    assert not inquiry.HasField("withdrawn")
    due = made["evidence_details"]["due_by"]
    assert (found.due_time.seconds, found.open_time.seconds) == (due, made["created"])
    request = pb.GetChargebackRequest(chargeback_id=found.id)
    auditor = market.client("operator", role="auditor").chargebacks
    assert (await auditor.GetChargeback(request)).chargeback == found

    just, later = (datetime.fromtimestamp(due + s, UTC).isoformat() for s in (0, 1))
    for condition, expected in {
        "state = NEEDS_RESPONSE": [found],
        "state = CHARGEBACK_STATE_INQUIRY": [inquiry],
        f'escrow_id = "{other.id}"': [inquiry],
        f'payment_id = "{found.payment_id}"': [found],
        f'payee_id = "{escrow.payee_id}" AND state = NEEDS_RESPONSE': [found],
        f'payee_id = "pye_{"0193" * 8}"': [],
        f'stripe_dispute = "{asks["id"]}"': [inquiry],
        "amount_minor >= 4001": [inquiry],
        "amount_minor = 4000": [found],
        f'due_time < "{just}" AND state = NEEDS_RESPONSE': [],
        f'due_time < "{later}" AND state = NEEDS_RESPONSE': [found],
        "unsettled = true": [],
        "unsettled = false AND currency = USD": [inquiry, found],
    }.items():
        assert await chargebacks(market, condition) == expected, condition
    for wrong in ("amount_minor = 4.5", "unsettled = yes", 'due_time < "soon"', "reason = x"):
        async with market.refuses("INVALID_FIELD"):
            await chargebacks(market, wrong)


async def test_who_waits_is_told_for_which_chargeback(market: Marketplace) -> None:
    escrow = await market.funded_escrow()
    made = await disputed(market, escrow)
    (found,) = await chargebacks(market)
    named = f"chargeback {found.id} ({made['id']})"
    waits = (await market.read(escrow)).milestones[0].waiting_for
    assert waits == f"the payer's bank to decide {named}, or an operator to lift the freeze"

    await market.sandbox.control(f"disputes/{made['id']}/lose")
    await market.settle()

    waits = (await market.read(escrow)).milestones[0].waiting_for
    assert waits == f"an operator to say who bears it: {named} is lost (SettleChargeback)"


async def test_a_win_sends_what_was_held_back_to_the_account_that_the_payee_has_now(
    market: Marketplace,
) -> None:
    payee = await market.new_payee(active=False)
    escrow = await market.delivered_escrow(payee=payee)
    await market.accept(escrow)
    made = await disputed(market, escrow)
    assert await market.sandbox.objects(TRANSFERS) == []
    await market.onboard(payee)
    await market.deauthorize(payee)
    replaced = party_pb.ReplacePayeeAccountRequest(
        request_id=new_request_id(), payee_id=payee.id, reason=WHY
    )
    operator = market.client("operator", role="operator")
    before = (await market.find_payee(payee)).stripe_account
    await operator.parties.ReplacePayeeAccount(replaced)
    await market.settle()
    await market.onboard(await market.find_payee(payee))
    account = (await market.find_payee(payee)).stripe_account
    assert account not in ("", before)

    await market.sandbox.control(f"disputes/{made['id']}/win")
    await market.settle()

    (transfer,) = await market.sandbox.objects(TRANSFERS)
    assert transfer["destination"] == account
    (found,) = await chargebacks(market)
    assert found.state == pb.CHARGEBACK_STATE_WON
    assert found.reinstated == found.withdrawn
    assert {state for _, _, state, *_ in await freezes(market)} == {"LIFTED"}
    entries = [entry for entry in await market.timeline(escrow) if "dispute" in entry.note]
    assert {each for entry in entries for each in transitions(entry)} >= {
        ("cbk", "", "NEEDS_RESPONSE"),
        ("cbk", "NEEDS_RESPONSE", "WON"),
        ("frz", "OPEN", "LIFTED"),
    }
    await market.sweep()
    await assert_same_as_stripe(market)


async def test_a_loss_stays_frozen_and_a_win_that_is_taken_back_freezes_again(
    market: Marketplace,
) -> None:
    """Events and the sweep tell of each step, in either order, and again of all at the end."""
    escrow = await market.funded_escrow()
    made = await disputed(market, escrow)
    steps = [
        ("lose", State.CHARGEBACK_STATE_LOST, "OPEN"),
        ("appeal", State.CHARGEBACK_STATE_NEEDS_RESPONSE, "OPEN"),
        ("win", State.CHARGEBACK_STATE_WON, "LIFTED"),
        ("overturn", State.CHARGEBACK_STATE_LOST, "OPEN"),
        ("win", State.CHARGEBACK_STATE_WON, "LIFTED"),
    ]
    for number, (step, state, frozen) in enumerate(steps):
        await market.sandbox.control(f"disputes/{made['id']}/{step}")
        await (market.sweep() if number % 2 else market.settle())
        await (market.settle() if number % 2 else market.sweep())

        (found,) = await chargebacks(market)
        assert (step, found.state, (await freezes(market))[-1][2]) == (step, state, frozen)
        assert await chargebacks(market, "unsettled = true") == (
            [found] if state == State.CHARGEBACK_STATE_LOST else []
        )
        held = (await market.read(escrow)).milestones[0]
        assert held.frozen.amount_minor == (10_000 if frozen == "OPEN" else 0)
    (found,), before = (
        await chargebacks(market),
        await market.owner.fetch("SELECT * FROM chargebacks"),
    )

    for type_ in ("created", "funds_withdrawn", "closed", "updated"):
        for event in await of_type(market, f"charge.dispute.{type_}"):
            again = {**event, "id": f"{event['id']}again"}
            assert await verdict(market, again) == ("PROCESSED", "")

    assert await market.owner.fetch("SELECT * FROM chargebacks") == before
    assert found.withdrawn.amount_minor == 2 * found.amount.amount_minor
    await assert_same_as_stripe(market)


async def test_an_inquiry_that_is_closed_and_one_dispute_of_two_give_their_part_free(
    market: Marketplace,
) -> None:
    escrow = await market.funded_escrow(6_000, 4_000)
    charge = await charge_of(market, escrow)
    asks = await dispute(market, charge, amount=3_000, inquiry=True)
    takes = await dispute(market, charge, amount=6_300)
    await market.settle()
    assert sum(each[3] for each in await freezes(market)) >= 9_000

    await market.sandbox.control(f"disputes/{asks['id']}/lose")
    await market.settle()

    assert {each.stripe_dispute: each.state for each in await chargebacks(market)} == {
        takes["id"]: pb.CHARGEBACK_STATE_NEEDS_RESPONSE,
        asks["id"]: pb.CHARGEBACK_STATE_INQUIRY_CLOSED,
    }
    found = await freezes(market)
    assert {each[2] for each in found if each[1] == asks["id"]} == {"LIFTED"}
    assert {each[2] for each in found if each[1] == takes["id"]} == {"OPEN"}
    frozen = sum(m.frozen.amount_minor for m in (await market.read(escrow)).milestones)
    assert frozen == sum(each[3] for each in found if each[2] == "OPEN") < 10_000


@pytest.mark.parametrize("verb", ["win", "lose"])
async def test_what_only_the_sweep_heard_of_has_its_chargeback(
    market: Marketplace, verb: str
) -> None:
    escrow = await market.funded_escrow()
    made = await dispute(market, await charge_of(market, escrow))
    await market.sandbox.control(f"disputes/{made['id']}/{verb}")

    await market.sweep()

    (found,) = await chargebacks(market)
    won = verb == "win"
    assert found.state == (State.CHARGEBACK_STATE_WON if won else State.CHARGEBACK_STATE_LOST)
    assert [each[2] for each in await freezes(market)] == ([] if won else ["OPEN"])
    heard = found.create_time.ToDatetime(UTC)
    assert heard - datetime.fromtimestamp(made["created"], UTC) < timedelta(days=1)

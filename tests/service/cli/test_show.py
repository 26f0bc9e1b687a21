"""``escrow show``: every name that somebody may still have leads back to what it names."""

import json
import re
from typing import Any

import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party_pb
from escrow.v1.money_pb2 import Money
from service.domain.call import Call, Party
from service.operations.operators.explain.named import explain
from service.store.names import find_named
from tests.postgres import Database
from tests.service.cli.processes import Run, escrow_at
from tests.service.operations.marketplace import NEIGHBOUR, TENANT, Marketplace
from tests.service.operations.operators.stuck import event_set_aside, shadowed, suspended

CALL = Call(TENANT, "tests", Party.OPERATOR)


@pytest.fixture
def escrow(market: Marketplace, database: Database) -> Run:
    return escrow_at(market, database)


async def told(escrow: Run, name: str) -> dict[str, Any]:
    said = await escrow("show", name, "--json")
    assert said.status == 0, said.err
    found: dict[str, Any] = json.loads(said.out)
    return found


async def paid_out(market: Marketplace) -> tuple[pb.Escrow, party_pb.Payee]:
    """A deal of 100.00 by Checkout, released, transferred, and 30.00 of it paid out."""
    payee = await market.new_payee()
    deal = await market.accept(await market.delivered_escrow(payee=payee))
    await market.work()
    await market.settle()
    await market.payee.parties.RequestPayout(
        party_pb.RequestPayoutRequest(
            request_id=new_request_id(),
            payee_id=payee.id,
            amount=Money(amount_minor=3_000, currency="USD"),
        )
    )
    await market.work()
    await market.settle()
    return await market.read(deal), payee


IDS = """
SELECT 'rel_' || replace(release_id::text, '-', ''), 'escrow' FROM releases
UNION ALL SELECT stripe_transfer, 'escrow' FROM releases
UNION ALL SELECT stripe_payment_intent, 'escrow' FROM payments
UNION ALL SELECT stripe_charge, 'escrow' FROM payments
UNION ALL SELECT stripe_balance_transaction, 'escrow' FROM payments
UNION ALL SELECT 'eff_' || replace(effect_id::text, '-', ''), 'escrow' FROM effects
    WHERE kind = 'create_transfer'
UNION ALL SELECT 'jrn_' || replace(journal_id::text, '-', ''), 'escrow' FROM journals
    WHERE kind = 'released'
UNION ALL SELECT event_id, 'escrow' FROM stripe_events WHERE type = 'payment_intent.succeeded'
UNION ALL SELECT key, 'escrow' FROM operations WHERE kind IN ('create_escrow', 'accept_delivery')
UNION ALL SELECT operation_id::text, 'escrow' FROM operations WHERE kind = 'submit_delivery'
UNION ALL SELECT stripe_customer, 'payer' FROM payers
UNION ALL SELECT stripe_account, 'payee' FROM payees
UNION ALL SELECT 'pyo_' || replace(payout_id::text, '-', ''), 'payee' FROM payouts
UNION ALL SELECT stripe_payout, 'payee' FROM payouts
UNION ALL SELECT 'eff_' || replace(effect_id::text, '-', ''), 'payer' FROM effects
    WHERE kind = 'create_customer'
UNION ALL SELECT 'eff_' || replace(effect_id::text, '-', ''), 'payee' FROM effects
    WHERE kind IN ('create_account', 'create_payout')"""


async def test_every_id_leads_back(market: Marketplace, escrow: Run) -> None:
    deal, payee = await paid_out(market)
    names = [(row[0], row[1]) for row in await market.owner.fetch(IDS)]
    names += [(deal.id, "escrow"), (deal.milestones[0].id, "escrow")]
    names += [(deal.milestones[0].payment_id, "escrow"), (deal.reference, "escrow")]
    names += [(deal.payer_id, "payer"), (payee.id, "payee"), (payee.reference, "payee")]
    # All of them by the same code that the command runs, which takes seconds to start.
    runtime = market.running.runtime
    found = {}
    for name, _ in names:
        (named,) = await find_named(runtime.pool, TENANT, name)
        found[name] = await explain(runtime, CALL, named)

    for name, leads_to in names:
        explained = found[name]
        if leads_to == "escrow":
            assert explained.escrow, name
            assert explained.escrow.escrow, name
            assert explained.escrow.escrow.id == deal.id, name
        else:
            assert explained.party, name
            party = getattr(explained.party, leads_to)
            assert party.id == (deal.payer_id if leads_to == "payer" else payee.id), name


async def test_a_checkout_session_leads_to_its_escrow(market: Marketplace) -> None:
    deal = await market.new_escrow()
    await market.fund(deal, method=pb.PAYMENT_METHOD_CHECKOUT)
    session = await market.owner.fetchval("SELECT stripe_checkout_session FROM payments")

    ((named,),) = [await find_named(market.running.runtime.pool, TENANT, session)]

    assert session.startswith("cs_")
    assert named.kind == "payment"
    assert named.escrow_id
    assert named.escrow_id.hex in deal.id


async def test_a_program_sees_where_every_cent_is(market: Marketplace, escrow: Run) -> None:
    deal, payee = await paid_out(market)

    found = await told(escrow, deal.reference)

    assert found["matches"] == [
        {"tenant": TENANT, "kind": "escrow", "id": deal.id, "escrow_id": deal.id}
    ]
    assert found["money"] == [
        {
            "currency": "USD",
            "funded_minor": 105_00,
            "held_minor": 0,
            "owed_minor": 0,
            "paid_minor": 80_00,
            "fees_minor": 25_00,
            "stripe_fees_minor": 3_35,
            "suspense_minor": 0,
            "refunding_minor": 0,
            "receivable_minor": 0,
        }
    ]
    rows = await market.owner.fetch(
        """
        SELECT e.account, sum(e.amount_minor)::bigint FROM entries AS e
        JOIN journals AS j USING (tenant_id, journal_id)
        WHERE j.escrow_id IS NOT NULL GROUP BY e.account"""
    )
    assert {each["account"]: each["closing_minor"] for each in found["accounts"]} == dict(
        map(tuple, rows)
    )
    assert found["escrow"]["milestones"][0]["amount"] == {"amount_minor": 100_00, "currency": "USD"}
    assert found["payee"]["id"] == payee.id
    assert [each["state"] for each in found["payments"]] == ["PAYMENT_STATE_SUCCEEDED"]
    (release,) = found["releases"]
    assert (release["payee_share_minor"], release["stripe_transfer"][:3]) == (80_00, "tr_")
    assert found["waits"] == []
    operations = [entry["operation"] for entry in found["timeline"]]
    assert operations[0] == "create_escrow"
    assert "accept_delivery" in operations


async def test_a_milestone_says_for_whom_it_waits_and_who_can_do_what(
    market: Marketplace, escrow: Run
) -> None:
    deal = await market.delivered_escrow()

    found = await told(escrow, deal.milestones[0].id)
    said = await escrow("show", deal.id)

    (wait,) = found["waits"]
    assert wait["subject"] == deal.milestones[0].id
    assert wait["waits_for"] == (await market.read(deal)).milestones[0].waiting_for
    assert wait["rule"] == "ACCEPTANCE"
    assert wait["may"] == {
        "payer": ["AcceptDelivery", "RequestChanges"],
        "operator": ["ReleaseMilestone"],
    }
    assert found["money"][0]["held_minor"] == 105_00
    for title in ("escrow", "payer", "payee", "milestones", "payments", "money", "timeline"):
        assert f"\n{title}\n" in said.out
    assert f"{wait['waits_for']} (payer may AcceptDelivery, RequestChanges; operator" in said.out
    assert re.search(r"liab:escrow:mst_\w+:held +0.00 USD +100.00 USD +-100.00 USD", said.out)


async def test_a_call_that_needs_a_person_is_a_wait(market: Marketplace, escrow: Run) -> None:
    effect, made, _ = await shadowed(market)

    found = await told(escrow, effect.id)
    by_escrow = await told(escrow, effect.escrow_id)

    assert found["effect"]["id"] == effect.id
    assert [attempt["outcome"] for attempt in found["attempts"]] == ["lost", "lost"]
    (of_effect,) = [wait for wait in by_escrow["waits"] if wait["subject"] == effect.id]
    assert "an operator" in of_effect["waits_for"]
    assert of_effect["may"] == {"operator": ["RetryEffect", "SettleEffect", "RejectEffect"]}
    assert by_escrow["money"][0]["owed_minor"] == 80_00
    assert by_escrow["effects"] == [found["effect"]]
    unknown = await escrow("show", made["id"])  # nobody here has heard of it
    assert unknown.status == 2


async def test_an_event_set_aside_and_money_in_suspense_are_waits(
    market: Marketplace, escrow: Run
) -> None:
    deal, event = await event_set_aside(market)
    other, payment = await suspended(market)

    found = await told(escrow, event["id"])
    suspense = await told(escrow, payment.id)

    assert found["event"]["state"] == "STRIPE_EVENT_STATE_SUSPENSE"
    assert found["escrow"]["id"] == deal.id
    assert {"operator": ["RetryStripeEvent", "DismissStripeEvent"]} in [
        w["may"] for w in found["waits"]
    ]
    assert suspense["escrow"]["id"] == other.id
    assert suspense["money"][0]["suspense_minor"] == payment.amount.amount_minor
    assert {"operator": ["ApplySuspense", "RefundSuspense"]} in [
        wait["may"] for wait in suspense["waits"]
    ]


async def test_a_refund_at_stripe_leads_to_what_it_froze(market: Marketplace, escrow: Run) -> None:
    deal = await market.delivered_escrow()
    payment = deal.milestones[0].payment_id
    charge = await market.owner.fetchval("SELECT stripe_charge FROM payments")
    refund = await market.sandbox.stripe("/v1/refunds", charge=charge)
    await market.settle()

    found = await told(escrow, refund["id"])
    same = await told(escrow, found["matches"][0]["id"])

    assert found["matches"][0]["kind"] == "freeze"
    assert found["payments"][0]["id"] == payment
    (wait,) = [each for each in found["waits"] if each["rule"] == "FREEZE"]
    assert wait["subject"] == (await market.read(deal)).milestones[0].freezes[0].id
    assert refund["id"] in wait["waits_for"]
    assert wait["may"]["operator"] == ["AdoptRefund", "LiftFreeze"]
    assert same["escrow"] == found["escrow"]


async def test_several_of_a_name_are_listed_with_their_tenant(
    market: Marketplace, escrow: Run
) -> None:
    """A reference is its caller's own: a payer, an escrow, another tenant's may have the same."""
    deal = await market.new_escrow()
    request = party_pb.CreatePayerRequest(
        request_id=new_request_id(), reference=deal.reference, name="Ann", email="ann@example.com"
    )
    payer = (await market.service.parties.CreatePayer(request)).payer
    elsewhere = (await market.neighbour.parties.CreatePayer(request)).payer

    found = await told(escrow, deal.reference)
    here = json.loads((await escrow("show", deal.reference, "--tenant", TENANT, "--json")).out)
    one = json.loads((await escrow("show", deal.reference, "--tenant", NEIGHBOUR, "--json")).out)
    said = await escrow("show", deal.reference)

    assert {(m["tenant"], m["kind"], m["id"]) for m in found["matches"]} == {
        (TENANT, "escrow", deal.id),
        (TENANT, "payer", payer.id),
        (NEIGHBOUR, "payer", elsewhere.id),
    }
    assert found.keys() == {"name", "matches"}
    assert {match["tenant"] for match in here["matches"]} == {TENANT}
    assert one["payer"]["id"] == elsewhere.id
    assert said.status == 0
    assert all(text in said.out for text in (deal.id, payer.id, elsewhere.id, NEIGHBOUR))


async def test_a_request_id_leads_to_what_it_was_answered(market: Marketplace, escrow: Run) -> None:
    """Whoever lost the answer of CreatePayer still has the id of the request."""
    request = party_pb.CreatePayerRequest(
        request_id=new_request_id(), reference="u-1", name="Ann", email="ann@example.com"
    )
    payer = (await market.service.parties.CreatePayer(request)).payer

    found = await told(escrow, request.request_id)
    said = await escrow("show", request.request_id)

    assert found["operation"]["kind"] == "create_payer"
    assert found["answer"]["payer"]["id"] == payer.id
    assert payer.id in said.out


async def test_a_damaged_row_keeps_nothing_else_from_being_shown(
    market: Marketplace, escrow: Run
) -> None:
    deal = await market.delivered_escrow()
    spoil = "UPDATE milestones SET state = $1"
    await market.owner.execute(spoil, "NO_STATE")

    found = await told(escrow, deal.id)
    said = await escrow("show", deal.id)

    assert found["escrow"] is None
    assert "NO_STATE" in found["problem"]
    assert found["money"][0]["held_minor"] == 105_00
    assert "escrow verify" in found["waits"][0]["waits_for"]
    assert found["timeline"][0]["operation"] == "create_escrow"
    assert "cannot be shown" in said.out
    await market.owner.execute(spoil, "DELIVERED")


@pytest.mark.parametrize(
    "name", ["nobody", "esc_0193", f"esc_{'0193' * 8}", "pi_1", "", "a'; --", "%", "é" * 300]
)
async def test_what_nothing_is_called_is_one_line(
    market: Marketplace, escrow: Run, name: str
) -> None:
    await market.new_escrow()
    async with market.unchanged():
        said = await escrow("show", name)
    as_json = await escrow("show", name, "--json")

    assert (said.status, said.out) == (2, "")
    assert said.err.startswith("escrow: Nothing is called ")
    assert said.err.count("\n") == 1
    assert json.loads(as_json.err)["error"]["status"] == "NOT_FOUND"

"""``escrow approvals``, as two operators read them."""

import json

from tests.postgres import Database
from tests.service.cli.processes import escrow_at
from tests.service.operations.approvals.waiting import limit
from tests.service.operations.marketplace import Marketplace
from tests.service.operations.refunds.money import platform

IN_FLIGHT = "liab:refunds_in_flight"


async def test_a_refund_waits_in_one_line_and_is_not_approved_by_who_asked(
    market: Marketplace, database: Database
) -> None:
    escrow = escrow_at(market, database)
    funded = await market.funded_escrow()
    await limit(market)
    planned = json.loads((await escrow("refunds", "plan", funded.id, "1", "--json")).out)
    why = ("--reason", "It was broken.")
    create = ("refunds", "create", funded.id, "1", "--plan-hash", planned["plan"]["hash"], *why)

    said = await escrow(*create)

    assert (said.status, said.out, said.err.count("\n")) == (2, "", 1)
    assert said.err.startswith("escrow: 105.00 USD is above the limit of what one person decides")
    assert "approval_id: apr_" in said.err
    assert "request_id: " in said.err
    (waiting,) = json.loads((await escrow("approvals", "list", "--json")).out)["approvals"]
    shown = await escrow("approvals", "show", waiting["id"])
    assert "refunded_from_held: debit" in shown.out
    said, found = await escrow("show", funded.id), await escrow("show", funded.id, "--json")
    assert json.loads(found.out)["approvals"] == [waiting]
    assert "\nwaits for a second person\n" in said.out
    until = waiting["expire_time"][:19].replace("T", " ")
    assert (
        f"{waiting['id']}: a second person to decide on RefundMilestone of 105.00 USD" in said.out
    )
    may = "(operator may escrow approvals approve, escrow approvals reject)"
    assert f", until {until} UTC {may}" in said.out
    approve = ("approvals", "approve", waiting["id"], "--plan-hash", waiting["plan_hash"], *why)
    said = await escrow(*approve)
    assert said.status == 2
    assert "somebody else has to approve" in said.err
    assert await platform(market, IN_FLIGHT) == 0

    said = await escrow("approvals", "reject", waiting["id"], *why)

    assert said.status == 0
    assert "state: REJECTED" in said.out
    assert "no approvals wait" in (await escrow("approvals", "list")).out

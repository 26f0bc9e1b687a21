"""Top-ups: /v1/topups, money from the platform's own bank to its balance.

The bank is debited when a top-up is created; the money arrives, and is available, two days later.
"""

from stripe_sandbox import ledger, settlement
from stripe_sandbox.call import Call
from stripe_sandbox.errors import InvalidRequestError, RefusedError
from stripe_sandbox.ids import new_id
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject, private_copy

registry = Registry()

ARRIVES_AFTER_S = 2 * 24 * 3600


@registry.post("/v1/topups")
def create_topup(call: Call) -> StripeObject:
    """Ask the platform's bank for money, in a currency that the balance can hold."""
    currency = call.params.currency()
    if not settlement.can_hold(call, currency):
        raise InvalidRequestError(
            f"Sorry, you don't have any external accounts in that currency ({currency}).",
            param="currency",
        )
    topup = call.add(
        {
            "id": new_id("tu"),
            "object": "topup",
            "amount": call.params.required_amount(),
            "balance_transaction": None,
            "created": call.now,
            "currency": currency,
            "description": call.params.text("description"),
            "expected_availability_date": call.now + ARRIVES_AFTER_S,
            "failure_code": None,
            "failure_message": None,
            "initiated_by": "user",
            "livemode": False,
            "metadata": call.params.merge_metadata(),
            "source": None,
            "statement_descriptor": call.params.text("statement_descriptor"),
            "status": "pending",
            "transfer_group": call.params.text("transfer_group"),
        }
    )
    call.schedule(ARRIVES_AFTER_S, "topup_arrives", topup=topup["id"])
    call.emit("topup.created", topup)
    return topup


@registry.task("topup_arrives")
def topup_arrives(call: Call, topup: str) -> None:
    """The money arrives, unless the top-up was canceled."""
    arrived = call.require("topup", topup)
    if arrived["status"] != "pending":
        return
    before = private_copy(arrived)
    posted = ledger.post(
        call,
        "topup",
        topup,
        arrived["amount"],
        arrived["currency"],
        description=arrived["description"],
    )
    arrived |= {"status": "succeeded", "balance_transaction": posted["id"]}
    call.emit("topup.succeeded", arrived, before=before)


@registry.get("/v1/topups")
def list_topups(call: Call) -> StripeObject:
    """By status or time."""
    status = call.params.text("status")
    return call.page("topup", lambda topup: status in (None, topup["status"]))


@registry.get("/v1/topups/{id}")
def retrieve_topup(call: Call) -> StripeObject:
    """One top-up."""
    return call.require("topup", call.path["id"])


@registry.post("/v1/topups/{id}")
def update_topup(call: Call) -> StripeObject:
    """Change its description or metadata."""
    topup = retrieve_topup(call)
    topup["description"] = call.params.text("description", topup["description"])
    topup["metadata"] = call.params.merge_metadata(topup["metadata"])
    return topup


@registry.post("/v1/topups/{id}/cancel")
def cancel_topup(call: Call) -> StripeObject:
    """Cancel it before the bank has paid."""
    topup = retrieve_topup(call)
    if topup["status"] != "pending":
        raise RefusedError(f"Only a pending top-up can be canceled; this one is {topup['status']}.")
    before = private_copy(topup)
    topup["status"] = "canceled"
    call.emit("topup.canceled", topup, before=before)
    return topup

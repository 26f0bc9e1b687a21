"""Transfer reversals: money back from a connected account, as far as its balance covers it.

The platform gets the transfer's currency back. Where the destination's payment was converted, its
balance pays for that at today's rate, which is not the payment's.
"""

from stripe_sandbox import ledger, settlement
from stripe_sandbox.call import Call
from stripe_sandbox.connect.payments import new_payment_refund
from stripe_sandbox.connect.transfers import balance_insufficient, settlement_of
from stripe_sandbox.errors import InvalidRequestError, RefusedError, resource_missing
from stripe_sandbox.ids import new_id
from stripe_sandbox.registry import Registry
from stripe_sandbox.settlement import Settled
from stripe_sandbox.store import StripeObject, private_copy

registry = Registry()

BASE = "/v1/transfers/{transfer}/reversals"


@registry.post(BASE)
def create_reversal(call: Call) -> StripeObject:
    """Take a transfer back, in whole or in part."""
    transfer = call.require("transfer", call.path["transfer"])
    amount = _amount(call, transfer)
    owner = call.on(transfer["destination"])
    payment = owner.require("charge", transfer["destination_payment"])
    taken = _taken(owner, payment, amount)
    available_on = _available_on(call, transfer, taken)
    before = private_copy(transfer)
    reversal = _new_reversal(call, transfer, amount)
    payment_before = private_copy(payment)
    refund = new_payment_refund(owner, payment, amount)
    refund["source_transfer_reversal"] = reversal["id"]
    reversal["destination_payment_refund"] = refund["id"]
    reversal["balance_transaction"] = ledger.post(
        call,
        "transfer_refund",
        reversal["id"],
        amount,
        transfer["currency"],
        available_on=available_on,
    )["id"]
    refund["balance_transaction"] = ledger.post(
        owner,
        "payment_refund",
        refund["id"],
        -taken.amount,
        taken.currency,
        exchange_rate=taken.exchange_rate,
        available_on=available_on,
    )["id"]
    transfer["amount_reversed"] += amount
    transfer["reversed"] = transfer["amount_reversed"] == transfer["amount"]
    transfer["reversals"]["data"].insert(0, private_copy(reversal))
    call.emit("transfer.reversed", transfer, before)
    owner.emit("charge.refunded", payment, payment_before)
    return reversal


@registry.get(BASE)
def list_reversals(call: Call) -> StripeObject:
    """The reversals of a transfer, newest first."""
    transfer = call.require("transfer", call.path["transfer"])
    return call.page("transfer_reversal", lambda r: r["transfer"] == transfer["id"])


@registry.get(BASE + "/{id}")
def retrieve_reversal(call: Call) -> StripeObject:
    """One reversal of a transfer."""
    reversal = call.find("transfer_reversal", call.path["id"])
    if reversal is None or reversal["transfer"] != call.path["transfer"]:
        raise resource_missing("transfer reversal", call.path["id"])
    return reversal


@registry.post(BASE + "/{id}")
def update_reversal(call: Call) -> StripeObject:
    """Change its metadata, also where the transfer shows it."""
    reversal = retrieve_reversal(call)
    reversal["metadata"] = call.params.merge_metadata(reversal["metadata"])
    transfer = call.require("transfer", reversal["transfer"])
    before = private_copy(transfer)
    for shown in transfer["reversals"]["data"]:
        if shown["id"] == reversal["id"]:
            shown["metadata"] = private_copy(reversal["metadata"])
    call.emit("transfer.updated", transfer, before)
    return reversal


@registry.expansion("transfer_reversal", "destination_payment_refund")
def expand_destination_payment_refund(call: Call, reversal: StripeObject) -> StripeObject | None:
    """The refund belongs to the transfer's destination."""
    transfer = call.require("transfer", reversal["transfer"])
    refund = reversal["destination_payment_refund"]
    return call.on(transfer["destination"]).find("refund", refund)


def _amount(call: Call, transfer: StripeObject) -> int:
    left = int(transfer["amount"] - transfer["amount_reversed"])
    if left == 0:
        raise RefusedError(f"Transfer {transfer['id']} has already been fully reversed.")
    amount = call.params.amount(currency=transfer["currency"])
    if amount is not None and amount > left:
        raise InvalidRequestError(
            f"Reversal amount ({amount}) is greater than the unreversed amount of the transfer "
            f"({left}).",
            param="amount",
        )
    return amount or left


def _taken(owner: Call, payment: StripeObject, amount: int) -> Settled:
    """What the destination's balance gives back, in the currency that it received."""
    if payment["balance_transaction"] is None:
        raise RefusedError("The funds of this transfer have not arrived yet. Try again later.")
    received = owner.require("balance_transaction", payment["balance_transaction"])
    return settlement.convert(owner, amount, payment["currency"], received["currency"])


def _available_on(call: Call, transfer: StripeObject, taken: Settled) -> int:
    """When both sides of the reversal settle.

    What is still pending at the destination can be taken back before it becomes available, and
    then cancels out at the same moment.
    """
    owner = call.on(transfer["destination"])
    settles = settlement_of(call, transfer)
    held = ledger.available(owner, taken.currency)
    if settles > call.now:
        held += ledger.balance(owner)["pending"].get(taken.currency, 0)
    if held < taken.amount:
        raise balance_insufficient()
    return settles


def _new_reversal(call: Call, transfer: StripeObject, amount: int) -> StripeObject:
    return call.add(
        {
            "id": new_id("trr"),
            "object": "transfer_reversal",
            "amount": amount,
            "balance_transaction": None,
            "created": call.now,
            "currency": transfer["currency"],
            "destination_payment_refund": None,
            "metadata": call.params.merge_metadata(),
            "source_refund": None,
            "transfer": transfer["id"],
        }
    )

"""Transfers: money from the platform's balance to a connected account's.

A transfer is final when it is answered; there is no status. With `source_transaction` it draws on
one charge, even one whose funds are still pending, and settles when that charge does. A charge that
was captured asynchronously has no balance transaction yet; a transfer on it gets its own when the
charge does, with `charge.updated`.

On the platform nothing is converted: a transfer is in a currency of its balance, and with
`source_transaction` in the one that the charge settles in. The destination receives it in that
currency, and if it cannot hold that, its balance transaction is in one that it can.
"""

from stripe_sandbox import ledger, settlement
from stripe_sandbox.call import Call
from stripe_sandbox.connect.payments import new_payment
from stripe_sandbox.errors import InvalidRequestError, RefusedError, resource_missing
from stripe_sandbox.ids import new_id
from stripe_sandbox.lists import envelope
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject, private_copy

registry = Registry()

# Any of these capabilities allows an account to receive transfers.
RECEIVING_CAPABILITIES = ("transfers", "legacy_payments", "crypto_transfers")


@registry.post("/v1/transfers")
def create_transfer(call: Call) -> StripeObject:
    """Move money to a connected account, from a charge or from the available balance."""
    amount = call.params.required_amount()
    currency = call.params.currency()
    source = _source_charge(call, currency)
    destination = _destination(call)
    if source is not None:
        _refuse_above_source(call, source, amount)
    elif ledger.available(call, currency) < amount:
        raise balance_insufficient()
    settlement.settle(call.on(destination["id"]), amount, currency)  # refused without a rate
    transfer = _new_transfer(call, amount, currency, destination["id"], source)
    payment = new_payment(call.on(destination["id"]), transfer)
    transfer["destination_payment"] = payment["id"]
    if source is None or source["balance_transaction"] is not None:
        _settle(call, transfer, payment)
    call.emit("transfer.created", transfer)
    call.on(destination["id"]).emit("charge.succeeded", payment)
    return transfer


@registry.get("/v1/transfers")
def list_transfers(call: Call) -> StripeObject:
    """Transfers newest first, by destination or transfer group."""
    wanted = {
        name: call.params[name]
        for name in ("destination", "transfer_group")
        if call.params.is_set(name)
    }
    return call.page("transfer", lambda t: all(t[name] == wanted[name] for name in wanted))


@registry.get("/v1/transfers/{transfer}")
def retrieve_transfer(call: Call) -> StripeObject:
    """One transfer with its reversals."""
    return call.require("transfer", call.path["transfer"])


@registry.post("/v1/transfers/{transfer}")
def update_transfer(call: Call) -> StripeObject:
    """Change the description or the metadata."""
    transfer = retrieve_transfer(call)
    before = private_copy(transfer)
    transfer["description"] = call.params.text("description", transfer["description"])
    transfer["metadata"] = call.params.merge_metadata(transfer["metadata"])
    if transfer != before:
        call.emit("transfer.updated", transfer, before)
    return transfer


@registry.expansion("transfer", "destination_payment")
def expand_destination_payment(call: Call, transfer: StripeObject) -> StripeObject | None:
    """The destination's payment, which the platform may read."""
    return call.on(transfer["destination"]).find("charge", transfer["destination_payment"])


@registry.reaction("charge.updated")
def settle_waiting_transfers(call: Call, charge: StripeObject) -> None:
    """Book the transfers that were made while their source charge had no funds yet."""
    if charge["balance_transaction"] is None:
        return
    for waiting in call.select(
        "transfer",
        lambda t: t["source_transaction"] == charge["id"] and t["balance_transaction"] is None,
    ):
        transfer = call.require("transfer", waiting["id"])
        before = private_copy(transfer)
        owner = call.on(transfer["destination"])
        payment = owner.require("charge", transfer["destination_payment"])
        payment_before = private_copy(payment)
        _settle(call, transfer, payment)
        call.emit("transfer.updated", transfer, before)
        owner.emit("charge.updated", payment, payment_before)


def settlement_of(call: Call, transfer: StripeObject) -> int:
    """When the funds of a booked transfer are available, Unix seconds."""
    posted = call.require("balance_transaction", transfer["balance_transaction"])
    return int(posted["available_on"])


def balance_insufficient() -> RefusedError:
    """The refusal when the available balance is too low."""
    return RefusedError(
        "You have insufficient available funds in your Stripe account. Try adding funds directly "
        "to your available balance by creating Charges using the 4000000000000077 test card. See: "
        "https://stripe.com/docs/testing#available-balance",
        code="balance_insufficient",
    )


def _source_charge(call: Call, currency: str) -> StripeObject | None:
    charge_id = call.params.text("source_transaction")
    if charge_id is None:
        return None
    charge = call.find("charge", charge_id)
    if charge is None:
        raise resource_missing("charge", charge_id, "source_transaction")
    if charge["status"] != "succeeded" or not charge["captured"]:
        raise InvalidRequestError(
            "Cannot use an uncaptured charge or one that did not succeed as a source_transaction.",
            param="source_transaction",
        )
    settles_in = settlement.of_charge(call, charge).currency
    if settles_in != currency:
        raise InvalidRequestError(
            f"The currency of source_transaction's balance transaction ({settles_in}) must be the "
            f"same as the transfer currency ({currency})",
            param="currency",
        )
    return charge


def _destination(call: Call) -> StripeObject:
    account_id = call.params.required_text("destination")
    account = call.find("account", account_id)
    if account is None or account_id == call.account:
        raise InvalidRequestError(
            f"No such destination: '{account_id}'", code="resource_missing", param="destination"
        )
    if not any(account["capabilities"].get(name) == "active" for name in RECEIVING_CAPABILITIES):
        raise RefusedError(
            "Your destination account needs to have at least one of the following capabilities "
            f"enabled: {', '.join(RECEIVING_CAPABILITIES)}",
            code="insufficient_capabilities_for_transfer",
        )
    return account


def _refuse_above_source(call: Call, charge: StripeObject, amount: int) -> None:
    """Refuse more than the charge has settled as, before its fee."""
    source = settlement.of_charge(call, charge)
    used = sum(
        transfer["amount"] - transfer["amount_reversed"]
        for transfer in call.select("transfer", lambda t: t["source_transaction"] == charge["id"])
    )
    if used + amount > source.amount:
        raise RefusedError(
            "Transfers using this transaction as a source must not exceed the source amount of "
            f"{source.amount} {source.currency}. (There is already {used} {source.currency} in "
            "transfers using this source.)",
            param="amount",
        )


def _new_transfer(
    call: Call, amount: int, currency: str, destination: str, source: StripeObject | None
) -> StripeObject:
    transfer_id = new_id("tr")
    inherited = source["transfer_group"] if source else None
    return call.add(
        {
            "id": transfer_id,
            "object": "transfer",
            "amount": amount,
            "amount_reversed": 0,
            "balance_transaction": None,
            "created": call.now,
            "currency": currency,
            "description": call.params.text("description"),
            "destination": destination,
            "destination_payment": None,
            "livemode": False,
            "metadata": call.params.merge_metadata(),
            "reversals": envelope(f"/v1/transfers/{transfer_id}/reversals", []),
            "reversed": False,
            "source_transaction": source["id"] if source else None,
            "source_type": call.params.text("source_type", "card"),
            "transfer_group": call.params.text("transfer_group", inherited),
        }
    )


def _settle(call: Call, transfer: StripeObject, payment: StripeObject) -> None:
    """Book both sides; on a charge whose funds are pending, both become available with it."""
    available_on = call.now
    if transfer["source_transaction"] is not None:
        charge = call.require("charge", transfer["source_transaction"])
        available_on = settlement_of(call, charge)
    amount, currency = transfer["amount"], transfer["currency"]
    transfer["balance_transaction"] = ledger.post(
        call, "transfer", transfer["id"], -amount, currency, available_on=available_on
    )["id"]
    owner = call.on(transfer["destination"])
    received = settlement.settle(owner, amount, currency)
    payment["balance_transaction"] = ledger.post(
        owner,
        "payment",
        payment["id"],
        received.amount,
        received.currency,
        exchange_rate=received.exchange_rate,
        available_on=available_on,
        reporting_category="charge",
    )["id"]

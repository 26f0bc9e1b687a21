"""Payouts: money from an account's balance to its bank; usually on a connected account.

The balance is debited at once. The later steps are in `payout_progress.py`. The
sandbox creates no automatic payouts, even for accounts with an automatic schedule.
"""

from stripe_sandbox import ledger, settlement
from stripe_sandbox.amount_steps import PAYOUTS, require_round
from stripe_sandbox.call import Call
from stripe_sandbox.connect.account_state import require_account
from stripe_sandbox.connect.accounts import platform_account
from stripe_sandbox.connect.external_accounts import default_bank_account
from stripe_sandbox.connect.payout_progress import ARRIVES_AFTER_S, SUBMITTED_AFTER_S, give_back
from stripe_sandbox.errors import InvalidRequestError, RefusedError, resource_missing
from stripe_sandbox.ids import new_id
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject, private_copy

registry = Registry()


@registry.post("/v1/payouts")
def create_payout(call: Call) -> StripeObject:
    """Send part of the available balance to the bank."""
    amount = call.params.required_amount()
    currency = call.params.currency()
    account = platform_account(call) if call.on_platform else require_account(call, call.account)
    if not account["payouts_enabled"]:
        raise RefusedError(
            "Payouts are not enabled for this account. Complete its requirements first.",
            code="payouts_not_allowed",
        )
    require_round(amount, currency, PAYOUTS)
    bank = _destination(call, currency)
    if call.params.text("method") == "instant":
        raise RefusedError(
            "Instant payouts are not available for this bank account.",
            code="instant_payouts_unsupported",
        )
    if ledger.available(call, currency) < amount:
        raise RefusedError(
            "You have insufficient funds in your Stripe account for this payout.",
            code="balance_insufficient",
        )
    payout = _new_payout(call, amount, currency, bank["id"])
    posted = ledger.post(call, "payout", payout["id"], -amount, currency)
    payout["balance_transaction"] = posted["id"]
    call.schedule(SUBMITTED_AFTER_S, "payout_submitted", payout=payout["id"])
    call.schedule(ARRIVES_AFTER_S, "payout_arrived", payout=payout["id"])
    call.emit("payout.created", payout)
    return payout


@registry.get("/v1/payouts")
def list_payouts(call: Call) -> StripeObject:
    """Payouts newest first, by status or destination."""
    wanted = {
        name: call.params[name] for name in ("status", "destination") if call.params.is_set(name)
    }
    return call.page("payout", lambda p: all(p[name] == wanted[name] for name in wanted))


@registry.get("/v1/payouts/{payout}")
def retrieve_payout(call: Call) -> StripeObject:
    """One payout of the acting account."""
    return call.require("payout", call.path["payout"])


@registry.post("/v1/payouts/{payout}")
def update_payout(call: Call) -> StripeObject:
    """Change its metadata."""
    payout = retrieve_payout(call)
    before = private_copy(payout)
    payout["metadata"] = call.params.merge_metadata(payout["metadata"])
    if payout != before:
        call.emit("payout.updated", payout, before)
    return payout


@registry.post("/v1/payouts/{payout}/cancel")
def cancel_payout(call: Call) -> StripeObject:
    """Cancel it before it is submitted to the bank."""
    payout = retrieve_payout(call)
    if payout["status"] != "pending":
        raise RefusedError(
            f"Payouts can only be canceled while they are pending; this one is {payout['status']}."
        )
    before = private_copy(payout)
    payout["status"] = "canceled"
    give_back(call, payout, "payout_cancel")
    call.emit("payout.canceled", payout, before)
    return payout


@registry.post("/v1/payouts/{payout}/reverse")
def reverse_payout(call: Call) -> StripeObject:
    """Return the money of a paid payout; the reversal is a payout of its own."""
    original = retrieve_payout(call)
    if original["status"] != "paid" or original["reversed_by"] or original["original_payout"]:
        raise RefusedError("Only a paid payout that was not reversed yet can be reversed.")
    payout = _new_payout(call, -original["amount"], original["currency"], original["destination"])
    payout["original_payout"] = original["id"]
    original["reversed_by"] = payout["id"]
    payout["balance_transaction"] = ledger.post(
        call,
        "payout",
        payout["id"],
        original["amount"],
        original["currency"],
        available_on=payout["arrival_date"],
        reporting_category="payout_reversal",
    )["id"]
    call.schedule(ARRIVES_AFTER_S, "payout_arrived", payout=payout["id"])
    call.emit("payout.created", payout)
    return payout


def _destination(call: Call, currency: str) -> StripeObject:
    bank_id = call.params.text("destination")
    if bank_id is None:
        bank = default_bank_account(call, currency)
    else:
        bank = call.find("bank_account", bank_id)
        if bank is None:
            raise resource_missing("external account", bank_id, "destination")
    if bank is None or bank["currency"] != currency or not settlement.can_hold(call, currency):
        raise InvalidRequestError(
            f"Sorry, you don't have any external accounts in that currency ({currency}).",
            param="currency",
        )
    if bank["status"] == "errored":
        raise RefusedError(
            "The bank account provided cannot be used for payouts. A different bank account must "
            "be used.",
            code="bank_account_unusable",
        )
    return bank


def _new_payout(call: Call, amount: int, currency: str, bank_id: str) -> StripeObject:
    return call.add(
        {
            "id": new_id("po"),
            "object": "payout",
            "amount": amount,
            "application_fee": None,
            "application_fee_amount": None,
            "arrival_date": call.now + ARRIVES_AFTER_S,
            "automatic": False,
            "balance_transaction": None,
            "created": call.now,
            "currency": currency,
            "description": call.params.text("description"),
            "destination": bank_id,
            "failure_balance_transaction": None,
            "failure_code": None,
            "failure_message": None,
            "livemode": False,
            "metadata": call.params.merge_metadata(),
            "method": "standard",
            "original_payout": None,
            "payout_method": None,
            "reconciliation_status": "not_applicable",
            "reversed_by": None,
            "source_type": call.params.text("source_type", "card"),
            "statement_descriptor": call.params.text("statement_descriptor"),
            "status": "pending",
            "trace_id": {"status": "pending", "value": None},
            "type": "bank_account",
        }
    )

"""The progress of a payout: submitted, arrived or returned by the bank, all on the clock.

`paid` is not final: a bank can return a payout days later, so `fail` works on a paid one, too.
"""

from stripe_sandbox import ledger
from stripe_sandbox.call import Call
from stripe_sandbox.connect.account_state import change_account
from stripe_sandbox.connect.bank_details import PAYOUT_FAILURES
from stripe_sandbox.errors import RefusedError
from stripe_sandbox.ids import token
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject, private_copy

registry = Registry()

SUBMITTED_AFTER_S = 3600
ARRIVES_AFTER_S = 2 * 24 * 3600
FAILURE = ("could_not_process", "The bank could not process this payout.")


@registry.task("payout_submitted")
def submit(call: Call, payout: str) -> None:
    """Hand a payout to the bank; from now on it cannot be canceled."""
    submitted = call.require("payout", payout)
    if submitted["status"] == "pending":
        before = private_copy(submitted)
        submitted["status"] = "in_transit"
        call.emit("payout.updated", submitted, before)


@registry.task("payout_arrived")
def arrive(call: Call, payout: str) -> None:
    """The bank takes or returns the money, depending on the account number."""
    arrived = call.require("payout", payout)
    if arrived["status"] not in {"pending", "in_transit"}:
        return
    bank = call.find("bank_account", arrived["destination"])
    failure = PAYOUT_FAILURES.get(bank["_account_number"]) if bank else None
    if failure and arrived["amount"] > 0:
        fail(call, arrived, *failure)
    else:
        pay(call, arrived)


def pay(call: Call, payout: StripeObject) -> None:
    """The money is at the bank."""
    if payout["status"] not in {"pending", "in_transit"}:
        raise RefusedError(f"A payout that is {payout['status']} cannot become paid.")
    before = private_copy(payout)
    payout["status"] = "paid"
    payout["arrival_date"] = call.now
    payout["trace_id"] = {"status": "supported", "value": token(12).upper()}
    call.emit("payout.paid", payout, before)


def fail(call: Call, payout: StripeObject, code: str, message: str) -> None:
    """The bank returns the money, and Stripe stops paying out to that bank account."""
    if payout["status"] not in {"pending", "in_transit", "paid"}:
        raise RefusedError(f"A payout that is {payout['status']} cannot fail.")
    before = private_copy(payout)
    payout |= {"status": "failed", "failure_code": code, "failure_message": message}
    give_back(call, payout, "payout_failure")
    call.emit("payout.failed", payout, before)
    with change_account(call, call.account):
        bank = call.find("bank_account", payout["destination"])
        if bank is not None and bank["status"] != "errored":
            bank_before = private_copy(bank)
            bank["status"] = "errored"
            call.emit("account.external_account.updated", bank, bank_before)


def give_back(call: Call, payout: StripeObject, kind: str) -> None:
    """Credit a payout that failed or was canceled to the balance it came from."""
    posted = ledger.post(call, kind, payout["id"], payout["amount"], payout["currency"])
    payout["failure_balance_transaction"] = posted["id"]

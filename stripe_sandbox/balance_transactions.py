"""Balance transactions: /v1/balance_transactions, the account's own statement."""

from stripe_sandbox.call import Call
from stripe_sandbox.errors import InvalidRequestError
from stripe_sandbox.ids import kind_of
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject

registry = Registry()


@registry.get("/v1/balance_transactions")
def list_balance_transactions(call: Call) -> StripeObject:
    """By currency, source, type or time.

    Stripe finds none by the source when that is a dispute, although they name it as theirs.
    """
    if call.params.is_set("payout"):
        # Payouts are manual here, so Stripe's answer to this filter is always the same.
        raise InvalidRequestError(
            "Balance transaction history can only be filtered on automatic transfers, not manual.",
            param="payout",
        )
    wanted = {
        name: call.params.text(name)
        for name in ("currency", "source", "type")
        if call.params.is_set(name)
    }
    if kind_of(wanted.get("source") or "") == "dispute":
        return call.page("balance_transaction", lambda _posted: False)
    return call.page(
        "balance_transaction",
        lambda posted: all(posted[name] == value for name, value in wanted.items()),
    )


@registry.get("/v1/balance_transactions/{id}")
def retrieve_balance_transaction(call: Call) -> StripeObject:
    """One balance transaction."""
    return call.require("balance_transaction", call.path["id"])

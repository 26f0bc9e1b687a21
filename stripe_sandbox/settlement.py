"""In which currency an account's money settles, and how much it is there.

An account can hold some currencies, its settlement currencies. What comes in another one is
converted to its default currency at the rate of that moment.

By default the sandbox is kinder than Stripe: every account holds every currency, and nothing is
converted. Two settings make it as strict as Stripe:

    settlement_currencies       what the platform holds; the first is its default currency
    accounts_settle_in          "external_accounts": what connected accounts hold are the currencies
                                of their bank accounts, and their default currency
"""

from dataclasses import asdict, dataclass

from stripe_sandbox import exchange_rates
from stripe_sandbox.call import Call
from stripe_sandbox.state import NO_ACCOUNT
from stripe_sandbox.store import Json, StripeObject

KIND, SETTINGS = "_meta", "settlement"
ANY_CURRENCY, EXTERNAL_ACCOUNTS = "any_currency", "external_accounts"


@dataclass(frozen=True)
class Settled:
    """An amount as it enters the books; `exchange_rate` is None where nothing was converted."""

    amount: int
    currency: str
    exchange_rate: float | None = None


def settings(call: Call) -> StripeObject:
    """The two settings; no `settlement_currencies` means every currency."""
    changed = call.on(NO_ACCOUNT).find(KIND, SETTINGS) or {}
    return {
        "settlement_currencies": changed.get("settlement_currencies"),
        "accounts_settle_in": changed.get("accounts_settle_in", ANY_CURRENCY),
    }


def change_settings(call: Call, **changes: Json) -> None:
    """Change settings; a reset brings the defaults back."""
    record = {"object": KIND, "id": SETTINGS, **settings(call), **changes}
    call.on(NO_ACCOUNT).add(record)


def settlement_currencies(call: Call) -> list[str] | None:
    """What the acting account can hold, its default currency first; None means every currency."""
    wanted = settings(call)
    if call.on_platform:
        held: list[str] | None = wanted["settlement_currencies"]
        return held
    if wanted["accounts_settle_in"] == ANY_CURRENCY:
        return None
    account = call.on(call.state.platform).find("account", call.account)
    if account is None:
        return None  # no longer connected: the platform cannot read any more what it holds
    return [account["default_currency"], *(b["currency"] for b in call.select("bank_account"))]


def can_hold(call: Call, currency: str) -> bool:
    """Whether the acting account's balance can be in a currency."""
    held = settlement_currencies(call)
    return held is None or currency in held


def settle(call: Call, amount: int, currency: str) -> Settled:
    """What an amount that comes in is in a currency that the acting account can hold.

    Raises:
        InvalidRequestError: it has to be converted, and there is no rate.
    """
    held = settlement_currencies(call)
    if held is None or currency in held:
        return Settled(amount, currency)
    return convert(call, amount, currency, held[0])


def convert(call: Call, amount: int, currency: str, into: str) -> Settled:
    """An amount in another currency at today's rate; unchanged in its own."""
    if currency == into:
        return Settled(amount, currency)
    rate = exchange_rates.rate(call, currency, into)
    return Settled(exchange_rates.converted(amount, rate), into, float(rate))


def fix_charge(call: Call, charge: StripeObject) -> None:
    """Fix what a captured charge settles as, before it is booked.

    Stripe takes the rate of the moment of the charge, also where its balance transaction follows
    later; transfers from it are held against this until then.
    """
    charge["_settles"] = asdict(settle(call, charge["amount_captured"], charge["currency"]))


def of_charge(call: Call, charge: StripeObject) -> Settled:
    """What a captured charge has settled as, or will settle as: its gross amount."""
    if charge["balance_transaction"] is not None:
        posted = call.require("balance_transaction", charge["balance_transaction"])
        return Settled(posted["amount"], posted["currency"], posted["exchange_rate"])
    if "_settles" in charge:
        return Settled(**charge["_settles"])
    return settle(call, charge["amount_captured"], charge["currency"])

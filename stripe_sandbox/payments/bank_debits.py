"""SEPA Direct Debits: payments that are processing until the customer's bank has answered.

    payment_intent processing, charge pending  ->  succeeded   the bank paid
                                               ->  failed      the bank refused, or has no account

Stripe's test IBANs say how a debit ends and whether that takes three minutes. A debit settles in
the books when it succeeds, so a processing payment changes no balance.
"""

from dataclasses import dataclass

from stripe_sandbox.call import Call
from stripe_sandbox.errors import StripeError, parameter_invalid
from stripe_sandbox.ids import token
from stripe_sandbox.params import Params
from stripe_sandbox.store import StripeObject

SLOW_S = 180


@dataclass(frozen=True)
class Debit:
    """How a debit of one test IBAN ends; `slow` ones take three minutes."""

    succeeds: bool = True
    slow: bool = False


TEST_IBANS = {
    "AT611904300234573201": Debit(),
    "AT321904300235473204": Debit(slow=True),
    "AT861904300235473202": Debit(succeeds=False),
    "AT051904300235473205": Debit(succeeds=False, slow=True),
    "DE89370400440532013000": Debit(),
    "DE08370400440532013003": Debit(slow=True),
    "DE62370400440532013001": Debit(succeeds=False),
    "DE78370400440532013004": Debit(succeeds=False, slow=True),
    "IT40S0542811101000000123456": Debit(),
    "IT60X0542811101000000123456": Debit(succeeds=False),
}

REFUSED = (
    "The customer's bank account could not be debited: the debit was not authorized by the "
    "customer's bank."
)


def read_details(params: Params) -> tuple[str, StripeObject]:
    """The IBAN of `sepa_debit[iban]`, and what a payment method shows of it.

    Raises:
        InvalidRequestError: the IBAN is not one of Stripe's test IBANs.
    """
    iban = params.required_text("iban").replace(" ", "").upper()
    if iban not in TEST_IBANS:
        raise parameter_invalid(
            params.name_of("iban"), "The IBAN you provided is invalid.", "invalid_bank_account_iban"
        )
    return iban, {
        "bank_code": iban[4:9],
        "branch_code": None,
        "country": iban[:2],
        "fingerprint": token(16),
        "generated_from": {"charge": None, "setup_attempt": None},
        "last4": iban[-4:],
    }


def shown_on_charge(method: StripeObject) -> StripeObject:
    """The `payment_method_details` of a charge by this payment method."""
    bank = {name: value for name, value in method["sepa_debit"].items() if name != "generated_from"}
    return {**bank, "expected_debit_date": None, "mandate": f"mandate_{token()}"}


def answer_delay_s(call: Call, method: StripeObject) -> float:
    """How long the customer's bank takes to answer."""
    return SLOW_S if TEST_IBANS[method["_iban"]].slow else call.state.capture_delay_s


def refusal(method: StripeObject, charge: str) -> StripeError | None:
    """Why the customer's bank refuses the debit, or None when it pays."""
    if TEST_IBANS[method["_iban"]].succeeds:
        return None
    return StripeError(REFUSED, code="debit_not_authorized", charge=charge)

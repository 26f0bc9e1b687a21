"""Stripe's test cards: one row describes how a card behaves.

A card is known by its number on the hosted pages, by `pm_card_...` where a payment method is
expected and by `tok_...` where a token is.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Decline:
    """Why the bank declines: Stripe's error code, decline code and message."""

    code: str
    decline_code: str | None
    message: str = "Your card was declined."


@dataclass(frozen=True)
class DisputeScript:
    """How the cardholder disputes a payment: Stripe's reason, and whether it is only an inquiry."""

    reason: str
    inquiry: bool = False


@dataclass(frozen=True)
class Card:
    """How one test card behaves."""

    number: str
    alias: str
    brand: str = "visa"
    decline: Decline | None = None
    declined_when_attached: bool = True  # for a card that declines: attaching it is declined, too
    requires_authentication: bool = False
    available_at_once: bool = False
    refund: str = "succeeds"  # or "pends" first, or "fails" later
    disputes: tuple[DisputeScript, ...] = ()
    fraud_warning: bool = False

    @property
    def last4(self) -> str:
        """The last four digits, all that a payment method shows."""
        return self.number[-4:]


GENERIC = Decline("card_declined", "generic_decline")
INSUFFICIENT_FUNDS = Decline(
    "card_declined", "insufficient_funds", "Your card has insufficient funds."
)
LOST = Decline("card_declined", "lost_card")
STOLEN = Decline("card_declined", "stolen_card")
EXPIRED = Decline("expired_card", None, "Your card has expired.")
INCORRECT_CVC = Decline("incorrect_cvc", None, "Your card's security code is incorrect.")
PROCESSING_ERROR = Decline(
    "processing_error",
    None,
    "An error occurred while processing your card. Try again in a little bit.",
)
LIVE_CARD = Decline(
    "card_declined",
    "test_mode_live_card",
    "Your card was declined. Your request was in test mode, but used a non test (live) card. For "
    "a list of valid test cards, visit: https://stripe.com/docs/testing.",
)
INCORRECT_NUMBER = Decline("incorrect_number", None, "Your card number is incorrect.")
AUTHENTICATION_REQUIRED = Decline(
    "authentication_required",
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
)

FRAUDULENT = DisputeScript("fraudulent")
NOT_RECEIVED = DisputeScript("product_not_received")
INQUIRY = DisputeScript("fraudulent", inquiry=True)

TEST_CARDS = [
    Card("4242424242424242", "visa"),
    Card("4000056655665556", "visa_debit"),
    Card("5555555555554444", "mastercard", "mastercard"),
    Card("378282246310005", "amex", "amex"),
    Card("6011111111111117", "discover", "discover"),
    Card("4000000000000077", "bypassPending", available_at_once=True),
    Card("4000000000000002", "visa_chargeDeclined", decline=GENERIC),
    Card("4000000000009995", "visa_chargeDeclinedInsufficientFunds", decline=INSUFFICIENT_FUNDS),
    Card("4000000000009987", "visa_chargeDeclinedLostCard", decline=LOST),
    Card("4000000000009979", "visa_chargeDeclinedStolenCard", decline=STOLEN),
    Card("4000000000000069", "chargeDeclinedExpiredCard", decline=EXPIRED),
    Card("4000000000000127", "chargeDeclinedIncorrectCvc", decline=INCORRECT_CVC),
    Card("4000000000000119", "chargeDeclinedProcessingError", decline=PROCESSING_ERROR),
    Card("4000000000000341", "chargeCustomerFail", decline=GENERIC, declined_when_attached=False),
    Card("4000002500003155", "authenticationRequiredOnSetup", requires_authentication=True),
    Card("4000002760003184", "authenticationRequired", requires_authentication=True),
    Card("4000000000003220", "threeDSecure2Required", requires_authentication=True),
    Card(
        "4000008400001629",
        "threeDSecureRequiredChargeDeclined",
        decline=GENERIC,
        requires_authentication=True,
    ),
    Card("4000000000003055", "threeDSecureOptional"),
    Card("4000000000007726", "pendingRefund", refund="pends"),
    Card("4000000000005126", "refundFail", refund="fails"),
    Card("4000000000000259", "createDispute", disputes=(FRAUDULENT,)),
    Card("4000000000002685", "createDisputeProductNotReceived", disputes=(NOT_RECEIVED,)),
    Card("4000000000001976", "createDisputeInquiry", disputes=(INQUIRY,)),
    Card("4000000404000079", "createMultipleDisputes", disputes=(FRAUDULENT, NOT_RECEIVED)),
    Card("4000000000005423", "createIssuerFraudRecord", fraud_warning=True),
]

PLAIN_CARD = TEST_CARDS[0]

BY_NUMBER = {card.number: card for card in TEST_CARDS}
BY_ALIAS = {f"pm_card_{card.alias}": card for card in TEST_CARDS}
BY_TOKEN = {f"tok_{card.alias}": card for card in TEST_CARDS}
# Older names that Stripe still takes, and its longer ones.
BY_TOKEN |= {f"tok_visa_{card.alias}": card for card in TEST_CARDS if card.disputes}
BY_ALIAS["pm_card_chargeDeclined"] = BY_ALIAS["pm_card_visa_chargeDeclined"]
BY_ALIAS["pm_card_chargeDeclinedInsufficientFunds"] = BY_ALIAS[
    "pm_card_visa_chargeDeclinedInsufficientFunds"
]


def passes_luhn(number: str) -> bool:
    """Whether the last digit of a card number is the right check digit."""
    doubled = (sum(divmod(int(digit) * 2, 10)) for digit in number[-2::-2])
    return (sum(map(int, number[-1::-2])) + sum(doubled)) % 10 == 0

"""What tests of a kind's parameters ask for: Stripe takes minor units of every currency."""

from service.domain.records.escrow import Escrow
from service.domain.records.payment import Payment
from tests.records import new_escrow, new_payee, new_payer, new_payment

EFFECT = "eff_1"
AMOUNT = 10_500
IN_EVERY_CURRENCY = {"USD": "105.00 USD", "JPY": "10,500 JPY", "KWD": "10.500 KWD"}
"""What a person reads where Stripe takes 10500: yen have no decimals, dinars three."""


def paid_in(currency: str) -> tuple[Escrow, Payment]:
    escrow = new_escrow(new_payer(), new_payee(), currency=currency)
    return escrow, new_payment(escrow, amount_minor=AMOUNT)

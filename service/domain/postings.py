"""THE table of postings: which event debits and credits which accounts, by which amounts."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from service.domain.accounts import (
    BAD_DEBT,
    BANK,
    BROUGHT_UNEXPLAINED,
    CONN_BALANCE,
    CONN_EXTERNAL,
    CONN_IN_TRANSIT,
    CONN_OWNER,
    DISPUTE,
    DISPUTE_FEE,
    DISPUTED,
    EXCHANGE,
    FAILED_DEBITS,
    FEE_HELD,
    FX,
    HELD,
    OTHER_BUSINESS,
    PAYABLE,
    PLATFORM_CAPITAL,
    PLATFORM_FEE,
    PROCESSING,
    RECEIVABLE,
    REFUNDS_IN_FLIGHT,
    RESERVED,
    SERVICE_FEE,
    STRIPE,
    SUSPENSE,
    TAKEN_UNEXPLAINED,
    TRANSFERS_IN_FLIGHT,
    UNSETTLED,
    Account,
)


class JournalKind(StrEnum):
    """What happened, in the words of the books."""

    PAYMENT_SUCCEEDED = "payment_succeeded"
    PAYMENT_UNEXPECTED = "payment_unexpected"
    SUSPENSE_APPLIED = "suspense_applied"
    CHARGE_SETTLED = "charge_settled"
    CHARGE_CONVERTED = "charge_converted"
    RELEASED = "released"
    REDIRECTED = "redirected"
    FEES_CONVERTED = "fees_converted"
    TRANSFER_REQUESTED = "transfer_requested"
    TRANSFER_CONVERTED = "transfer_converted"
    TRANSFER_CONFIRMED = "transfer_confirmed"
    TRANSFER_EXPLAINED = "transfer_explained"
    TRANSFER_RECOGNIZED = "transfer_recognized"
    TRANSFER_REFUSED = "transfer_refused"
    TRANSFER_CONVERTED_BACK = "transfer_converted_back"
    ARRIVED_CONVERTED = "arrived_converted"
    REFUNDED_FROM_HELD = "refunded_from_held"
    REFUNDED_FROM_PAYABLE = "refunded_from_payable"
    REFUNDED_FROM_PAYEE = "refunded_from_payee"
    REFUNDED_FROM_SUSPENSE = "refunded_from_suspense"
    FEES_CONVERTED_BACK = "fees_converted_back"
    REFUND_CONFIRMED = "refund_confirmed"
    REFUND_CONVERTED = "refund_converted"
    REFUND_EXPLAINED = "refund_explained"
    REFUND_EXPLAINED_CONVERTED = "refund_explained_converted"
    REFUND_FAILED = "refund_failed"
    REFUND_FAILED_CONVERTED = "refund_failed_converted"
    REFUND_FAILED_EXPLAINED = "refund_failed_explained"
    REFUND_FAILED_EXPLAINED_CONVERTED = "refund_failed_explained_converted"
    REFUND_PAID_OUTSIDE = "refund_paid_outside"
    REFUND_PAID_OUTSIDE_CONVERTED = "refund_paid_outside_converted"
    PUT_BACK_TO_HELD = "put_back_to_held"
    PUT_BACK_TO_PAYABLE = "put_back_to_payable"
    PUT_BACK_TO_PAYEE = "put_back_to_payee"
    PUT_BACK_TO_SUSPENSE = "put_back_to_suspense"
    REVERSAL_CONFIRMED = "reversal_confirmed"
    REVERSAL_CONVERTED = "reversal_converted"
    REVERSAL_EXPLAINED = "reversal_explained"
    REVERSAL_EXPLAINED_CONVERTED = "reversal_explained_converted"
    GIVEN_BACK = "given_back"
    GIVEN_BACK_CONVERTED = "given_back_converted"
    REVERSAL_KEPT = "reversal_kept"
    RETURNED_CONVERTED = "returned_converted"
    DEBT_NETTED = "debt_netted"
    WRITTEN_OFF = "written_off"
    WRITTEN_OFF_CONVERTED = "written_off_converted"
    OWED_AGAIN = "owed_again"
    OWED_AGAIN_CONVERTED = "owed_again_converted"
    PAYOUT_CREATED = "payout_created"
    PAYOUT_PAID = "payout_paid"
    PAYOUT_RETURNED = "payout_returned"
    PAYOUT_RETURNED_AFTER_PAID = "payout_returned_after_paid"
    STRIPE_FEE = "stripe_fee"
    STRIPE_FEE_RETURNED = "stripe_fee_returned"
    PLATFORM_PAID_OUT = "platform_paid_out"
    PLATFORM_PAYOUT_RETURNED = "platform_payout_returned"
    RESERVE_HELD = "reserve_held"
    RESERVE_RELEASED = "reserve_released"
    TOPPED_UP = "topped_up"
    TOPUP_REVERSED = "topup_reversed"
    FAILED_DEBIT_BROUGHT = "failed_debit_brought"
    FAILED_DEBIT_TOOK = "failed_debit_took"
    OTHER_BUSINESS_BROUGHT = "other_business_brought"
    OTHER_BUSINESS_TOOK = "other_business_took"
    CHARGEBACK_WITHDRAWN = "chargeback_withdrawn"
    CHARGEBACK_REINSTATED = "chargeback_reinstated"
    CHARGEBACK_WITHDRAWN_EXPLAINED = "chargeback_withdrawn_explained"
    CHARGEBACK_REINSTATED_EXPLAINED = "chargeback_reinstated_explained"
    CHARGED_BACK_FROM_HELD = "charged_back_from_held"
    CHARGED_BACK_FROM_PAYABLE = "charged_back_from_payable"
    CHARGED_BACK_FROM_PAYEE = "charged_back_from_payee"
    CHARGED_BACK_FROM_SUSPENSE = "charged_back_from_suspense"
    CHARGEBACK_SETTLED = "chargeback_settled"
    CHARGEBACK_SETTLED_CONVERTED = "chargeback_settled_converted"
    CHARGEBACK_BORNE = "chargeback_borne"
    CHARGEBACK_EXCESS = "chargeback_excess"
    DISPUTE_FEE_PASSED_ON = "dispute_fee_passed_on"
    TAKEN_BACK_TO_HELD = "taken_back_to_held"
    TAKEN_BACK_TO_PAYABLE = "taken_back_to_payable"
    TAKEN_BACK_TO_PAYEE = "taken_back_to_payee"
    TAKEN_BACK_TO_SUSPENSE = "taken_back_to_suspense"
    CHARGEBACK_UNSETTLED = "chargeback_unsettled"
    CHARGEBACK_UNSETTLED_CONVERTED = "chargeback_unsettled_converted"
    CHARGEBACK_BORNE_NO_MORE = "chargeback_borne_no_more"
    CHARGEBACK_EXCESS_NO_MORE = "chargeback_excess_no_more"
    DISPUTE_FEE_TAKEN_BACK = "dispute_fee_taken_back"
    BROUGHT_UNEXPLAINED = "brought_unexplained"
    TAKEN_UNEXPLAINED = "taken_unexplained"
    EXTERNAL_BROUGHT = "external_brought"
    EXTERNAL_TOOK = "external_took"
    EXTERNAL_BROUGHT_RECOGNIZED = "external_brought_recognized"
    EXTERNAL_TOOK_RECOGNIZED = "external_took_recognized"


class Leg(NamedTuple):
    """One side of a posting: a row of the chart of accounts, and the name of its amount.

    ``settled``: the amount is in the currency that Stripe settled, not in the one that was paid.
    """

    account: Account
    amount: str
    settled: bool = False


class Posting(NamedTuple):
    """One line of the table; ``number`` is its number in the accountant's table."""

    number: str
    debit: tuple[Leg, ...]
    credit: tuple[Leg, ...]

    @property
    def converts(self) -> bool:
        """Whether it has amounts in two currencies; it balances in each."""
        return any(leg.settled for leg in (*self.debit, *self.credit))


def _one(number: str, debit: Account, credit: Account) -> Posting:
    """One amount from one account to another."""
    return Posting(number, (Leg(debit, "amount"),), (Leg(credit, "amount"),))


def _back(number: str, posting: Posting) -> Posting:
    """The exact reverse of a posting."""
    return Posting(number, debit=posting.credit, credit=posting.debit)


# Money that goes back to the payer, by where it was, and to which account it goes first.
_FEES_BACK = (Leg(SERVICE_FEE, "payee_fee"), Leg(PLATFORM_FEE, "payer_fee"))


def _from_held(number: str, to: Account) -> Posting:
    return Posting(
        number,
        debit=(Leg(HELD, "price"), Leg(FEE_HELD, "payer_fee")),
        credit=(Leg(to, "price"), Leg(to, "payer_fee")),
    )


def _from_released(number: str, of: Account, to: Account) -> Posting:
    return Posting(
        number,
        debit=(Leg(of, "payee_share"), *_FEES_BACK),
        credit=(Leg(to, "payee_share"), Leg(to, "payee_fee"), Leg(to, "payer_fee")),
    )


def _back_to_payee(number: str, to: Account) -> Posting:
    """What had come back from the payee is theirs again, and what had not is owed no more. The
    share goes leg by leg, so that the posting balances whatever its amounts are.
    """
    return Posting(
        number,
        debit=(
            Leg(to, "owed"),
            Leg(to, "payable"),
            Leg(to, "payee_fee"),
            Leg(to, "payer_fee"),
        ),
        credit=(Leg(RECEIVABLE, "owed"), Leg(PAYABLE, "payable"), *_FEES_BACK),
    )


_FROM_HELD = _from_held("9a", REFUNDS_IN_FLIGHT)
_FROM_PAYABLE = _from_released("10", PAYABLE, REFUNDS_IN_FLIGHT)
_FROM_PAYEE = _from_released("11", RECEIVABLE, REFUNDS_IN_FLIGHT)
_FROM_SUSPENSE = _one("9s", SUSPENSE, REFUNDS_IN_FLIGHT)
_LOST_FROM_HELD = _from_held("13b", DISPUTED)
_LOST_FROM_PAYABLE = _from_released("13b'", PAYABLE, DISPUTED)
_LOST_FROM_PAYEE = _from_released("15''", RECEIVABLE, DISPUTED)
_LOST_FROM_SUSPENSE = _one("13s", SUSPENSE, DISPUTED)


def _taken(number: str, at_stripe: Account) -> Posting:
    """A refund in the currency that was paid, and what Stripe keeps of it, which is seldom."""
    return Posting(
        number,
        debit=(Leg(REFUNDS_IN_FLIGHT, "amount"), Leg(PROCESSING, "fee")),
        credit=(Leg(at_stripe, "amount"), Leg(at_stripe, "fee")),
    )


def _converted(number: str, at_stripe: Account, of: Account = REFUNDS_IN_FLIGHT) -> Posting:
    """A refund of a charge that was settled in another currency, at its own day's rate: "taken" is
    what it took there; "loss" and "gain" are the difference to that part of the charge. In the
    reverse they count the other way round: what comes back is more, or less, than that part.
    """
    return Posting(
        number,
        debit=(
            Leg(of, "amount"),
            Leg(EXCHANGE, "taken", settled=True),
            Leg(EXCHANGE, "gain", settled=True),
            Leg(FX, "loss", settled=True),
            Leg(PROCESSING, "fee", settled=True),
        ),
        credit=(
            Leg(EXCHANGE, "amount"),
            Leg(at_stripe, "taken", settled=True),
            Leg(at_stripe, "fee", settled=True),
            Leg(FX, "gain", settled=True),
            Leg(EXCHANGE, "loss", settled=True),
        ),
    )


_FEES_CONVERTED = Posting(
    "2r",
    debit=(
        Leg(SERVICE_FEE, "payee_fee"),
        Leg(PLATFORM_FEE, "payer_fee"),
        Leg(EXCHANGE, "settled_payee_fee", settled=True),
        Leg(EXCHANGE, "settled_payer_fee", settled=True),
    ),
    credit=(
        Leg(EXCHANGE, "payee_fee"),
        Leg(EXCHANGE, "payer_fee"),
        Leg(SERVICE_FEE, "settled_payee_fee", settled=True),
        Leg(PLATFORM_FEE, "settled_payer_fee", settled=True),
    ),
)
_ARRIVED_CONVERTED = Posting(
    "7cx",
    debit=(Leg(CONN_OWNER, "amount"), Leg(CONN_BALANCE, "settled", settled=True)),
    credit=(Leg(CONN_BALANCE, "amount"), Leg(CONN_OWNER, "settled", settled=True)),
)


def _disputed(number: str, at_stripe: Account) -> Posting:
    """What a dispute takes and charges, or gives back and returns of its fee."""
    return Posting(
        number,
        debit=(
            Leg(DISPUTE, "taken"),
            Leg(DISPUTE_FEE, "charged"),
            Leg(at_stripe, "given"),
            Leg(at_stripe, "returned"),
        ),
        credit=(
            Leg(at_stripe, "taken"),
            Leg(at_stripe, "charged"),
            Leg(DISPUTE, "given"),
            Leg(DISPUTE_FEE, "returned"),
        ),
    )


def _reversed(number: str, at_stripe: Account, of: Account) -> Posting:
    """What came back of a transfer, and for whom."""
    return Posting(
        number,
        debit=(Leg(at_stripe, "amount"), Leg(CONN_OWNER, "amount")),
        credit=(Leg(of, "amount"), Leg(CONN_BALANCE, "amount")),
    )


def _reversed_converted(number: str, at_stripe: Account, of: Account) -> Posting:
    """The same, where Stripe had settled the payment in another currency."""
    return Posting(
        number,
        debit=(
            Leg(EXCHANGE, "amount"),
            Leg(at_stripe, "settled", settled=True),
            Leg(CONN_OWNER, "settled", settled=True),
        ),
        credit=(
            Leg(of, "amount"),
            Leg(EXCHANGE, "settled", settled=True),
            Leg(CONN_BALANCE, "settled", settled=True),
        ),
    )


_LOST = _one("15", DISPUTED, DISPUTE)
_LOST_CONVERTED = _converted("15 13x", DISPUTE, DISPUTED)
_BORNE = _one("15p", BAD_DEBT, DISPUTE)
_EXCESS = Posting(
    "15x",
    debit=(Leg(FX, "above"), Leg(DISPUTE, "below")),
    credit=(Leg(DISPUTE, "above"), Leg(FX, "below")),
)
_WRITTEN_OFF = _one("21", BAD_DEBT, RECEIVABLE)
# The platform bears what the share was of the charge, in the currency that Stripe settled.
_WRITTEN_OFF_CONVERTED = Posting(
    "21x",
    debit=(Leg(EXCHANGE, "amount"), Leg(BAD_DEBT, "settled", settled=True)),
    credit=(Leg(RECEIVABLE, "amount"), Leg(EXCHANGE, "settled", settled=True)),
)

POSTINGS: Mapping[JournalKind, Posting] = {
    JournalKind.PAYMENT_SUCCEEDED: Posting(
        "1",
        debit=(Leg(UNSETTLED, "amount"), Leg(UNSETTLED, "payer_fee")),
        credit=(Leg(HELD, "amount"), Leg(FEE_HELD, "payer_fee")),
    ),
    # Money for something that no longer waits for it: the payer's still, and shown until resolved.
    JournalKind.PAYMENT_UNEXPECTED: Posting(
        "1s", debit=(Leg(UNSETTLED, "amount"),), credit=(Leg(SUSPENSE, "amount"),)
    ),
    JournalKind.SUSPENSE_APPLIED: Posting(
        "1s",
        debit=(Leg(SUSPENSE, "amount"), Leg(SUSPENSE, "payer_fee")),
        credit=(Leg(HELD, "amount"), Leg(FEE_HELD, "payer_fee")),
    ),
    JournalKind.CHARGE_SETTLED: Posting(
        "2",
        debit=(Leg(STRIPE, "net"), Leg(PROCESSING, "fee")),
        credit=(Leg(UNSETTLED, "net"), Leg(UNSETTLED, "fee")),
    ),
    # Stripe settled it in another currency: "gross" is what the charge came to there.
    JournalKind.CHARGE_CONVERTED: Posting(
        "2x",
        debit=(
            Leg(EXCHANGE, "amount"),
            Leg(STRIPE, "net", settled=True),
            Leg(PROCESSING, "fee", settled=True),
        ),
        credit=(
            Leg(UNSETTLED, "amount"),
            Leg(EXCHANGE, "net", settled=True),
            Leg(EXCHANGE, "fee", settled=True),
        ),
    ),
    JournalKind.RELEASED: Posting(
        "5",
        debit=(
            Leg(HELD, "payee_share"),
            Leg(HELD, "payee_fee"),
            Leg(FEE_HELD, "payer_fee"),
        ),
        credit=(
            Leg(PAYABLE, "payee_share"),
            Leg(SERVICE_FEE, "payee_fee"),
            Leg(PLATFORM_FEE, "payer_fee"),
        ),
    ),
    # The part of a payee who cannot be paid, which an operator gave to another.
    JournalKind.REDIRECTED: _one("5r", PAYABLE.of(payee="previous_payee"), PAYABLE),
    # The platform's fees of what was released, once the charge is settled in another currency.
    JournalKind.FEES_CONVERTED: _FEES_CONVERTED,
    JournalKind.TRANSFER_CONVERTED: Posting(
        "7x",
        debit=(Leg(PAYABLE, "amount"), Leg(EXCHANGE, "settled", settled=True)),
        credit=(Leg(EXCHANGE, "amount"), Leg(TRANSFERS_IN_FLIGHT, "settled", settled=True)),
    ),
    JournalKind.TRANSFER_CONVERTED_BACK: Posting(
        "7d 7x",
        debit=(Leg(EXCHANGE, "amount"), Leg(TRANSFERS_IN_FLIGHT, "settled", settled=True)),
        credit=(Leg(PAYABLE, "amount"), Leg(EXCHANGE, "settled", settled=True)),
    ),
    # The payee's account holds another currency than the transfer's.
    JournalKind.ARRIVED_CONVERTED: _ARRIVED_CONVERTED,
    JournalKind.TRANSFER_REQUESTED: Posting(
        "7a", debit=(Leg(PAYABLE, "amount"),), credit=(Leg(TRANSFERS_IN_FLIGHT, "amount"),)
    ),
    JournalKind.TRANSFER_CONFIRMED: Posting(
        "7b 7c",
        debit=(Leg(TRANSFERS_IN_FLIGHT, "amount"), Leg(CONN_BALANCE, "amount")),
        credit=(Leg(STRIPE, "amount"), Leg(CONN_OWNER, "amount")),
    ),
    # The same, where the movement had been booked before anybody knew whose it was (26).
    JournalKind.TRANSFER_EXPLAINED: Posting(
        "7b 7c 26",
        debit=(Leg(TRANSFERS_IN_FLIGHT, "amount"), Leg(CONN_BALANCE, "amount")),
        credit=(Leg(TAKEN_UNEXPLAINED, "amount"), Leg(CONN_OWNER, "amount")),
    ),
    # And the same, where it had been booked as another product's (25).
    JournalKind.TRANSFER_RECOGNIZED: Posting(
        "7b 7c 25",
        debit=(Leg(TRANSFERS_IN_FLIGHT, "amount"), Leg(CONN_BALANCE, "amount")),
        credit=(Leg(OTHER_BUSINESS, "amount"), Leg(CONN_OWNER, "amount")),
    ),
    JournalKind.TRANSFER_REFUSED: Posting(
        "7d", debit=(Leg(TRANSFERS_IN_FLIGHT, "amount"),), credit=(Leg(PAYABLE, "amount"),)
    ),
    JournalKind.REFUNDED_FROM_HELD: _FROM_HELD,
    JournalKind.REFUNDED_FROM_PAYABLE: _FROM_PAYABLE,
    JournalKind.REFUNDED_FROM_PAYEE: _FROM_PAYEE,
    JournalKind.REFUNDED_FROM_SUSPENSE: _FROM_SUSPENSE,
    # The platform's fees of what goes back, where they had been converted.
    JournalKind.FEES_CONVERTED_BACK: _back("9r", _FEES_CONVERTED),
    JournalKind.REFUND_CONFIRMED: _taken("9b", STRIPE),
    JournalKind.REFUND_CONVERTED: _converted("9x", STRIPE),
    # A refund that somebody made at Stripe, which had been booked before anybody knew what for.
    JournalKind.REFUND_EXPLAINED: _taken("9b 26", TAKEN_UNEXPLAINED),
    JournalKind.REFUND_EXPLAINED_CONVERTED: _converted("9x 26", TAKEN_UNEXPLAINED),
    JournalKind.REFUND_FAILED: _back("9c", _taken("9b", STRIPE)),
    JournalKind.REFUND_FAILED_CONVERTED: _back("9c 9x", _converted("9x", STRIPE)),
    JournalKind.REFUND_FAILED_EXPLAINED: _back("9c 26", _taken("9b", BROUGHT_UNEXPLAINED)),
    JournalKind.REFUND_FAILED_EXPLAINED_CONVERTED: _back(
        "9c 9x 26", _converted("9x", BROUGHT_UNEXPLAINED)
    ),
    # The platform paid the payer from its own bank account.
    JournalKind.REFUND_PAID_OUTSIDE: _one("9h", REFUNDS_IN_FLIGHT, PLATFORM_CAPITAL),
    # What Stripe had settled of it in another currency stays with the platform.
    JournalKind.REFUND_PAID_OUTSIDE_CONVERTED: Posting(
        "9hx",
        debit=(Leg(REFUNDS_IN_FLIGHT, "amount"), Leg(EXCHANGE, "settled", settled=True)),
        credit=(Leg(EXCHANGE, "amount"), Leg(PLATFORM_CAPITAL, "settled", settled=True)),
    ),
    JournalKind.PUT_BACK_TO_HELD: _back("9a back", _FROM_HELD),
    JournalKind.PUT_BACK_TO_PAYABLE: _back("10 back", _FROM_PAYABLE),
    JournalKind.PUT_BACK_TO_PAYEE: _back_to_payee("11 back", REFUNDS_IN_FLIGHT),
    JournalKind.PUT_BACK_TO_SUSPENSE: _back("9s back", _FROM_SUSPENSE),
    JournalKind.REVERSAL_CONFIRMED: _reversed("12", STRIPE, RECEIVABLE),
    JournalKind.REVERSAL_CONVERTED: _reversed_converted("12x", STRIPE, RECEIVABLE),
    # A reversal that somebody made at Stripe, which had been booked before anybody knew what for.
    JournalKind.REVERSAL_EXPLAINED: _reversed("12 26", BROUGHT_UNEXPLAINED, RECEIVABLE),
    JournalKind.REVERSAL_EXPLAINED_CONVERTED: _reversed_converted(
        "12x 26", BROUGHT_UNEXPLAINED, RECEIVABLE
    ),
    # It is the payee's again, and sent again.
    JournalKind.GIVEN_BACK: _reversed("19 26", BROUGHT_UNEXPLAINED, PAYABLE),
    JournalKind.GIVEN_BACK_CONVERTED: _reversed_converted("19x 26", BROUGHT_UNEXPLAINED, PAYABLE),
    # It is nobody's claim any more: what the payee owed had been netted, or written off.
    JournalKind.REVERSAL_KEPT: _reversed("18f 26", BROUGHT_UNEXPLAINED, PLATFORM_CAPITAL),
    # The payee's account gave back another currency than the transfer's.
    JournalKind.RETURNED_CONVERTED: _back("12cx", _ARRIVED_CONVERTED),
    JournalKind.DEBT_NETTED: _one("20", PAYABLE, RECEIVABLE),
    JournalKind.WRITTEN_OFF: _WRITTEN_OFF,
    JournalKind.WRITTEN_OFF_CONVERTED: _WRITTEN_OFF_CONVERTED,
    # It had been written off, and the refund that it came from did not take place.
    JournalKind.OWED_AGAIN: _back("21 back", _WRITTEN_OFF),
    JournalKind.OWED_AGAIN_CONVERTED: _back("21x back", _WRITTEN_OFF_CONVERTED),
    JournalKind.PAYOUT_CREATED: Posting(
        "8", debit=(Leg(CONN_IN_TRANSIT, "amount"),), credit=(Leg(CONN_BALANCE, "amount"),)
    ),
    JournalKind.PAYOUT_PAID: Posting(
        "8", debit=(Leg(CONN_OWNER, "amount"),), credit=(Leg(CONN_IN_TRANSIT, "amount"),)
    ),
    JournalKind.PAYOUT_RETURNED: Posting(
        "8c", debit=(Leg(CONN_BALANCE, "amount"),), credit=(Leg(CONN_IN_TRANSIT, "amount"),)
    ),
    # Through in_transit, so that the account shows the payout's whole way.
    JournalKind.PAYOUT_RETURNED_AFTER_PAID: Posting(
        "8c",
        debit=(Leg(CONN_IN_TRANSIT, "amount"), Leg(CONN_BALANCE, "amount")),
        credit=(Leg(CONN_OWNER, "amount"), Leg(CONN_IN_TRANSIT, "amount")),
    ),
    # A dispute's balance transactions; and the same, where one had been booked as unexplained (26).
    JournalKind.CHARGEBACK_WITHDRAWN: _disputed("13a", STRIPE),
    JournalKind.CHARGEBACK_REINSTATED: _disputed("14a", STRIPE),
    JournalKind.CHARGEBACK_WITHDRAWN_EXPLAINED: _disputed("13a 26", TAKEN_UNEXPLAINED),
    JournalKind.CHARGEBACK_REINSTATED_EXPLAINED: _disputed("14a 26", BROUGHT_UNEXPLAINED),
    # A lost chargeback is settled: whose the money was, and that it is gone.
    JournalKind.CHARGED_BACK_FROM_HELD: _LOST_FROM_HELD,
    JournalKind.CHARGED_BACK_FROM_PAYABLE: _LOST_FROM_PAYABLE,
    JournalKind.CHARGED_BACK_FROM_PAYEE: _LOST_FROM_PAYEE,
    JournalKind.CHARGED_BACK_FROM_SUSPENSE: _LOST_FROM_SUSPENSE,
    JournalKind.CHARGEBACK_SETTLED: _LOST,
    JournalKind.CHARGEBACK_SETTLED_CONVERTED: _LOST_CONVERTED,
    # What the platform bears of it, and what Stripe took or gave beside what was paid.
    JournalKind.CHARGEBACK_BORNE: _BORNE,
    JournalKind.CHARGEBACK_EXCESS: _EXCESS,
    JournalKind.DISPUTE_FEE_PASSED_ON: _one("15f", RECEIVABLE, DISPUTE_FEE),
    # It is won after all, or settled otherwise.
    JournalKind.TAKEN_BACK_TO_HELD: _back("15r 13b", _LOST_FROM_HELD),
    JournalKind.TAKEN_BACK_TO_PAYABLE: _back("15r 13b'", _LOST_FROM_PAYABLE),
    JournalKind.TAKEN_BACK_TO_PAYEE: _back_to_payee("15r 15''", DISPUTED),
    JournalKind.TAKEN_BACK_TO_SUSPENSE: _back("15r 13s", _LOST_FROM_SUSPENSE),
    JournalKind.CHARGEBACK_UNSETTLED: _back("15r", _LOST),
    JournalKind.CHARGEBACK_UNSETTLED_CONVERTED: _back("15r 13x", _LOST_CONVERTED),
    JournalKind.CHARGEBACK_BORNE_NO_MORE: _back("15r 15p", _BORNE),
    JournalKind.CHARGEBACK_EXCESS_NO_MORE: _back("15r 15x", _EXCESS),
    # What had been netted of it is the payee's again, and what had not is owed no more.
    JournalKind.DISPUTE_FEE_TAKEN_BACK: Posting(
        "15r 15f",
        debit=(Leg(DISPUTE_FEE, "owed"), Leg(DISPUTE_FEE, "payable")),
        credit=(Leg(RECEIVABLE, "owed"), Leg(PAYABLE, "payable")),
    ),
    # What Stripe did and nobody here asked for.
    JournalKind.STRIPE_FEE: _one("22", PROCESSING, STRIPE),
    JournalKind.STRIPE_FEE_RETURNED: _one("22", STRIPE, PROCESSING),
    JournalKind.PLATFORM_PAID_OUT: _one("23", BANK, STRIPE),
    JournalKind.PLATFORM_PAYOUT_RETURNED: _one("23", STRIPE, BANK),
    JournalKind.RESERVE_HELD: _one("24", RESERVED, STRIPE),
    JournalKind.RESERVE_RELEASED: _one("24", STRIPE, RESERVED),
    JournalKind.TOPPED_UP: _one("18f", STRIPE, PLATFORM_CAPITAL),
    JournalKind.TOPUP_REVERSED: _one("18f", PLATFORM_CAPITAL, STRIPE),
    JournalKind.FAILED_DEBIT_BROUGHT: _one("2f", STRIPE, FAILED_DEBITS),
    JournalKind.FAILED_DEBIT_TOOK: _one("2f", FAILED_DEBITS, STRIPE),
    JournalKind.OTHER_BUSINESS_BROUGHT: _one("25", STRIPE, OTHER_BUSINESS),
    JournalKind.OTHER_BUSINESS_TOOK: _one("25", OTHER_BUSINESS, STRIPE),
    JournalKind.BROUGHT_UNEXPLAINED: _one("26", STRIPE, BROUGHT_UNEXPLAINED),
    JournalKind.TAKEN_UNEXPLAINED: _one("26", TAKEN_UNEXPLAINED, STRIPE),
    # The same in the book of a connected account.
    JournalKind.EXTERNAL_BROUGHT: _one("27", CONN_EXTERNAL, CONN_OWNER),
    JournalKind.EXTERNAL_TOOK: _one("27", CONN_OWNER, CONN_EXTERNAL),
    # Taken back, where it turns out to be a transfer or a payout of ours.
    JournalKind.EXTERNAL_BROUGHT_RECOGNIZED: _one("27 back", CONN_OWNER, CONN_EXTERNAL),
    JournalKind.EXTERNAL_TOOK_RECOGNIZED: _one("27 back", CONN_EXTERNAL, CONN_OWNER),
}

PLATFORM_WIDE = tuple(
    sorted(
        {
            leg.account.template
            for posting in POSTINGS.values()
            for leg in (*posting.debit, *posting.credit)
            if leg.account.of_platform
        }
    )
)
"""The names of the platform's own accounts that something is posted to."""

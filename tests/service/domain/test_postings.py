"""The table of postings, held against the accountant's table of ledger.md section 2.

Its example: price 100.00, payer fee 5.00, payee fee 20.00, Stripe fee 3.35.
"""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.accounts import account_named
from service.domain.fees import fee_part
from service.domain.policy_default import DEFAULT_POLICY
from service.domain.postings import PLATFORM_WIDE, POSTINGS, JournalKind
from tests.service.domain.entries import (
    BALANCE,
    BROUGHT_UNEXPLAINED,
    EXTERNAL,
    FEE_HELD,
    HELD,
    IN_TRANSIT,
    OWNER,
    PAYABLE,
    RECEIVABLE,
    SUSPENSE,
    TAKEN_UNEXPLAINED,
    Line,
    book,
    posted,
)

REFUNDS, DISPUTE = "liab:refunds_in_flight", "asset:dispute:cbk_1"
DISPUTED = "liab:disputed:cbk_1"

# kind, amounts -> the platform's book, the connected book
EXPECTED: Mapping[str, tuple[JournalKind, Mapping[str, int], list[Line], list[Line]]] = {
    "1": (
        JournalKind.PAYMENT_SUCCEEDED,
        {"amount": 100_00, "payer_fee": 5_00},
        [("asset:stripe_unsettled", 105_00), (HELD, -100_00), (FEE_HELD, -5_00)],
        [],
    ),
    "1s": (
        JournalKind.PAYMENT_UNEXPECTED,
        {"amount": 105_00},
        [("asset:stripe_unsettled", 105_00), (SUSPENSE, -105_00)],
        [],
    ),
    "1s applied": (
        JournalKind.SUSPENSE_APPLIED,
        {"amount": 100_00, "payer_fee": 5_00},
        [(SUSPENSE, 105_00), (HELD, -100_00), (FEE_HELD, -5_00)],
        [],
    ),
    "2": (
        JournalKind.CHARGE_SETTLED,
        {"net": 101_65, "fee": 3_35},
        [("asset:stripe", 101_65), ("exp:processing", 3_35), ("asset:stripe_unsettled", -105_00)],
        [],
    ),
    "5": (
        JournalKind.RELEASED,
        {"payee_share": 80_00, "payee_fee": 20_00, "payer_fee": 5_00},
        [
            (HELD, 100_00),
            (FEE_HELD, 5_00),
            (PAYABLE, -80_00),
            ("rev:service_fee", -20_00),
            ("rev:platform_fee", -5_00),
        ],
        [],
    ),
    "5r": (
        JournalKind.REDIRECTED,
        {"amount": 80_00},
        [("liab:payee:pye_2:payable", 80_00), (PAYABLE, -80_00)],
        [],
    ),
    "7a": (
        JournalKind.TRANSFER_REQUESTED,
        {"amount": 80_00},
        [(PAYABLE, 80_00), ("liab:transfers_in_flight", -80_00)],
        [],
    ),
    "7b 7c": (
        JournalKind.TRANSFER_CONFIRMED,
        {"amount": 80_00},
        [("liab:transfers_in_flight", 80_00), ("asset:stripe", -80_00)],
        [(BALANCE, 80_00), (OWNER, -80_00)],
    ),
    "7b 7c 26": (
        JournalKind.TRANSFER_EXPLAINED,
        {"amount": 80_00},
        [("liab:transfers_in_flight", 80_00), (TAKEN_UNEXPLAINED, -80_00)],
        [(BALANCE, 80_00), (OWNER, -80_00)],
    ),
    "7b 7c 25": (
        JournalKind.TRANSFER_RECOGNIZED,
        {"amount": 80_00},
        [("liab:transfers_in_flight", 80_00), ("eq:other_business", -80_00)],
        [(BALANCE, 80_00), (OWNER, -80_00)],
    ),
    "7d": (
        JournalKind.TRANSFER_REFUSED,
        {"amount": 80_00},
        [("liab:transfers_in_flight", 80_00), (PAYABLE, -80_00)],
        [],
    ),
    "8 created": (
        JournalKind.PAYOUT_CREATED,
        {"amount": 80_00},
        [],
        [(IN_TRANSIT, 80_00), (BALANCE, -80_00)],
    ),
    "8 paid": (
        JournalKind.PAYOUT_PAID,
        {"amount": 80_00},
        [],
        [(OWNER, 80_00), (IN_TRANSIT, -80_00)],
    ),
    "8c": (
        JournalKind.PAYOUT_RETURNED,
        {"amount": 80_00},
        [],
        [(BALANCE, 80_00), (IN_TRANSIT, -80_00)],
    ),
    "8c after paid": (
        JournalKind.PAYOUT_RETURNED_AFTER_PAID,
        {"amount": 80_00},
        [],
        [(IN_TRANSIT, 80_00), (OWNER, -80_00), (BALANCE, 80_00), (IN_TRANSIT, -80_00)],
    ),
    "2x": (
        JournalKind.CHARGE_CONVERTED,
        {"amount": 105_00, "net": 111_82, "fee": 3_68},  # at 1.10
        [
            ("asset:exchange", 105_00),
            ("asset:stripe", 111_82),
            ("exp:processing", 3_68),
            ("asset:stripe_unsettled", -105_00),
            ("asset:exchange", -115_50),
        ],
        [],
    ),
    "2r": (
        JournalKind.FEES_CONVERTED,
        {
            "payee_fee": 20_00,
            "payer_fee": 5_00,
            "settled_payee_fee": 22_00,
            "settled_payer_fee": 5_50,
        },
        [
            ("rev:service_fee", 20_00),
            ("rev:platform_fee", 5_00),
            ("asset:exchange", -25_00),
            ("asset:exchange", 27_50),
            ("rev:service_fee", -22_00),
            ("rev:platform_fee", -5_50),
        ],
        [],
    ),
    "7x": (
        JournalKind.TRANSFER_CONVERTED,
        {"amount": 80_00, "settled": 88_00},
        [
            (PAYABLE, 80_00),
            ("asset:exchange", -80_00),
            ("asset:exchange", 88_00),
            ("liab:transfers_in_flight", -88_00),
        ],
        [],
    ),
    "7d 7x": (
        JournalKind.TRANSFER_CONVERTED_BACK,
        {"amount": 80_00, "settled": 88_00},
        [
            ("asset:exchange", 80_00),
            (PAYABLE, -80_00),
            ("liab:transfers_in_flight", 88_00),
            ("asset:exchange", -88_00),
        ],
        [],
    ),
    "7cx": (
        JournalKind.ARRIVED_CONVERTED,
        {"amount": 80_00, "settled": 64_00},
        [],
        [(OWNER, 80_00), (BALANCE, -80_00), (BALANCE, 64_00), (OWNER, -64_00)],
    ),
    "2f brought": (
        JournalKind.FAILED_DEBIT_BROUGHT,
        {"amount": 105_00},
        [("asset:stripe", 105_00), ("liab:failed_debits", -105_00)],
        [],
    ),
    "2f took": (
        JournalKind.FAILED_DEBIT_TOOK,
        {"amount": 105_00},
        [("liab:failed_debits", 105_00), ("asset:stripe", -105_00)],
        [],
    ),
    "9a": (
        JournalKind.REFUNDED_FROM_HELD,
        {"price": 100_00, "payer_fee": 5_00},
        [(HELD, 100_00), (FEE_HELD, 5_00), (REFUNDS, -105_00)],
        [],
    ),
    "9a back": (
        JournalKind.PUT_BACK_TO_HELD,
        {"price": 100_00, "payer_fee": 5_00},
        [(REFUNDS, 105_00), (HELD, -100_00), (FEE_HELD, -5_00)],
        [],
    ),
    "9b": (
        JournalKind.REFUND_CONFIRMED,
        {"amount": 105_00, "fee": 0},
        [(REFUNDS, 105_00), ("asset:stripe", -105_00)],
        [],
    ),
    "9b 26": (
        JournalKind.REFUND_EXPLAINED,
        {"amount": 105_00, "fee": 0},
        [(REFUNDS, 105_00), (TAKEN_UNEXPLAINED, -105_00)],
        [],
    ),
    "9c": (
        JournalKind.REFUND_FAILED,
        {"amount": 105_00, "fee": 0},
        [("asset:stripe", 105_00), (REFUNDS, -105_00)],
        [],
    ),
    "9c 26": (
        JournalKind.REFUND_FAILED_EXPLAINED,
        {"amount": 105_00, "fee": 0},
        [(BROUGHT_UNEXPLAINED, 105_00), (REFUNDS, -105_00)],
        [],
    ),
    "9h": (
        JournalKind.REFUND_PAID_OUTSIDE,
        {"amount": 105_00},
        [(REFUNDS, 105_00), ("eq:platform_capital", -105_00)],
        [],
    ),
    "9hx": (
        JournalKind.REFUND_PAID_OUTSIDE_CONVERTED,
        {"amount": 105_00, "settled": 115_50},
        [
            (REFUNDS, 105_00),
            ("asset:exchange", -105_00),
            ("asset:exchange", 115_50),
            ("eq:platform_capital", -115_50),
        ],
        [],
    ),
    "9s": (
        JournalKind.REFUNDED_FROM_SUSPENSE,
        {"amount": 105_00},
        [(SUSPENSE, 105_00), (REFUNDS, -105_00)],
        [],
    ),
    "9s back": (
        JournalKind.PUT_BACK_TO_SUSPENSE,
        {"amount": 105_00},
        [(REFUNDS, 105_00), (SUSPENSE, -105_00)],
        [],
    ),
    # Half of 105.00 at 1.15, of a charge that was settled at 1.10.
    "9x": (
        JournalKind.REFUND_CONVERTED,
        {"amount": 52_50, "taken": 60_38, "loss": 2_63, "gain": 0, "fee": 0},
        [
            (REFUNDS, 52_50),
            ("asset:exchange", -52_50),
            ("asset:exchange", 60_38),
            ("asset:exchange", -2_63),
            ("exp:fx", 2_63),
            ("asset:stripe", -60_38),
        ],
        [],
    ),
    "9x 26": (
        JournalKind.REFUND_EXPLAINED_CONVERTED,
        {"amount": 52_50, "taken": 55_00, "loss": 0, "gain": 2_75, "fee": 0},
        [
            (REFUNDS, 52_50),
            ("asset:exchange", -52_50),
            ("asset:exchange", 57_75),
            ("exp:fx", -2_75),
            (TAKEN_UNEXPLAINED, -55_00),
        ],
        [],
    ),
    "9c 9x": (
        JournalKind.REFUND_FAILED_CONVERTED,
        {"amount": 52_50, "taken": 60_38, "loss": 2_63, "gain": 0, "fee": 0},
        [
            (REFUNDS, -52_50),
            ("asset:exchange", 52_50),
            ("asset:exchange", -60_38),
            ("asset:exchange", 2_63),
            ("exp:fx", -2_63),
            ("asset:stripe", 60_38),
        ],
        [],
    ),
    "9c 9x 26": (
        JournalKind.REFUND_FAILED_EXPLAINED_CONVERTED,
        {"amount": 52_50, "taken": 57_75, "loss": 0, "gain": 0, "fee": 0},
        [
            (REFUNDS, -52_50),
            ("asset:exchange", 52_50),
            ("asset:exchange", -57_75),
            (BROUGHT_UNEXPLAINED, 57_75),
        ],
        [],
    ),
    "9r": (
        JournalKind.FEES_CONVERTED_BACK,
        {
            "payee_fee": 10_00,
            "payer_fee": 2_50,
            "settled_payee_fee": 11_00,
            "settled_payer_fee": 2_75,
        },
        [
            ("asset:exchange", 12_50),
            ("rev:service_fee", -10_00),
            ("rev:platform_fee", -2_50),
            ("rev:service_fee", 11_00),
            ("rev:platform_fee", 2_75),
            ("asset:exchange", -13_75),
        ],
        [],
    ),
    "10": (
        JournalKind.REFUNDED_FROM_PAYABLE,
        {"payee_share": 80_00, "payee_fee": 20_00, "payer_fee": 5_00},
        [
            (PAYABLE, 80_00),
            ("rev:service_fee", 20_00),
            ("rev:platform_fee", 5_00),
            (REFUNDS, -105_00),
        ],
        [],
    ),
    "10 back": (
        JournalKind.PUT_BACK_TO_PAYABLE,
        {"payee_share": 80_00, "payee_fee": 20_00, "payer_fee": 5_00},
        [
            (REFUNDS, 105_00),
            (PAYABLE, -80_00),
            ("rev:service_fee", -20_00),
            ("rev:platform_fee", -5_00),
        ],
        [],
    ),
    "11": (
        JournalKind.REFUNDED_FROM_PAYEE,
        {"payee_share": 80_00, "payee_fee": 20_00, "payer_fee": 5_00},
        [
            (RECEIVABLE, 80_00),
            ("rev:service_fee", 20_00),
            ("rev:platform_fee", 5_00),
            (REFUNDS, -105_00),
        ],
        [],
    ),
    "11 back": (
        JournalKind.PUT_BACK_TO_PAYEE,
        {
            "payee_fee": 20_00,
            "payer_fee": 5_00,
            "owed": 40_00,
            "payable": 40_00,
        },
        [
            (REFUNDS, 105_00),
            (RECEIVABLE, -40_00),
            (PAYABLE, -40_00),
            ("rev:service_fee", -20_00),
            ("rev:platform_fee", -5_00),
        ],
        [],
    ),
    "12": (
        JournalKind.REVERSAL_CONFIRMED,
        {"amount": 80_00},
        [("asset:stripe", 80_00), (RECEIVABLE, -80_00)],
        [(OWNER, 80_00), (BALANCE, -80_00)],
    ),
    "12x": (
        JournalKind.REVERSAL_CONVERTED,
        {"amount": 40_00, "settled": 44_00},
        [
            ("asset:exchange", 40_00),
            (RECEIVABLE, -40_00),
            ("asset:stripe", 44_00),
            ("asset:exchange", -44_00),
        ],
        [(OWNER, 44_00), (BALANCE, -44_00)],
    ),
    "12 26": (
        JournalKind.REVERSAL_EXPLAINED,
        {"amount": 80_00},
        [(BROUGHT_UNEXPLAINED, 80_00), (RECEIVABLE, -80_00)],
        [(OWNER, 80_00), (BALANCE, -80_00)],
    ),
    "12x 26": (
        JournalKind.REVERSAL_EXPLAINED_CONVERTED,
        {"amount": 40_00, "settled": 44_00},
        [
            ("asset:exchange", 40_00),
            (RECEIVABLE, -40_00),
            (BROUGHT_UNEXPLAINED, 44_00),
            ("asset:exchange", -44_00),
        ],
        [(OWNER, 44_00), (BALANCE, -44_00)],
    ),
    "19 26": (
        JournalKind.GIVEN_BACK,
        {"amount": 80_00},
        [(BROUGHT_UNEXPLAINED, 80_00), (PAYABLE, -80_00)],
        [(OWNER, 80_00), (BALANCE, -80_00)],
    ),
    "19x 26": (
        JournalKind.GIVEN_BACK_CONVERTED,
        {"amount": 40_00, "settled": 44_00},
        [
            ("asset:exchange", 40_00),
            (PAYABLE, -40_00),
            (BROUGHT_UNEXPLAINED, 44_00),
            ("asset:exchange", -44_00),
        ],
        [(OWNER, 44_00), (BALANCE, -44_00)],
    ),
    "18f 26": (
        JournalKind.REVERSAL_KEPT,
        {"amount": 80_00},
        [(BROUGHT_UNEXPLAINED, 80_00), ("eq:platform_capital", -80_00)],
        [(OWNER, 80_00), (BALANCE, -80_00)],
    ),
    "12cx": (
        JournalKind.RETURNED_CONVERTED,
        {"amount": 80_00, "settled": 64_00},
        [],
        [(OWNER, -80_00), (BALANCE, 80_00), (BALANCE, -64_00), (OWNER, 64_00)],
    ),
    "20": (
        JournalKind.DEBT_NETTED,
        {"amount": 80_00},
        [(PAYABLE, 80_00), (RECEIVABLE, -80_00)],
        [],
    ),
    "21": (
        JournalKind.WRITTEN_OFF,
        {"amount": 80_00},
        [("exp:bad_debt", 80_00), (RECEIVABLE, -80_00)],
        [],
    ),
    "21 back": (
        JournalKind.OWED_AGAIN,
        {"amount": 80_00},
        [(RECEIVABLE, 80_00), ("exp:bad_debt", -80_00)],
        [],
    ),
    "21x": (
        JournalKind.WRITTEN_OFF_CONVERTED,
        {"amount": 40_00, "settled": 44_00},
        [
            ("asset:exchange", 40_00),
            ("exp:bad_debt", 44_00),
            (RECEIVABLE, -40_00),
            ("asset:exchange", -44_00),
        ],
        [],
    ),
    "21x back": (
        JournalKind.OWED_AGAIN_CONVERTED,
        {"amount": 40_00, "settled": 44_00},
        [
            (RECEIVABLE, 40_00),
            ("asset:exchange", 44_00),
            ("asset:exchange", -40_00),
            ("exp:bad_debt", -44_00),
        ],
        [],
    ),
    "18f": (
        JournalKind.TOPPED_UP,
        {"amount": 30_00},
        [("asset:stripe", 30_00), ("eq:platform_capital", -30_00)],
        [],
    ),
    "18f reversed": (
        JournalKind.TOPUP_REVERSED,
        {"amount": 30_00},
        [("eq:platform_capital", 30_00), ("asset:stripe", -30_00)],
        [],
    ),
    "22": (
        JournalKind.STRIPE_FEE,
        {"amount": 2_00},
        [("exp:processing", 2_00), ("asset:stripe", -2_00)],
        [],
    ),
    "22 returned": (
        JournalKind.STRIPE_FEE_RETURNED,
        {"amount": 2_00},
        [("asset:stripe", 2_00), ("exp:processing", -2_00)],
        [],
    ),
    "23": (
        JournalKind.PLATFORM_PAID_OUT,
        {"amount": 50_00},
        [("asset:bank", 50_00), ("asset:stripe", -50_00)],
        [],
    ),
    "23 returned": (
        JournalKind.PLATFORM_PAYOUT_RETURNED,
        {"amount": 50_00},
        [("asset:stripe", 50_00), ("asset:bank", -50_00)],
        [],
    ),
    "24": (
        JournalKind.RESERVE_HELD,
        {"amount": 10_00},
        [("asset:stripe_reserved", 10_00), ("asset:stripe", -10_00)],
        [],
    ),
    "24 released": (
        JournalKind.RESERVE_RELEASED,
        {"amount": 10_00},
        [("asset:stripe", 10_00), ("asset:stripe_reserved", -10_00)],
        [],
    ),
    "25 brought": (
        JournalKind.OTHER_BUSINESS_BROUGHT,
        {"amount": 77_00},
        [("asset:stripe", 77_00), ("eq:other_business", -77_00)],
        [],
    ),
    "25 took": (
        JournalKind.OTHER_BUSINESS_TOOK,
        {"amount": 77_00},
        [("eq:other_business", 77_00), ("asset:stripe", -77_00)],
        [],
    ),
    "13a": (
        JournalKind.CHARGEBACK_WITHDRAWN,
        {"taken": 105_00, "given": 0, "charged": 15_00, "returned": 0},
        [(DISPUTE, 105_00), ("exp:dispute_fee", 15_00), ("asset:stripe", -120_00)],
        [],
    ),
    "13a 26": (
        JournalKind.CHARGEBACK_WITHDRAWN_EXPLAINED,
        {"taken": 105_00, "given": 0, "charged": 15_00, "returned": 0},
        [(DISPUTE, 105_00), ("exp:dispute_fee", 15_00), (TAKEN_UNEXPLAINED, -120_00)],
        [],
    ),
    "14a": (
        JournalKind.CHARGEBACK_REINSTATED,
        {"taken": 0, "given": 105_00, "charged": 0, "returned": 0},
        [("asset:stripe", 105_00), (DISPUTE, -105_00)],
        [],
    ),
    "14a 26, with the fee": (
        JournalKind.CHARGEBACK_REINSTATED_EXPLAINED,
        {"taken": 0, "given": 105_00, "charged": 0, "returned": 15_00},
        [(BROUGHT_UNEXPLAINED, 120_00), (DISPUTE, -105_00), ("exp:dispute_fee", -15_00)],
        [],
    ),
    "13b": (
        JournalKind.CHARGED_BACK_FROM_HELD,
        {"price": 100_00, "payer_fee": 5_00},
        [(HELD, 100_00), (FEE_HELD, 5_00), (DISPUTED, -105_00)],
        [],
    ),
    "13b'": (
        JournalKind.CHARGED_BACK_FROM_PAYABLE,
        {"payee_share": 80_00, "payee_fee": 20_00, "payer_fee": 5_00},
        [
            (PAYABLE, 80_00),
            ("rev:service_fee", 20_00),
            ("rev:platform_fee", 5_00),
            (DISPUTED, -105_00),
        ],
        [],
    ),
    "13s": (
        JournalKind.CHARGED_BACK_FROM_SUSPENSE,
        {"amount": 105_00},
        [(SUSPENSE, 105_00), (DISPUTED, -105_00)],
        [],
    ),
    "15''": (
        JournalKind.CHARGED_BACK_FROM_PAYEE,
        {"payee_share": 80_00, "payee_fee": 20_00, "payer_fee": 5_00},
        [
            (RECEIVABLE, 80_00),
            ("rev:service_fee", 20_00),
            ("rev:platform_fee", 5_00),
            (DISPUTED, -105_00),
        ],
        [],
    ),
    "15": (
        JournalKind.CHARGEBACK_SETTLED,
        {"amount": 105_00},
        [(DISPUTED, 105_00), (DISPUTE, -105_00)],
        [],
    ),
    "15 13x": (
        JournalKind.CHARGEBACK_SETTLED_CONVERTED,
        {"amount": 105_00, "taken": 126_00, "fee": 0, "loss": 10_50, "gain": 0},
        [
            (DISPUTED, 105_00),
            ("asset:exchange", -105_00),
            ("asset:exchange", 126_00),
            (DISPUTE, -126_00),
            ("exp:fx", 10_50),
            ("asset:exchange", -10_50),
        ],
        [],
    ),
    "15p": (
        JournalKind.CHARGEBACK_BORNE,
        {"amount": 105_00},
        [("exp:bad_debt", 105_00), (DISPUTE, -105_00)],
        [],
    ),
    "15x": (
        JournalKind.CHARGEBACK_EXCESS,
        {"above": 3_00, "below": 0},
        [("exp:fx", 3_00), (DISPUTE, -3_00)],
        [],
    ),
    "15x, where more came back": (
        JournalKind.CHARGEBACK_EXCESS,
        {"above": 0, "below": 3_00},
        [("exp:fx", -3_00), (DISPUTE, 3_00)],
        [],
    ),
    "15r 13b": (
        JournalKind.TAKEN_BACK_TO_HELD,
        {"price": 100_00, "payer_fee": 5_00},
        [(HELD, -100_00), (FEE_HELD, -5_00), (DISPUTED, 105_00)],
        [],
    ),
    "15r 13b'": (
        JournalKind.TAKEN_BACK_TO_PAYABLE,
        {"payee_share": 80_00, "payee_fee": 20_00, "payer_fee": 5_00},
        [
            (PAYABLE, -80_00),
            ("rev:service_fee", -20_00),
            ("rev:platform_fee", -5_00),
            (DISPUTED, 105_00),
        ],
        [],
    ),
    "15r 13s": (
        JournalKind.TAKEN_BACK_TO_SUSPENSE,
        {"amount": 105_00},
        [(SUSPENSE, -105_00), (DISPUTED, 105_00)],
        [],
    ),
    "15r 15''": (
        JournalKind.TAKEN_BACK_TO_PAYEE,
        {"owed": 50_00, "payable": 30_00, "payee_fee": 20_00, "payer_fee": 5_00},
        [
            (DISPUTED, 105_00),
            (RECEIVABLE, -50_00),
            (PAYABLE, -30_00),
            ("rev:service_fee", -20_00),
            ("rev:platform_fee", -5_00),
        ],
        [],
    ),
    "15r": (
        JournalKind.CHARGEBACK_UNSETTLED,
        {"amount": 105_00},
        [(DISPUTED, -105_00), (DISPUTE, 105_00)],
        [],
    ),
    "15r 13x": (
        JournalKind.CHARGEBACK_UNSETTLED_CONVERTED,
        {"amount": 105_00, "taken": 126_00, "fee": 0, "loss": 10_50, "gain": 0},
        [
            (DISPUTED, -105_00),
            ("asset:exchange", 105_00),
            ("asset:exchange", -126_00),
            (DISPUTE, 126_00),
            ("exp:fx", -10_50),
            ("asset:exchange", 10_50),
        ],
        [],
    ),
    "15r 15p": (
        JournalKind.CHARGEBACK_BORNE_NO_MORE,
        {"amount": 105_00},
        [("exp:bad_debt", -105_00), (DISPUTE, 105_00)],
        [],
    ),
    "15r 15x": (
        JournalKind.CHARGEBACK_EXCESS_NO_MORE,
        {"above": 3_00, "below": 0},
        [("exp:fx", -3_00), (DISPUTE, 3_00)],
        [],
    ),
    "15f": (
        JournalKind.DISPUTE_FEE_PASSED_ON,
        {"amount": 15_00},
        [(RECEIVABLE, 15_00), ("exp:dispute_fee", -15_00)],
        [],
    ),
    "15r 15f": (
        JournalKind.DISPUTE_FEE_TAKEN_BACK,
        {"owed": 5_00, "payable": 10_00},
        [
            ("exp:dispute_fee", 15_00),
            (RECEIVABLE, -5_00),
            (PAYABLE, -10_00),
        ],
        [],
    ),
    "26 brought": (
        JournalKind.BROUGHT_UNEXPLAINED,
        {"amount": 80_00},
        [("asset:stripe", 80_00), (BROUGHT_UNEXPLAINED, -80_00)],
        [],
    ),
    "26 took": (
        JournalKind.TAKEN_UNEXPLAINED,
        {"amount": 105_00},
        [(TAKEN_UNEXPLAINED, 105_00), ("asset:stripe", -105_00)],
        [],
    ),
    "27 brought": (
        JournalKind.EXTERNAL_BROUGHT,
        {"amount": 7_00},
        [],
        [(EXTERNAL, 7_00), (OWNER, -7_00)],
    ),
    "27 took": (
        JournalKind.EXTERNAL_TOOK,
        {"amount": 7_00},
        [],
        [(OWNER, 7_00), (EXTERNAL, -7_00)],
    ),
    "27 back, brought": (
        JournalKind.EXTERNAL_BROUGHT_RECOGNIZED,
        {"amount": 7_00},
        [],
        [(OWNER, 7_00), (EXTERNAL, -7_00)],
    ),
    "27 back, took": (
        JournalKind.EXTERNAL_TOOK_RECOGNIZED,
        {"amount": 7_00},
        [],
        [(EXTERNAL, 7_00), (OWNER, -7_00)],
    ),
}


@pytest.mark.parametrize("number", EXPECTED)
def test_posting_is_the_accountants(number: str) -> None:
    kind, amounts, platform, connected = EXPECTED[number]

    entries = posted(kind, amounts)

    assert book(entries, "platform") == sorted(platform)
    assert book(entries, "connected") == sorted(connected)
    assert len(entries) == len(platform) + len(connected)
    assert sum(amount for _, amount in platform) == sum(amount for _, amount in connected) == 0


def test_every_kind_is_one_line_of_the_accountants_table() -> None:
    assert set(POSTINGS) == set(JournalKind) == {kind for kind, *_ in EXPECTED.values()}
    for number, (kind, *_) in EXPECTED.items():
        assert number.startswith(POSTINGS[kind].number)


@pytest.mark.parametrize("kind", JournalKind)
@given(data=st.data())
def test_any_amounts_balance_in_every_book(kind: JournalKind, data: st.DataObject) -> None:
    names = {leg.amount for leg in (*POSTINGS[kind].debit, *POSTINGS[kind].credit)}
    amounts = st.fixed_dictionaries({name: st.integers(0, 10**12) for name in sorted(names)})

    entries = posted(kind, *data.draw(st.lists(amounts, min_size=1, max_size=4)))

    for name in ("platform", "connected"):
        assert sum(amount for _, amount in book(entries, name)) == 0
    assert all(entry.amount_minor for entry in entries)


def test_the_platforms_own_accounts_are_in_nobodys_name_and_never_locked() -> None:
    assert {"asset:stripe", "exp:processing", "rev:platform_fee"} < set(PLATFORM_WIDE)
    assert not any("{" in account or account_named(account).tracked for account in PLATFORM_WIDE)


# 5p: whatever the parts are, their legs add up to those of one release.

AMOUNTS = st.integers(1, 10**9)


@st.composite
def partial_releases(draw: st.DrawFn) -> list[int]:
    """Parts of a milestone's amount, in the order in which they are released."""
    amount = draw(AMOUNTS)
    cuts = draw(st.lists(st.integers(1, amount), max_size=12, unique=True))
    ends = sorted({*cuts, amount})
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


@given(partial_releases())
def test_partial_releases_add_up_to_the_whole(parts: list[int]) -> None:
    (fees,) = DEFAULT_POLICY.quote("USD", [sum(parts)])
    total: dict[str, int] = {}
    gone = 0
    for part in parts:
        payee_fee = fee_part(fees.payee_fee_minor, fees.amount_minor, gone, part)
        payer_fee = fee_part(fees.payer_fee_minor, fees.amount_minor, gone, part)
        share = part - payee_fee
        assert min(payee_fee, payer_fee, share) >= 0
        amounts = {"payee_share": share, "payee_fee": payee_fee, "payer_fee": payer_fee}
        for entry in posted(JournalKind.RELEASED, amounts):
            total[entry.account] = total.get(entry.account, 0) + entry.amount_minor
        gone += part

    expected = {
        HELD: fees.amount_minor,
        FEE_HELD: fees.payer_fee_minor,
        PAYABLE: -(fees.amount_minor - fees.payee_fee_minor),
        "rev:service_fee": -fees.payee_fee_minor,
        "rev:platform_fee": -fees.payer_fee_minor,
    }
    assert total == {account: amount for account, amount in expected.items() if amount}


def test_a_third_of_a_hundred_three_times() -> None:
    legs = []
    for gone, part in ((0, 33_33), (33_33, 33_33), (66_66, 33_34)):
        payee_fee, payer_fee = (fee_part(fee, 100_00, gone, part) for fee in (20_00, 5_00))
        legs.append((part - payee_fee, payee_fee, payer_fee))

    assert legs == [(26_67, 6_66, 1_66), (26_66, 6_67, 1_67), (26_67, 6_67, 1_67)]
    assert tuple(map(sum, zip(*legs, strict=True))) == (80_00, 20_00, 5_00)

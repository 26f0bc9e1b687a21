"""THE tables of movements: by the type of a balance transaction, and by what caused it."""

from __future__ import annotations

from collections.abc import Mapping

from service.domain.postings import JournalKind
from service.movements.charges import charge_moved
from service.movements.disputes import dispute_moved
from service.movements.movement import Handler, Kinds
from service.movements.refunds import refund_moved
from service.movements.reversals import reversal_moved
from service.movements.transfers import transfer_moved

_FEE = Kinds(JournalKind.STRIPE_FEE_RETURNED, JournalKind.STRIPE_FEE)
_PAYOUT = Kinds(JournalKind.PLATFORM_PAYOUT_RETURNED, JournalKind.PLATFORM_PAID_OUT)
_RESERVE = Kinds(JournalKind.RESERVE_RELEASED, JournalKind.RESERVE_HELD)
_TOPUP = Kinds(JournalKind.TOPPED_UP, JournalKind.TOPUP_REVERSED)

# Between the platform and Stripe itself: no object of ours is ever touched by these.
OF_STRIPE: Mapping[str, Kinds] = {
    "stripe_fee": _FEE,
    "stripe_fx_fee": _FEE,
    "tax_fee": _FEE,
    "payout": _PAYOUT,
    "payout_cancel": _PAYOUT,
    "payout_failure": _PAYOUT,
    "payment_network_reserve_hold": _RESERVE,
    "payment_network_reserve_release": _RESERVE,
    "payout_minimum_balance_hold": _RESERVE,
    "payout_minimum_balance_release": _RESERVE,
    "reserve_hold": _RESERVE,
    "reserve_release": _RESERVE,
    "reserve_transaction": _RESERVE,
    "reserved_funds": _RESERVE,
    "topup": _TOPUP,
    "topup_reversal": _TOPUP,
}
OTHER_BUSINESS = Kinds(JournalKind.OTHER_BUSINESS_BROUGHT, JournalKind.OTHER_BUSINESS_TOOK)
UNEXPLAINED = Kinds(JournalKind.BROUGHT_UNEXPLAINED, JournalKind.TAKEN_UNEXPLAINED)
EXTERNAL = Kinds(JournalKind.EXTERNAL_BROUGHT, JournalKind.EXTERNAL_TOOK)

# By the object that caused it. What another object caused is another product's.
BY_SOURCE: Mapping[str, Handler] = {
    "charge": charge_moved,
    "refund": refund_moved,
    "dispute": dispute_moved,
    "transfer": transfer_moved,
    "transfer_reversal": reversal_moved,
}

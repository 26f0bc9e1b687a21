"""Adds up what of a payee's is held, on its way, owed, and at risk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from uuid import UUID

from escrow.v1 import party_service_pb2 as pb
from service.domain import accounts, ids
from service.domain.call import Call
from service.domain.errors import PayeeMissing
from service.domain.records.parties import Payee
from service.operations.messages import money
from service.runtime import Runtime
from service.store.exposure import Threatened, find_held_for_payee, find_threatened
from service.store.parties import find_payee, find_payee_balances

MOST_CHARGEBACKS = 100

Amounts = Mapping[str, int]
"""In minor units, by currency."""


async def get_payee_exposure(
    runtime: Runtime, call: Call, request: pb.GetPayeeExposureRequest
) -> pb.GetPayeeExposureResponse:
    """By the books and the records, read one after the other; Stripe is not asked.

    Raises PayeeMissing.
    """
    payee_id = ids.parse(request.payee_id)
    payee = await find_payee(runtime.pool, call.tenant_id, payee_id)
    if payee is None:
        raise PayeeMissing
    threatened = await find_threatened(runtime.pool, call.tenant_id, payee_id)
    fields = {
        "held": await find_held_for_payee(runtime.pool, call.tenant_id, payee_id),
        **await _balances(runtime, payee),
        "at_risk": at_risk(threatened),
    }
    currencies = sorted({each for amounts in fields.values() for each in amounts})
    newest = threatened[:MOST_CHARGEBACKS]
    return pb.GetPayeeExposureResponse(
        payee_id=payee.public_id,
        exposures=[_exposure(fields, each) for each in currencies],
        chargeback_ids=[ids.show(ids.CHARGEBACK, each.chargeback_id) for each in newest],
    )


def _exposure(fields: Mapping[str, Amounts], currency: str) -> pb.PayeeExposure:
    return pb.PayeeExposure(
        **{name: money(amounts.get(currency, 0), currency) for name, amounts in fields.items()}
    )


async def _balances(runtime: Runtime, payee: Payee) -> dict[str, Amounts]:
    names = {"payee": payee.public_id, "account": payee.stripe_account or ""}
    field_of = {
        accounts.PENDING.name(names): "pending",
        accounts.PAYABLE.name(names): "pending",
        accounts.RESERVE.name(names): "pending",
        "in_flight": "pending",
        accounts.CONN_IN_TRANSIT.name(names): "in_payout",
        "receivable": "receivable",
    }
    found: dict[str, dict[str, int]] = {name: defaultdict(int) for name in field_of.values()}
    rows = await find_payee_balances(runtime.pool, payee.tenant_id, payee.payee_id, list(field_of))
    for account, currency, amount_minor in rows:
        if account in field_of and currency:
            found[field_of[account]][currency] += amount_minor
    return {**found}


def at_risk(threatened: Iterable[Threatened]) -> Amounts:
    """Of each payment once, however many chargebacks it has: never more than is the payee's."""
    of_payment: dict[UUID, list[Threatened]] = {}
    for each in threatened:
        of_payment.setdefault(each.payment_id, []).append(each)
    total: dict[str, int] = defaultdict(int)
    for chargebacks in of_payment.values():
        total[chargebacks[0].currency] += _at_risk_minor(chargebacks)
    return total


def _at_risk_minor(chargebacks: Iterable[Threatened]) -> int:
    """Their part of what is disputed of one payment, rounded up: more is never lost."""
    listed = list(chargebacks)
    their_minor, paid_minor = listed[0].their_minor, listed[0].paid_minor
    disputed_minor = sum(each.disputed_minor or paid_minor for each in listed)
    if disputed_minor >= paid_minor:
        return their_minor
    return -(-their_minor * disputed_minor // paid_minor)

"""Who is paid for a milestone, where that is not the escrow's payee alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import UUID

from escrow.v1.escrow_service_pb2 import PayeeShare
from service.aggregates.split import Share
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import PayeeMissing
from service.domain.records.parties import Payee
from service.operations.settling import check_settles
from service.runtime import Runtime
from service.store.parties import find_payees


def shares_of(payees: Iterable[PayeeShare]) -> list[Share]:
    """The shares that are asked for."""
    return [
        Share(
            ids.parse(each.payee_id),
            each.basis_points if each.HasField("basis_points") else None,
            each.amount_minor if each.HasField("amount_minor") else None,
        )
        for each in payees
    ]


async def further_payees(
    runtime: Runtime, call: Call, currency: str, named: Collection[UUID]
) -> list[Payee]:
    """Payees of parts who are not loaded with the escrow: one more round trip, for who has such.

    Raises:
        PayeeMissing, CurrencyNotSettled, CurrencyNotReceived.
    """
    if not named:
        return []
    found = await find_payees(runtime.pool, call.tenant_id, list(named))
    if missing := set(named) - {payee.payee_id for payee in found}:
        raise PayeeMissing(payee_id=ids.show(ids.PAYEE, min(missing)))
    for payee in found:
        await check_settles(runtime, call, currency, payee)
    return found

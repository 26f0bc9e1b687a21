"""An operator gives the part of a payee who cannot be paid to another."""

from __future__ import annotations

from escrow.v1.escrow_service_pb2 import RedirectShareRequest, RedirectShareResponse
from service.aggregates.escrow import open_case
from service.aggregates.redirect import redirect
from service.domain import ids
from service.domain.errors import FieldViolation, InvalidField, PayeeMissing
from service.domain.unit import UnitOfWork
from service.operations.escrows.messages import escrow_message
from service.operations.mutation import mutation
from service.operations.settling import check_settles
from service.runtime import Runtime
from service.store.parties import find_payee


@mutation(RedirectShareResponse)
async def redirect_share(
    runtime: Runtime, unit: UnitOfWork, request: RedirectShareRequest
) -> RedirectShareResponse:
    """Posting 5r, for what was released already; the worker of transfers sends it.

    Raises:
        EscrowMissing, MilestoneMissing, PayeeMissing, StaleEtag, CurrencyNotReceived.
        InvalidField: it is the same payee.
        PayeeReady, NothingToRedirect, ReleaseNetted: see ``redirect``.
    """
    after = await find_payee(runtime.pool, unit.call.tenant_id, ids.parse(request.to_payee_id))
    if after is None:
        raise PayeeMissing(payee_id=request.to_payee_id)
    case = await open_case(runtime, unit, ids.parse(request.escrow_id), etag=request.etag)
    milestone = case.milestone(ids.parse(request.milestone_id))
    before = case.records.payees.get(ids.parse(request.payee_id))
    if before is None:
        raise PayeeMissing(payee_id=request.payee_id)
    if before.payee_id == after.payee_id:
        raise InvalidField(FieldViolation("to_payee_id", "must be another payee"))
    await check_settles(runtime, unit.call, case.escrow.currency, after)
    case.records.other_payees.append(after)
    redirect(case, milestone, before, after)
    unit.note = f"{request.payee_id} to {request.to_payee_id}"
    answer = RedirectShareResponse(escrow=escrow_message(case.records))
    return answer if request.validate_only else await runtime.save(unit, answer)

"""Says what an escrow would cost each party, without creating anything."""

from __future__ import annotations

from escrow.v1.escrow_service_pb2 import QuoteFeesRequest, QuoteFeesResponse
from service.domain.call import Call
from service.domain.errors import check_multiples
from service.domain.money import charge_step_minor
from service.operations.escrows.messages import quote_message
from service.operations.settling import check_chargeable, check_held, quote_conversion
from service.runtime import Runtime


async def quote_fees(runtime: Runtime, call: Call, request: QuoteFeesRequest) -> QuoteFeesResponse:
    """The milestones of one payment together, and each as it would be paid by itself.

    Raises:
        CurrencyNotInPolicy, AmountBeyondLimits, CurrencyNotSettled, AmountNotMultiple: as
            CreateEscrow.
    """
    step_minor = charge_step_minor(request.currency)
    asked = {f"amounts_minor[{n}]": amount for n, amount in enumerate(request.amounts_minor)}
    check_multiples(asked, step_minor, request.currency)
    number, policy = await runtime.policies.newest(call.tenant_id)
    check_held(runtime, call, request.currency)
    conversion = await quote_conversion(runtime, call, request.currency)
    amounts = list(request.amounts_minor)
    check_chargeable(policy, request.currency, amounts, conversion)
    terms = request.currency, number, conversion
    return QuoteFeesResponse(
        total=quote_message(policy.quote(request.currency, amounts), *terms),
        milestones=[
            quote_message(policy.quote(request.currency, [amount]), *terms) for amount in amounts
        ],
    )

"""Says what an escrow would cost each party, without creating anything."""

from __future__ import annotations

from escrow.v1.escrow_service_pb2 import QuoteFeesRequest, QuoteFeesResponse
from service.domain.call import Call
from service.domain.errors import check_multiples
from service.domain.money import charge_step_minor
from service.domain.policy import CURRENT_VERSION, POLICIES, quote
from service.operations.escrows.messages import quote_message
from service.operations.settling import check_held, quote_conversion
from service.runtime import Runtime


async def quote_fees(runtime: Runtime, call: Call, request: QuoteFeesRequest) -> QuoteFeesResponse:
    """Raises AmountBeyondLimits, CurrencyNotSettled, AmountNotMultiple: as CreateEscrow would."""
    policy = POLICIES[CURRENT_VERSION]
    step_minor = charge_step_minor(request.currency)
    amounts = {f"amounts_minor[{n}]": amount for n, amount in enumerate(request.amounts_minor)}
    check_multiples(amounts, step_minor, request.currency)
    fees = quote(policy, list(request.amounts_minor), step_minor=step_minor)
    for fee in fees:
        policy.check_limits(fee.amount_minor + fee.payer_fee_minor, request.currency)
    check_held(runtime, call, request.currency)
    conversion = await quote_conversion(runtime, call, request.currency)
    terms = request.currency, policy.version, conversion
    return QuoteFeesResponse(
        total=quote_message(fees, *terms),
        milestones=[quote_message([fee], *terms) for fee in fees],
    )

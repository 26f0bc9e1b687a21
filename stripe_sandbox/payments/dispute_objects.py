"""What a dispute looks like when the bank opens it."""

from stripe_sandbox.call import Call
from stripe_sandbox.errors import parameter_invalid
from stripe_sandbox.ids import new_id
from stripe_sandbox.store import StripeObject

DAY_S = 24 * 3600
RESPONSE_DAYS = 8

REASONS = (
    "bank_cannot_process", "check_returned", "credit_not_processed", "customer_initiated",
    "debit_not_authorized", "duplicate", "fraudulent", "general", "incorrect_account_details",
    "insufficient_funds", "noncompliant", "product_not_received", "product_unacceptable",
    "subscription_canceled", "unrecognized",
)  # fmt: skip
# The networks' own codes; a control can name another one.
NETWORK_REASON_CODES = {
    "visa": {"fraudulent": "10.4", "product_not_received": "13.1", "duplicate": "12.6"},
    "mastercard": {"fraudulent": "4837", "product_not_received": "4853", "duplicate": "4834"},
    "amex": {"fraudulent": "F29", "product_not_received": "C08", "duplicate": "P08"},
}
OTHER_CODE = "13.7"
# Of whom the network demands money to decide about its own rules.
COMPLIANCE_OF = {"visa": "visa_compliance", "mastercard": "mastercard_compliance"}
INQUIRY_CODE = "10"

EVIDENCE_TEXTS = (
    "access_activity_log", "billing_address", "cancellation_policy_disclosure",
    "cancellation_rebuttal", "customer_email_address", "customer_name", "customer_purchase_ip",
    "duplicate_charge_explanation", "duplicate_charge_id", "product_description",
    "refund_policy_disclosure", "refund_refusal_explanation", "service_date", "shipping_address",
    "shipping_carrier", "shipping_date", "shipping_tracking_number", "uncategorized_text",
)  # fmt: skip
EVIDENCE_FILES = (
    "cancellation_policy", "customer_communication", "customer_signature",
    "duplicate_charge_documentation", "receipt", "refund_policy", "service_documentation",
    "shipping_documentation", "uncategorized_file",
)  # fmt: skip


def new_dispute(
    call: Call, charge: StripeObject, *, reason: str, amount: int, case_type: str, code: str | None
) -> StripeObject:
    """A dispute that waits for a response, before any money moves.

    Args:
        call: acts on the account that took the payment.
        charge: the disputed charge.
        reason: one of REASONS.
        amount: minor units of the charge's currency.
        case_type: chargeback, inquiry, resolution or block.
        code: the network's code for the reason; None for the usual one.
    """
    if reason not in REASONS:
        raise parameter_invalid("reason", f"Invalid reason: must be one of {', '.join(REASONS)}")
    network = charge["payment_method_details"]["card"]["network"]
    breaks_rules = reason == "noncompliant" and case_type == "chargeback"
    compliance = COMPLIANCE_OF.get(network) if breaks_rules else None
    return {
        "id": new_id("du"),
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": call.now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [compliance] if compliance else [],
        "evidence": _known_evidence(call, charge),
        "evidence_details": {
            "due_by": due_by(call.now),
            "enhanced_eligibility": {compliance: {"status": "requires_fee_acknowledgement"}}
            if compliance
            else {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "is_charge_refundable": case_type == "inquiry",
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {
            "type": "card",
            "card": {
                "brand": network,
                "case_type": "compliance" if compliance else case_type,
                "network": network,
                "network_reason_code": code or _usual_code(network, reason, case_type),
            },
        },
        "reason": reason,
        "status": "warning_needs_response" if case_type == "inquiry" else "needs_response",
        "_outstanding": 0,  # withdrawn and not reinstated, in the dispute's currency
    }


def due_by(now: int) -> int:
    """The last second for evidence: the end of the eighth day from now, in UTC."""
    return (now // DAY_S + RESPONSE_DAYS + 1) * DAY_S - 1


def _usual_code(network: str, reason: str, case_type: str) -> str:
    if case_type == "inquiry":
        return INQUIRY_CODE
    return NETWORK_REASON_CODES.get(network, {}).get(reason, OTHER_CODE)


def _known_evidence(call: Call, charge: StripeObject) -> StripeObject:
    """Stripe fills in what it knows of the payer; it does not count as evidence that was staged."""
    customer = call.find("customer", charge["customer"] or "") or {}
    payer = charge["billing_details"]
    return {
        **dict.fromkeys((*EVIDENCE_TEXTS, *EVIDENCE_FILES)),
        "appeal": None,
        "customer_email_address": payer["email"] or customer.get("email"),
        "customer_name": payer["name"] or customer.get("name") or customer.get("description"),
        "enhanced_evidence": {},
        "product_description": charge["description"],
    }

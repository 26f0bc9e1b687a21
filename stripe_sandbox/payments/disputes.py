"""Disputes: /v1/disputes, and what cardholders and banks do in a test.

Evidence is staged with `submit=false` and handed in with `submit=true`, which is the default and
works once. The words winning_evidence and losing_evidence as `uncategorized_text` decide a dispute.
"""

from stripe_sandbox.call import Call
from stripe_sandbox.errors import RefusedError
from stripe_sandbox.params import Params
from stripe_sandbox.payments import dispute_flow
from stripe_sandbox.payments.files import require_evidence
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject, private_copy

registry = Registry()


@registry.get("/v1/disputes")
def list_disputes(call: Call) -> StripeObject:
    """By charge, payment intent or time."""
    wanted = {
        name: call.params.text(name)
        for name in ("charge", "payment_intent")
        if call.params.is_set(name)
    }
    return call.page(
        "dispute", lambda dispute: all(dispute[name] == value for name, value in wanted.items())
    )


@registry.get("/v1/disputes/{id}")
def retrieve_dispute(call: Call) -> StripeObject:
    """One dispute."""
    return call.require("dispute", call.path["id"], "dispute")


@registry.post("/v1/disputes/{id}")
def update_dispute(call: Call) -> StripeObject:
    """Stage evidence, submit it, or change the metadata."""
    dispute = retrieve_dispute(call)
    before = private_copy(dispute)
    dispute["metadata"] = call.params.merge_metadata(dispute["metadata"])
    brings_evidence = call.params.is_set("evidence")
    if brings_evidence:
        _must_take_evidence(dispute)
        _stage(call, dispute, call.params.hash("evidence"))
    if call.params.boolean("submit", default=brings_evidence):
        _must_take_evidence(dispute)
        dispute_flow.submit(call, dispute)
    if dispute != before:
        call.emit("charge.dispute.updated", dispute, before=before)
    return dispute


def _must_take_evidence(dispute: StripeObject) -> None:
    if dispute["evidence_details"]["submission_count"]:
        raise RefusedError(
            "Evidence was already submitted for this dispute, and can be submitted only once.",
            param="evidence",
        )
    if dispute["status"] not in ("needs_response", "warning_needs_response"):
        raise RefusedError(
            f"This dispute takes no evidence any more: it is {dispute['status']}.",
            param="evidence",
        )


def _stage(call: Call, dispute: StripeObject, evidence: Params) -> None:
    for name in (*dispute_flow.EVIDENCE_TEXTS, *dispute_flow.EVIDENCE_FILES):
        if name in evidence:
            dispute["evidence"][name] = evidence.text(name)
    for name in dispute_flow.EVIDENCE_FILES:
        if evidence.is_set(name):
            require_evidence(call, evidence.required_text(name), evidence.name_of(name))
    given = (value for name, value in dispute["evidence"].items() if name != "enhanced_evidence")
    dispute["evidence_details"]["has_evidence"] = any(given)


@registry.post("/v1/disputes/{id}/close")
def close_dispute(call: Call) -> StripeObject:
    """Accept the dispute as lost; this is final."""
    dispute = retrieve_dispute(call)
    dispute_flow.lose(call, dispute)
    return dispute


@registry.control("POST", "/_sandbox/charges/{id}/dispute")
def dispute_charge(call: Call) -> StripeObject:
    """A cardholder disputes a charge: {"reason": "fraudulent", "amount": n, "inquiry": false}.

    The amount is what was captured and not refunded unless it is given; it may exceed the charge.
    """
    charge = call.require("charge", call.path["id"], "charge")
    if charge["balance_transaction"] is None:
        raise RefusedError("Only a charge whose funds are in the books can be disputed.")
    if charge["payment_method_details"]["type"] != "card":
        raise RefusedError("The sandbox disputes payments by card only.")
    return dispute_flow.open_dispute(
        call,
        charge,
        reason=call.params.text("reason") or "fraudulent",
        amount=call.params.amount(currency=charge["currency"])
        or charge["amount_captured"] - charge["amount_refunded"],
        inquiry=call.params.boolean("inquiry"),
    )


@registry.control("POST", "/_sandbox/disputes/{id}/win")
def win_dispute(call: Call) -> StripeObject:
    """The bank decides for the account, also after it had decided against it."""
    dispute = retrieve_dispute(call)
    dispute_flow.win(call, dispute)
    return dispute


@registry.control("POST", "/_sandbox/disputes/{id}/lose")
def lose_dispute(call: Call) -> StripeObject:
    """The bank decides for the cardholder; an inquiry just ends."""
    dispute = retrieve_dispute(call)
    dispute_flow.lose(call, dispute)
    return dispute


@registry.control("POST", "/_sandbox/disputes/{id}/escalate")
def escalate_dispute(call: Call) -> StripeObject:
    """The bank makes a chargeback of its inquiry."""
    dispute = retrieve_dispute(call)
    dispute_flow.escalate(call, dispute)
    return dispute

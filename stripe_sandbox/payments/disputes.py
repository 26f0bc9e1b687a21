"""Disputes: /v1/disputes.

Evidence is staged with `submit=false` and handed in with `submit=true`, which is the default and
works once. The words winning_evidence and losing_evidence as `uncategorized_text` decide a dispute.
"""

from stripe_sandbox.call import Call
from stripe_sandbox.errors import RefusedError
from stripe_sandbox.payments import dispute_evidence, dispute_flow
from stripe_sandbox.payments.dispute_money import with_current_transactions
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
    page = call.page(
        "dispute", lambda dispute: all(dispute[name] == value for name, value in wanted.items())
    )
    return {**page, "data": [with_current_transactions(call, found) for found in page["data"]]}


@registry.get("/v1/disputes/{id}")
def retrieve_dispute(call: Call) -> StripeObject:
    """One dispute."""
    return with_current_transactions(call, call.require("dispute", call.path["id"], "dispute"))


@registry.post("/v1/disputes/{id}")
def update_dispute(call: Call) -> StripeObject:
    """Stage evidence, submit it, or change the metadata."""
    dispute = call.require("dispute", call.path["id"], "dispute")
    before = private_copy(dispute)
    brings_evidence = call.params.is_set("evidence")
    submits = call.params.boolean("submit", default=brings_evidence)
    if dispute["status"] in dispute_flow.CLOSED:
        raise RefusedError(dispute_flow.ALREADY_CLOSED)
    if brings_evidence or submits:
        dispute_evidence.must_take_evidence(call, dispute)
    if brings_evidence:
        dispute_evidence.stage(call, dispute, call.params.hash("evidence"))
    dispute["metadata"] = call.params.merge_metadata(dispute["metadata"])
    if call.params.is_set("intended_submission_method"):
        dispute["intended_submission_method"] = call.params.text("intended_submission_method")
    if submits:
        dispute_evidence.must_be_complete(dispute)
        dispute_flow.submit(call, dispute)
    if dispute != before:
        call.emit("charge.dispute.updated", dispute, before=before)
    return with_current_transactions(call, dispute)


@registry.post("/v1/disputes/{id}/close")
def close_dispute(call: Call) -> StripeObject:
    """Accept the dispute as lost, or end an inquiry; this is final."""
    dispute = call.require("dispute", call.path["id"], "dispute")
    if dispute["status"] in dispute_flow.CLOSED:
        raise RefusedError(dispute_flow.ALREADY_CLOSED)
    if dispute["status"] not in dispute_flow.WAITS:
        raise RefusedError(f"A dispute that is {dispute['status']} cannot be closed.")
    dispute_flow.lose(call, dispute)
    return with_current_transactions(call, dispute)

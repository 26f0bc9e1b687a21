"""Evidence against a dispute: what can be staged, when, and how much of it.

A dispute takes evidence once for each of its stages, until the end of its last day. In the appeal
it takes that of the appeal only, before it none of it.
"""

import re

from stripe_sandbox.call import Call
from stripe_sandbox.errors import RefusedError, parameter_invalid, parameter_missing
from stripe_sandbox.params import Params
from stripe_sandbox.payments.dispute_flow import WAITS
from stripe_sandbox.payments.dispute_objects import EVIDENCE_FILES, EVIDENCE_TEXTS
from stripe_sandbox.payments.files import content_of, require_evidence
from stripe_sandbox.store import StripeObject

LONG_TEXTS = (
    "access_activity_log", "cancellation_policy_disclosure", "cancellation_rebuttal",
    "duplicate_charge_explanation", "product_description", "refund_policy_disclosure",
    "refund_refusal_explanation", "uncategorized_text",
)  # fmt: skip
ACKNOWLEDGED = "fee_acknowledged"
LONGEST_TEXT, LONGEST_SHORT_TEXT, LONGEST_TOGETHER = 20_000, 5_000, 150_000
LARGEST_TOGETHER_BYTES = 4_500_000
# Stripe compiles the evidence into one document and estimates its pages; it says no more than that.
CHARACTERS_ON_A_PAGE = 4_000
MOST_PAGES = {"mastercard": 19}
MOST_PAGES_ELSEWHERE = 49
PAGE_OF_A_PDF = re.compile(rb"/Type\s*/Page(?![a-zA-Z])")


def must_take_evidence(call: Call, dispute: StripeObject) -> None:
    """Refuse evidence that comes again, or too late."""
    if dispute["status"] not in WAITS:
        raise RefusedError(
            "Evidence was already submitted for this dispute, and can be submitted only once.",
            param="evidence",
        )
    if call.now > dispute["evidence_details"]["due_by"]:
        raise RefusedError(
            "The time to submit evidence for this dispute is over.", param="evidence"
        )


def must_be_complete(dispute: StripeObject) -> None:
    """Refuse to hand in nothing, or to have a network decide without saying that one pays it."""
    appeals = dispute["status"] == "appeal_needs_response"
    details = dispute["evidence_details"]
    if not (dispute["evidence"]["appeal"] if appeals else details["has_evidence"]):
        raise parameter_missing("evidence")
    for kind, eligible in details["enhanced_eligibility"].items():
        if eligible["status"] != ACKNOWLEDGED:
            raise parameter_missing(f"evidence[enhanced_evidence][{kind}][fee_acknowledged]")


def stage(call: Call, dispute: StripeObject, evidence: Params) -> None:
    """Put evidence on the dispute; only an appeal's can be taken away again, by an empty text."""
    appeals = dispute["status"] == "appeal_needs_response"
    for name in evidence:
        if appeals != (name == "appeal"):
            raise RefusedError(
                f"A dispute that is {dispute['status']} does not take this evidence.",
                param=evidence.name_of(name),
            )
    if appeals:
        dispute["evidence"]["appeal"] = _appeal(call, evidence.hash("appeal"))
    else:
        _stage_texts(dispute, evidence)
        _stage_files(call, dispute, evidence)
        _stage_enhanced(dispute, evidence.hash("enhanced_evidence"))
    _must_fit(call, dispute)


def _stage_texts(dispute: StripeObject, evidence: Params) -> None:
    for name in EVIDENCE_TEXTS:
        if evidence.is_set(name):
            most = LONGEST_TEXT if name in LONG_TEXTS else LONGEST_SHORT_TEXT
            _put(dispute, name, _short_enough(evidence, name, most))


def _stage_files(call: Call, dispute: StripeObject, evidence: Params) -> None:
    for name in EVIDENCE_FILES:
        if evidence.is_set(name):
            file_id = evidence.required_text(name)
            _put(dispute, name, require_evidence(call, file_id, evidence.name_of(name)))


def _stage_enhanced(dispute: StripeObject, enhanced: Params) -> None:
    """Only a fee can be acknowledged, of a dispute in which there is one."""
    for kind in enhanced:
        if kind not in dispute["enhanced_eligibility_types"]:
            raise parameter_invalid(
                enhanced.name_of(kind), f"This dispute is not eligible for {kind}."
            )
        acknowledged = enhanced.hash(kind).boolean("fee_acknowledged")
        dispute["evidence"]["enhanced_evidence"][kind] = {"fee_acknowledged": acknowledged}
        status = ACKNOWLEDGED if acknowledged else "requires_fee_acknowledgement"
        dispute["evidence_details"]["enhanced_eligibility"][kind] = {"status": status}


def _put(dispute: StripeObject, name: str, value: str | None) -> None:
    dispute["evidence"][name] = value
    dispute["evidence_details"]["has_evidence"] = True


def _appeal(call: Call, appeal: Params) -> StripeObject | None:
    card = appeal.hash("card")
    files = [
        require_evidence(call, str(file_id), card.name_of("supporting_files"))
        for file_id in card.array("supporting_files")
    ]
    reason = _short_enough(card, "reason_for_filing", LONGEST_TEXT)
    if reason is None and not files:
        return None
    return {"card": {"reason_for_filing": reason, "supporting_files": files}}


def _short_enough(params: Params, name: str, most: int) -> str | None:
    text = params.text(name)
    if text is not None and len(text) > most:
        raise parameter_invalid(
            params.name_of(name), f"Invalid string: must be at most {most} characters"
        )
    return text


def _must_fit(call: Call, dispute: StripeObject) -> None:
    """Hold all that is staged against the limits for all of it."""
    evidence = dispute["evidence"]
    length = sum(len(evidence[name] or "") for name in EVIDENCE_TEXTS)
    if length > LONGEST_TOGETHER:
        raise parameter_invalid(
            "evidence", f"The evidence is limited to {LONGEST_TOGETHER} characters together."
        )
    contents = [content_of(call, file_id) for file_id in _files_of(evidence)]
    if sum(map(len, contents)) > LARGEST_TOGETHER_BYTES:
        raise parameter_invalid("evidence", "The files of the evidence exceed 4.5 MB together.")
    network = dispute["payment_method_details"]["card"]["network"]
    most = MOST_PAGES.get(network, MOST_PAGES_ELSEWHERE)
    pages = -(-length // CHARACTERS_ON_A_PAGE) + sum(map(_pages_of, contents))
    if pages > most:
        raise parameter_invalid(
            "evidence",
            f"The evidence comes to about {pages} pages; the network takes {most}.",
            "dispute_evidence_page_limit_exceeded",
        )


def _files_of(evidence: StripeObject) -> list[str]:
    appeal = (evidence["appeal"] or {"card": {"supporting_files": []}})["card"]
    staged = [evidence[name] for name in EVIDENCE_FILES if evidence[name]]
    return [*staged, *appeal["supporting_files"]]


def _pages_of(content: bytes) -> int:
    return max(1, len(PAGE_OF_A_PDF.findall(content)))

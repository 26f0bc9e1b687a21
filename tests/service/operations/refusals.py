"""A refusal as a gRPC client sees it, and what each reason promises."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.rpc import error_details_pb2  # type: ignore[import-untyped]  # ships without types
from grpc import StatusCode
from grpc_status import rpc_status

from service.domain.money import format_minor

DOMAIN = "escrow.v1"

STATUS_OF_REASON: Mapping[str, StatusCode] = {
    "INVALID": StatusCode.INVALID_ARGUMENT,
    "INVALID_FIELD": StatusCode.INVALID_ARGUMENT,
    "AMOUNT_NOT_MULTIPLE": StatusCode.INVALID_ARGUMENT,
    "REQUEST_ID_REUSED": StatusCode.INVALID_ARGUMENT,
    "CURSOR_LOST": StatusCode.OUT_OF_RANGE,
    "VERSION_AHEAD": StatusCode.OUT_OF_RANGE,
    "VERSION_REPLACED": StatusCode.OUT_OF_RANGE,
    "UNAUTHENTICATED": StatusCode.UNAUTHENTICATED,
    "PARTY_NOT_ALLOWED": StatusCode.PERMISSION_DENIED,
    "PERMISSION_MISSING": StatusCode.PERMISSION_DENIED,
    "TENANT_NOT_HELD": StatusCode.PERMISSION_DENIED,
    "NOT_YOURS": StatusCode.PERMISSION_DENIED,
    "IDENTITY_UNAVAILABLE": StatusCode.UNAVAILABLE,
    "ESCROW_MISSING": StatusCode.NOT_FOUND,
    "MILESTONE_MISSING": StatusCode.NOT_FOUND,
    "PAYMENT_MISSING": StatusCode.NOT_FOUND,
    "PAYER_MISSING": StatusCode.NOT_FOUND,
    "PAYEE_MISSING": StatusCode.NOT_FOUND,
    "PAYOUT_MISSING": StatusCode.NOT_FOUND,
    "FREEZE_MISSING": StatusCode.NOT_FOUND,
    "EFFECT_MISSING": StatusCode.NOT_FOUND,
    "STRIPE_EVENT_MISSING": StatusCode.NOT_FOUND,
    "RELEASE_MISSING": StatusCode.NOT_FOUND,
    "REFUND_MISSING": StatusCode.NOT_FOUND,
    "RECEIVABLE_MISSING": StatusCode.NOT_FOUND,
    "CHARGEBACK_MISSING": StatusCode.NOT_FOUND,
    "DISPUTE_MISSING": StatusCode.NOT_FOUND,
    "PROPOSAL_MISSING": StatusCode.NOT_FOUND,
    "DEADLINE_MISSING": StatusCode.NOT_FOUND,
    "CANCELLATION_BLOCKED": StatusCode.FAILED_PRECONDITION,
    "EVIDENCE_BLOCKED": StatusCode.FAILED_PRECONDITION,
    "EVIDENCE_CHANGED": StatusCode.ABORTED,
    "AMENDMENT_BLOCKED": StatusCode.FAILED_PRECONDITION,
    "BLOCKED": StatusCode.FAILED_PRECONDITION,
    "PROPOSAL_OPEN": StatusCode.FAILED_PRECONDITION,
    "PROPOSALS_EXHAUSTED": StatusCode.FAILED_PRECONDITION,
    "INSPECTION_OVER": StatusCode.FAILED_PRECONDITION,
    "CONSENT_MISSING": StatusCode.FAILED_PRECONDITION,
    "DEADLINE_FIXED": StatusCode.FAILED_PRECONDITION,
    "PLAN_CHANGED": StatusCode.ABORTED,
    "APPROVAL_MISSING": StatusCode.NOT_FOUND,
    "APPROVAL_PLAN_CHANGED": StatusCode.ABORTED,
    "APPROVAL_NEEDED": StatusCode.FAILED_PRECONDITION,
    "APPROVAL_REJECTED": StatusCode.FAILED_PRECONDITION,
    "APPROVAL_EXPIRED": StatusCode.FAILED_PRECONDITION,
    "APPROVER_IS_REQUESTER": StatusCode.FAILED_PRECONDITION,
    "REFUND_ABOVE_LEFT": StatusCode.FAILED_PRECONDITION,
    "REFUND_STILL_OUT": StatusCode.FAILED_PRECONDITION,
    "REFUND_DOES_NOT_FIT": StatusCode.FAILED_PRECONDITION,
    "NOTHING_TO_SETTLE": StatusCode.FAILED_PRECONDITION,
    "DISPUTE_BLOCKED": StatusCode.FAILED_PRECONDITION,
    "DISPUTE_WINDOW_CLOSED": StatusCode.FAILED_PRECONDITION,
    "AMOUNT_DISPUTED": StatusCode.FAILED_PRECONDITION,
    "DISPUTES_EXHAUSTED": StatusCode.FAILED_PRECONDITION,
    "NOTHING_OFFERED": StatusCode.FAILED_PRECONDITION,
    "OFFER_REPLACED": StatusCode.FAILED_PRECONDITION,
    "OFFER_OUTDATED": StatusCode.FAILED_PRECONDITION,
    "OFFER_IS_YOURS": StatusCode.FAILED_PRECONDITION,
    "RESOLVER_IS_PARTY": StatusCode.FAILED_PRECONDITION,
    "SPLIT_DOES_NOT_ADD_UP": StatusCode.FAILED_PRECONDITION,
    "SHARE_ABOVE_HELD": StatusCode.FAILED_PRECONDITION,
    "FREEZE_OF_DISPUTE": StatusCode.FAILED_PRECONDITION,
    "CHARGEBACK_UNDECIDED": StatusCode.FAILED_PRECONDITION,
    "CHARGEBACK_SETTLED": StatusCode.FAILED_PRECONDITION,
    "WITHDRAWAL_NOT_SEEN": StatusCode.FAILED_PRECONDITION,
    "SETTLEMENT_DOES_NOT_ADD_UP": StatusCode.FAILED_PRECONDITION,
    "REVERSAL_DOES_NOT_FIT": StatusCode.FAILED_PRECONDITION,
    "NOTHING_OWED": StatusCode.FAILED_PRECONDITION,
    "NOTHING_OF_PAYEE": StatusCode.FAILED_PRECONDITION,
    "REVERSAL_CLAIMED": StatusCode.FAILED_PRECONDITION,
    "REVERSAL_NOT_BOOKED": StatusCode.UNAVAILABLE,
    "REVERSAL_UNDER_WAY": StatusCode.FAILED_PRECONDITION,
    "PAYMENT_DISPUTED": StatusCode.FAILED_PRECONDITION,
    "PAYMENT_NOT_SETTLED": StatusCode.UNAVAILABLE,
    "PAYEE_READY": StatusCode.FAILED_PRECONDITION,
    "NOTHING_TO_REDIRECT": StatusCode.FAILED_PRECONDITION,
    "RELEASE_NETTED": StatusCode.FAILED_PRECONDITION,
    "FREEZE_OF_OTHER": StatusCode.FAILED_PRECONDITION,
    "ALREADY_EXISTS": StatusCode.ALREADY_EXISTS,
    "STALE_ETAG": StatusCode.ABORTED,
    "EFFECT_UNDER_WAY": StatusCode.FAILED_PRECONDITION,
    "EFFECT_DONE": StatusCode.FAILED_PRECONDITION,
    "OBJECT_DOES_NOT_FIT": StatusCode.FAILED_PRECONDITION,
    "MAKES_NO_OBJECT": StatusCode.FAILED_PRECONDITION,
    "EVENT_QUARANTINED": StatusCode.FAILED_PRECONDITION,
    "NOTHING_IN_SUSPENSE": StatusCode.FAILED_PRECONDITION,
    "SUSPENSE_DIFFERS": StatusCode.FAILED_PRECONDITION,
    "WRONG_STATE": StatusCode.FAILED_PRECONDITION,
    "AMOUNT_ABOVE_HELD": StatusCode.FAILED_PRECONDITION,
    "AMOUNT_FROZEN": StatusCode.FAILED_PRECONDITION,
    "CURRENCY_NOT_SETTLED": StatusCode.FAILED_PRECONDITION,
    "CURRENCY_NOT_RECEIVED": StatusCode.FAILED_PRECONDITION,
    "AMOUNT_ABOVE_BALANCE": StatusCode.FAILED_PRECONDITION,
    "AMOUNT_NOT_AVAILABLE": StatusCode.FAILED_PRECONDITION,
    "AMOUNT_BEYOND_LIMITS": StatusCode.FAILED_PRECONDITION,
    "CURRENCY_NOT_IN_POLICY": StatusCode.FAILED_PRECONDITION,
    "POLICY_UNCHANGED": StatusCode.ALREADY_EXISTS,
    "NOTHING_TO_FUND": StatusCode.FAILED_PRECONDITION,
    "PAYMENT_OPEN": StatusCode.FAILED_PRECONDITION,
    "PAYMENT_REJECTED": StatusCode.FAILED_PRECONDITION,
    "PAYER_NOT_READY": StatusCode.FAILED_PRECONDITION,
    "PAYEE_NOT_READY": StatusCode.FAILED_PRECONDITION,
    "PAYEE_REFUSED": StatusCode.FAILED_PRECONDITION,
    "ACCOUNT_LOST": StatusCode.FAILED_PRECONDITION,
    "ACCOUNT_NOT_LOST": StatusCode.FAILED_PRECONDITION,
    "COUNTRY_FIXED": StatusCode.FAILED_PRECONDITION,
    "STRIPE_REFUSED": StatusCode.FAILED_PRECONDITION,
    "STRIPE_UNAVAILABLE": StatusCode.UNAVAILABLE,
    "PROCESS_STOPS": StatusCode.UNAVAILABLE,
    "TOO_MANY_STREAMS": StatusCode.RESOURCE_EXHAUSTED,
    "READER_TOO_SLOW": StatusCode.RESOURCE_EXHAUSTED,
    "FILE_DAMAGED": StatusCode.DATA_LOSS,
    "FILE_GIVEN": StatusCode.ALREADY_EXISTS,
    "DISPUTE_OVER": StatusCode.FAILED_PRECONDITION,
    "DISPUTE_EVIDENCE_EXHAUSTED": StatusCode.FAILED_PRECONDITION,
    "DISPUTE_EVIDENCE_MISSING": StatusCode.NOT_FOUND,
    "FILE_INFECTED": StatusCode.INVALID_ARGUMENT,
    "SCANNER_UNAVAILABLE": StatusCode.UNAVAILABLE,
    "FILES_UNAVAILABLE": StatusCode.UNAVAILABLE,
    "OVERLOADED": StatusCode.RESOURCE_EXHAUSTED,
    "RATE_LIMITED": StatusCode.RESOURCE_EXHAUSTED,
    "TENANT_NOT_CONFIGURED": StatusCode.UNAVAILABLE,
}
"""What clients may rely on, written out here and not taken from the service."""


@dataclass
class Refusal:
    """What a refused call told its client; empty until the call has been refused."""

    status: StatusCode | None = None
    reason: str = ""
    message: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    """Field violations: path -> description."""
    precondition: str = ""
    """The type of the PreconditionFailure's first violation, which is the refusal itself."""
    subject: str = ""
    """What that violation is about."""
    blockers: dict[str, str] = field(default_factory=dict)
    """Its other violations: subject -> description."""
    rules: dict[str, str] = field(default_factory=dict)
    """And their types."""
    retry_delay_s: float | None = None


def read_refusal(error: grpc.aio.AioRpcError) -> Refusal:
    """Reads the rich status of a refusal. No ErrorInfo leaves the reason empty."""
    refusal = Refusal(status=error.code(), message=error.details() or "")
    status: Any = rpc_status.from_call(error)  # type: ignore[arg-type]  # has all that is read
    for detail in status.details if status is not None else ():
        info = error_details_pb2.ErrorInfo()
        bad_request = error_details_pb2.BadRequest()
        precondition = error_details_pb2.PreconditionFailure()
        retry = error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            assert info.domain == DOMAIN
            refusal.reason, refusal.metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(bad_request):
            refusal.fields = {v.field: v.description for v in bad_request.field_violations}
        elif detail.Unpack(precondition):
            first = precondition.violations[0]
            refusal.precondition, refusal.subject = first.type, first.subject
            behind = precondition.violations[1:]
            refusal.blockers = {v.subject: v.description for v in behind}
            refusal.rules = {v.subject: v.type for v in behind}
        elif detail.Unpack(retry):
            refusal.retry_delay_s = retry.retry_delay.ToTimedelta().total_seconds()
    return refusal


def check_refusal(refusal: Refusal, reason: str) -> None:
    """The reason is the one expected, and all that it promises is there."""
    assert refusal.reason == reason, refusal
    assert refusal.status is STATUS_OF_REASON[reason], refusal
    assert refusal.message
    for name, value in refusal.metadata.items():
        if name.endswith("_minor"):  # a person reads the sentence, and a program the metadata
            shown = format_minor(int(value), refusal.metadata["currency"])
            assert shown in refusal.message, refusal
    if refusal.status is StatusCode.FAILED_PRECONDITION:
        assert refusal.precondition == reason
    if reason == "WRONG_STATE":
        assert refusal.subject, refusal
        assert refusal.subject in refusal.message, refusal
    if reason in ("INVALID_FIELD", "AMOUNT_NOT_MULTIPLE", "FILE_INFECTED"):
        assert refusal.fields, refusal
        assert all(refusal.fields.values())
    if refusal.status in (StatusCode.UNAVAILABLE, StatusCode.RESOURCE_EXHAUSTED):
        assert refusal.retry_delay_s is not None

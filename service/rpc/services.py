"""THE table of what is served: one line for each method of the contract."""

from __future__ import annotations

from collections.abc import Mapping

from escrow.v1 import (
    agreement_service_pb2,
    approval_service_pb2,
    chargeback_service_pb2,
    dispute_service_pb2,
    escrow_service_pb2,
    event_service_pb2,
    operator_service_pb2,
    party_service_pb2,
    policy_service_pb2,
    refund_service_pb2,
    stripe_event_service_pb2,
)
from service.operations.agreements.accept_amendment import accept_amendment
from service.operations.agreements.approve_cancellation import approve_cancellation
from service.operations.agreements.decline_amendment import decline_amendment
from service.operations.agreements.decline_cancellation import decline_cancellation
from service.operations.agreements.decline_extension import decline_extension
from service.operations.agreements.extend_deadline import extend_deadline
from service.operations.agreements.propose_amendment import propose_amendment
from service.operations.agreements.request_cancellation import request_cancellation
from service.operations.agreements.request_extension import request_extension
from service.operations.approvals.approve import approve
from service.operations.approvals.get_approval import get_approval
from service.operations.approvals.list_approvals import list_approvals
from service.operations.approvals.reject import reject
from service.operations.chargebacks.get_chargeback import get_chargeback
from service.operations.chargebacks.list_chargeback_evidence import list_chargeback_evidence
from service.operations.chargebacks.list_chargebacks import list_chargebacks
from service.operations.chargebacks.preview_chargeback_evidence import (
    preview_chargeback_evidence,
)
from service.operations.chargebacks.settle_chargeback import settle_chargeback
from service.operations.chargebacks.stage_chargeback_evidence import stage_chargeback_evidence
from service.operations.chargebacks.submit_chargeback_evidence import submit_chargeback_evidence
from service.operations.chargebacks.upload_chargeback_evidence_file import (
    upload_chargeback_evidence_file,
)
from service.operations.disputes.accept_dispute_split import accept_dispute_split
from service.operations.disputes.add_dispute_evidence import add_dispute_evidence
from service.operations.disputes.get_dispute import get_dispute
from service.operations.disputes.get_dispute_evidence import get_dispute_evidence
from service.operations.disputes.list_dispute_evidence import list_dispute_evidence
from service.operations.disputes.list_disputes import list_disputes
from service.operations.disputes.open_dispute import open_dispute
from service.operations.disputes.propose_dispute_split import propose_dispute_split
from service.operations.disputes.request_mediation import request_mediation
from service.operations.disputes.resolve_dispute import resolve_dispute
from service.operations.disputes.respond_to_dispute import respond_to_dispute
from service.operations.disputes.withdraw_dispute import withdraw_dispute
from service.operations.escrows.accept_delivery import accept_delivery
from service.operations.escrows.cancel_escrow import cancel_escrow
from service.operations.escrows.create_escrow import create_escrow
from service.operations.escrows.get_escrow import get_escrow
from service.operations.escrows.lift_freeze import lift_freeze
from service.operations.escrows.list_escrows import list_escrows
from service.operations.escrows.list_timeline import list_timeline
from service.operations.escrows.place_freeze import place_freeze
from service.operations.escrows.quote_fees import quote_fees
from service.operations.escrows.redirect_share import redirect_share
from service.operations.escrows.release_milestone import release_milestone
from service.operations.escrows.request_changes import request_changes
from service.operations.escrows.submit_delivery import submit_delivery
from service.operations.escrows.watch_escrow import watch_escrow
from service.operations.explanation.explain_escrow import explain_escrow
from service.operations.feed.list_events import list_events
from service.operations.feed.watch_events import watch_events
from service.operations.inbox.batch_ingest_stripe_events import batch_ingest_stripe_events
from service.operations.inbox.ingest_stripe_event import ingest_stripe_event
from service.operations.operators.apply_suspense import apply_suspense
from service.operations.operators.dismiss_stripe_event import dismiss_stripe_event
from service.operations.operators.get_effect import get_effect
from service.operations.operators.get_stripe_event import get_stripe_event
from service.operations.operators.list_effects import list_effects
from service.operations.operators.list_stripe_events import list_stripe_events
from service.operations.operators.list_suspense import list_suspense
from service.operations.operators.reject_effect import reject_effect
from service.operations.operators.retry_effect import retry_effect
from service.operations.operators.retry_stripe_event import retry_stripe_event
from service.operations.operators.settle_effect import settle_effect
from service.operations.parties.create_onboarding_link import create_onboarding_link
from service.operations.parties.create_payee import create_payee
from service.operations.parties.create_payer import create_payer
from service.operations.parties.get_payee import get_payee
from service.operations.parties.get_payee_exposure import get_payee_exposure
from service.operations.parties.get_payer import get_payer
from service.operations.parties.list_payees import list_payees
from service.operations.parties.list_payers import list_payers
from service.operations.parties.replace_payee_account import replace_payee_account
from service.operations.parties.update_payee import update_payee
from service.operations.parties.update_payer import update_payer
from service.operations.payments.cancel_payment import cancel_payment
from service.operations.payments.capture_payment import capture_payment
from service.operations.payments.fund_escrow import fund_escrow
from service.operations.payments.get_payment import get_payment
from service.operations.payments.list_payments import list_payments
from service.operations.payouts.get_payout import get_payout
from service.operations.payouts.list_payouts import list_payouts
from service.operations.payouts.request_payout import request_payout
from service.operations.policies.create_policy_version import create_policy_version
from service.operations.policies.list_policy_versions import list_policy_versions
from service.operations.refunds.adopt_refund import adopt_refund
from service.operations.refunds.adopt_reversal import adopt_reversal
from service.operations.refunds.get_refund import get_refund
from service.operations.refunds.list_receivables import list_receivables
from service.operations.refunds.list_refunds import list_refunds
from service.operations.refunds.plan_refund import plan_refund
from service.operations.refunds.refund_milestone import refund_milestone
from service.operations.refunds.refund_suspense import refund_suspense
from service.operations.refunds.resolve_refund import resolve_refund
from service.operations.refunds.write_off_receivable import write_off_receivable
from service.rpc.servicer import Operation
from service.runtime import Runtime

SERVICES = (
    escrow_service_pb2.DESCRIPTOR.services_by_name["EscrowService"],
    agreement_service_pb2.DESCRIPTOR.services_by_name["AgreementService"],
    party_service_pb2.DESCRIPTOR.services_by_name["PartyService"],
    operator_service_pb2.DESCRIPTOR.services_by_name["OperatorService"],
    policy_service_pb2.DESCRIPTOR.services_by_name["PolicyService"],
    refund_service_pb2.DESCRIPTOR.services_by_name["RefundService"],
    chargeback_service_pb2.DESCRIPTOR.services_by_name["ChargebackService"],
    dispute_service_pb2.DESCRIPTOR.services_by_name["DisputeService"],
    approval_service_pb2.DESCRIPTOR.services_by_name["ApprovalService"],
    event_service_pb2.DESCRIPTOR.services_by_name["EventService"],
    stripe_event_service_pb2.DESCRIPTOR.services_by_name["StripeEventService"],
)

OPERATIONS: Mapping[str, Operation[Runtime]] = {
    "CreateEscrow": create_escrow,
    "GetEscrow": get_escrow,
    "ListEscrows": list_escrows,
    "QuoteFees": quote_fees,
    "FundEscrow": fund_escrow,
    "GetPayment": get_payment,
    "ListPayments": list_payments,
    "CapturePayment": capture_payment,
    "CancelPayment": cancel_payment,
    "SubmitDelivery": submit_delivery,
    "RequestChanges": request_changes,
    "AcceptDelivery": accept_delivery,
    "ReleaseMilestone": release_milestone,
    "CancelEscrow": cancel_escrow,
    "PlaceFreeze": place_freeze,
    "LiftFreeze": lift_freeze,
    "RedirectShare": redirect_share,
    "ExplainEscrow": explain_escrow,
    "ListTimeline": list_timeline,
    "WatchEscrow": watch_escrow,
    "ListEvents": list_events,
    "WatchEvents": watch_events,
    "RequestCancellation": request_cancellation,
    "ApproveCancellation": approve_cancellation,
    "DeclineCancellation": decline_cancellation,
    "RequestExtension": request_extension,
    "ExtendDeadline": extend_deadline,
    "DeclineExtension": decline_extension,
    "ProposeAmendment": propose_amendment,
    "AcceptAmendment": accept_amendment,
    "DeclineAmendment": decline_amendment,
    "CreatePayer": create_payer,
    "GetPayer": get_payer,
    "ListPayers": list_payers,
    "UpdatePayer": update_payer,
    "CreatePayee": create_payee,
    "GetPayee": get_payee,
    "GetPayeeExposure": get_payee_exposure,
    "ListPayees": list_payees,
    "UpdatePayee": update_payee,
    "ReplacePayeeAccount": replace_payee_account,
    "CreateOnboardingLink": create_onboarding_link,
    "RequestPayout": request_payout,
    "GetPayout": get_payout,
    "ListPayouts": list_payouts,
    "ListEffects": list_effects,
    "GetEffect": get_effect,
    "RetryEffect": retry_effect,
    "RejectEffect": reject_effect,
    "SettleEffect": settle_effect,
    "ListStripeEvents": list_stripe_events,
    "GetStripeEvent": get_stripe_event,
    "RetryStripeEvent": retry_stripe_event,
    "DismissStripeEvent": dismiss_stripe_event,
    "ListSuspense": list_suspense,
    "ApplySuspense": apply_suspense,
    "CreatePolicyVersion": create_policy_version,
    "ListPolicyVersions": list_policy_versions,
    "PlanRefund": plan_refund,
    "RefundMilestone": refund_milestone,
    "GetRefund": get_refund,
    "ListRefunds": list_refunds,
    "RefundSuspense": refund_suspense,
    "AdoptRefund": adopt_refund,
    "AdoptReversal": adopt_reversal,
    "ResolveRefund": resolve_refund,
    "ListReceivables": list_receivables,
    "WriteOffReceivable": write_off_receivable,
    "GetChargeback": get_chargeback,
    "ListChargebacks": list_chargebacks,
    "PreviewChargebackEvidence": preview_chargeback_evidence,
    "UploadChargebackEvidenceFile": upload_chargeback_evidence_file,
    "StageChargebackEvidence": stage_chargeback_evidence,
    "SubmitChargebackEvidence": submit_chargeback_evidence,
    "ListChargebackEvidence": list_chargeback_evidence,
    "SettleChargeback": settle_chargeback,
    "OpenDispute": open_dispute,
    "GetDispute": get_dispute,
    "AddDisputeEvidence": add_dispute_evidence,
    "GetDisputeEvidence": get_dispute_evidence,
    "ListDisputeEvidence": list_dispute_evidence,
    "ListDisputes": list_disputes,
    "RespondToDispute": respond_to_dispute,
    "ProposeDisputeSplit": propose_dispute_split,
    "AcceptDisputeSplit": accept_dispute_split,
    "RequestMediation": request_mediation,
    "ResolveDispute": resolve_dispute,
    "WithdrawDispute": withdraw_dispute,
    "ListApprovals": list_approvals,
    "GetApproval": get_approval,
    "Approve": approve,
    "Reject": reject,
    "IngestStripeEvent": ingest_stripe_event,
    "BatchIngestStripeEvents": batch_ingest_stripe_events,
}

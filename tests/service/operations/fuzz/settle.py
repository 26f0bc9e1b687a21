"""Where the fields of a request belong together, or to its subject: what random values cannot know.

A method that is not here is asked with its random values as they are.
"""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import cycle
from random import Random
from typing import Any

from escrow.client import new_request_id
from escrow.v1 import agreement_service_pb2 as agreement_pb
from escrow.v1 import chargeback_service_pb2 as chargeback_pb
from escrow.v1 import dispute_service_pb2 as dispute_pb
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import refund_service_pb2 as refund_pb
from escrow.v1 import stripe_event_service_pb2 as event_pb
from escrow.v1.explanation_pb2 import ExplainEscrowRequest
from service.domain.money import charge_step_minor
from service.domain.policy_default import DEFAULT_POLICY
from tests.service.operations.fuzz.values import LAST_S, text

Settle = Callable[[Random, Any], None]


def amount(random: Random, currency: str) -> int:
    """What may be asked for in a currency, the payer's fee of 5 % left room for."""
    limits = DEFAULT_POLICY.rules(currency).payment_limits
    least, most = limits.least_minor, limits.most_minor
    step = charge_step_minor(currency)
    drawn = random.choice((least, most * 95 // 100, random.randint(least, most * 95 // 100)))
    return drawn // step * step


def _create_escrow(random: Random, request: pb.CreateEscrowRequest) -> None:
    now_s = int(datetime.now(UTC).timestamp())
    while request.ByteSize() > 1_000_000:
        del request.milestones[-1]
    for milestone in request.milestones:
        milestone.amount_minor = amount(random, request.currency)
        if milestone.HasField("due_time") and milestone.due_time.seconds <= now_s:
            milestone.due_time.seconds = random.randint(now_s + 60, LAST_S)
        _split(random, milestone)
        for item in milestone.line_items:
            item.unit_amount_minor = 0
        if milestone.line_items:
            bought = random.choice(milestone.line_items)
            whole = [n for n in (1, 2, 5, 100) if milestone.amount_minor % n == 0]
            bought.quantity = random.choice(whole)
            bought.unit_amount_minor = milestone.amount_minor // bought.quantity


def _split(random: Random, milestone: pb.MilestoneInput | agreement_pb.AddedMilestone) -> None:
    """Between the two payees whom the catalogue names, or nobody: a share or an amount, and the
    rest.
    """
    if len({each.payee_id for each in milestone.payees[:2]} - {""}) < 2:
        del milestone.payees[:]
        return
    del milestone.payees[2:]
    first, second = milestone.payees
    second.ClearField("basis_points")
    second.ClearField("amount_minor")
    if random.random() < 0.5:
        first.ClearField("basis_points")
        first.amount_minor = milestone.amount_minor // 2 // 100 * 100
    else:
        first.ClearField("amount_minor")
        first.basis_points = random.randint(1_000, 9_000)


def _create_party(_: Random, request: Any) -> None:  # noqa: ANN401  of the parties' contract
    """No two have one reference."""
    request.reference = request.reference[:150] + request.request_id


def _update_payee(_: Random, request: Any) -> None:  # noqa: ANN401  of the parties' contract
    """The country of an account never changes."""
    request.ClearField("country")


def _quote_fees(random: Random, request: pb.QuoteFeesRequest) -> None:
    amounts = request.amounts_minor
    amounts[:] = [amount(random, request.currency) for _ in amounts]


def _release_milestone(random: Random, request: pb.ReleaseMilestoneRequest) -> None:
    request.amount_minor = random.choice((1, 10_000, random.randint(1, 10_000)))


def _stage_chargeback_evidence(
    random: Random, request: chargeback_pb.StageChargebackEvidenceRequest
) -> None:
    """In fields that Stripe has."""
    said = [text(random, most) for most in (5_000, 5_000)]
    request.evidence.clear()
    request.evidence.update(zip(("customer_name", "billing_address"), said, strict=True))


def _upload_file(
    random: Random, request: chargeback_pb.UploadChargebackEvidenceFileRequest
) -> None:
    request.content = b"%PDF-" + random.randbytes(random.randint(1, 1_000))


def _add_evidence(random: Random, request: dispute_pb.AddDisputeEvidenceRequest) -> None:
    request.content = b"%PDF-" + random.randbytes(random.randint(1, 1_000))


def _act_from(random: Random, request: Any) -> None:  # noqa: ANN401  any that says from where
    request.client_ip = random.choice(("", "203.0.113.7", "2001:db8::7"))


_AS_AMOUNT: defaultdict[type, Iterator[bool]] = defaultdict(lambda: cycle((True, False)))


def _refund(random: Random, request: Any) -> None:  # noqa: ANN401  of a plan, or of a refund
    """So much of what is held: as an amount, or as a source, each in its turn."""
    del request.sources[:]
    amount_minor = random.choice((1, 10_000, random.randint(1, 10_000)))
    if next(_AS_AMOUNT[type(request)]):
        request.amount_minor = amount_minor
    else:
        request.ClearField("amount_minor")
        request.sources.add(amount_minor=amount_minor)


def _refund_milestone(random: Random, request: refund_pb.RefundMilestoneRequest) -> None:
    _refund(random, request)
    request.plan_hash = ""


def _settle_chargeback(random: Random, request: chargeback_pb.SettleChargebackRequest) -> None:
    """One source, of 100.00 and its fee of 5 %, and the platform bears the rest."""
    price_minor = random.randint(1, 100) * 100
    milestone_id = request.sources[0].milestone_id
    del request.sources[:]
    request.sources.add(milestone_id=milestone_id, amount_minor=price_minor)
    request.platform_minor = 10_500 - price_minor * 105 // 100


def _open_dispute(random: Random, request: dispute_pb.OpenDisputeRequest) -> None:
    request.amount_minor = random.choice((1, 10_000, random.randint(1, 10_000)))
    request.to_payer_minor = random.randint(1, request.amount_minor)
    request.dispute_reason = random.choice(
        (dispute_pb.DISPUTE_REASON_LATE, dispute_pb.DISPUTE_REASON_OTHER)
    )


def _respond_to_dispute(_: Random, request: dispute_pb.RespondToDisputeRequest) -> None:
    request.answer = dispute_pb.DISPUTE_ANSWER_CONTEST


def _propose_split(random: Random, request: dispute_pb.ProposeDisputeSplitRequest) -> None:
    """With the one payee by name, or without."""
    request.to_payer_minor = random.choice((1, 10_000, random.randint(1, 10_000)))
    to_payee_minor = 10_000 - request.to_payer_minor
    del request.payees[1 if to_payee_minor else 0 :]
    for each in request.payees:
        each.amount_minor = to_payee_minor


def _accept_split(_: Random, request: dispute_pb.AcceptDisputeSplitRequest) -> None:
    request.offer_number = 1


def _resolve_dispute(random: Random, request: dispute_pb.ResolveDisputeRequest) -> None:
    """All of 100.00, to the payer and to the one payee, by name or without."""
    request.to_payer_minor = random.randint(1, 9_999)
    del request.payees[1:]
    for each in request.payees:
        each.amount_minor = 10_000 - request.to_payer_minor


def _place_freeze(random: Random, request: pb.PlaceFreezeRequest) -> None:
    request.amount_minor = random.choice((1, 10_000, random.randint(1, 10_000)))
    request.freeze_reason = random.choice(
        (pb.FREEZE_REASON_RISK, pb.FREEZE_REASON_LEGAL, pb.FREEZE_REASON_KYC)
    )


def _request_payout(random: Random, request: Any) -> None:  # noqa: ANN401  of the parties' contract
    request.amount.amount_minor = random.randint(1_000, 8_000)


def _event(random: Random, request: event_pb.IngestStripeEventRequest) -> None:
    event = {
        "id": f"evt_{new_request_id()}",
        "object": "event",
        "type": "charge.succeeded",
        "api_version": "2026-10-28.endive",
        "created": random.choice((0, LAST_S, random.randint(0, LAST_S))),
        "livemode": random.random() < 0.5,
        "data": {"object": {"id": "ch_1", text(random, 40): text(random, 2_000)}},
    }
    request.payload = json.dumps(event, ensure_ascii=random.random() < 0.5).encode()
    request.endpoint = random.choice(
        (event_pb.STRIPE_ENDPOINT_PLATFORM, event_pb.STRIPE_ENDPOINT_CONNECT)
    )
    now_s = int(datetime.now(UTC).timestamp())
    if request.receive_time.seconds >= now_s:
        request.receive_time.seconds = random.randint(0, now_s - 1)


def _events(random: Random, request: event_pb.BatchIngestStripeEventsRequest) -> None:
    for each in request.requests:
        _event(random, each)


def _extension(random: Random, request: Any) -> None:  # noqa: ANN401  of the agreements' contract
    """Later than what nobody has paid for is due anyway."""
    later_s = random.randint(8 * 86_400, 360 * 86_400)
    request.due_time.seconds = int(datetime.now(UTC).timestamp()) + later_s


_KEEP_ADDED: Iterator[bool] = cycle((True, False))


def _propose_amendment(random: Random, request: agreement_pb.ProposeAmendmentRequest) -> None:
    """Of what there is or of what is added, in turn, so that each is read in its own place."""
    keep_added = not request.milestones or (bool(request.added) and next(_KEEP_ADDED))
    if not keep_added:
        del request.added[:]
        del request.milestones[1:]
    else:
        del request.milestones[:]
        del request.added[10:]
        if not request.added:
            request.added.add(title="Bonus")
    for changed in request.milestones:
        _settle_terms(random, changed)
    for added in request.added:
        _settle_terms(random, added)
        _split(random, added)


def _settle_terms(
    random: Random, terms: agreement_pb.AmendedMilestone | agreement_pb.AddedMilestone
) -> None:
    now_s = int(datetime.now(UTC).timestamp())
    terms.amount_minor = amount(random, "USD") // 200 * 200 + 100  # never what it is already
    if terms.due_time.seconds <= now_s:
        terms.due_time.seconds = random.randint(now_s + 60, LAST_S)


def _explain_escrow(_: Random, request: ExplainEscrowRequest) -> None:
    """Only of a moment between its creation and now something is known."""
    request.as_of_time.FromMicroseconds(time.time_ns() // 1_000)


def _list_escrows(random: Random, request: pb.ListEscrowsRequest) -> None:
    reference = text(random, 200).replace("\\", "\\\\").replace('"', '\\"')
    request.filter = f'currency = USD AND reference = "{reference}"'


SETTLE: Mapping[str, Settle] = {
    "ExplainEscrow": _explain_escrow,
    "CreateEscrow": _create_escrow,
    "CreatePayer": _create_party,
    "CreatePayee": _create_party,
    "UpdatePayee": _update_payee,
    "QuoteFees": _quote_fees,
    "ReleaseMilestone": _release_milestone,
    "FundEscrow": _act_from,
    "AcceptDelivery": _act_from,
    "UploadChargebackEvidenceFile": _upload_file,
    "StageChargebackEvidence": _stage_chargeback_evidence,
    "RequestExtension": _extension,
    "ExtendDeadline": _extension,
    "ProposeAmendment": _propose_amendment,
    "PlanRefund": _refund,
    "RefundMilestone": _refund_milestone,
    "PlaceFreeze": _place_freeze,
    "SettleChargeback": _settle_chargeback,
    "OpenDispute": _open_dispute,
    "AddDisputeEvidence": _add_evidence,
    "RespondToDispute": _respond_to_dispute,
    "ProposeDisputeSplit": _propose_split,
    "AcceptDisputeSplit": _accept_split,
    "ResolveDispute": _resolve_dispute,
    "RequestPayout": _request_payout,
    "IngestStripeEvent": _event,
    "BatchIngestStripeEvents": _events,
    "ListEscrows": _list_escrows,
}

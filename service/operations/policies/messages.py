"""Policies as messages of the API, and back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from escrow.v1 import policy_service_pb2 as pb
from service.domain.errors import FieldViolation, InvalidField
from service.domain.fees import FeeRule, FixedPer
from service.domain.policy import (
    ApprovalLimits,
    CurrencyRules,
    DisputeFeeBearer,
    Favorable,
    Limits,
    LossBearer,
    Periods,
    Policy,
    StripeFeeBearer,
    Unanswered,
    UnansweredDispute,
    UndecidedDispute,
)
from service.domain.policy_default import DEFAULT_POLICY, DEFAULT_VERSION
from service.domain.records.policy import StoredPolicy
from service.operations.messages import timestamp
from service.policy_documents import read_policy

_PER = {
    pb.FIXED_FEE_PER_UNSPECIFIED: FixedPer.MILESTONE,
    pb.FIXED_FEE_PER_MILESTONE: FixedPer.MILESTONE,
    pb.FIXED_FEE_PER_PAYMENT: FixedPer.PAYMENT,
}
_BEARER = {
    pb.STRIPE_FEE_BEARER_UNSPECIFIED: StripeFeeBearer.PLATFORM,
    pb.STRIPE_FEE_BEARER_PLATFORM: StripeFeeBearer.PLATFORM,
    pb.STRIPE_FEE_BEARER_PAYEE: StripeFeeBearer.PAYEE,
}


_UNANSWERED = {
    pb.UNANSWERED_UNSPECIFIED: Unanswered.LAPSES,
    pb.UNANSWERED_LAPSES: Unanswered.LAPSES,
    pb.UNANSWERED_APPROVED: Unanswered.APPROVED,
}


_FAVORABLE = {
    pb.FAVORABLE_AMENDMENT_UNSPECIFIED: Favorable.PROPOSED,
    pb.FAVORABLE_AMENDMENT_PROPOSED: Favorable.PROPOSED,
    pb.FAVORABLE_AMENDMENT_APPROVED: Favorable.APPROVED,
}


_LOSS_BEARER = {
    pb.LOSS_BEARER_UNSPECIFIED: LossBearer.PAYEES,
    pb.LOSS_BEARER_PAYEES: LossBearer.PAYEES,
    pb.LOSS_BEARER_PLATFORM: LossBearer.PLATFORM,
}


DISPUTE_FEE_BEARER = {
    pb.DISPUTE_FEE_BEARER_UNSPECIFIED: DisputeFeeBearer.PLATFORM,
    pb.DISPUTE_FEE_BEARER_PLATFORM: DisputeFeeBearer.PLATFORM,
    pb.DISPUTE_FEE_BEARER_PAYEE: DisputeFeeBearer.PAYEE,
}
_UNANSWERED_DISPUTE = {
    pb.UNANSWERED_DISPUTE_UNSPECIFIED: UnansweredDispute.OPENER,
    pb.UNANSWERED_DISPUTE_OPENER: UnansweredDispute.OPENER,
    pb.UNANSWERED_DISPUTE_UNDECIDED: UnansweredDispute.UNDECIDED,
}
_UNDECIDED_DISPUTE = {
    pb.UNDECIDED_DISPUTE_UNSPECIFIED: UndecidedDispute.PAYER,
    pb.UNDECIDED_DISPUTE_PAYER: UndecidedDispute.PAYER,
    pb.UNDECIDED_DISPUTE_PAYEE: UndecidedDispute.PAYEE,
    pb.UNDECIDED_DISPUTE_HALVES: UndecidedDispute.HALVES,
}


def policy_of(message: pb.Policy) -> Policy:
    """Raises InvalidField: a currency is listed twice."""
    listed: dict[str, CurrencyRules] = {}
    for place, rules in enumerate(message.currencies):
        if rules.currency in listed:
            problem = f"{rules.currency} is listed twice"
            raise InvalidField(FieldViolation(f"policy.currencies[{place}].currency", problem))
        listed[rules.currency] = CurrencyRules(
            payment_limits=_limits_of(rules.payment_limits),
            payer_fee=_fee_of(rules.payer_fee),
            payee_fee=_fee_of(rules.payee_fee),
            payout_limits=_limits_of(rules.payout_limits)
            if rules.HasField("payout_limits")
            else None,
        )
    return Policy(
        listed,
        _BEARER[message.stripe_fee_bearer],
        _periods_of(message.periods),
        unanswered_cancellation=_UNANSWERED[message.unanswered_cancellation],
        favorable_amendment=_FAVORABLE[message.favorable_amendment],
        lost_chargeback=_LOSS_BEARER[message.lost_chargeback],
        dispute_fee=DISPUTE_FEE_BEARER[message.dispute_fee],
        unanswered_dispute=_UNANSWERED_DISPUTE[message.unanswered_dispute],
        undecided_dispute=_UNDECIDED_DISPUTE[message.undecided_dispute],
        approvals=_approvals_of(message.approvals),
    )


def _approvals_of(messages: Iterable[pb.ApprovalLimits]) -> dict[str, ApprovalLimits]:
    limits = dict[str, ApprovalLimits]()
    for place, each in enumerate(messages):
        if each.currency in limits:
            problem = f"{each.currency} is listed twice"
            raise InvalidField(FieldViolation(f"policy.approvals[{place}].currency", problem))
        given = {field.name: value for field, value in each.ListFields()}
        del given["currency"]
        limits[each.currency] = ApprovalLimits(**given)
    return limits


def _periods_of(message: pb.Periods) -> Periods:
    """What is not said is as in the default."""
    return Periods(**{field.name: hours for field, hours in message.ListFields()})


def _limits_of(message: pb.AmountLimits) -> Limits:
    return Limits(message.least_minor, message.most_minor)


def _fee_of(message: pb.FeeRule) -> FeeRule:
    return FeeRule(
        basis_points=message.basis_points,
        fixed_minor=message.fixed_minor,
        fixed_per=_PER[message.fixed_per],
        least_minor=message.least_minor,
        most_minor=message.most_minor if message.HasField("most_minor") else None,
    )


def policy_message(policy: Policy) -> pb.Policy:
    return pb.Policy(
        currencies=[_currency_message(*each) for each in sorted(policy.currencies.items())],
        stripe_fee_bearer=pb.StripeFeeBearer.Value(
            f"STRIPE_FEE_BEARER_{policy.stripe_fee_bearer.name}"
        ),
        periods=pb.Periods(**asdict(policy.periods)),
        unanswered_cancellation=pb.Unanswered.Value(
            f"UNANSWERED_{policy.unanswered_cancellation.name}"
        ),
        favorable_amendment=pb.FavorableAmendment.Value(
            f"FAVORABLE_AMENDMENT_{policy.favorable_amendment.name}"
        ),
        lost_chargeback=pb.LossBearer.Value(f"LOSS_BEARER_{policy.lost_chargeback.name}"),
        dispute_fee=pb.DisputeFeeBearer.Value(f"DISPUTE_FEE_BEARER_{policy.dispute_fee.name}"),
        unanswered_dispute=pb.UnansweredDispute.Value(
            f"UNANSWERED_DISPUTE_{policy.unanswered_dispute.name}"
        ),
        undecided_dispute=pb.UndecidedDispute.Value(
            f"UNDECIDED_DISPUTE_{policy.undecided_dispute.name}"
        ),
        approvals=[
            pb.ApprovalLimits(currency=currency, **asdict(limits))
            for currency, limits in sorted(policy.approvals.items())
        ],
    )


def _currency_message(currency: str, rules: CurrencyRules) -> pb.CurrencyPolicy:
    payouts = rules.payout_limits
    return pb.CurrencyPolicy(
        currency=currency,
        payment_limits=_limits_message(rules.payment_limits),
        payout_limits=_limits_message(payouts) if payouts else None,
        payer_fee=_fee_message(rules.payer_fee),
        payee_fee=_fee_message(rules.payee_fee),
    )


def _limits_message(limits: Limits) -> pb.AmountLimits:
    return pb.AmountLimits(least_minor=limits.least_minor, most_minor=limits.most_minor)


def _fee_message(fee: FeeRule) -> pb.FeeRule:
    return pb.FeeRule(
        basis_points=fee.basis_points,
        fixed_minor=fee.fixed_minor,
        fixed_per=pb.FixedFeePer.Value(f"FIXED_FEE_PER_{fee.fixed_per.name}"),
        least_minor=fee.least_minor,
        most_minor=fee.most_minor,
    )


def version_message(stored: StoredPolicy) -> pb.PolicyVersion:
    """Raises NotAPolicy: the row is damaged."""
    return pb.PolicyVersion(
        policy_version=stored.policy_version,
        policy=policy_message(read_policy(stored.document)),
        created_by=stored.created_by,
        reason=stored.reason,
        create_time=timestamp(stored.created_at),
    )


def default_message() -> pb.PolicyVersion:
    """Version 1, which is no row."""
    return pb.PolicyVersion(
        policy_version=DEFAULT_VERSION, policy=policy_message(DEFAULT_POLICY), reason="the default"
    )

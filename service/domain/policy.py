"""The policy: what a marketplace charges, and what it takes. Immutable, versioned, of a tenant.

An escrow is pinned to the version of its creation. The classes here are the schema of a policy's
document as well (service/policy_documents.py): a field that is added needs a default.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from service.domain.call import ApprovalKind
from service.domain.errors import AmountBeyondLimits, CurrencyNotInPolicy
from service.domain.fees import FeeRule, Fees
from service.domain.money import charge_step_minor, format_minor


class StripeFeeBearer(StrEnum):
    """Who bears what Stripe keeps of a payment."""

    PLATFORM = "platform"
    PAYEE = "payee"


@dataclass(frozen=True, slots=True)
class Limits:
    """The least and the most of one amount, both included."""

    least_minor: int
    most_minor: int

    def check(self, amount_minor: int, currency: str, of: str) -> None:
        """Raises AmountBeyondLimits. ``of`` says in words what is limited."""
        if not self.least_minor <= amount_minor <= self.most_minor:
            raise AmountBeyondLimits(
                f"{format_minor(amount_minor, currency)} is outside the limits of {of}:"
                f" {format_minor(self.least_minor, currency)} to"
                f" {format_minor(self.most_minor, currency)}.",
                amount_minor=amount_minor,
                least_minor=self.least_minor,
                most_minor=self.most_minor,
                currency=currency,
            )


@dataclass(frozen=True, slots=True)
class CurrencyRules:
    """The rules of one currency. Without limits of their own, payouts have those of payments."""

    payment_limits: Limits
    payer_fee: FeeRule
    payee_fee: FeeRule
    payout_limits: Limits | None = None

    @property
    def per_payment(self) -> bool:
        """Whether a part of the fees is taken once of each payment."""
        return any(fee.per_payment_minor for fee in (self.payer_fee, self.payee_fee))

    @property
    def limits_of_payouts(self) -> Limits:
        return self.payout_limits or self.payment_limits


@dataclass(frozen=True, slots=True)
class Periods:
    """How long each wait lasts at most, in hours."""

    payment_hours: int = 168  # then what nobody has paid expires
    inspection_hours: int = 72  # then what was delivered is released
    cancellation_hours: int = 24  # until then payers cancel what they have paid for by themselves
    answer_hours: int = 120  # then what one party asked of the other lapses, or is approved;
    # in a dispute it is the next move that is waited for
    approval_hours: int = 72  # then what waits for a second person expires
    mediation_hours: int = 336  # then a dispute that nobody has decided ends by the policy


class Unanswered(StrEnum):
    """What becomes of a cancellation that one party asked for, and the other did not answer."""

    LAPSES = "lapses"
    APPROVED = "approved"


class Favorable(StrEnum):
    """What becomes of an amendment of the payer's that takes nothing from any payee: a bonus, a
    higher price, more time.
    """

    PROPOSED = "proposed"
    APPROVED = "approved"


class LossBearer(StrEnum):
    """Who bears a lost chargeback, where the operator who settles it does not say."""

    PAYEES = "payees"  # from what is held or payable; of what they have they owe it
    PLATFORM = "platform"


class DisputeFeeBearer(StrEnum):
    """Who bears what Stripe charges for a lost chargeback, where its settlement does not say."""

    PLATFORM = "platform"
    PAYEE = "payee"  # each payee as much of it as they bear of the loss: they owe it


class UnansweredDispute(StrEnum):
    """What becomes of a dispute that the other party has not answered."""

    OPENER = "opener"  # a payer's ends as they ask; a payee's goes to mediation
    UNDECIDED = "undecided"  # it goes to mediation


class UndecidedDispute(StrEnum):
    """Who gets what is disputed when nobody has decided in time."""

    PAYER = "payer"
    PAYEE = "payee"
    HALVES = "halves"  # an odd minor unit is the payer's


DEFAULT_PERIODS = Periods()


@dataclass(frozen=True, slots=True)
class ApprovalLimits:
    """Above which amount of a currency each kind waits for a second person; None for never. What
    was decided of an escrow without one before counts with it (Escrow.decided_alone).
    """

    refunds_minor: int | None = None
    write_offs_minor: int | None = None
    redirections_minor: int | None = None
    repairs_minor: int | None = None
    releases_minor: int | None = None

    def of(self, kind: ApprovalKind) -> int | None:
        limit_minor: int | None = getattr(self, f"{kind.lower()}_minor")
        return limit_minor


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules by currency; what is not listed is not taken. The periods are of every currency.

    The limits of ``approvals`` hold for currencies that are not listed as well: money of before is
    there.
    """

    currencies: Mapping[str, CurrencyRules]
    stripe_fee_bearer: StripeFeeBearer = StripeFeeBearer.PLATFORM
    periods: Periods = DEFAULT_PERIODS
    unanswered_cancellation: Unanswered = Unanswered.LAPSES
    favorable_amendment: Favorable = Favorable.PROPOSED
    lost_chargeback: LossBearer = LossBearer.PAYEES
    dispute_fee: DisputeFeeBearer = DisputeFeeBearer.PLATFORM
    unanswered_dispute: UnansweredDispute = UnansweredDispute.OPENER
    undecided_dispute: UndecidedDispute = UndecidedDispute.PAYER
    approvals: Mapping[str, ApprovalLimits] = field(default_factory=dict)

    def has_limit(self, kinds: Iterable[ApprovalKind]) -> bool:
        """Whether there is an amount above which one of them waits for a second person."""
        each_of = self.approvals.values()
        return any(limits.of(kind) is not None for kind in kinds for limits in each_of)

    def approval_limit(self, kind: ApprovalKind, currency: str) -> int | None:
        """Above which amount it waits for a second person, in minor units; None for never."""
        limits = self.approvals.get(currency)
        return limits.of(kind) if limits else None

    def rules(self, currency: str) -> CurrencyRules:
        """Raises CurrencyNotInPolicy."""
        if currency not in self.currencies:
            listed = ", ".join(sorted(self.currencies))
            raise CurrencyNotInPolicy(currency=currency, currencies=listed)
        return self.currencies[currency]

    def quote(self, currency: str, amounts_minor: Sequence[int]) -> list[Fees]:
        """The fees of milestones that one payment pays, each of its own amount.

        Raises:
            CurrencyNotInPolicy.
        """
        rules, step = self.rules(currency), charge_step_minor(currency)
        rules_of_fees = rules.payer_fee, rules.payee_fee
        once = [rule.per_payment_minor for rule in rules_of_fees]
        fees = []
        for amount in amounts_minor:
            parts = [
                rule.fee_minor(amount, step_minor=step) + fixed
                for rule, fixed in zip(rules_of_fees, once, strict=True)
            ]
            fees.append(Fees(amount, *parts))
            once = [0, 0]
        return fees

    def check_milestones(self, currency: str, amounts_minor: Sequence[int]) -> None:
        """Each of them can be paid by itself.

        Raises:
            CurrencyNotInPolicy, AmountBeyondLimits.
        """
        for amount in amounts_minor:
            (alone,) = self.quote(currency, [amount])
            limits = self.rules(currency).payment_limits
            limits.check(alone.charged_minor, currency, "one payment, the payer's fee included")

    def check_payment(self, amount_minor: int, currency: str) -> None:
        """Milestones that can each be paid by themselves can together be too much, and no more.

        Raises:
            CurrencyNotInPolicy, AmountBeyondLimits.
        """
        limits = self.rules(currency).payment_limits
        if amount_minor > limits.most_minor:
            limits.check(amount_minor, currency, "one payment, the payer's fee included")

    def check_payout(self, amount_minor: int, currency: str, *, all_there_is: bool) -> None:
        """The least does not hold for all that there is: it would be shut in for ever. For the same
        reason a currency that is not listed has no limits here: it is the payee's money.

        Raises:
            AmountBeyondLimits.
        """
        listed = self.currencies.get(currency)
        if listed is None:
            return
        limits = listed.limits_of_payouts
        if not all_there_is or amount_minor > limits.most_minor:
            limits.check(amount_minor, currency, "one payout")


class PolicyVersion(NamedTuple):
    """A policy, and the number by which escrows are pinned to it."""

    number: int
    policy: Policy

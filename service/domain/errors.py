"""Every refusal the service can give. Anything else that escapes an operation is a bug.

    Refusal
    ├── Invalid                 the request itself is wrong, whatever the state is
    │   ├── InvalidField        one or more fields, each with what is wrong with it
    │   └── RequestIdReused     the same request_id came with another request
    ├── Missing                 nothing of that name for this tenant
    ├── NotAllowed              this caller or party may not do that
    ├── Conflict                the request was right for a state that is gone
    │   ├── StaleEtag
    │   ├── AlreadyExists
    │   └── Busy                too many writers on one aggregate; nothing was written
    ├── Precondition            the state does not allow it now
    │   ├── WrongState ...
    ├── DataLoss                what was kept is lost, or is not what was given
    ├── Unavailable             not now: the same request_id later gets the result
    ├── Overloaded              too many wait already; nothing was begun
    └── DeadlineExpired         too late to begin

The docstring is the default message. It is shown to callers: it says what to do, and nothing
private, and has the amounts of the metadata in it. ``rpc/errors.py`` maps each class to a gRPC
status; the reason in ErrorInfo is the class name in UPPER_SNAKE_CASE.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from service.domain.blocker import Blocker, Rule
from service.domain.money import format_minor


class Refusal(Exception):
    """The request was refused."""

    def __init__(self, message: str | None = None, /, **metadata: object) -> None:
        self.metadata: Mapping[str, str] = {key: _text(each) for key, each in metadata.items()}
        self.message = message or self._says(metadata)
        super().__init__(self.message)

    @classmethod
    def _says(cls, facts: Mapping[str, object]) -> str:
        """The docstring; {amount} in it is ``amount_minor`` of the facts, for a person, and another
        name the fact itself.
        """

        def shown(place: re.Match[str]) -> str:
            amount_minor = facts.get(f"{place[1]}_minor")
            if isinstance(amount_minor, int):
                return format_minor(amount_minor, str(facts["currency"]))
            fact = facts.get(place[1], place[1])
            return f"{fact:%Y-%m-%d %H:%M:%S} UTC" if isinstance(fact, datetime) else str(fact)

        return re.sub(r"\{(\w+)\}", shown, " ".join((cls.__doc__ or "").split()))

    @classmethod
    def reason(cls) -> str:
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).upper()


def _text(fact: object) -> str:
    return fact.isoformat() if isinstance(fact, datetime) else str(fact)


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """What is wrong with one field; ``field`` is its path: ``milestones[0].amount_minor``."""

    field: str
    description: str


class Invalid(Refusal):
    """The request is not valid."""


class InvalidField(Invalid):
    """Some fields of the request are not valid; see the field violations."""

    def __init__(self, *violations: FieldViolation, **metadata: object) -> None:
        self.violations = violations
        fields = "; ".join(f"{v.field}: {v.description}" for v in violations[:5])
        super().__init__(f"The request is not valid: {fields}.", **metadata)


class AmountNotMultiple(InvalidField):
    """Banks or card networks take this currency in multiples of a step only; see the metadata for
    the step, and the field violations.
    """


class FileInfected(InvalidField):
    """The virus scanner found something in the file, and nothing was kept of it."""


def check_multiples(amounts_minor: Mapping[str, int], step_minor: int, currency: str) -> None:
    """Raises AmountNotMultiple: one of the amounts, by their fields, is no multiple of the step."""
    step = format_minor(step_minor, currency)
    violations = [
        FieldViolation(field, f"must be a multiple of {step_minor} ({step})")
        for field, amount_minor in amounts_minor.items()
        if amount_minor % step_minor
    ]
    if violations:
        raise AmountNotMultiple(*violations, step_minor=step_minor, currency=currency)


class RequestIdReused(Invalid):
    """This request_id was used before with another request; send a new one."""


class Missing(Refusal):
    """There is nothing with this id."""

    @classmethod
    def _says(cls, facts: Mapping[str, object]) -> str:
        """What was asked for by a reference is not called an id."""
        said = super()._says(facts)
        asked = facts.get("reference")
        return said.replace("this id", f"the reference {asked!r}") if asked else said


class DisputeEvidenceMissing(Missing):
    """There is no evidence with this id in this dispute."""


class EscrowMissing(Missing):
    """There is no escrow with this id."""


class MilestoneMissing(Missing):
    """The escrow has no milestone with this id."""


class PaymentMissing(Missing):
    """There is no payment with this id."""


class PayerMissing(Missing):
    """There is no payer with this id."""


class PayeeMissing(Missing):
    """There is no payee with this id."""


class PayoutMissing(Missing):
    """There is no payout with this id."""


class FreezeMissing(Missing):
    """The escrow has no freeze with this id."""


class ReleaseMissing(Missing):
    """Nothing is left of such a release in this milestone; PlanRefund names those that are."""


class RefundMissing(Missing):
    """There is no refund with this id."""


class ProposalMissing(Missing):
    """The escrow has no such proposal with this id; GetEscrow shows those that are open."""


class DisputeMissing(Missing):
    """There is no dispute with this id."""


class DeadlineMissing(Missing):
    """The escrow has no deadline with this id that still runs; GetEscrow shows those that do."""


class ReceivableMissing(Missing):
    """There is no receivable with this id."""


class ChargebackMissing(Missing):
    """There is no chargeback with this id."""


class ApprovalMissing(Missing):
    """There is no approval with this id."""


class EffectMissing(Missing):
    """There is no call to Stripe with this id."""


class StripeEventMissing(Missing):
    """There is no event of Stripe with this id."""


class OutOfRange(Refusal):
    """There is nothing at this place."""


class CursorLost(OutOfRange):
    """The tenant's sequence has no such place: the database was restored to an earlier time, and
    what was read after that did not happen there. Read again what matters to you, then go on from
    now, or from the first event.
    """


class VersionAhead(OutOfRange):
    """The escrow has not come to this version: read it again, and go on from its own. If you were
    told of more, the database was restored to an earlier time, and that did not happen there.
    """


class VersionReplaced(OutOfRange):
    """The escrow came to this version by another change than you were told of: the database was
    restored to an earlier time, and what you were told after that did not happen there. Read the
    escrow and its timeline again, then go on from its own version.
    """


class NotAllowed(Refusal):
    """You may not do this."""


class Unauthenticated(Refusal):
    """The call does not say who is calling."""


class TenantNotHeld(NotAllowed):
    """You do not hold this tenant."""


class PermissionMissing(NotAllowed):
    """Your role does not permit this method."""


class NotYours(NotAllowed):
    """It belongs to somebody else than the end user for whom you act, or the request does not name
    anything that has an owner.
    """


class PartyNotAllowed(NotAllowed):
    """This party may not do that; say who acts with the metadata key escrow-party."""


class Conflict(Refusal):
    """Somebody else changed it first."""


class StaleEtag(Conflict):
    """It has changed since you read it; read it again and decide again."""


class PlanChanged(Conflict):
    """What the refund takes from whom has changed since you planned it; PlanRefund again, and
    decide again.
    """


class EvidenceChanged(Conflict):
    """The evidence is not what you have seen: something has happened since. Look at it again with
    PreviewChargebackEvidence, and decide again with its hash.
    """


class ApprovalPlanChanged(Conflict):
    """What it would do is not what you have seen, so nothing was done. GetApproval shows the plan
    as it is now; decide again, with its hash.
    """


class AlreadyExists(Refusal):
    """There is one with this reference already."""


class FileGiven(AlreadyExists):
    """You have given this very file in this dispute already; see the metadata for which one."""


class PolicyUnchanged(AlreadyExists):
    """The newest version of the policy says the same already."""


class Busy(Conflict):
    """Too many changes at once; nothing was written. Send the same request again."""


class Precondition(Refusal):
    """Its state does not allow this now."""

    blockers: Sequence[Blocker] = ()
    # What of an escrow's blockers a refusal of this kind is because of.
    because_of: ClassVar[Collection[Rule]] = ()


class WrongState(Precondition):
    """Its state does not allow this now."""

    because_of = frozenset(Rule)


class Blocked(Precondition):
    """Something stands in the way; see the violations."""

    def __init__(self, blockers: Sequence[Blocker] = (), **metadata: object) -> None:
        self.blockers = blockers
        why = "; ".join(f"{each.subject}: {each.description}" for each in blockers[:5])
        super().__init__(f"{self._says(metadata)} {why}.", **metadata)


class CancellationBlocked(Blocked):
    """You cannot cancel this by yourself now. Ask the other party with RequestCancellation."""


class AmendmentBlocked(Blocked):
    """It cannot be amended so now; nothing was changed."""


class EvidenceBlocked(Blocked):
    """Stripe takes no evidence against this chargeback now; nothing was sent."""


class ProposalOpen(Precondition):
    """Another {kind} is asked for already: {proposal_id}, by the {proposed_by}, is open until
    {ends_at}. Agree to it, decline or withdraw it first ({methods}).
    """


class ProposalsExhausted(Precondition):
    """You have asked so much of this escrow that no more is taken; operators act without asking."""


class DisputeBlocked(Blocked):
    """What is disputed cannot move now: it is frozen by somebody else than the parties."""


class DisputeOver(Precondition):
    """This dispute has ended; GetDispute shows how."""


class InspectionOver(Precondition):
    """Changes are asked for within the inspection period after a delivery. It is over, and what is
    not frozen is released: ask the payee with RequestCancellation, or an operator.
    """


class DisputeWindowClosed(Precondition):
    """A milestone is disputed within the inspection period after its delivery, and by the payer
    also while it is paid for and not delivered. Afterwards ask an operator.
    """

    because_of = frozenset(Rule)


class AmountDisputed(Precondition):
    """{amount} is more than what can be disputed: of the {held} that are held {disputed} are
    disputed already.
    """


class DisputeEvidenceExhausted(Precondition):
    """So much was given in this dispute that no more is taken; see the metadata for what is left.
    Say in the note of another file where the rest can be seen.
    """


class DisputesExhausted(Precondition):
    """You have opened so many disputes of this escrow that no more is taken. Ask an operator."""


class NothingOffered(Precondition):
    """Neither party has offered a split yet: offer one (ProposeDisputeSplit)."""


class OfferReplaced(Precondition):
    """This is not the last offer; GetDispute shows it."""


class OfferOutdated(Precondition):
    """What is disputed, or what is held for a payee, is not what it was when this was offered, so
    that it cannot be done as it was offered. Offer anew (ProposeDisputeSplit).
    """


class OfferIsYours(Precondition):
    """This offer is your own: the other party accepts it."""


class ResolverIsParty(Precondition):
    """You acted for a party in a dispute of this escrow, or with an identity that you share:
    somebody else has to decide as an operator.
    """


class SplitDoesNotAddUp(Precondition):
    """{left} are disputed, and {found} were given out: what the payer and the payees get has to be
    exactly what is disputed.
    """


class ShareAboveHeld(Precondition):
    """{amount} were to go to {payee_id} for whom {held} are held of this milestone: nobody gets
    more than is held for them, and who is no payee of it gets nothing.
    """


class FreezeOfDispute(Precondition):
    """The parties dispute this amount: it moves when their dispute ends (ResolveDispute)."""


class ConsentMissing(Precondition):
    """Only both parties together extend a deadline: the other has to ask for the same time with
    RequestExtension first. Where they ask for another, it is in the metadata.
    """


class DeadlineFixed(Precondition):
    """This deadline is not the parties' to extend."""


class ApprovalNeeded(Precondition):
    """{amount} is above the limit of what one person decides of an escrow: it waits for another,
    and nothing was done yet. They decide with Approve or Reject (escrow approvals); send this
    again, with the same request_id, to hear what became of it.
    """


class ApproverIsRequester(Precondition):
    """You asked for it yourself, or with an identity that you share: somebody else has to approve
    it, with an identity of their own. You may reject it.
    """


class ApprovalRejected(Precondition):
    """A second person has rejected it. To ask again, send a new request_id."""


class ApprovalExpired(Precondition):
    """Nobody approved it in time, and nothing was done. Ask for it again, with a new request_id."""


class AmountAboveHeld(Precondition):
    """{amount} is more than what is held: {held}."""


class AmountFrozen(Precondition):
    """{amount} is more than what may move: of the {held} that are held {frozen} are frozen.
    GetEscrow shows the freezes.
    """

    because_of = frozenset({Rule.FREEZE, Rule.DISPUTE})


class RefundAboveLeft(Precondition):
    """{amount} is more than what is left to refund: {left}."""


class PaymentDisputed(Precondition):
    """The payer's bank disputes this payment: it takes the money itself, and a refund would give it
    twice.
    """

    because_of = frozenset({Rule.FREEZE})


class NothingToSettle(Precondition):
    """Nothing of this chargeback is to be settled: it is not lost, or Stripe has given all back."""


class ChargebackUndecided(Precondition):
    """The payer's bank has not decided this chargeback. Wait for it; or ask for before_outcome to
    settle it as if it were lost. A win takes that back.
    """


class ChargebackSettled(Precondition):
    """This chargeback is settled. Ask for anew to take that back and settle it otherwise."""


class WithdrawalNotSeen(Precondition):
    """Stripe has not shown yet what it took for this chargeback. Run escrow sweep."""


class SettlementDoesNotAddUp(Precondition):
    """{amount} are to be settled, and what is named comes to {found}. Name sources, fees of the
    payer included, and platform_minor, so that they add up. What other freezes hold is out of
    reach until they end.
    """


class RefundStillOut(Precondition):
    """Stripe has not shown yet that the refund's money is back; decide when it has."""


class ReversalUnderWay(Precondition):
    """A transfer is being reversed for this refund; decide when Stripe has answered."""


class PayeeReady(Precondition):
    """This payee can be paid, so what is theirs is sent to them; refund it (RefundMilestone) if it
    should not be.
    """


class NothingToRedirect(Precondition):
    """Nothing of this milestone waits for this payee: what was sent to them is theirs."""


class ReleaseNetted(Precondition):
    """A part of this release has paid what the payee owed, so the rest cannot be given to another:
    wait for its transfer, or refund it (RefundMilestone).
    """


class FreezeOfOther(Precondition):
    """Something else caused this freeze: AdoptRefund is for a refund that somebody made at Stripe,
    AdoptReversal for a reversed transfer. GetEscrow shows the reason of each freeze.
    """


class ReversalDoesNotFit(Precondition):
    """This reversal at Stripe cannot be adopted for that."""


class NothingOwed(ReversalDoesNotFit):
    """The payee owes nothing of this transfer that it can pay. Refund the payer first
    (RefundMilestone), or say that it is the payee's again (GIVE_BACK).
    """


class NothingOfPayee(ReversalDoesNotFit):
    """Nothing of this transfer is the payee's any more: it is owed, or was. Say that it is for what
    they owe (FOR_DEBT), or that the platform keeps it (KEEP).
    """


class ReversalClaimed(ReversalDoesNotFit):
    """The platform keeps only what the payee neither owes (FOR_DEBT) nor gets (GIVE_BACK)."""


class RefundDoesNotFit(Precondition):
    """This refund is of {amount}, and only {left} of the payment is left here that it can have
    taken.
    """


class AmountAboveBalance(Precondition):
    """{amount} is more than the balance: {balance}."""


class AmountNotAvailable(Precondition):
    """Of the balance of {balance} only {available} can be paid out now, not {amount}: Stripe holds
    the rest back for some days after a payment.
    """

    @classmethod
    def _says(cls, facts: Mapping[str, object]) -> str:
        """With the time from which on the amount can be, where that is known."""
        said, moment = super()._says(facts), facts.get("available_time")
        if not isinstance(moment, datetime):
            return said
        return f"{said} All that was asked for can be from {moment:%Y-%m-%d %H:%M:%S} UTC on."


class AmountBeyondLimits(Precondition):
    """The amount is outside the policy's limits for a payment or payout, or Stripe's."""


class CurrencyNotInPolicy(Precondition):
    """The marketplace's policy does not list this currency. Use one that it lists, or add it with
    CreatePolicyVersion (escrow policy apply).
    """


class BooksRefused(Precondition):
    """The books do not allow it: an account would fall below zero. Nothing was written."""


class CurrencyNotSettled(Precondition):
    """The marketplace's Stripe account does not hold this currency, and conversion is refused. Use
    one that it holds, or add a bank account at Stripe and the currency to settlement_currencies.
    """


class CurrencyNotReceived(Precondition):
    """The payee has no bank account in this currency, or what came before arrived in another. Use
    that, or let the payee add a bank account in this one.
    """


class EffectUnderWay(Precondition):
    """An attempt is under way, or so young that Stripe may still be working on it. Read the effect
    again in a moment, and decide again.
    """


class EffectDone(Precondition):
    """Stripe shows what this call made, so it is not rejected. RetryEffect or SettleEffect ends it
    by that. If it is not ours, take the key "effect" out of its metadata at Stripe first.
    """


class ObjectDoesNotFit(Precondition):
    """This object at Stripe is not what the call asked for."""


class MakesNoObject(Precondition):
    """This call makes no object of its own at Stripe. RetryEffect looks up what became of it."""


class EventQuarantined(Precondition):
    """It is of another mode, API version or endpoint than is expected, and never applied. Mend the
    endpoint at Stripe, or dismiss it.
    """


class NothingInSuspense(Precondition):
    """This payment has nothing in suspense; ListSuspense shows those that have."""


class SuspenseDiffers(Precondition):
    """The milestones await {awaited}, fees included, and not the {suspense} that are in suspense.
    Choose others, or pay it back with RefundSuspense.
    """


class NothingToFund(Precondition):
    """No milestone awaits funds."""

    because_of = frozenset(Rule)


class PaymentOpen(Precondition):
    """A payment for this milestone is open; finish or cancel it first."""

    because_of = frozenset({Rule.PAYMENT_UNDER_WAY})


class PaymentRejected(Precondition):
    """Stripe refused to make this payment."""


class PayerNotReady(Precondition):
    """The payer has no Stripe customer yet: send CreatePayer again with the same request_id. If
    Stripe refused the payer's data, correct them with UpdatePayer.
    """


class PayeeNotReady(Precondition):
    """The payee has no account at Stripe that can do this; send them to onboarding first."""


class PayeeRefused(Precondition):
    """Stripe made no account from the payee's data: correct them with UpdatePayee."""


class AccountLost(Precondition):
    """The payee has taken our access to their account away, or Stripe has rejected it: make another
    with ReplacePayeeAccount.
    """


class AccountNotLost(Precondition):
    """Only an account that is DEAUTHORIZED or REJECTED is replaced; any other is onboarded."""


class CountryFixed(Precondition):
    """Stripe never changes the country of an account. Only a payee without an account, or whose
    account is DEAUTHORIZED or REJECTED, gets another country, with the next account.
    """


class StripeRefused(Precondition):
    """Stripe refused this request; see the metadata for its code."""


class Overloaded(Refusal):
    """More is asked than can be answered before your deadline, so nothing was begun. Send the same
    request again after the delay in RetryInfo, with the same request_id.
    """

    def __init__(self, *, retry_after_ms: int = 1_000, **metadata: object) -> None:
        super().__init__(**metadata)
        self.retry_after_ms = retry_after_ms


class RateLimited(Overloaded):
    """You call this method more often than you may, or for this end user (the limit in the
    metadata says which); nothing was begun. Send the same request again after the delay in
    RetryInfo, with the same request_id, and less often.
    """


class TooManyStreams(Overloaded):
    """You have as many streams open, or left unread, as you may, or this process has as many as it
    serves. End one, read or cancel what was cut, or begin it again after the delay in RetryInfo.
    """


class ReaderTooSlow(Overloaded):
    """You did not take what was sent to you in time. Begin again from the place in the metadata, or
    from the last one that you have seen.
    """

    def __init__(self, **place: object) -> None:
        super().__init__(retry_after_ms=100, **place)


class DeadlineExpired(Refusal):
    """The deadline of the call had passed; send the same request again with a later one."""


class Unavailable(Refusal):
    """Not possible at this moment. Send the same request again, with the same request_id."""


class ProcessStops(Unavailable):
    """The process that served this stream stops. Begin again from the last place that you have
    seen: another one goes on.
    """


class StripeUnavailable(Unavailable):
    """Stripe did not answer in time. Send the same request again, with the same request_id."""


class DataLoss(Refusal):
    """What was kept is lost or changed. Operators have to look."""


class FileDamaged(DataLoss):
    """What is kept of this file is not what was given, or it is gone: nothing of it is shown. Its
    record is whole. An operator has to look where files are kept.
    """


class ScannerUnavailable(Unavailable):
    """The virus scanner does not answer, and no file is taken without it. Send the same request
    again, with the same request_id.
    """


class FilesUnavailable(Unavailable):
    """The bucket that keeps files does not answer. Send the same request again, with the same
    request_id.
    """


class ReversalNotBooked(Unavailable):
    """What this reversal moved is not booked yet: the sweep does that within a minute. Send the
    same request again, with the same request_id.
    """


class PaymentNotSettled(Unavailable):
    """Stripe has not settled this payment yet: what it came to is not known. That takes a moment.
    Send the same request again, with the same request_id.
    """


class DatabaseUnavailable(Unavailable):
    """The database does not answer. Send the same request again, with the same request_id."""


class TenantNotConfigured(Unavailable):
    """The tenant was taken out of the configuration: nothing is sent to its Stripe account before
    it is there again.
    """


class IdentityUnavailable(Unavailable):
    """Your token cannot be checked now: its issuer's keys cannot be had. Send the request again."""


class BooksClosed(Unavailable):
    """The books are closed for the moment at which this was decided: the clock of the process that
    answered is behind the database's, or it was held up for a minute. Nothing was written. Send the
    same request again, with the same request_id.
    """

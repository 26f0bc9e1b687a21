"""An operator says what the reversal of a transfer was for that somebody made at Stripe."""

from __future__ import annotations

from collections.abc import Mapping

from escrow.v1 import refund_service_pb2 as pb
from service.aggregates.escrow import EscrowCase, open_case
from service.aggregates.freeze import end_freezes, let_move
from service.aggregates.reversal_adopted import Adopted, Arrived, Purpose, Reversed, adopt
from service.domain import ids
from service.domain.accounts import BROUGHT_UNEXPLAINED
from service.domain.call import Call
from service.domain.errors import (
    EscrowMissing,
    FieldViolation,
    FreezeMissing,
    FreezeOfOther,
    InvalidField,
    ReversalDoesNotFit,
    ReversalNotBooked,
    StripeRefused,
    WrongState,
)
from service.domain.money import format_minor
from service.domain.postings import JournalKind
from service.domain.records.freeze import Freeze, FreezeReason
from service.domain.records.release import Release
from service.domain.unit import UnitOfWork
from service.operations.escrows.messages import escrow_message
from service.operations.mutation import mutation
from service.operations.payouts.availability import read_newest
from service.operations.refunds.messages import adopted_message
from service.operations.taking import read_balance, save_taken
from service.runtime import Runtime
from service.store.balance_transactions import BookedAs, find_booked
from service.store.escrows import find_escrow
from service.store.tables import EscrowRecords
from service.stripe.objects.reversal import ReversalObservation, parse_reversal
from service.stripe.objects.values import Unreadable

PURPOSES: Mapping[int, Purpose] = {
    pb.REVERSAL_PURPOSE_FOR_DEBT: Purpose.FOR_DEBT,
    pb.REVERSAL_PURPOSE_GIVE_BACK: Purpose.GIVE_BACK,
    pb.REVERSAL_PURPOSE_KEEP: Purpose.KEEP,
}


async def adopt_reversal(
    runtime: Runtime, call: Call, request: pb.AdoptReversalRequest
) -> pb.AdoptReversalResponse:
    """The reversal is fetched: what it took is Stripe's to say. What is left of it afterwards stays
    unexplained and frozen, and is adopted by another request.

    Raises:
        InvalidField: it does not say what it was for.
        EscrowMissing, FreezeMissing, StaleEtag, StripeRefused, StripeUnavailable.
        FreezeOfOther: something else froze it. WrongState: all of it was adopted before.
        ReversalNotBooked, ReversalDoesNotFit and what is below it, ReversalUnderWay.
    """
    purpose = PURPOSES.get(request.purpose)
    if purpose is None:
        says = "must say what it was for: FOR_DEBT, GIVE_BACK or KEEP"
        raise InvalidField(FieldViolation("purpose", says))
    records = await find_escrow(runtime.pool, call.tenant_id, ids.parse(request.escrow_id))
    if records is None:
        raise EscrowMissing
    freeze = _freeze(records, request)
    shown, release = await _fetch(runtime, call, records, freeze)
    arrived = await _arrived(runtime, call, shown, release, look=not request.validate_only)
    account = BROUGHT_UNEXPLAINED.name({"balance_transaction": shown.transaction})

    @mutation(pb.AdoptReversalResponse, of="adopt_reversal")
    async def story(
        runtime: Runtime, unit: UnitOfWork, request: pb.AdoptReversalRequest
    ) -> pb.AdoptReversalResponse:
        left_minor = await read_balance(runtime, unit, account)
        case = await open_case(runtime, unit, ids.parse(request.escrow_id), etag=request.etag)
        if not left_minor:
            says = f"All of {shown.id} ({request.freeze_id}) was adopted before."
            raise WrongState(says, freeze_id=request.freeze_id, stripe_reversal=shown.id)
        seen = Reversed(shown.id, shown.transaction, shown.amount_minor, left_minor, arrived)
        answer = _adopt(case, release, seen, purpose)
        if request.validate_only:
            return answer
        return await save_taken(runtime, unit, answer, account, left_minor)

    return await story(runtime, call, request)


def _adopt(
    case: EscrowCase, release: Release, seen: Reversed, purpose: Purpose
) -> pb.AdoptReversalResponse:
    current = case.release_of(release.release_id)
    adopted = adopt(case, current, seen, purpose)
    if adopted.taken_minor == seen.left_minor:
        end_freezes(case, seen.id)
        let_move(case, current.payment_id)
    case.unit.note = _note(current, seen, purpose, adopted)
    return pb.AdoptReversalResponse(
        reversal=adopted_message(current, seen, adopted), escrow=escrow_message(case.records)
    )


def _note(release: Release, seen: Reversed, purpose: Purpose, adopted: Adopted) -> str:
    shown = format_minor(adopted.taken_minor, release.transfer[1])
    return f"{seen.id}: {purpose} {shown} of {release.public_id}"


def _freeze(records: EscrowRecords, request: pb.AdoptReversalRequest) -> Freeze:
    freeze_id = ids.parse(request.freeze_id)
    found = next((each for each in records.freezes if each.freeze_id == freeze_id), None)
    if found is None:
        raise FreezeMissing
    if found.reason is not FreezeReason.TRANSFER_REVERSED:
        raise FreezeOfOther(freeze_id=request.freeze_id, reason=found.reason)
    return found


async def _fetch(
    runtime: Runtime, call: Call, records: EscrowRecords, freeze: Freeze
) -> tuple[ReversalObservation, Release]:
    """The reversal, and the release whose transfer it took back: Stripe names it by that alone."""
    gateway = runtime.stripe[call.tenant_id]
    ours = [r for r in records.releases if r.payment_id == freeze.payment_id and r.stripe_transfer]
    for release in ours:
        assert release.stripe_transfer is not None
        try:
            shown = parse_reversal(
                await gateway.fetch_reversal(release.stripe_transfer, freeze.source)
            )
        except StripeRefused:
            continue  # it is of another transfer
        except Unreadable as problem:
            raise _misfit(freeze.source, str(problem)) from problem
        if shown.transfer == release.stripe_transfer and shown.currency == release.transfer[1]:
            return shown, release
        raise _misfit(freeze.source, f"it is of {shown.transfer} in {shown.currency}")
    raise _misfit(freeze.source, "Stripe shows it at none of the transfers of this payment")


async def _arrived(
    runtime: Runtime, call: Call, shown: ReversalObservation, release: Release, *, look: bool
) -> Arrived:
    """What it took of the payee's account. In the transfer's currency where the account was not
    read since, and cannot be.

    Raises:
        ReversalNotBooked. ReversalDoesNotFit: its money was booked as something else.
    """
    of_platform, of_account = await _booked(runtime, call, shown, release)
    if of_platform is None:
        raise ReversalNotBooked(stripe_reversal=shown.id)
    booked_as = of_platform.kind, of_platform.net_minor
    if booked_as != (JournalKind.BROUGHT_UNEXPLAINED, shown.amount_minor):
        raise _misfit(shown.id, f"{shown.transaction} was booked as {of_platform.kind}")
    if of_account is None and look and release.destination:
        await read_newest(runtime, call.tenant_id, release.destination)
        _, of_account = await _booked(runtime, call, shown, release)
    if of_account is None:
        return Arrived(shown.amount_minor, shown.currency)
    return Arrived(abs(of_account.net_minor), of_account.currency)


async def _booked(
    runtime: Runtime, call: Call, shown: ReversalObservation, release: Release
) -> tuple[BookedAs | None, BookedAs | None]:
    """How it was booked at the platform, and in the payee's account."""
    booked = await find_booked(
        runtime.pool,
        call.tenant_id,
        shown.transaction,
        account=release.destination or "",
        source=shown.refund,
    )
    of_platform = next((each for each in booked if each.account is None), None)
    return of_platform, next((each for each in booked if each.account is not None), None)


def _misfit(reversal: str, problem: str) -> ReversalDoesNotFit:
    return ReversalDoesNotFit(f"{reversal} cannot be adopted: {problem}.", stripe_reversal=reversal)

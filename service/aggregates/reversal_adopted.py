"""What a reversal that somebody made at Stripe was for: the payee's debt, or nothing, so that it is
the payee's again, or what had been netted or given up before.

A reversal is one balance transaction, booked as unexplained. It may be adopted in parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from service.aggregates.escrow import EscrowCase
from service.aggregates.receivable import settle_when_paid
from service.domain import ids
from service.domain.errors import (
    NothingOfPayee,
    NothingOwed,
    ReversalClaimed,
    ReversalDoesNotFit,
    ReversalUnderWay,
)
from service.domain.fees import fee_part
from service.domain.journal import Part, Source
from service.domain.money import charge_step_minor
from service.domain.postings import JournalKind
from service.domain.records.receivable import Receivable
from service.domain.records.release import Release
from service.domain.states.milestone import MilestoneEvent, MilestoneState
from service.domain.states.receivable import ReceivableState
from service.domain.states.release import ReleaseState


class Purpose(StrEnum):
    """What it was for."""

    FOR_DEBT = "FOR_DEBT"
    GIVE_BACK = "GIVE_BACK"
    KEEP = "KEEP"


class Arrived(NamedTuple):
    """What it took of the payee's account, in the currency that is held there."""

    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Reversed:
    """A reversal, of which ``left_minor`` is unexplained, in the transfer's currency."""

    id: str
    transaction: str
    amount_minor: int
    left_minor: int
    arrived: Arrived

    @property
    def source(self) -> Source:
        """What the journals of this part of it are of: the next one begins with less."""
        return Source("reversal", f"{self.id}:{self.left_minor}")


class Adopted(NamedTuple):
    """``taken_minor`` of the reversal, in the transfer's currency, was ``share_minor`` of what is
    owed, or of the payee's share. ``released`` is what waits for a transfer because of it.
    """

    taken_minor: int
    share_minor: int
    released: Release | None = None


def adopt(case: EscrowCase, release: Release, seen: Reversed, purpose: Purpose) -> Adopted:
    """Postings 12, 12x, 19, 19x or 18f, against what was unexplained (26). What is above the debt,
    or above what was the payee's, stays unexplained.

    Raises:
        NothingOwed, NothingOfPayee, ReversalClaimed, ReversalDoesNotFit.
        ReversalUnderWay: the payee's debt is asked of the same transfer at this moment.
    """
    most_minor = MOST[purpose](case, release, seen.left_minor)
    taken_minor = min(most_minor, seen.left_minor)
    _take_from_account(case, release, seen, taken_minor)
    case.touch()
    return ADOPT[purpose](case, release, seen, taken_minor)


def debts_of(case: EscrowCase, release: Release) -> Iterator[Receivable]:
    """What the payee owes of a release, and a reversal of its transfer can pay."""
    for debt in case.records.receivables:
        if debt.release_id == release.release_id and debt.next_reversal[1]:
            yield debt


def _most_of_debt(case: EscrowCase, release: Release, _: int) -> int:
    debts = [*debts_of(case, release)]
    owed = [debt for debt in debts if debt.state is ReceivableState.OWED]
    if not owed:
        raise ReversalUnderWay if debts else NothingOwed
    return sum(debt.next_reversal[1] for debt in owed)


def _most_of_payee(_: EscrowCase, release: Release, left_minor: int) -> int:
    share_minor, of_transfer_minor = release.standing
    if share_minor <= 0 or of_transfer_minor <= 0:
        raise NothingOfPayee
    _price_of(release, _share_of(release, min(left_minor, of_transfer_minor)))
    return of_transfer_minor


def _most_of_platform(case: EscrowCase, release: Release, left_minor: int) -> int:
    if any(debts_of(case, release)) or min(release.standing) > 0:
        raise ReversalClaimed
    return left_minor


def _pay_debts(case: EscrowCase, release: Release, seen: Reversed, taken_minor: int) -> Adopted:
    """Postings 12 and 12x."""
    paid_minor, left_minor = 0, taken_minor
    for debt in debts_of(case, release):
        part_minor = min(debt.next_reversal[1], left_minor)
        if debt.state is ReceivableState.OWED and part_minor:
            left_minor -= part_minor
            paid_minor += debt.take_back(part_minor)
            if debt.has_come_back:  # and now it is known what for: the rest is asked for again
                debt.refusal_code, debt.recover_at = None, case.unit.now
            settle_when_paid(case, debt)
    _post(case, release, seen, Adopted(taken_minor, paid_minor), Purpose.FOR_DEBT)
    return Adopted(taken_minor, paid_minor)


def _give_back(case: EscrowCase, release: Release, seen: Reversed, taken_minor: int) -> Adopted:
    """Postings 19 and 19x, and a release of its own, which is sent once more."""
    share_minor = _share_of(release, taken_minor)
    after = _split(case, release, share_minor, taken_minor)
    adopted = Adopted(taken_minor, share_minor, after)
    _post(case, release, seen, adopted, Purpose.GIVE_BACK)
    milestone = case.milestone(release.milestone_id)
    if milestone.state is MilestoneState.RELEASED:
        case.advance(milestone, MilestoneEvent.RELEASED_AGAIN)
    return adopted


def _keep(case: EscrowCase, release: Release, seen: Reversed, taken_minor: int) -> Adopted:
    """Posting 18f: nobody has a claim on it any more."""
    _, currency = release.transfer
    part = Part(_names(release, seen), {"amount": taken_minor})
    case.unit.post(JournalKind.REVERSAL_KEPT, seen.source, currency, [part])
    return Adopted(taken_minor, 0)


MOST: Mapping[Purpose, Callable[[EscrowCase, Release, int], int]] = {
    Purpose.FOR_DEBT: _most_of_debt,
    Purpose.GIVE_BACK: _most_of_payee,
    Purpose.KEEP: _most_of_platform,
}
ADOPT: Mapping[Purpose, Callable[[EscrowCase, Release, Reversed, int], Adopted]] = {
    Purpose.FOR_DEBT: _pay_debts,
    Purpose.GIVE_BACK: _give_back,
    Purpose.KEEP: _keep,
}
KINDS = {
    (Purpose.FOR_DEBT, False): JournalKind.REVERSAL_EXPLAINED,
    (Purpose.FOR_DEBT, True): JournalKind.REVERSAL_EXPLAINED_CONVERTED,
    (Purpose.GIVE_BACK, False): JournalKind.GIVEN_BACK,
    (Purpose.GIVE_BACK, True): JournalKind.GIVEN_BACK_CONVERTED,
}
"""By the purpose, and whether the transfer was of a converted payment."""


def _names(release: Release, seen: Reversed) -> dict[str, str]:
    return {
        "payee": ids.show(ids.PAYEE, release.payee_id),
        "account": release.destination or "",
        "balance_transaction": seen.transaction,
    }


def _post(
    case: EscrowCase, release: Release, seen: Reversed, adopted: Adopted, purpose: Purpose
) -> None:
    _, currency = release.transfer
    converts = currency != release.currency
    amounts = {"amount": adopted.share_minor, "settled": adopted.taken_minor}
    case.unit.post(
        KINDS[purpose, converts],
        seen.source,
        release.currency,
        [Part(_names(release, seen), amounts)],
        settled_currency=currency if converts else "",
    )


def _take_from_account(
    case: EscrowCase, release: Release, seen: Reversed, taken_minor: int
) -> None:
    """The payee's account booked it, or will book it, as external (27); this posting books it as
    ours. These journals name no escrow, because the external one names none.
    """
    gone_minor = seen.amount_minor - seen.left_minor
    whole_minor, currency = seen.arrived
    before_minor = whole_minor * gone_minor // seen.amount_minor
    part_minor = whole_minor * (gone_minor + taken_minor) // seen.amount_minor - before_minor
    account = {"account": release.destination or ""}
    kind = JournalKind.EXTERNAL_TOOK_RECOGNIZED
    case.unit.post(kind, seen.source, currency, [Part(account, {"amount": part_minor})])
    if currency != release.transfer[1]:
        amounts = {"amount": taken_minor, "settled": part_minor}
        case.unit.post(
            JournalKind.RETURNED_CONVERTED,
            seen.source,
            release.transfer[1],
            [Part(account, amounts)],
            settled_currency=currency,
        )


def _share_of(release: Release, taken_minor: int) -> int:
    """What so much of a transfer was of the payee's share."""
    share_minor, of_transfer_minor = release.standing
    if taken_minor >= of_transfer_minor:
        return share_minor
    return max(share_minor * taken_minor // of_transfer_minor, 1)


def _price_of(release: Release, share_minor: int) -> int:
    """The part of the price that goes with a part of the share, as near to pro rata as can be."""
    whole_minor, fee_minor = release.amount_minor, release.payee_fee_minor
    if release.gives_back:
        return 0
    if share_minor == release.payee_share_minor:
        return whole_minor
    step_minor = charge_step_minor(release.currency)
    least_minor = -(-share_minor // step_minor) * step_minor
    most_minor = (share_minor + fee_minor) // step_minor * step_minor
    if least_minor > most_minor:
        says = (
            f"{release.currency} goes in steps of {step_minor}, and what was reversed does not:"
            " reverse the rest of the step at Stripe, too."
        )
        raise ReversalDoesNotFit(says, step_minor=step_minor)
    pro_rata_minor = whole_minor * share_minor // release.payee_share_minor
    return min(max(pro_rata_minor // step_minor * step_minor, least_minor), most_minor)


def _split(case: EscrowCase, release: Release, share_minor: int, of_transfer_minor: int) -> Release:
    """Takes a part out of what was sent, and makes it a release that waits for its transfer."""
    unit, (_, currency) = case.unit, release.transfer
    price_minor = _price_of(release, share_minor)
    payer_fee_minor = release.payer_fee_minor
    whole = price_minor == release.amount_minor
    if not whole:
        step_minor = charge_step_minor(release.currency)
        part = release.amount_minor, 0, price_minor
        payer_fee_minor = fee_part(payer_fee_minor, *part, step_minor=step_minor)
    after = Release(
        tenant_id=release.tenant_id,
        release_id=unit.new_id(),
        escrow_id=release.escrow_id,
        milestone_id=release.milestone_id,
        payee_id=release.payee_id,
        payment_id=release.payment_id,
        amount_minor=price_minor,
        payee_share_minor=0 if release.gives_back else share_minor,
        currency=release.currency,
        state=ReleaseState.WAITING,
        effect_id=None,
        transfer_at=unit.now,
        created_at=unit.now,
        updated_at=unit.now,
        payer_fee_minor=payer_fee_minor,
        settled_payer_fee_minor=_of(
            release.settled_payer_fee_minor, payer_fee_minor, release.payer_fee_minor
        ),
        settled_payee_fee_minor=_of(
            release.settled_payee_fee_minor, price_minor - share_minor, release.payee_fee_minor
        ),
    )
    if release.gives_back:
        after.netted_minor = -share_minor
        release.netted_minor += share_minor
    if currency != release.currency:
        after.transfer_currency, after.transfer_minor = currency, of_transfer_minor
    release.recall(share_minor, of_transfer_minor)
    for name in (
        *("amount_minor", "payee_share_minor", "payer_fee_minor"),
        *("settled_payer_fee_minor", "settled_payee_fee_minor"),
    ):
        setattr(release, name, getattr(release, name) - getattr(after, name))
    unit.put(release)
    case.records.releases.append(after)
    unit.create(after)
    return after


def _of(settled_minor: int, part_minor: int, whole_minor: int) -> int:
    return settled_minor * part_minor // whole_minor if whole_minor else 0

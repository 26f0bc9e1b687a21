"""The parts of a refund: what each takes, by where the money is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from uuid import UUID

from service.aggregates.escrow import EscrowCase
from service.aggregates.split import divide
from service.domain.fees import fee_part
from service.domain.money import charge_step_minor, split_pro_rata
from service.domain.records.escrow import Milestone, MilestonePayee
from service.domain.records.payment import Payment
from service.domain.records.refund import RefundOrigin, RefundPart
from service.domain.records.release import Release
from service.domain.states.release import ReleaseState

SENT = frozenset({ReleaseState.IN_FLIGHT, ReleaseState.TRANSFERRED})


def held_parts(
    case: EscrowCase,
    milestone: Milestone,
    payment: Payment,
    price_minor: int,
    refund_id: UUID,
    payer_fee_minor: int,
    payee_id: UUID | None = None,
) -> Iterator[RefundPart]:
    """Of what is held, one part for each payee, or of ``payee_id`` alone."""
    step_minor = charge_step_minor(case.escrow.currency)
    divided = divide(case.records, milestone, price_minor, step_minor, payee_id)
    prices = [minor for _, minor in divided]
    fees = split_pro_rata(payer_fee_minor // step_minor, prices)
    converts = payment.settled_currency is not None
    for (to, part_minor), fee in zip(divided, fees, strict=True):
        fee_minor = fee * step_minor
        yield _part(
            milestone, None, RefundOrigin.HELD, refund_id, part_minor, fee_minor, payee=to,
            settled_share_minor=payment.convert(part_minor + fee_minor) if converts else 0,
        )  # fmt: skip


def released_parts(
    case: EscrowCase,
    milestone: Milestone,
    payment: Payment,
    release: Release,
    price_minor: int,
    refund_id: UUID,
    payer_fee: int,
) -> Iterator[RefundPart]:
    """One part, or two where some of the payee's share has paid what they owed: that is owed."""
    step_minor, whole = charge_step_minor(case.escrow.currency), release.amount_minor
    payee_fee = fee_part(release.payee_fee_minor, whole, 0, price_minor, step_minor=step_minor)
    share_minor = price_minor - payee_fee
    sent = release.state in SENT
    owed_minor = 0 if sent else max(share_minor - release.unsent_minor, 0)
    settled_minor = 0
    if payment.settled_currency is not None:
        settled_minor = _settled_share(payment, release, share_minor - owed_minor)
    yield _part(
        milestone, release, RefundOrigin.PAYEE if sent else RefundOrigin.PAYABLE, refund_id,
        price_minor - owed_minor, payer_fee, payee_share_minor=share_minor - owed_minor,
        settled_share_minor=settled_minor,
        settled_payer_fee_minor=_of(
            release.settled_payer_fee_minor, payer_fee, release.payer_fee_minor
        ),
        settled_payee_fee_minor=_of(
            release.settled_payee_fee_minor, payee_fee, release.payee_fee_minor
        ),
    )  # fmt: skip
    if owed_minor:
        yield _part(
            milestone, release, RefundOrigin.PAYEE, refund_id, owed_minor, 0,
            payee_share_minor=owed_minor,
        )  # fmt: skip


def _settled_share(payment: Payment, release: Release, share_minor: int) -> int:
    """What a share came to of the charge: as it was converted for its transfer, if it was."""
    if release.transfer_minor is None:
        return payment.convert(share_minor)
    if release.state in SENT:
        sent_minor = (release.sent_minor or 0) - release.recalled_minor
        return release.recall_of(min(share_minor, sent_minor))
    return _of(release.transfer_minor, share_minor, release.unsent_minor)


def suspense_part(
    case: EscrowCase, payment: Payment, amount_minor: int, refund_id: UUID
) -> RefundPart:
    """A part of what is in suspense of a payment."""
    converts = payment.settled_currency is not None
    return RefundPart(
        tenant_id=case.escrow.tenant_id,
        escrow_id=case.escrow.escrow_id,
        refund_id=refund_id,
        position=0,
        origin=RefundOrigin.SUSPENSE,
        milestone_id=None,
        release_id=None,
        payee_id=None,
        state_before=None,
        price_minor=amount_minor,
        payer_fee_minor=0,
        payee_share_minor=0,
        settled_share_minor=payment.convert(amount_minor) if converts else 0,
        settled_payer_fee_minor=0,
        settled_payee_fee_minor=0,
    )


def in_places(parts: Iterable[RefundPart]) -> list[RefundPart]:
    """The parts with their positions."""
    return [
        part if part.position == position else replace(part, position=position)
        for position, part in enumerate(parts)
    ]


def _of(settled_minor: int, part_minor: int, whole_minor: int) -> int:
    return settled_minor * part_minor // whole_minor if whole_minor else 0


def _part(  # noqa: PLR0913  a part has that many independent facts
    milestone: Milestone,
    release: Release | None,
    origin: RefundOrigin,
    refund_id: UUID,
    price_minor: int,
    payer_fee_minor: int,
    *,
    payee: MilestonePayee | None = None,
    payee_share_minor: int = 0,
    settled_share_minor: int = 0,
    settled_payer_fee_minor: int = 0,
    settled_payee_fee_minor: int = 0,
) -> RefundPart:
    whose = release or payee
    return RefundPart(
        tenant_id=milestone.tenant_id,
        escrow_id=milestone.escrow_id,
        refund_id=refund_id,
        position=0,
        origin=origin,
        milestone_id=milestone.milestone_id,
        release_id=release.release_id if release else None,
        payee_id=whose.payee_id if whose else None,
        state_before=milestone.state,
        price_minor=price_minor,
        payer_fee_minor=payer_fee_minor,
        payee_share_minor=payee_share_minor,
        settled_share_minor=settled_share_minor,
        settled_payer_fee_minor=settled_payer_fee_minor,
        settled_payee_fee_minor=settled_payee_fee_minor,
        payee_position=payee.position if payee else None,
    )

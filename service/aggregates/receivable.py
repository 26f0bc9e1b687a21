"""What payees owe: it comes back by a reversal, or is netted from what they get next."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from service.aggregates.contradiction import Contradiction
from service.aggregates.escrow import EscrowCase, effect_source
from service.domain import ids
from service.domain.journal import Part, Source
from service.domain.postings import JournalKind
from service.domain.records.balance_transaction import BalanceTransaction
from service.domain.records.effect import Effect
from service.domain.records.payment import Payment
from service.domain.records.receivable import REVERSED_AT_STRIPE, Receivable
from service.domain.records.release import Release
from service.domain.states.receivable import ReceivableEvent, ReceivableState
from service.runtime import Runtime
from service.store.receivables import find_receivables_of_refund

FIRST_RETRY, LONGEST_RETRY = timedelta(hours=1), timedelta(days=1)


def net_debts(case: EscrowCase, release: Release, payment: Payment) -> None:
    """Posting 20: what the payee owes in this currency is taken of a part before it is sent.

    Not before its own transfer was asked for it (``can_be_netted``). Nor where Stripe settled the
    payment in another currency: the part is worth what its charge came to there, and the debt what
    another did.
    """
    if payment.settled_currency is not None:
        return
    netted_minor = 0
    for debt in case.records.receivables:
        part_minor = min(debt.owed_minor, release.unsent_minor - netted_minor)
        same = debt.payee_id == release.payee_id and debt.currency == release.currency
        owed = debt.state is ReceivableState.OWED and debt.can_be_netted
        if not same or debt.converts or not owed or part_minor <= 0:
            continue
        debt.netted_minor += part_minor
        netted_minor += part_minor
        settle_when_paid(case, debt)
    if netted_minor:
        release.netted_minor += netted_minor
        case.unit.put(release)
        # More is netted of a part each time, so that the source names each time another fact.
        source = Source("release", f"{release.public_id}:{release.netted_minor}")
        _post_netted(case, release, netted_minor, source)


def net_recalled(case: EscrowCase, release: Release, source: Source) -> None:
    """Posting 20 of what was refunded while the transfer was under way, which has not left then."""
    if not release.recalled_minor:
        return
    assert release.sent_minor is not None  # what was recalled was sent
    for debt in _of_release(case, release):
        debt.netted_minor += debt.reversible_minor
        if not debt.converts:  # else all of the debt was reversible, and nothing of it is left
            debt.reversible_minor = debt.reversal_minor = 0
        settle_when_paid(case, debt)
    if release.transfer_minor is not None:
        release.transfer_minor -= release.recalled_of_transfer
    recalled_minor, release.recalled_minor = release.recalled_minor, 0
    release.recalled_transfer_minor = None
    _post_netted(case, release, recalled_minor, source)


def _of_release(case: EscrowCase, release: Release) -> Iterable[Receivable]:
    for debt in case.records.receivables:
        if debt.release_id == release.release_id and debt.reversible_minor:
            yield debt


def _post_netted(case: EscrowCase, release: Release, amount_minor: int, source: Source) -> None:
    case.touch()
    names = {"payee": ids.show(ids.PAYEE, release.payee_id)}
    part = Part(names, {"amount": amount_minor})
    case.unit.post(JournalKind.DEBT_NETTED, source, release.currency, [part])


async def load_caused(runtime: Runtime, case: EscrowCase, refund_ids: Iterable[UUID]) -> None:
    """Adds what refunds have caused and is settled: the records of an escrow have what is open."""
    for refund_id in refund_ids:
        caused = await find_receivables_of_refund(runtime.pool, case.escrow.tenant_id, refund_id)
        known = {debt.receivable_id for debt in case.records.receivables}
        case.records.receivables += [each for each in caused if each.receivable_id not in known]


def reversal_requested(case: EscrowCase, debt: Receivable, effect: Effect) -> None:
    """The transfer is being reversed: nothing of the debt is netted meanwhile."""
    case.touch()
    case.unit.advance(debt, ReceivableEvent.REVERSE)
    debt.effect_id, debt.recover_at = effect.effect_id, None


def reversal_succeeded(
    case: EscrowCase,
    debt: Receivable,
    effect: Effect,
    transaction: BalanceTransaction,
) -> None:
    """Postings 12 and 12x.

    Raises:
        Contradiction: it brought another amount, or another currency.
    """
    expected_minor, whole_minor = effect.request["amount"], debt.next_reversal[1]
    brought = transaction.net_minor, transaction.currency
    if brought != (expected_minor, debt.reversal_currency):
        expected = expected_minor, debt.reversal_currency
        raise Contradiction(f"{transaction.id} brought {brought}, not {expected}")
    case.touch()
    part_minor = debt.take_back(expected_minor)
    debt.refusal_code = REVERSED_AT_STRIPE if expected_minor < whole_minor else None
    done = not debt.owed_minor
    case.unit.advance(debt, ReceivableEvent.SETTLE if done else ReceivableEvent.REVERSED)
    names = {"payee": ids.show(ids.PAYEE, debt.payee_id), "account": debt.stripe_account or ""}
    case.unit.post(
        JournalKind.REVERSAL_CONVERTED if debt.converts else JournalKind.REVERSAL_CONFIRMED,
        effect_source(effect),
        debt.currency,
        [Part(names, {"amount": part_minor, "settled": expected_minor})],
        settled_currency=debt.reversal_currency if debt.converts else "",
        event_at=transaction.created_at,
        transaction=transaction,
    )


def has_come_back(case: EscrowCase, debt: Receivable) -> None:
    """Its transfer gives nothing back any more, for somebody has reversed it at Stripe: it waits
    until an operator says whether that was for this.
    """
    case.touch()
    debt.refusal_code, debt.recover_at = REVERSED_AT_STRIPE, None
    case.unit.put(debt)


def reversal_rejected(case: EscrowCase, debt: Receivable, code: str) -> None:
    """The payee's account did not give it back: it is owed, and tried again after a pause."""
    case.touch()
    case.unit.advance(debt, ReceivableEvent.REVERSAL_REJECTED)
    pause = min(FIRST_RETRY * 2 ** min(debt.refusals, 10), LONGEST_RETRY)
    debt.refusals += 1
    debt.refusal_code = code
    debt.recover_at = case.unit.now + pause


def cancel_debt(case: EscrowCase, debt: Receivable) -> int:
    """What of it has not come back, and is owed no more because the refund did not take place; also
    what had been written off.
    """
    if debt.written_off_minor:
        back = JournalKind.OWED_AGAIN, JournalKind.OWED_AGAIN_CONVERTED
        _post_written_off(case, debt, *back)
        debt.written_off_minor = 0
    owed_minor = debt.owed_minor
    if owed_minor:
        debt.canceled_minor += owed_minor
        settle_when_paid(case, debt)
    return owed_minor


def write_off(case: EscrowCase, debt: Receivable) -> None:
    """Postings 21 and 21x: what is owed is given up."""
    case.touch()
    debt.written_off_minor = debt.owed_minor
    settle_when_paid(case, debt)
    kinds = JournalKind.WRITTEN_OFF, JournalKind.WRITTEN_OFF_CONVERTED
    _post_written_off(case, debt, *kinds)


def _post_written_off(
    case: EscrowCase, debt: Receivable, kind: JournalKind, converted: JournalKind
) -> None:
    """What was written off: all that was owed then, so that nothing has come back since."""
    settled_minor = debt.reversal_minor - debt.has_brought_minor
    case.unit.post(
        converted if debt.converts else kind,
        Source("receivable", debt.public_id),
        debt.currency,
        [
            Part(
                {"payee": ids.show(ids.PAYEE, debt.payee_id)},
                {"amount": debt.written_off_minor, "settled": settled_minor},
            )
        ],
        settled_currency=debt.reversal_currency if debt.converts else "",
    )


def settle_when_paid(case: EscrowCase, debt: Receivable) -> None:
    """Writes what has changed of a debt, and ends it when nothing of it is owed any more."""
    if debt.owed_minor:
        case.unit.put(debt)
        return
    debt.recover_at = None
    if debt.state is ReceivableState.SETTLED:
        case.unit.put(debt)
    else:
        case.unit.advance(debt, ReceivableEvent.SETTLE)

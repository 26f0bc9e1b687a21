"""What an amendment changes, for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from service.domain import ids
from service.domain.amendment import Change, Terms
from service.domain.money import format_minor


def changes_in_words(changes: Iterable[Change], currency: str) -> str:
    """Each milestone with its terms, and what they were before where they differ."""
    return "; ".join(_change(each, currency) for each in changes)


def _change(change: Change, currency: str) -> str:
    before = dict(_facts(change.before, currency)) if change.before else {}
    told = []
    for name, now in _facts(change.after, currency):
        was = before.get(name)
        if was is None or change.before is None:
            told.append(f"{name} {now}")
        elif was != now:
            told.append(f"{name} {now}, was {was}")
    added = "" if change.before else "added "
    return f"{added}{ids.show(ids.MILESTONE, change.milestone_id)}: {', '.join(told)}"


def _facts(terms: Terms, currency: str) -> Iterator[tuple[str, str]]:
    fees = terms.fees
    yield "price", format_minor(fees.amount_minor, currency)
    yield "payer's fee", format_minor(fees.payer_fee_minor, currency)
    yield "payee's fee", format_minor(fees.payee_fee_minor, currency)
    yield "due", f"{terms.due_at:%Y-%m-%d %H:%M:%S} UTC" if terms.due_at else "without a date"
    for part in terms.parts:
        yield ids.show(ids.PAYEE, part.payee_id), format_minor(part.amount_minor, currency)

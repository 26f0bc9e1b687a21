"""The plan of a unit of work: what exactly it would book and change, and the hash of that.

Ids that are new each time it is planned do not count: the same request on the same state has the
same plan. So they are shown by their kind alone ("rfn_new").
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from uuid import UUID

from service.domain import ids
from service.domain.money import format_minor
from service.domain.records.effect import Effect
from service.domain.records.escrow import MilestonePayee
from service.domain.records.freeze import Freeze
from service.domain.records.release import Release
from service.domain.states.effect import EffectState
from service.domain.states.release import ReleaseState
from service.domain.unit import UnitOfWork

_ID = re.compile(r"([a-z]{3})_([0-9a-f]{32})")


@dataclass(frozen=True, slots=True)
class Plan:
    """``amounts_minor`` is what moves, in the escrow's currency, or by currency without one: the
    largest change of one account, what Stripe is asked for, what is given to another payee, or what
    is let move again.
    """

    lines: tuple[str, ...]
    amounts_minor: dict[str, int]

    @property
    def hash(self) -> str:
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest()[:32]

    def after(self, decided_minor: int, currency: str) -> Plan:
        """The same where so much was decided before, which whoever approves it has to see."""
        if not decided_minor:
            return self
        before = f"before: {format_minor(decided_minor, currency)} without a second person"
        return replace(self, lines=(before, *self.lines))


def plan_of(unit: UnitOfWork) -> Plan:
    """What the unit would do."""
    lines = sorted(_without_new(unit, line) for line in (*_booked(unit), *_changed(unit)))
    return Plan(tuple(lines), amounts_of(unit))


def _booked(unit: UnitOfWork) -> Iterator[str]:
    for journal in unit.journals:
        for entry in journal.entries:
            side = "debit" if entry.amount_minor > 0 else "credit"
            shown = format_minor(abs(entry.amount_minor), entry.currency)
            yield f"{journal.kind}: {side} {entry.account} {shown}"


def _changed(unit: UnitOfWork) -> Iterator[str]:
    for each in unit.transitions:
        before = each.before or "new"
        yield f"{each.subject}: {before} -> {each.after}"
    for part in _parts(unit):
        milestone, payee = (
            ids.show(ids.MILESTONE, part.milestone_id),
            ids.show(ids.PAYEE, part.payee_id),
        )
        shown = format_minor(part.amount_minor, unit.escrow.currency if unit.escrow else "")
        yield f"{milestone}, part {part.position + 1}: {shown} for {payee}"
    for name, amount_minor in _let_move(unit):
        shown = format_minor(amount_minor, unit.escrow.currency if unit.escrow else "")
        yield f"{name}: {shown} may move"
    for effect in _planned(unit):
        asked = json.dumps(effect.request, sort_keys=True, default=str)
        yield f"Stripe is asked to {effect.kind}: {asked}"


def _parts(unit: UnitOfWork) -> Iterator[MilestonePayee]:
    """Whose what is held will be, of which the books say nothing."""
    return (each for each in unit.records.values() if isinstance(each, MilestonePayee))


def _planned(unit: UnitOfWork) -> Iterator[Effect]:
    for record in unit.records.values():
        if isinstance(record, Effect) and record.state is EffectState.PLANNED:
            yield record


def amounts_of(unit: UnitOfWork) -> dict[str, int]:
    """The ``amounts_minor`` of its plan."""
    largest: dict[str, int] = defaultdict(int)
    for (_, currency), change_minor in _changes(unit).items():
        largest[currency] = max(largest[currency], abs(change_minor))
    moved = {currency: minor for currency, minor in largest.items() if minor}
    # What it converts into is the same money, and not counted once more.
    own = unit.escrow.currency if unit.escrow else ""
    return {own: moved[own]} if own in moved else moved


def _changes(unit: UnitOfWork) -> dict[tuple[str, str], int]:
    """By what changes, and in which currency."""
    changes: dict[tuple[str, str], int] = defaultdict(int)
    for journal in unit.journals:
        for entry in journal.entries:
            changes[entry.account, entry.currency] += entry.amount_minor
    for effect in _planned(unit):
        amount_minor, currency = effect.request.get("amount"), _currency(unit, effect)
        if isinstance(amount_minor, int) and currency:
            changes[f"effect:{effect.public_id}", currency] += amount_minor
    for part in _parts(unit):
        if part.redirected_from is not None and unit.escrow:
            changes["redirected", unit.escrow.currency] += part.amount_minor
    for _, amount_minor in _let_move(unit):
        changes["let move", unit.escrow.currency if unit.escrow else ""] += amount_minor
    return changes


def _let_move(unit: UnitOfWork) -> Iterator[tuple[str, int]]:
    """What was frozen and is not any more: what is held, and the releases that are sent now, by
    their ids. Nothing where something is booked, which counts then.
    """
    freezes = [each for each in unit.records.values() if isinstance(each, Freeze)]
    if unit.journals or all(each.is_open for each in freezes):
        return
    yield from ((each.public_id, each.amount_minor) for each in freezes if not each.is_open)
    for each in unit.records.values():
        if isinstance(each, Release) and each.state is ReleaseState.WAITING:
            yield each.public_id, each.unsent_minor


def _currency(unit: UnitOfWork, effect: Effect) -> str:
    """A refund is in the currency that was paid, which is its escrow's."""
    named = effect.request.get("currency")
    if isinstance(named, str):
        return named.upper()
    return unit.escrow.currency if unit.escrow else ""


def _without_new(unit: UnitOfWork, line: str) -> str:
    created = {each.subject for each in unit.transitions if not each.before}

    def shown(found: re.Match[str]) -> str:
        made_now = ids.moment_of(UUID(found[2])) == ids.moment_of(unit.operation_id)
        return f"{found[1]}_new" if made_now or found[0] in created else found[0]

    return _ID.sub(shown, line)

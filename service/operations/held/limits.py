"""The tenant's limits, above which a second person decides.

They are of an escrow: many amounts below a limit are together above it, until a second person has
approved one. So nobody gets past a limit by asking in parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from service.domain.call import ApprovalKind
from service.domain.policy import Policy
from service.domain.unit import UnitOfWork


class Above(NamedTuple):
    """The limit that a unit is above. ``before_minor`` is what was decided of its escrow under that
    limit before.
    """

    kind: ApprovalKind
    currency: str
    before_minor: int


def above_limit(policy: Policy, unit: UnitOfWork, amounts_minor: Mapping[str, int]) -> Above | None:
    """The first limit that it is above, of those that its method is under; None for none."""
    for kind in unit.call.approvals:
        for currency, amount_minor in amounts_minor.items():
            limit_minor = policy.approval_limit(kind, currency)
            before_minor = decided_alone(unit, kind, currency)
            if limit_minor is not None and amount_minor + before_minor > limit_minor:
                return Above(kind, currency, before_minor)
    return None


def decided_alone(unit: UnitOfWork, kind: ApprovalKind, currency: str) -> int:
    """What was decided of its escrow without a second person since one last approved some, in
    minor units.
    """
    return unit.escrow.decided_alone.get(_name(kind, currency), 0) if unit.escrow else 0


def count_alone(policy: Policy, unit: UnitOfWork, amounts_minor: Mapping[str, int]) -> None:
    """Notes what is decided without a second person, under each limit that there is."""
    if not unit.escrow:
        return
    for kind in unit.call.approvals:
        for currency, amount_minor in amounts_minor.items():
            if policy.approval_limit(kind, currency) is not None:
                after_minor = decided_alone(unit, kind, currency) + amount_minor
                counted = {_name(kind, currency): after_minor}
                unit.escrow.decided_alone = unit.escrow.decided_alone | counted


def count_anew(unit: UnitOfWork, kind: ApprovalKind) -> None:
    """A second person has seen what was decided before: it counts no more."""
    if unit.escrow:
        before = unit.escrow.decided_alone.items()
        of_others = {name: minor for name, minor in before if not name.startswith(f"{kind} ")}
        unit.escrow.decided_alone = of_others


def _name(kind: ApprovalKind, currency: str) -> str:
    return f"{kind} {currency}"

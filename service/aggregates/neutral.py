"""Who has acted for a party of a dispute does not decide about its escrow as an operator."""

from __future__ import annotations

from service.aggregates.escrow import EscrowCase
from service.domain.call import Call, Party
from service.domain.errors import ResolverIsParty
from service.domain.records.dispute import Dispute
from service.domain.unit import UnitOfWork


def keep_person(case: EscrowCase, dispute: Dispute) -> None:
    """Remembers who acted for a party: the end user, or whoever called themselves. A program that
    acts for nobody in particular is nobody.
    """
    call = case.unit.call
    if call.party in (Party.PAYER, Party.PAYEE) and (call.end_user or not call.is_program):
        dispute.people = sorted({*dispute.people, *call.people})


def check_neutral(case: EscrowCase) -> None:
    """Asked wherever an operator decides which of the parties gets money. All disputes of the
    escrow count, also those that are over: the parties are the same, and often the money.

    Raises:
        ResolverIsParty: this operator has acted for a party, or who has approved it.
    """
    if case.unit.party is not Party.OPERATOR:
        return
    people = _people(case.unit.call)
    for dispute in case.records.disputes:
        if people & frozenset(dispute.people):
            raise ResolverIsParty(dispute_id=dispute.public_id)


def _people(call: Call) -> frozenset[str]:
    """Who decides: who asked for it, and who has approved it."""
    by = call.approved.by if call.approved else None
    return call.people | (by.call.people if isinstance(by, UnitOfWork) else frozenset())

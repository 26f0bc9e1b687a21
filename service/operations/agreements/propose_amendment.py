"""One party asks the other to change what was agreed; an operator changes it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from escrow.v1.agreement_service_pb2 import ProposeAmendmentRequest, ProposeAmendmentResponse
from service.aggregates.amendment import check_fits, dates_count_since
from service.aggregates.escrow import EscrowCase, open_case
from service.domain import ids
from service.domain.amendment import Change
from service.domain.call import Party
from service.domain.policy import Favorable
from service.domain.records.proposal import ProposalKind
from service.domain.states.proposal import ProposalEvent
from service.domain.unit import UnitOfWork
from service.operations.agreements.amendment_plan import planned
from service.operations.agreements.proposals import carry_out_amendment, propose
from service.operations.escrows.changes_in_words import changes_in_words
from service.operations.escrows.messages import escrow_message, proposal_message
from service.operations.escrows.shares import further_payees
from service.operations.mutation import mutation
from service.operations.settling import check_settles
from service.runtime import Runtime


@mutation(ProposeAmendmentResponse)
async def propose_amendment(
    runtime: Runtime, unit: UnitOfWork, request: ProposeAmendmentRequest
) -> ProposeAmendmentResponse:
    """Nothing else stops meanwhile: what is paid for in between is not changed any more.

    Raises:
        EscrowMissing, MilestoneMissing, PayeeMissing, StaleEtag, InvalidField, AmountNotMultiple.
        AmountBeyondLimits, CurrencyNotSettled, CurrencyNotReceived: as CreateEscrow.
        AmendmentBlocked: it cannot be done now.
        ProposalOpen: an amendment is asked for already. ProposalsExhausted.
    """
    case = await open_case(runtime, unit, ids.parse(request.escrow_id), etag=request.etag)
    changes = planned(case, request)
    check_fits(case, changes, unit.party)
    await load_payees(runtime, case, changes)
    if request.added:
        await check_settles(runtime, unit.call, case.escrow.currency, case.records.payee)
    proposal = propose(case, ProposalKind.AMENDMENT, request.reason, changes=changes)
    if _needs_nobody(case, changes):
        unit.advance(proposal, ProposalEvent.APPROVE)
        carry_out_amendment(case, proposal, changes)
    case.keep_time()
    unit.note = changes_in_words(changes, case.escrow.currency)
    return await runtime.finish(
        unit,
        lambda: ProposeAmendmentResponse(
            proposal=proposal_message(proposal, case.records), escrow=escrow_message(case.records)
        ),
        dry_run=request.validate_only,
    )


def _needs_nobody(case: EscrowCase, changes: Iterable[Change]) -> bool:
    """An operator decides alone, and a payer who only gives, where the policy says so."""
    if case.unit.party is Party.OPERATOR:
        return True
    gives = case.unit.party is Party.PAYER and all(
        each.favors_payees(dates_count_since(case.records, each, case.unit.now)) for each in changes
    )
    return gives and case.policy.favorable_amendment is Favorable.APPROVED


async def load_payees(runtime: Runtime, case: EscrowCase, changes: Sequence[Change]) -> None:
    """Adds the payees to the escrow's records who get parts of added milestones.

    Raises:
        PayeeMissing, CurrencyNotSettled, CurrencyNotReceived.
    """
    named = {part.payee_id for change in changes for part in change.after.parts}
    further = named - case.records.payees.keys()
    call, currency = case.unit.call, case.escrow.currency
    case.records.other_payees += await further_payees(runtime, call, currency, further)

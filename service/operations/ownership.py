"""What an end user may touch, for whom a service acts: what is theirs, and nothing else.

One place for all methods, also those to come: a request that names nothing of which it is known
whose it is, is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from google.protobuf.message import Message

from service.domain import ids
from service.domain.call import Call, Party
from service.domain.errors import NotYours
from service.domain.records.parties import Payee, Payer
from service.operations.disputes.list_dispute_evidence import FIELDS as EVIDENCE_FIELDS
from service.operations.disputes.list_disputes import FIELDS as DISPUTE_FIELDS
from service.operations.escrows.list_escrows import FIELDS as ESCROW_FIELDS
from service.operations.listing import parse_filter
from service.runtime import Runtime
from service.store.ownership import OF_PAYEE, OF_PAYER, count_of_payee, count_of_payer
from service.store.parties import find_payee_by_reference, find_payer_by_reference

OF_NOBODY = frozenset({"QuoteFeesRequest"})
"""What anybody may ask for."""
BY_REFERENCE = {
    Party.PAYER: frozenset({"CreatePayerRequest", "GetPayerRequest"}),
    Party.PAYEE: frozenset({"CreatePayeeRequest", "GetPayeeRequest"}),
}
"""Whose field ``reference`` names the party itself, as the marketplace does."""


LISTS = {"ListEscrowsRequest": ESCROW_FIELDS, "ListDisputesRequest": DISPUTE_FIELDS}
"""Lists of which an end user sees what is theirs: the filter says so."""
LISTS_OF = {"ListDisputeEvidenceRequest": EVIDENCE_FIELDS}
"""Lists of what belongs to something: an end user names it in the filter, and has to own it."""


async def check_own(runtime: Runtime, call: Call, request: Message) -> None:
    """Holds a request against the end user of its call: one round trip, for those only.

    Raises:
        NotYours: also for what does not exist, so that nobody learns what does.
    """
    name = request.DESCRIPTOR.name
    if name in OF_NOBODY:
        return
    if call.party not in BY_REFERENCE:
        raise NotYours("Say whether the end user pays or is paid with the metadata escrow-party.")
    if name in LISTS:
        await _list_own(runtime, call, request)
        return
    names = OF_PAYER if call.party is Party.PAYER else OF_PAYEE
    asked = _ids_of_filter(request, names) if name in LISTS_OF else _ids(request, names)
    named, theirs = sum(each is not None for each in asked.values()), 0
    if named and call.party is Party.PAYER:
        theirs = await count_of_payer(runtime.pool, call.tenant_id, call.end_user, asked)
    elif named:
        # The payees of parts may see the escrow; its own payee acts for them.
        reads = not hasattr(request, "request_id")
        theirs = await count_of_payee(
            runtime.pool, call.tenant_id, call.end_user, asked, of_parts=reads
        )
    if name in BY_REFERENCE[call.party] and (reference := getattr(request, "reference", "")):
        named, theirs = named + 1, theirs + (reference == call.end_user)
    if not named or theirs < named:
        raise NotYours


async def _list_own(runtime: Runtime, call: Call, request: Any) -> None:  # noqa: ANN401  a list's
    """Adds to the filter, whose conditions are joined by AND, that it is theirs."""
    own: Payer | Payee | None
    if call.party is Party.PAYER:
        own = await find_payer_by_reference(runtime.pool, call.tenant_id, call.end_user)
    else:
        own = await find_payee_by_reference(runtime.pool, call.tenant_id, call.end_user)
    if own is None:
        raise NotYours
    conditions = parse_filter(request.filter, LISTS[request.DESCRIPTOR.name])
    demanded = {each.column: each.value for each in conditions}
    # A payee may also ask for those in which they have a part.
    ways = {"payee_id", "part_payee_id"} if isinstance(own, Payee) else {"payer_id"}
    if named := ways & demanded.keys():
        mine = own.payee_id if isinstance(own, Payee) else own.payer_id
        if all(demanded[each] != mine for each in named):
            raise NotYours
        return
    condition = f'{call.party}_id = "{own.public_id}"'
    request.filter = f"{request.filter} AND {condition}" if request.filter.strip() else condition


def _ids_of_filter(request: Any, names: Iterable[str]) -> dict[str, UUID | None]:  # noqa: ANN401  a list's
    """The ids that its filter demands: its conditions are joined by AND, and an id is compared with
    = only.
    """
    conditions = parse_filter(request.filter, LISTS_OF[request.DESCRIPTOR.name])
    demanded = {each.column: each.value for each in conditions}
    return {name: demanded.get(name) for name in names}


def _ids(request: Message, names: Iterable[str]) -> dict[str, UUID | None]:
    """The ids that the request has under these names."""
    return {
        name: ids.parse(text) if (text := getattr(request, name, "")) else None for name in names
    }

"""What an end user may touch, for whom a service acts: what is theirs, and nothing else.

One place for all methods, also those to come: a request that names nothing of which it is known
whose it is, is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from google.protobuf.message import Message

from service.domain import ids
from service.domain.call import Call, Party
from service.domain.errors import NotYours
from service.runtime import Runtime
from service.store.ownership import find_payees_of, find_payers_of

OF_PAYER = ("payer_id", "escrow_id", "payment_id")
OF_PAYEE = ("payee_id", "escrow_id", "payment_id", "payout_id")
OF_NOBODY = frozenset({"QuoteFeesRequest"})
"""What anybody may ask for."""
BY_REFERENCE = {
    Party.PAYER: frozenset({"CreatePayerRequest", "GetPayerRequest"}),
    Party.PAYEE: frozenset({"CreatePayeeRequest", "GetPayeeRequest"}),
}
"""Whose field ``reference`` names the party itself, as the marketplace does."""


async def check_own(runtime: Runtime, call: Call, request: Message) -> None:
    """Holds a request against the end user of its call: one round trip, for those only.

    Raises:
        NotYours: also for what does not exist, so that nobody learns what does.
    """
    name = request.DESCRIPTOR.name
    if name in OF_NOBODY:
        return
    tenant_id, found = call.tenant_id, list[str]()
    if call.party is Party.PAYER:
        asked = _ids(request, OF_PAYER)
        if any(asked.values()):
            found = await find_payers_of(runtime.pool, tenant_id, **asked)
    elif call.party is Party.PAYEE:
        asked = _ids(request, OF_PAYEE)
        if any(asked.values()):
            found = await find_payees_of(runtime.pool, tenant_id, **asked)
    else:
        raise NotYours("Say whether the end user pays or is paid with the metadata escrow-party.")
    named = sum(each is not None for each in asked.values())
    if name in BY_REFERENCE[call.party] and (reference := getattr(request, "reference", "")):
        found, named = [*found, reference], named + 1
    if not named or len(found) < named or any(each != call.end_user for each in found):
        raise NotYours


def _ids(request: Message, names: Iterable[str]) -> dict[str, UUID | None]:
    """The ids that the request has under these names."""
    return {
        name: ids.parse(text) if (text := getattr(request, name, "")) else None for name in names
    }

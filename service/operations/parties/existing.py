"""How a request to create a party is refused when another party has its reference already."""

from __future__ import annotations

from service.domain.errors import AlreadyExists, Refusal, RequestIdReused
from service.domain.records.parties import Payee, Payer
from service.domain.states.effect import EffectState
from service.operations.parties.send_data import correct
from service.runtime import Runtime
from service.store.effects import find_effect

TAKEN = (AlreadyExists, RequestIdReused)
"""How a corrected request to create a party is refused."""


async def name_existing(runtime: Runtime, refusal: Refusal, party: Payer | Payee | None) -> Refusal:
    """The refusal with the id of the party that has the reference, and what to do if Stripe refused
    that party's data.
    """
    if party is None:
        return refusal
    kind, party_id = (
        ("payer", party.payer_id) if isinstance(party, Payer) else ("payee", party.payee_id)
    )
    facts = {f"{kind}_id": party.public_id}
    effect = await find_effect(runtime.pool, party.tenant_id, party_id)
    if effect is not None and effect.state is EffectState.REJECTED:
        code = effect.error.get("code", "")
        return type(refusal)(
            f"There is this {kind} already, and Stripe refused their data ({code})."
            f" {correct(kind, party.public_id)}",
            **facts,
            code=code,
        )
    if isinstance(refusal, RequestIdReused):
        return refusal
    said = f"There is a {kind} with this reference already: {party.public_id}."
    return type(refusal)(said, **facts)

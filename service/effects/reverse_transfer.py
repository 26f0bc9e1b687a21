"""Takes back from a payee's Stripe account what was refunded to the payer."""

from __future__ import annotations

from typing import Any

from service.aggregates.contradiction import Contradiction
from service.aggregates.escrow import EscrowCase, load_case_of_effect
from service.aggregates.receivable import (
    reversal_rejected,
    reversal_requested,
    reversal_succeeded,
)
from service.domain import ids
from service.domain.records.effect import Effect, EffectKind
from service.domain.records.receivable import Receivable
from service.domain.unit import UnitOfWork
from service.effects.kind import Answer, Kind
from service.effects.lookup import first_of_ours
from service.effects.renew import renew
from service.stripe.gateway import Client, Options, SdkObject
from service.stripe.objects.balance_transaction import shown_transaction
from service.stripe.objects.values import Object, Unreadable, minor, our_id
from service.stripe.outcomes import Rejected


def plan(
    case: EscrowCase,
    debt: Receivable,
    transfer: str,
    left_minor: int | None,
    renewed: Effect | None,
) -> None:
    """The reversal of what of the debt the transfer carried, but for what others have reversed:
    ``left_minor`` is not, where that is known. ``renewed`` is the effect that Stripe rejected
    before, which goes on under its next generation's key.
    """
    effect_id = renewed.effect_id if renewed else case.unit.new_id()
    generation = renewed.generation + 1 if renewed else 1
    debt.stripe_transfer = transfer
    amount_minor = debt.next_reversal[1]
    if left_minor is not None:
        amount_minor = min(amount_minor, left_minor)
    request = parameters(debt, amount_minor, ids.show(ids.EFFECT, effect_id), generation)
    if renewed:
        renew(case.unit, renewed)
        renewed.request = request
        effect = renewed
    else:
        effect = case.unit.plan(
            EffectKind.REVERSE_TRANSFER,
            effect_id,
            subject_id=debt.receivable_id,
            request=request,
            escrow_id=debt.escrow_id,
            payee_id=debt.payee_id,
        )
    reversal_requested(case, debt, effect)


def parameters(debt: Receivable, amount_minor: int, effect: str, generation: int) -> dict[str, Any]:
    """``transfer`` is no parameter of Stripe's but a part of the address."""
    return {
        "transfer": debt.stripe_transfer,
        "amount": amount_minor,
        "expand": ["balance_transaction"],
        "metadata": {
            "tenant": debt.tenant_id,
            "escrow": ids.show(ids.ESCROW, debt.escrow_id),
            "refund": ids.show(ids.REFUND, debt.refund_id),
            "receivable": debt.public_id,
            "effect": effect,
            "generation": str(generation),
        },
    }


async def _send(client: Client, effect: Effect, options: Options) -> SdkObject:
    request = {name: value for name, value in effect.request.items() if name != "transfer"}
    return await client.v1.transfers.reversals.create_async(
        effect.request["transfer"], request, options
    )


async def _find(client: Client, effect: Effect, options: Options) -> Answer | None:
    page = await client.v1.transfers.reversals.list_async(
        effect.request["transfer"],
        {"limit": 100, "expand": ["data.balance_transaction"]},
        options,
    )
    return await first_of_ours(effect, page.auto_paging_iter())


def debt_of(case: EscrowCase, effect: Effect) -> Receivable:
    """The debt that an effect reverses a transfer for."""
    return next(d for d in case.records.receivables if d.receivable_id == effect.subject_id)


def hold_against(effect: Effect, reversal: Object) -> None:
    """Compares a reversal with what the effect asked for.

    Raises:
        Contradiction: it is another one.
        Unreadable.
    """
    asked = effect.request
    if (
        reversal.get("transfer") != asked["transfer"]
        or minor(reversal, "amount") != asked["amount"]
    ):
        shown = f"{reversal.get('amount')} of {reversal.get('transfer')}"
        raise Contradiction(f"the reversal is of {shown}")
    if our_id(reversal, "effect") != effect.effect_id:
        raise Contradiction("the reversal is of another effect")


def _succeed(_: UnitOfWork, case: EscrowCase, effect: Effect, answer: Answer) -> None:
    hold_against(effect, answer)
    transaction = shown_transaction(answer)
    if transaction is None:
        raise Unreadable("the reversal has no balance transaction")
    reversal_succeeded(case, debt_of(case, effect), effect, transaction)


def _reject(_: UnitOfWork, case: EscrowCase, effect: Effect, refusal: Rejected) -> None:
    reversal_rejected(case, debt_of(case, effect), refusal.code)


async def fetch(client: Client, effect: Effect, made: str, options: Options) -> SdkObject:
    """The reversal by its own id."""
    return await client.v1.transfers.reversals.retrieve_async(
        effect.request["transfer"], made, {"expand": ["balance_transaction"]}, options
    )


REVERSE_TRANSFER = Kind(_send, _find, load_case_of_effect, _succeed, _reject, fetch=fetch)

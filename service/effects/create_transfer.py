"""Transfers a released part to the payee's Stripe account."""

from __future__ import annotations

from typing import Any

from service.aggregates.contradiction import Contradiction
from service.aggregates.escrow import EscrowCase, load_case_of_effect
from service.aggregates.receivable import net_debts
from service.aggregates.refund_parts import SENT
from service.aggregates.release import (
    convert_transfer,
    nothing_left,
    nothing_to_transfer,
    transfer_does_not_fit,
    transfer_rejected,
    transfer_requested,
    transfer_succeeded,
)
from service.domain import ids
from service.domain.records.effect import Effect, EffectKind
from service.domain.records.parties import Payee
from service.domain.records.payment import Payment
from service.domain.records.release import Release
from service.domain.unit import UnitOfWork
from service.effects.kind import Answer, Kind
from service.effects.lookup import first_of_ours
from service.effects.parameters import amount
from service.effects.renew import renew
from service.stripe.gateway import Client, Options, SdkObject
from service.stripe.objects.balance_transaction import shown_transaction
from service.stripe.objects.values import Object, Unreadable, id_of, our_id, text
from service.stripe.outcomes import Rejected


def plan(case: EscrowCase, release: Release, renewed: Effect | None = None) -> None:
    """Posting 7a, and the transfer as an effect. ``renewed`` is the effect that Stripe rejected
    before, which goes on under its next generation's key. What the payee owes is taken of it first.
    No effect where nothing is left of the part, or of what it comes to when it is converted.
    """
    payment = case.payment(release.payment_id)
    net_debts(case, release, payment)
    if not release.unsent_minor:
        nothing_to_transfer(case, release)
        return
    convert_transfer(case, release, payment)
    if not release.transfer[0]:
        nothing_left(case, release)
        return
    effect_id = renewed.effect_id if renewed else case.unit.new_id()
    generation = renewed.generation + 1 if renewed else 1
    charge = payment.stripe_charge if _fits(case, release, payment) else None
    shown = ids.show(ids.EFFECT, effect_id)
    request = parameters(release, case.payee(release.payee_id), charge, shown, generation)
    if renewed:
        renew(case.unit, renewed)
        renewed.request = request
        effect = renewed
    else:
        effect = case.unit.plan(
            EffectKind.CREATE_TRANSFER,
            effect_id,
            subject_id=release.release_id,
            request=request,
            escrow_id=release.escrow_id,
            payee_id=release.payee_id,
        )
    transfer_requested(case, release, effect)


def _fits(case: EscrowCase, release: Release, payment: Payment) -> bool:
    """Whether the charge has so much left. What a payee gave back out of other parts (netted) has
    not come back to it: where that is theirs again, the platform's balance has it.
    """
    if release.gives_back:
        return False
    if payment.settled_currency is not None:  # nothing of it is netted
        return True
    of_it = [
        r for r in case.records.releases if r.payment_id == payment.payment_id and not r.gives_back
    ]
    ours = {r.release_id for r in of_it}
    sent_minor = sum(r.sent_minor or 0 for r in of_it if r.state in SENT)
    back_minor = sum(d.reversed_minor for d in case.records.receivables if d.release_id in ours)
    return sent_minor - back_minor + release.unsent_minor <= payment.paid_minor


def parameters(
    release: Release, payee: Payee, charge: str | None, effect: str, generation: int
) -> dict[str, Any]:
    """``source_transaction`` frees the transfer from the available balance, and Stripe caps the
    sum of the transfers at the charge.
    """
    return {
        **amount(*release.transfer),
        "destination": payee.stripe_account,
        **({"source_transaction": charge} if charge else {}),
        "transfer_group": ids.show(ids.ESCROW, release.escrow_id),
        "expand": ["balance_transaction"],
        "metadata": {
            "tenant": release.tenant_id,
            "escrow": ids.show(ids.ESCROW, release.escrow_id),
            "milestone": ids.show(ids.MILESTONE, release.milestone_id),
            "release": release.public_id,
            "effect": effect,
            "generation": str(generation),
        },
    }


async def _send(client: Client, effect: Effect, options: Options) -> SdkObject:
    return await client.v1.transfers.create_async(effect.request, options)


async def _find(client: Client, effect: Effect, options: Options) -> Answer | None:
    page = await client.v1.transfers.list_async(
        {
            "transfer_group": effect.request["transfer_group"],
            "limit": 100,
            "expand": ["data.balance_transaction"],
        },
        options,
    )
    return await first_of_ours(effect, page.auto_paging_iter())


def hold_against(effect: Effect, transfer: Object) -> None:
    """Compares a transfer with what the effect asked for. That it was reversed since is not held
    against it: the money has gone to the payee and come back, each by its balance transaction.

    Raises:
        Contradiction: it is another one.
        Unreadable.
    """
    asked = effect.request
    shown = {name: transfer.get(name) for name in ("amount", "currency", "transfer_group")}
    shown |= {name: id_of(transfer, name) for name in ("destination", "source_transaction")}
    for name, value in shown.items():
        if value != asked.get(name):
            raise Contradiction(f"the transfer's {name} is {value}, not {asked.get(name)}")
    if our_id(transfer, "effect") != effect.effect_id:
        raise Contradiction("the transfer is of another effect")


def _succeed(_: UnitOfWork, case: EscrowCase, effect: Effect, answer: Answer) -> None:
    hold_against(effect, answer)
    transaction = shown_transaction(answer)
    if transaction is None:
        raise Unreadable("the transfer has no balance transaction")
    release = case.release_of(effect.subject_id)
    transfer_succeeded(case, release, effect, text(answer, "id"), transaction)


def _reject(_: UnitOfWork, case: EscrowCase, effect: Effect, refusal: Rejected) -> None:
    transfer_rejected(case, case.release_of(effect.subject_id), effect, refusal.code)


def _does_not_fit(_: UnitOfWork, case: EscrowCase, effect: Effect) -> None:
    transfer_does_not_fit(case, case.release_of(effect.subject_id))


async def _fetch(client: Client, _: Effect, made: str, options: Options) -> SdkObject:
    return await client.v1.transfers.retrieve_async(
        made, {"expand": ["balance_transaction"]}, options
    )


CREATE_TRANSFER = Kind(
    _send, _find, load_case_of_effect, _succeed, _reject, _does_not_fit, _fetch, pays_out=True
)

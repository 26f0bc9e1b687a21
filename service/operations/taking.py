"""What an account holds that waits for a person, for an operation that takes of it."""

from __future__ import annotations

from uuid import UUID

from service.domain import ids
from service.domain.accounts import SUSPENSE
from service.domain.errors import BooksRefused
from service.domain.unit import UnitOfWork
from service.runtime import Answer, Runtime
from service.store.commit import Overtaken
from service.store.suspense import find_balances


def suspense_of(payment_id: UUID) -> str:
    """The account of what is in suspense of a payment."""
    return SUSPENSE.name({"payment": ids.show(ids.PAYMENT, payment_id)})


async def read_balance(runtime: Runtime, unit: UnitOfWork, account: str) -> int:
    """What is there, in minor units. Read it before the case: a twin of this request that takes of
    it in between has answered when the case is loaded.
    """
    return sum(await find_balances(runtime.pool, unit.call.tenant_id, account))


async def save_taken(
    runtime: Runtime, unit: UnitOfWork, answer: Answer, account: str, read_minor: int
) -> Answer:
    """Saves what was decided on ``read_minor``. The books refuse it where another operation took of
    that before this one had its turn: it is decided again on what is left.

    Raises:
        As ``Runtime.save``.
    """
    try:
        return await runtime.save(unit, answer)
    except BooksRefused as refused:
        if await read_balance(runtime, unit, account) == read_minor:
            raise
        raise Overtaken("what is left has changed") from refused

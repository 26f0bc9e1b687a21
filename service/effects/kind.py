"""What an effect kind is, beside what it plans: how it is sent, found and settled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from service.domain.records.effect import Effect
from service.domain.unit import UnitOfWork
from service.runtime import Runtime
from service.stripe.gateway import Fetch, Find, Send
from service.stripe.outcomes import Rejected

Subject = TypeVar("Subject")
Answer = dict[str, Any]


def no_change(*_: object) -> None:
    """For an outcome that the effect's own row says all about."""


@dataclass(frozen=True, slots=True)
class Kind(Generic[Subject]):
    """The life of an effect after it was planned.

    ``send`` makes the call. ``find`` looks for what an earlier attempt has made, in Stripe's lists,
    which are consistent, never by its search, which is not. ``load`` loads what the effect is
    settled against, with the effect as it is now, in one round trip. ``succeed`` and ``reject``
    collect what Stripe's answer changes; a rejection puts back what was in flight.
    ``does_not_fit`` shows that an answer is for a person to look at. ``fetch`` reads the object
    that the effect made by its id at Stripe, where it makes one. ``pays_out``: what it made has
    taken money away.
    """

    send: Send
    find: Find
    load: Callable[[Runtime, UnitOfWork, Effect], Awaitable[tuple[Subject, Effect]]]
    succeed: Callable[[UnitOfWork, Subject, Effect, Answer], None]
    reject: Callable[[UnitOfWork, Subject, Effect, Rejected], None]
    does_not_fit: Callable[[UnitOfWork, Subject, Effect], None] = no_change
    fetch: Fetch | None = None
    pays_out: bool = False

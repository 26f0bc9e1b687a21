"""Makes an operation of an RPC from its story."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from google.protobuf.message import Message

from service.answers import add_texts, escrow_of, is_whole
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import Precondition
from service.domain.unit import UnitOfWork
from service.operations.blocked import add_blockers
from service.operations.held.hold import hold, needs_approval
from service.operations.held.plan import amounts_of
from service.runtime import Answer, Runtime, rerun
from service.store.operations import Answered

Request = TypeVar("Request", bound=Message)
Facts = ParamSpec("Facts")


def mutation(
    answer_type: type[Answer], *, of: str = ""
) -> Callable[
    [Callable[Concatenate[Runtime, UnitOfWork, Request, Facts], Awaitable[Answer]]],
    Callable[Concatenate[Runtime, Call, Request, Facts], Awaitable[Answer]],
]:
    """Makes an operation of an RPC from its story.

    The story gets a fresh unit of work each time it runs, and is run again while other writers are
    first. A request that was answered before is answered with the same bytes. ``of`` names the
    operation when the story is only a part of it. What is given beside the request is passed on.
    """

    def decorate(
        story: Callable[Concatenate[Runtime, UnitOfWork, Request, Facts], Awaitable[Answer]],
    ) -> Callable[Concatenate[Runtime, Call, Request, Facts], Awaitable[Answer]]:
        @functools.wraps(story)
        async def run(
            runtime: Runtime, call: Call, request: Request, /, *a: Facts.args, **k: Facts.kwargs
        ) -> Answer:
            asked = request.SerializeToString(deterministic=True)

            async def run_story(unit: UnitOfWork) -> Answer:
                if not call.approvals:
                    return await story(runtime, unit, request, *a, **k)
                unit.hold = functools.partial(hold, runtime, asked)
                answer = await story(runtime, unit, request, *a, **k)
                if getattr(request, "validate_only", False):
                    cast(Any, answer).needs_approval = await needs_approval(
                        runtime, unit, amounts_of(unit)
                    )
                return answer

            try:
                return await rerun(
                    runtime,
                    call,
                    of or story.__name__,
                    run_story,
                    request_hash=hashlib.sha256(asked).digest(),
                )
            except Answered as answered:
                return await _told_again(runtime, call, answer_type.FromString(answered.response))
            except Precondition as refusal:
                await add_blockers(runtime, call, request, refusal)
                raise

        return run

    return decorate


async def _told_again(runtime: Runtime, call: Call, stored: Answer) -> Answer:
    """What was answered, of what is stored of it."""
    escrow = escrow_of(stored)
    if escrow is not None and not is_whole(escrow):
        records = await runtime.find_escrow(call.tenant_id, ids.parse(escrow.id))
        assert records is not None  # no escrow is ever deleted
        add_texts(escrow, records)
    return stored

"""How the story waits for what the service and Stripe do, and how it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

import aiohttp
import grpc

from escrow.client import reason_of
from service.domain.errors import DatabaseUnavailable
from service.local.problem import LocalProblem
from service.local.story.hosted_pages import PageProblem

T = TypeVar("T")

DEADLINE_S = 30.0
POLL_S = 0.1


class StoryStuck(LocalProblem):
    """What should have happened did not, or the service refused. The message is one line."""


@contextmanager
def failing_as_stuck() -> Iterator[None]:
    """Turns a refusal of the service, and an error of a page or the network, into StoryStuck."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        reason = reason_of(error) or error.code().name
        raise StoryStuck(f"the service refused: {reason}: {error.details()}") from error
    except DatabaseUnavailable as error:
        raise StoryStuck("the database does not answer") from error
    except (PageProblem, aiohttp.ClientError) as error:
        raise StoryStuck(f"a page of the sandbox failed: {error}") from error


async def until(condition: Callable[[], Awaitable[T | None]], what: str) -> T:
    """Polls until the answer is true, and returns it. Raises StoryStuck after DEADLINE_S."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DEADLINE_S
    while True:
        # A database that is away comes back, as it does for the service.
        with suppress(DatabaseUnavailable):
            if answer := await condition():
                return answer
        if loop.time() > deadline:
            raise StoryStuck(f"after {DEADLINE_S:.0f} s still not {what}; the logs may say why")
        await asyncio.sleep(POLL_S)

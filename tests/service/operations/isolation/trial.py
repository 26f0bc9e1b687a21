"""Two tenants at one service: *they* have everything that can be had, and *we* ask for it.

Each has its own Stripe. We prove who we are: our tokens hold our tenant and no other.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tests.service.operations.asked import Asked
from tests.service.operations.catalogue import EVERY_REQUEST, METHODS, ask, client_for, tells
from tests.service.operations.isolation.spoils import Spoils
from tests.service.operations.marketplace import NEIGHBOUR, Marketplace
from tests.service.rpc.identity.issuer import Issuer

ISSUES = Issuer()
THEIR_AMOUNTS = (271_828, 314_159)
# What waits for a person, by the list that shows it; the last of all, so that it still waits then.
OF_WAITING = {
    "ListSuspense": "ApplySuspense",
    "ListStripeEvents": "GetStripeEvent",
    "ListEffects": "GetEffect",
}
LISTS = [name for name in METHODS if name.startswith("List") and name not in OF_WAITING]
LISTS += OF_WAITING

Metadata = list[tuple[str, str | bytes]]
Answer = Message | grpc.aio.AioRpcError
SOON_S = 0.15


@dataclass(repr=False)
class Trial:
    """They and we, the words that are theirs alone, and how we call. ``beyond_permissions`` is what
    they asked of Stripe beyond the permissions that `escrow check-stripe-key` finds enough.
    ``repeated`` are words that we wrote ourselves, by guessing: a reference of theirs is then one
    of ours, too.
    """

    theirs: Marketplace
    ours: Marketplace
    spoils: Spoils
    our_requests: dict[str, Asked]
    secret: set[str]
    target: str
    channel: grpc.aio.Channel
    beyond_permissions: list[str]
    repeated: set[str] = field(default_factory=set)

    async def call(self, name: str, request: Message, metadata: Metadata) -> Answer:
        """By the path in the contract: a new method needs no stub here. Of a stream the first
        answer, or an empty one where none comes soon.
        """
        method = METHODS[name]
        path = f"/{method.containing_service.full_name}/{name}"
        read = GetMessageClass(method.output_type).FromString
        encode = type(request).SerializeToString
        try:
            if method.server_streaming:
                opened = self.channel.unary_stream(path, encode, read)
                return await _first(opened(request, metadata=metadata), read(b""))
            call = self.channel.unary_unary(path, encode, read)
            answer: Message = await call(request, metadata=metadata, timeout=20)
        except grpc.aio.AioRpcError as refused:
            return refused
        return answer


async def _first(stream: Any, answer: Message) -> Message:  # noqa: ANN401  of a method's answers
    """The first that tells something, or the last that came soon."""
    try:
        async with asyncio.timeout(SOON_S):
            async for answer in stream:  # noqa: PLR1704
                if tells(answer):
                    break
    except TimeoutError:
        pass
    finally:
        stream.cancel()
    return answer


def us(asked: Asked, **claims: Any) -> Metadata:  # noqa: ANN401  any claims
    """Who we are, in the role and for the party that the method wants."""
    whole = {"sub": "orders", "roles": [asked.role or "service"], "tenants": [NEIGHBOUR]}
    metadata: Metadata = [("authorization", f"Bearer {ISSUES.token(**whole | claims)}")]
    return [*metadata, ("escrow-party", asked.party)] if asked.party else metadata


async def plunder(theirs: Marketplace) -> Spoils:
    """They do everything once, and every message of it is in our hands."""
    spoils = Spoils()
    await theirs.funded_escrow(*THEIR_AMOUNTS)
    for name in (*(METHODS.keys() - {*LISTS}), *LISTS):
        asked = await EVERY_REQUEST[name](theirs)
        if name == LISTS[-len(OF_WAITING)]:
            for waiting in OF_WAITING.values():
                await EVERY_REQUEST[waiting](theirs)
        client = client_for(theirs, asked)
        spoils.take(name, asked, await ask(client, name, asked.request))
        for first in first_pages(asked.request, METHODS[name].input_type):
            answer = await ask(client, name, first)
            first.page_token = answer.next_page_token
            spoils.take_page(name, first, answer)
    return spoils


def first_pages(request: Any, of: Descriptor) -> Iterator[Any]:  # noqa: ANN401  any request
    """A list of one item, as it is asked for and of everything; none where there is no list."""
    if "page_token" in of.fields_by_name:
        for filtered in (True, False):
            first: Any = GetMessageClass(of).FromString(request.SerializeToString())
            first.page_size = 1
            if not filtered and "filter" in of.fields_by_name:
                first.ClearField("filter")
            yield first

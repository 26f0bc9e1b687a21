"""Two tenants at one service, each with a Stripe of its own."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from functools import partial

import grpc
import pytest

from service.operations.ownership import check_own
from service.rpc.grpc_server import Listening, serving
from service.rpc.identity.verified import VerifiedIdentities
from service.rpc.services import OPERATIONS, SERVICES
from tests.postgres import Server, migrated_database
from tests.service.operations.catalogue import EVERY_REQUEST, METHODS
from tests.service.operations.isolation.secrets import words_of
from tests.service.operations.isolation.spoils import names_several
from tests.service.operations.isolation.trial import ISSUES, Trial, plunder
from tests.service.operations.marketplace import API_KEY, NEIGHBOUR, TENANT, open_marketplace
from tests.service.rpc.identity.issuer import write_document
from tests.service.sandbox_program import running_sandbox
from tests.service.stripe.permitted import GRANTED, asked_of_stripe, beyond_permissions


@pytest.fixture(scope="session")
def neighbours_url() -> Iterator[str]:
    """A second Stripe."""
    with running_sandbox() as url:
        yield url


@pytest.fixture(scope="module")
async def trial(
    postgres_server: Server,
    template_database: str,
    sandbox_url: str,
    neighbours_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Trial]:
    identity = write_document(tmp_path_factory.mktemp("isolation") / "auth.json", ISSUES)
    identify = VerifiedIdentities(identity, {TENANT, NEIGHBOUR}).identify
    listening = Listening("127.0.0.1", 0, 20, 300, 1, reflection=False)
    async with AsyncExitStack() as opened:
        open_ = opened.enter_async_context
        database = await open_(migrated_database(postgres_server, template_database))
        theirs = await open_(open_marketplace(database, sandbox_url, neighbours_url))
        await theirs.sandbox.control("keys", key=API_KEY, permissions=GRANTED)
        ours = await open_(theirs.next_door(neighbours_url))
        our_requests = {
            name: await EVERY_REQUEST[name](ours)
            for name, method in METHODS.items()
            if names_several(method.input_type)
        }
        spoils = await plunder(theirs)
        beyond = beyond_permissions(await asked_of_stripe(theirs))
        runtime = theirs.running.runtime
        own = partial(check_own, runtime)
        port = await open_(
            serving(runtime, SERVICES, OPERATIONS, identify, listening, check_own=own)
        )
        target = f"127.0.0.1:{port}"
        channel = await open_(grpc.aio.insecure_channel(target))
        owner = theirs.owner
        secret = await words_of(owner, TENANT) - await words_of(owner, NEIGHBOUR)
        yield Trial(theirs, ours, spoils, our_requests, secret, target, channel, beyond)

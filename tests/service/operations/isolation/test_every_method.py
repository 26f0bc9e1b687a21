"""Nothing of another tenant is answered or changed, whatever is asked, by every method there is.

The methods are those of the contract itself, and their requests are made from its descriptors and
from all that the other tenant has ever sent and been answered: ids, references, etags, request ids,
page tokens, filters. A method that is added is asked too.

One test, because the two tenants are dear to make and tests are spread over processes.
"""

from collections.abc import AsyncIterator
from importlib import import_module
from pkgutil import iter_modules

import grpc
import pytest
from google.protobuf.message import Message

from escrow import v1
from escrow.v1 import escrow_service_pb2 as pb
from service.rpc.services import SERVICES
from tests.service.operations.asked import Asked
from tests.service.operations.catalogue import METHODS
from tests.service.operations.isolation.raw_call import raw_call
from tests.service.operations.isolation.secrets import rows_of, told_by, words
from tests.service.operations.isolation.spoils import OF_IDS, of_nothing
from tests.service.operations.isolation.trial import Answer, Metadata, Trial, us
from tests.service.operations.marketplace import NEIGHBOUR, TENANT

NOBODYS = {"QuoteFees", "CreateOnboardingLink", "IngestStripeEvent", "BatchIngestStripeEvents"}
"""Methods that answer nothing that stands in somebody's rows; a link is new each time."""
A_BUG = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN}

LIKE_OURS = (
    *("tenant", "tenant-id", "tenant_id", "escrow_tenant"),
    *("x-escrow-tenant", "x-tenant-id", "x-forwarded-host"),
)
# What is said beside a token that holds our tenant, to be taken for the other.
TRICKS: list[Metadata] = [
    [("escrow-tenant", TENANT)],
    [("escrow-tenant", TENANT), ("escrow-tenant", TENANT)],
    [("escrow-tenant", NEIGHBOUR), ("escrow-tenant", TENANT)],
    [("escrow-tenant", TENANT), ("escrow-tenant", NEIGHBOUR)],
    [("escrow-tenant", f"{NEIGHBOUR},{TENANT}")],
    [("escrow-tenant", f"{TENANT} ")],
    [("escrow-tenant", TENANT.upper())],
    [("escrow-tenant", f"{NEIGHBOUR}/../{TENANT}")],
    [("escrow-tenant", "*")],
    [("escrow-tenant", "")],
    [("escrow-tenant-bin", TENANT.encode())],
    [("authorization-bin", b"Bearer x")],
    [("baggage", f"tenant={TENANT},escrow-tenant={TENANT}")],
    [("escrow-caller", "orders"), ("escrow-role", "operator")],
    [(key, TENANT) for key in LIKE_OURS],
]


def test_every_service_of_the_contract_is_asked() -> None:
    files = [
        import_module(f"escrow.v1.{module.name}").DESCRIPTOR
        for module in iter_modules(v1.__path__)
        if module.name.endswith("_pb2")
    ]
    services = [each for file in files for each in file.services_by_name.values()]

    assert {*services} == {*SERVICES}
    assert {*METHODS.values()} == {method for each in services for method in each.methods}


@pytest.mark.timeout(300)  # everything happens to two tenants, and then is asked for by all methods
async def test_nothing_of_another_tenant_is_answered_or_changed(trial: Trial) -> None:
    # They did everything, for which their key for Stripe has to be enough.
    troubles = [f"Stripe: {each}" for each in trial.beyond_permissions]
    for name in METHODS:
        before = await rows_of(trial.theirs.owner, TENANT)
        troubles += [f"{name}: {each}" async for each in asked_for_theirs(trial, name)]
        troubles += [f"{name}: {each}" async for each in taken_for_them(trial, name)]
        after = await rows_of(trial.theirs.owner, TENANT)
        troubles += [f"{name}: wrote {table}" for table in before if before[table] != after[table]]
        # They were told their own words: these are looked for rightly.
        if name not in NOBODYS and not trial.spoils.told[name] & trial.secret:
            troubles.append(f"{name}: would not be found")

    troubles += [each async for each in taken_for_them_by_odd_fields(trial)]
    assert troubles == []


async def asked_for_theirs(trial: Trial, name: str) -> AsyncIterator[str]:
    """What is wrong when we ask, as ourselves, for what is theirs."""
    who = us(trial.spoils.asked[name])
    for request in trial.spoils.attacks(name, trial.our_requests.get(name)):
        answer = await trial.call(name, request, who)
        if leaked(trial, request, answer):
            yield f"{leaked(trial, request, answer)} to {request}"
        if not isinstance(answer, grpc.aio.AioRpcError):
            trial.repeated |= words(str(request))
        elif answer.code() in A_BUG:
            yield f"{answer.code()} to {request}"
        # As if it were not there: nobody learns that there is such a thing.
        if (nothing := of_nothing(request, trial.secret)) is not None:
            otherwise = said(await trial.call(name, nothing, who))
            if said(answer) != otherwise:
                yield f"{said(answer)}, and of nothing {otherwise}, to {request}"


async def taken_for_them(trial: Trial, name: str) -> AsyncIterator[str]:
    """What is wrong when we ask what they asked, and say in the metadata that we are they."""
    asked = trial.spoils.asked[name]
    plain = said(await trial.call(name, asked.request, us(asked)))
    for trick in TRICKS:
        answer = await trial.call(name, asked.request, [*us(asked), *trick])
        if leaked(trial, asked.request, answer):
            yield f"{leaked(trial, asked.request, answer)} by {trick}"
        if trick[0][0] != "escrow-tenant":  # nothing that we know
            if said(answer) != plain:
                yield f"{said(answer)} by {trick}, and {plain} without"
        elif not isinstance(answer, grpc.aio.AioRpcError):
            yield f"answered by {trick}"
    for person in trial.spoils.texts["reference"][:2]:  # an end user of ours, called as theirs
        for party in ("payer", "payee"):
            who = us(Asked(party, asked.request), sub=person, act={"sub": "orders"})
            answer = await trial.call(name, asked.request, who)
            if leaked(trial, asked.request, answer):
                yield f"{leaked(trial, asked.request, answer)} for {person} who is {party}"


async def taken_for_them_by_odd_fields(trial: Trial) -> AsyncIterator[str]:
    """What is wrong when the metadata is written as HTTP/2 and gRPC do not allow it."""
    ours, theirs = (text.encode() for text in (NEIGHBOUR, TENANT))
    path = "/escrow.v1.EscrowService/ListEscrows"
    proof = [(key.encode(), str(value).encode()) for key, value in us(Asked("", None))]

    for fields in (
        [(b"Escrow-Tenant", theirs)],
        [(b"ESCROW-TENANT", theirs), (b"escrow-tenant", ours)],
        [(b"escrow-tenant ", theirs)],
        [(b" escrow-tenant", theirs)],
        [(b"escrow-tenant\0", theirs)],
        [(b"escrow-tenant", b" " + theirs)],
        [(b"escrow-tenant", ours + b"\0" + theirs)],
        [(b"escrow-tenant", ours + b"\r\nescrow-tenant: " + theirs)],
        [(b"escrow-tenant", ours), (b":authority", theirs)],
        [(b":escrow-tenant", theirs)],
        [(b"host", theirs), (b"x-forwarded-host", theirs)],
    ):
        answer = await raw_call(trial.target, path, b"", [*proof, *fields])
        if found := leaked(
            trial, pb.ListEscrowsRequest(), pb.ListEscrowsResponse.FromString(answer)
        ):
            yield f"{found} by {fields}"
    if not await raw_call(trial.target, path, b"", [*proof, (b"escrow-tenant", ours)]):
        yield "a proper call by hand is not answered"


def leaked(trial: Trial, request: Message, answer: Answer) -> set[str]:
    """What is theirs in an answer, and was not in the request."""
    return (told_by(answer) & trial.secret) - trial.repeated - words(str(request))


def said(answer: Answer) -> str:
    """What is answered, whatever it is about."""
    if isinstance(answer, Message):
        return str(answer)
    return f"{answer.code()} {OF_IDS.sub('it', answer.details() or '')}"

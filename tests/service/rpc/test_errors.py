import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.empty_pb2 import Empty
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped] # has no types
from grpc import StatusCode

from service.domain import errors as refusals
from service.domain.errors import FieldViolation, InvalidField, Refusal
from service.rpc import errors
from service.rpc.services import OPERATIONS


def every_refusal(of: type[Refusal] = Refusal) -> Iterator[type[Refusal]]:
    assert OPERATIONS  # imported, so that refusals of their own are found as well
    for refusal in of.__subclasses__():
        yield refusal
        yield from every_refusal(refusal)


@pytest.mark.parametrize("refusal", [*every_refusal()], ids=lambda refusal: refusal.__name__)
def test_every_refusal_has_a_status(refusal: type[Refusal]) -> None:
    assert errors.status_of(refusal) not in (StatusCode.OK, StatusCode.UNKNOWN)


@pytest.mark.parametrize(
    "refusal",
    [kind for kind in every_refusal() if kind.__module__ == refusals.__name__],
    ids=lambda refusal: refusal.__name__,
)
def test_every_refusal_of_the_domain_says_what_is_wrong(refusal: type[Refusal]) -> None:
    assert refusal().message.endswith(".")
    assert re.fullmatch("[A-Z][A-Z_]*[A-Z]", refusal.reason())


def test_every_entry_of_the_table_counts_for_somebody() -> None:
    given = {errors.status_of(refusal) for refusal in every_refusal()}

    assert given | {StatusCode.UNKNOWN} == set(errors.STATUSES.values())


def test_a_sentence_has_the_amounts_of_its_metadata() -> None:
    refusal = refusals.AmountAboveBalance(amount_minor=500, balance_minor=20_000, currency="JPY")

    assert refusal.message == "500 JPY is more than the balance: 20,000 JPY."
    assert refusals.AmountAboveBalance().message == "amount is more than the balance: balance."


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (refusals.RequestIdReused, StatusCode.INVALID_ARGUMENT),
        (refusals.EscrowMissing, StatusCode.NOT_FOUND),
        (refusals.PartyNotAllowed, StatusCode.PERMISSION_DENIED),
        (refusals.StaleEtag, StatusCode.ABORTED),
        (refusals.Busy, StatusCode.ABORTED),
        (refusals.WrongState, StatusCode.FAILED_PRECONDITION),
        (refusals.StripeUnavailable, StatusCode.UNAVAILABLE),
    ],
)
def test_the_nearest_ancestor_decides(refusal: type[Refusal], status: StatusCode) -> None:
    assert errors.status_of(refusal) == status


# --- as a client sees it ------------------------------------------------------------------------

Refuse = Callable[[Refusal], Any]


@pytest_asyncio.fixture
async def refused_with() -> AsyncIterator[Refuse]:
    """Calls a real server that aborts with the given refusal; returns what the client got."""
    given: list[Refusal] = []

    async def method(_request: Empty, context: grpc.aio.ServicerContext[Any, Any]) -> Empty:
        await errors.abort(context, given.pop())
        return Empty()

    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(
        method,
        request_deserializer=Empty.FromString,
        response_serializer=Empty.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("test.Test", {"Refuse": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
    call = channel.unary_unary("/test.Test/Refuse", Empty.SerializeToString, Empty.FromString)

    async def refuse(refusal: Refusal) -> grpc.aio.AioRpcError:
        given.append(refusal)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(Empty(), timeout=5)
        return caught.value

    yield refuse
    await channel.close()
    await server.stop(None)


def details(error: grpc.aio.AioRpcError) -> dict[str, Any]:
    trailers = dict(error.trailing_metadata())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    assert (status.code, status.message) == (error.code().value[0], error.details())
    found = {}
    for detail in status.details:
        kind = getattr(error_details_pb2, detail.type_url.rpartition(".")[2])
        found[kind.__name__] = kind.FromString(detail.value)
    return found


async def test_error_info_is_always_there(refused_with: Refuse) -> None:
    error = await refused_with(refusals.EscrowMissing(escrow_id="esc_1"))

    assert error.code() == StatusCode.NOT_FOUND
    assert error.details() == "There is no escrow with this id."
    assert details(error) == {
        "ErrorInfo": error_details_pb2.ErrorInfo(
            reason="ESCROW_MISSING", domain="escrow.v1", metadata={"escrow_id": "esc_1"}
        )
    }


async def test_invalid_fields_are_a_bad_request(refused_with: Refuse) -> None:
    error = await refused_with(
        InvalidField(FieldViolation("a.b[0]", "is required"), FieldViolation("c", "must be ü"))
    )

    assert error.code() == StatusCode.INVALID_ARGUMENT
    violations = details(error)["BadRequest"].field_violations
    assert [(v.field, v.description) for v in violations] == [
        ("a.b[0]", "is required"),
        ("c", "must be ü"),
    ]


async def test_thousands_of_violations_still_reach_the_client(refused_with: Refuse) -> None:
    error = await refused_with(
        InvalidField(*(FieldViolation(f"items[{i}].name", "is wrong") for i in range(5_000)))
    )

    assert error.code() == StatusCode.INVALID_ARGUMENT
    assert len(details(error)["BadRequest"].field_violations) > 100


async def test_a_wrong_state_is_a_precondition_failure(refused_with: Refuse) -> None:
    error = await refused_with(
        refusals.WrongState("It is released.", state="RELEASED", milestone_id="mst_1")
    )

    assert error.code() == StatusCode.FAILED_PRECONDITION
    [violation] = details(error)["PreconditionFailure"].violations
    assert (violation.type, violation.subject, violation.description) == (
        "WRONG_STATE",
        "mst_1",
        "It is released.",
    )


@pytest.mark.parametrize(
    ("refusal", "delay_ms"), [(refusals.DatabaseUnavailable(), 1_000), (refusals.Busy(), 100)]
)
async def test_what_may_be_sent_again_says_when(
    refused_with: Refuse, refusal: Refusal, delay_ms: int
) -> None:
    error = await refused_with(refusal)

    assert details(error)["RetryInfo"].retry_delay.ToMilliseconds() == delay_ms
    assert dict(error.trailing_metadata())["grpc-retry-pushback-ms"] == str(delay_ms)


async def test_what_may_not_be_sent_again_says_nothing(refused_with: Refuse) -> None:
    error = await refused_with(refusals.StaleEtag())

    assert list(details(error)) == ["ErrorInfo"]


def test_nothing_else_aborts_a_call() -> None:
    only_place = Path(errors.__file__)
    service = only_place.parents[1]
    ends_a_call = re.compile(r"\b(context|ctx)\.(abort|abort_with_status|set_code|set_details)\(")
    places = [path for path in service.rglob("*.py") if ends_a_call.search(path.read_text())]

    assert places == [only_place]

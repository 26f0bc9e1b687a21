"""Whatever a client may send: it is refused with the field that is wrong, and nothing is written.

The fields come from the contract's own descriptors, so that a new field cannot be forgotten: every
one of them is spoiled in every way that its type and its rules leave open.
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.api import field_behavior_pb2  # type: ignore[import-untyped]  # ships without types
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import options_pb2
from tests.service.operations.asked import Asked
from tests.service.operations.catalogue import EVERY_REQUEST, METHODS, ask, client_for
from tests.service.operations.marketplace import AN_ID, Marketplace
from tests.service.operations.refusals import Refusal, check_refusal, read_refusal

CARDS = (
    "4242424242424242",
    "card 4242 4242 4242 4242 of mine",
    "3782-822463-10005",
    "5555\u20105555\u20105555\u20104444",
)
CONTROLS = ("a\x00b", "a\x1b[31mb", "a\x7fb", "pay \u202eyadot", "a\u2028b")
NOT_UUIDS = ("", "1", "0" * 36, "00000000-0000-0000-0000-000000000000", "{%s}" % ("a" * 34))
NOT_URLS = (
    "shop.example",
    "ftp://shop.example/",
    "javascript:alert(1)",
    "https://",
    "https://user:word@shop.example/",
    "https://shop.example:port/",
    "https://shop.example/ back",
    "//shop.example/",
    "https://shop.example/" + "x" * 1_000,
)
NOT_EMAILS = ("ann", "ann@", "@example.com", "ann@example", "ann@@example.com", "a b@example.com")
NOT_COUNTRIES = ("us", "USA", "XX", "U", "KP")
NOT_TRACEPARENTS = (
    "00",
    f"00-{'0' * 32}-b7ad6b7169203331-01",
    f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01",
    "00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01",
    "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
)
NOT_CURRENCIES = ("usd", "US", "XXX", "USDT", "$", "840")
NOT_TIMES = ((-(10**17), 0), (10**17, 0), (0, -1), (0, 10**9))
HUGE = 2**63 - 1
ISSUED_BY_US = ("etag", "page_token")  # a stranger's is refused for another reason


@dataclass(frozen=True)
class Case:
    """One field of one method's request, by its path in the message type."""

    method: str
    path: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.method}.{'.'.join(self.path)}"


def cases() -> Iterator[Case]:
    for name, method in METHODS.items():
        for path in _paths(method.input_type):
            yield Case(name, path)


def _paths(message: Descriptor | None) -> Iterator[tuple[str, ...]]:
    for field in message.fields if message else ():
        yield (field.name,)
        if _is_ours(field):
            for path in _paths(field.message_type):
                yield (field.name, *path)


def _is_ours(field: FieldDescriptor) -> bool:
    """A message with fields to look at, and neither a map nor a Timestamp."""
    of_type = field.message_type
    return (
        of_type is not None
        and not of_type.GetOptions().map_entry
        and of_type.file.package != "google.protobuf"
    )


CASES = list(cases())
RequestOf = Callable[[str], Awaitable[Asked]]


@pytest.fixture(scope="module")
def valid(shared_market: Marketplace) -> RequestOf:
    """A request of each method that would be answered; made once, and only ever spoiled."""
    asked: dict[str, Asked] = {}

    async def request_of(name: str) -> Asked:
        if name not in asked:
            asked[name] = await EVERY_REQUEST[name](shared_market)
        return asked[name]

    return request_of


# --- spoiling


def is_required(field: FieldDescriptor) -> bool:
    options = field.GetOptions()
    return field_behavior_pb2.REQUIRED in options.Extensions[field_behavior_pb2.field_behavior]


def holder_of(request: Message, path: tuple[str, ...]) -> tuple[Any, str]:
    """The message that has the last field of the path, and its path as violations name it."""
    holder: Any = request
    shown = ""
    for name in path[:-1]:
        field = holder.DESCRIPTOR.fields_by_name[name]
        holder = getattr(holder, name)
        shown += name
        if field.is_repeated:
            holder = holder[0]
            shown += "[0]"
        shown += "."
    return holder, shown + path[-1]


Spoil = Callable[[Any, str], None]


def set_to(value: object) -> Spoil:
    def spoil(holder: Any, name: str) -> None:  # noqa: ANN401  any message
        if holder.DESCRIPTOR.fields_by_name[name].is_repeated:
            getattr(holder, name)[0] = value
        else:
            setattr(holder, name, value)

    return spoil


def clear(holder: Message, name: str) -> None:
    holder.ClearField(name)


def repeat(times: int) -> Spoil:
    def spoil(holder: Any, name: str) -> None:  # noqa: ANN401  any message
        items = getattr(holder, name)
        first = items[0]
        items.extend([first] * times)

    return spoil


def put_entry(key: str, value: str) -> Spoil:
    def spoil(holder: Any, name: str) -> None:  # noqa: ANN401  any message
        getattr(holder, name)[key] = value

    return spoil


def put_entries(count: int) -> Spoil:
    def spoil(holder: Any, name: str) -> None:  # noqa: ANN401  any message
        for number in range(count):
            getattr(holder, name)[f"key {number}"] = "value"

    return spoil


def set_time(seconds: int, nanos: int) -> Spoil:
    def spoil(holder: Any, name: str) -> None:  # noqa: ANN401  any message
        time = getattr(holder, name)
        time.seconds, time.nanos = seconds, nanos

    return spoil


def spoiled(field: FieldDescriptor) -> Iterator[Spoil]:
    """Every way to make this field wrong."""
    rules = field.GetOptions().Extensions[options_pb2.rules]
    zero_is_fine = rules.HasField("at_least") and rules.at_least <= 0
    if is_required(field) and not zero_is_fine:
        yield clear
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        yield from spoiled_map(rules)
        return
    if field.is_repeated:
        yield repeat(rules.max_items or 100)
    if field.type == FieldDescriptor.TYPE_STRING:
        yield from (set_to(text) for text in wrong_texts(field, rules))
    elif field.type == FieldDescriptor.TYPE_BYTES:
        yield set_to(b"x" * (rules.max_len + 1))
    elif field.enum_type is not None:
        yield from (set_to(number) for number in (99, -1))
    elif field.message_type is None:
        yield from (set_to(number) for number in wrong_numbers(field, rules))
    elif not _is_ours(field):
        yield from (set_time(*parts) for parts in NOT_TIMES)


def spoiled_map(rules: options_pb2.Rules) -> Iterator[Spoil]:
    yield put_entries(rules.max_items + 1)
    yield put_entry("", "value")
    yield put_entry("k" * 41, "value")
    yield put_entry("key", "v" * (rules.max_len + 1))
    for text in (*CARDS, *CONTROLS):
        yield put_entry(text, "value")
        yield put_entry("key", text)


def wrong_texts(field: FieldDescriptor, rules: options_pb2.Rules) -> Iterator[str]:
    exact: list[str] = []
    if rules.uuid:
        exact = [*NOT_UUIDS[1:], "0193A5C0-0000-7000-8000-000000000000"]
    elif rules.id_prefix:
        stranger = "pyr" if rules.id_prefix != "pyr" else "esc"
        exact = [f"{stranger}_{AN_ID}", AN_ID, f"{rules.id_prefix}_{AN_ID}0", "esc_", "' OR 1=1 --"]
        exact += [f"{rules.id_prefix}_{AN_ID[:-1]}G", f"{rules.id_prefix}_{AN_ID}\n"]
    elif rules.currency or field.full_name == "escrow.v1.Money.currency":
        exact = list(NOT_CURRENCIES)
    elif rules.country:
        exact = list(NOT_COUNTRIES)
    elif rules.traceparent:
        exact = list(NOT_TRACEPARENTS)
    yield from exact
    if rules.url:
        yield from NOT_URLS
    if rules.email:
        yield from (*NOT_EMAILS, "a" * 250 + "@example.com")
    yield "x" * ((rules.max_len or 200) + 1)
    yield from CONTROLS
    if field.name not in ISSUED_BY_US:
        yield from CARDS
    if is_required(field) and not (exact or rules.url or rules.email):
        yield from (" ", "\u3000\u00a0")


def wrong_numbers(field: FieldDescriptor, rules: options_pb2.Rules) -> Iterator[int]:
    if field.full_name == "escrow.v1.Money.amount_minor":
        yield from (0, -1, HUGE)
    if rules.HasField("at_least"):
        yield rules.at_least - 1
        yield -(2**31)
    if rules.HasField("at_most"):
        yield rules.at_most + 1
        if field.cpp_type == FieldDescriptor.CPPTYPE_INT64:
            yield HUGE


async def refusal_of(market: Marketplace, name: str, asked: Asked, request: Message) -> Refusal:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ask(client_for(market, asked), name, request)
    return read_refusal(caught.value)


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_field_that_is_wrong_is_named(
    shared_market: Marketplace, valid: RequestOf, case: Case
) -> None:
    asked = await valid(case.method)
    holder, _ = holder_of(asked.request, case.path)
    ways = list(spoiled(holder.DESCRIPTOR.fields_by_name[case.path[-1]]))

    async with shared_market.unchanged():
        for spoil in ways:
            request = type(asked.request)()
            request.CopyFrom(asked.request)
            holder, path = holder_of(request, case.path)
            spoil(holder, case.path[-1])
            refusal = await refusal_of(shared_market, case.method, asked, request)
            check_refusal(refusal, "INVALID_FIELD")
            assert any(field.startswith(path) for field in refusal.fields), (request, refusal)


def test_no_field_was_forgotten() -> None:
    """What cannot be wrong by itself is listed here."""
    cannot_be_wrong = {
        "RequestPayout.amount",  # its parts are spoiled
        "CancelEscrow.validate_only",
        "ApproveCancellation.validate_only",
        "ProposeAmendment.validate_only",
        "AcceptAmendment.validate_only",
        "RejectEffect.validate_only",
        "SettleEffect.validate_only",
        "ApplySuspense.validate_only",
        "PlaceFreeze.validate_only",
        "RefundSuspense.validate_only",
        "AdoptRefund.validate_only",
        "AdoptReversal.validate_only",
        "ResolveRefund.validate_only",
        "WriteOffReceivable.validate_only",
        "RedirectShare.validate_only",
        "SubmitChargebackEvidence.validate_only",
        "SettleChargeback.validate_only",
        "ResolveDispute.validate_only",
        "WatchEvents.from_beginning",
        "SettleChargeback.anew",
        "SettleChargeback.before_outcome",
        "CreatePolicyVersion.validate_only",
        "CreatePolicyVersion.policy.currencies.payout_limits",  # its parts are spoiled
        "CreatePolicyVersion.policy.periods",
    }
    harmless = {
        str(case)
        for case in CASES
        if not list(spoiled(_field_of(METHODS[case.method].input_type, case.path)))
    }
    assert harmless <= cannot_be_wrong


def _field_of(message: Descriptor, path: tuple[str, ...]) -> FieldDescriptor:
    *above, last = path
    for name in above:
        inner = message.fields_by_name[name].message_type
        assert inner is not None
        message = inner
    return message.fields_by_name[last]


# --- what no single field says

REQUIRED = {
    name: {field.name for field in method.input_type.fields if is_required(field)}
    for name, method in METHODS.items()
    if any(is_required(field) for field in method.input_type.fields)
}
"""The required fields of every method that has one."""


@pytest.mark.parametrize("name", sorted(METHODS))
async def test_what_is_no_message_is_refused(
    shared_market: Marketplace, valid: RequestOf, name: str
) -> None:
    asked = await valid(name)
    method = METHODS[name]
    metadata = [("escrow-role", asked.role)] if asked.role else []
    metadata += [("escrow-party", asked.party)] if asked.party else []
    call: Any = shared_market.channel.unary_unary(f"/{method.containing_service.full_name}/{name}")
    bodies = [b"\xff\xff\xff", b"\x0a\x80"]
    texts = [f for f in method.input_type.fields if f.type == FieldDescriptor.TYPE_STRING]
    bodies += [bytes([field.number << 3 | 2]) + b"\x02\xff\xfe" for field in texts]  # no UTF-8

    async with shared_market.unchanged():
        for body in bodies:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(body, metadata=grpc.aio.Metadata(*metadata), timeout=5)
            check_refusal(read_refusal(caught.value), "INVALID")


@pytest.mark.parametrize("name", sorted(REQUIRED))
async def test_an_empty_request_names_all_that_is_missing(
    shared_market: Marketplace, valid: RequestOf, name: str
) -> None:
    asked = await valid(name)

    async with shared_market.refuses("INVALID_FIELD") as refusal:
        await ask(client_for(shared_market, asked), name, type(asked.request)())

    assert set(refusal.fields) == REQUIRED[name]


async def test_a_message_of_two_mebibytes_is_refused(
    shared_market: Marketplace, valid: RequestOf
) -> None:
    asked = await valid("SubmitDelivery")
    request = pb.SubmitDeliveryRequest()
    request.CopyFrom(asked.request)
    request.note = "x" * (2 << 20)

    async with shared_market.unchanged():
        refusal = await refusal_of(shared_market, "SubmitDelivery", asked, request)

    assert refusal.status is grpc.StatusCode.RESOURCE_EXHAUSTED  # by gRPC itself, before us
    assert (await shared_market.client().escrows.ListEscrows(pb.ListEscrowsRequest())).escrows


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("escrow-tenant", "nobody", "UNAUTHENTICATED"),
        ("escrow-tenant", "default!", "INVALID_FIELD"),
        ("escrow-caller", "x" * 101, "INVALID_FIELD"),
        ("escrow-caller", "", "INVALID_FIELD"),
        ("escrow-party", "stripe", "INVALID_FIELD"),
        ("escrow-party", "timer", "INVALID_FIELD"),
        ("escrow-role", "root", "INVALID_FIELD"),
    ],
)
async def test_metadata_that_says_nonsense_is_refused(
    shared_market: Marketplace,
    valid: RequestOf,
    key: str,
    value: str,
    reason: str,
) -> None:
    asked = await valid("GetEscrow")
    call: Any = shared_market.channel.unary_unary("/escrow.v1.EscrowService/GetEscrow")
    body = asked.request.SerializeToString()

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(body, metadata=grpc.aio.Metadata((key, value)), timeout=5)

    refusal = read_refusal(caught.value)
    check_refusal(refusal, reason)
    if reason == "INVALID_FIELD":
        assert set(refusal.fields) == {f"metadata:{key}"}

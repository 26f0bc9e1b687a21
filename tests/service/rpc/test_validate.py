from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, struct_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from escrow.v1 import (
    escrow_service_pb2,
    money_pb2,
    options_pb2,
    party_service_pb2,
    stripe_event_service_pb2,
)
from service.domain.errors import InvalidField
from service.rpc.contract import ContractError
from service.rpc.validate import compile_validator

REQUEST_ID = "0190aaaa-bbbb-7ccc-8ddd-eeeeffff0000"
ESCROW_ID = "esc_" + "0" * 32
MILESTONE_ID = "mst_" + "1" * 32
CARD = "4242 4242 4242 4242"

REQUESTS = [
    message
    for file in (escrow_service_pb2, party_service_pb2, stripe_event_service_pb2)
    for message in file.DESCRIPTOR.message_types_by_name.values()
    if message.name.endswith("Request")
]


def create_escrow(**changes: Any) -> escrow_service_pb2.CreateEscrowRequest:  # noqa: ANN401 - any field
    fields: dict[str, Any] = {
        "request_id": REQUEST_ID,
        "reference": "order 42",
        "payer_id": "pyr_" + "a" * 32,
        "payee_id": "pye_" + "b" * 32,
        "currency": "USD",
        "milestones": [milestone()],
        "metadata": {"team": "north"},
    }
    return escrow_service_pb2.CreateEscrowRequest(**{**fields, **changes})


def milestone(**changes: Any) -> escrow_service_pb2.MilestoneInput:  # noqa: ANN401 - any field
    fields: dict[str, Any] = {"title": "Draft", "amount_minor": 5000}
    return escrow_service_pb2.MilestoneInput(**{**fields, **changes})


def line_item(**changes: Any) -> escrow_service_pb2.LineItem:  # noqa: ANN401 - any field
    fields: dict[str, Any] = {"name": "Logo", "quantity": 1, "unit_amount_minor": 5000}
    return escrow_service_pb2.LineItem(**{**fields, **changes})


def violations(request: Message) -> dict[str, str]:
    message: Any = request.DESCRIPTOR  # its stubs know two kinds of descriptor
    try:
        compile_validator(message)(request)
    except InvalidField as refusal:
        return {violation.field: violation.description for violation in refusal.violations}
    return {}


def test_a_good_request_passes() -> None:
    due = Timestamp(seconds=1_800_000_000)
    assert violations(create_escrow()) == {}
    assert violations(create_escrow(milestones=[milestone(due_time=due)] * 50)) == {}
    assert violations(create_escrow(metadata={})) == {}


def test_an_empty_request_names_every_required_field() -> None:
    assert violations(escrow_service_pb2.CreateEscrowRequest()) == dict.fromkeys(
        ("request_id", "reference", "payer_id", "payee_id", "currency", "milestones"), "is required"
    )


def test_every_violation_is_found_at_once_with_its_path() -> None:
    request = create_escrow(
        currency="usd",
        reference="x" * 201,
        milestones=[
            milestone(),
            milestone(title=" ", amount_minor=0, line_items=[line_item(sku=CARD)]),
        ],
    )

    assert violations(request) == {
        "currency": "must be the ISO 4217 code, in upper case, of any currency that Stripe charges"
        " in, such as USD, EUR or JPY",
        "reference": "must have at most 200 characters",
        "milestones[1].title": "is required",
        "milestones[1].amount_minor": "must be at least 1",
        "milestones[1].line_items[0].sku": "must not hold what looks like a card number",
    }


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"request_id": REQUEST_ID.upper()}, "request_id"),
        ({"payer_id": "pye_" + "a" * 32}, "payer_id"),
        ({"currency": "XYZ"}, "currency"),
        ({"reference": "a\x00b"}, "reference"),
        ({"reference": "two\nlines"}, "reference"),
        ({"reference": "\u2003 \t"}, "reference"),
        ({"reference": f"paid with {CARD}"}, "reference"),
        ({"milestones": [milestone(amount_minor=-1)]}, "milestones[0].amount_minor"),
        ({"milestones": [milestone(amount_minor=2**63 - 1)]}, "milestones[0].amount_minor"),
        ({"milestones": [milestone()] * 51}, "milestones"),
        ({"milestones": [milestone(line_items=[line_item()] * 101)]}, "milestones[0].line_items"),
        (
            {"milestones": [milestone(line_items=[line_item(quantity=0)])]},
            "milestones[0].line_items[0].quantity",
        ),
        (
            {"milestones": [milestone(line_items=[line_item(unit_amount_minor=-1)])]},
            "milestones[0].line_items[0].unit_amount_minor",
        ),
        (
            {"milestones": [milestone(due_time=Timestamp(seconds=2**62))]},
            "milestones[0].due_time",
        ),
        ({"milestones": [milestone(due_time=Timestamp(nanos=-1))]}, "milestones[0].due_time"),
        ({"metadata": {str(key): "" for key in range(21)}}, "metadata"),
        ({"metadata": {"k" * 41: "value"}}, "metadata"),
        ({"metadata": {"": "value"}}, "metadata"),
        ({"metadata": {CARD: "value"}}, "metadata"),
        ({"metadata": {"note": CARD}}, 'metadata["note"]'),
        ({"metadata": {"note": "v" * 501}}, 'metadata["note"]'),
        ({"metadata": {"note": "\x7f"}}, 'metadata["note"]'),
    ],
)
def test_one_wrong_field_is_one_violation(changes: dict[str, Any], field: str) -> None:
    assert list(violations(create_escrow(**changes))) == [field]


def test_a_secret_is_never_repeated() -> None:
    request = create_escrow(reference=CARD, metadata={CARD: CARD, "note": CARD})

    with pytest.raises(InvalidField) as caught:
        compile_validator(request.DESCRIPTOR)(request)

    assert "4242" not in str(caught.value)
    assert len(caught.value.violations) == 4


def test_a_free_line_item_is_allowed_where_the_range_says_so() -> None:
    request = create_escrow(milestones=[milestone(line_items=[line_item(unit_amount_minor=0)])])

    assert violations(request) == {}


def test_an_optional_number_is_checked_only_when_it_is_there() -> None:
    release: Callable[..., Any] = escrow_service_pb2.ReleaseMilestoneRequest
    ids = {"request_id": REQUEST_ID, "escrow_id": ESCROW_ID, "milestone_id": MILESTONE_ID}

    assert violations(release(**ids)) == {}
    assert violations(release(**ids, amount_minor=1)) == {}
    assert violations(release(**ids, amount_minor=0)) == {"amount_minor": "must be at least 1"}


def test_enums_and_repeated_values() -> None:
    request = escrow_service_pb2.FundEscrowRequest(
        request_id=REQUEST_ID,
        escrow_id=ESCROW_ID,
        milestone_ids=[MILESTONE_ID, ESCROW_ID, ""],
        method=99,  # type: ignore[arg-type] # a client that is newer than the service
        return_url="javascript:alert(1)",
    )

    assert list(violations(request)) == [
        "milestone_ids[1]",
        "milestone_ids[2]",
        "method",
        "return_url",
    ]
    assert violations(request)["method"] == (
        "must be one of PAYMENT_METHOD_PAYMENT_INTENT, PAYMENT_METHOD_CHECKOUT"
    )
    quote = escrow_service_pb2.QuoteFeesRequest(currency="JPY", amounts_minor=[1, 0, -5])
    assert list(violations(quote)) == ["amounts_minor[1]", "amounts_minor[2]"]


def test_prose_may_have_lines_and_a_name_may_not() -> None:
    ids = {"request_id": REQUEST_ID, "escrow_id": ESCROW_ID, "milestone_id": MILESTONE_ID}
    request = escrow_service_pb2.RequestChangesRequest(**ids, note="first\n\tsecond")
    assert violations(request) == {}
    request.note = "bell\a"
    assert violations(request) == {"note": "must not hold control characters"}
    request.note = "\n \n"
    assert violations(request) == {"note": "is required"}


def test_blank_text_is_still_text_where_nothing_is_required() -> None:
    ids: dict[str, Any] = {"request_id": REQUEST_ID, "escrow_id": ESCROW_ID}
    request = escrow_service_pb2.CancelEscrowRequest(**ids, reason="\x1c")
    assert violations(request) == {"reason": "must not hold control characters"}
    request.reason = " " * 501
    assert violations(request) == {"reason": "must have at most 500 characters"}


def test_negative_page_sizes_and_opaque_tokens() -> None:
    request = escrow_service_pb2.ListEscrowsRequest(page_size=-1, page_token="4242424242424242")

    assert violations(request) == {"page_size": "must be at least 0"}


@pytest.mark.parametrize(
    ("money", "fields"),
    [
        (None, ["amount"]),
        (money_pb2.Money(amount_minor=1, currency="USD"), []),
        (money_pb2.Money(), ["amount.amount_minor", "amount.currency"]),
        (money_pb2.Money(amount_minor=-1, currency="USD"), ["amount.amount_minor"]),
        (
            money_pb2.Money(amount_minor=10**11 + 1, currency="EURO"),
            ["amount.amount_minor", "amount.currency"],
        ),
    ],
)
def test_money_in_a_request_is_an_amount_to_move(
    money: money_pb2.Money | None, fields: list[str]
) -> None:
    request = party_service_pb2.RequestPayoutRequest(
        request_id=REQUEST_ID, payee_id="pye_" + "c" * 32, amount=money
    )

    assert list(violations(request)) == fields


def test_bytes() -> None:
    request = stripe_event_service_pb2.IngestStripeEventRequest(
        endpoint=stripe_event_service_pb2.STRIPE_ENDPOINT_PLATFORM, payload=b"\x00\xff" * 262_144
    )
    assert violations(request) == {}
    request.payload += b"\x00"
    assert violations(request) == {"payload": "must have at most 524,288 bytes"}
    request.Clear()
    assert violations(request) == {"endpoint": "is required", "payload": "is required"}


def test_unknown_fields_are_fine() -> None:
    from_a_newer_client = create_escrow().SerializeToString() + b"\xf8\xff\xff\x7f\x01"
    request = escrow_service_pb2.CreateEscrowRequest.FromString(from_a_newer_client)

    assert violations(request) == {}


@pytest.mark.parametrize("message", REQUESTS, ids=lambda message: message.name)
def test_every_request_of_the_contract_compiles_and_asks_for_a_request_id(
    message: Descriptor,
) -> None:
    compile_validator(message)

    if "request_id" in message.fields_by_name:
        assert "request_id" in violations(_class_of(message)())


# --- anything at all ----------------------------------------------------------------------------


def _class_of(message: Descriptor) -> type[Message]:
    return message_factory.GetMessageClass(message)


_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_ENUM: (-3, 12),
    FieldDescriptor.CPPTYPE_BOOL: (0, 1),
}


def _values(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.message_type is not None:
        return _messages(field.message_type)
    if field.type == FieldDescriptor.TYPE_STRING:
        return st.text(max_size=250) | st.sampled_from([REQUEST_ID, ESCROW_ID, "USD", CARD, "\x00"])
    if field.type == FieldDescriptor.TYPE_BOOL:
        return st.booleans()
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=50)
    return st.integers(*_RANGES[field.cpp_type])


def _field_values(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    message = field.message_type
    if message is not None and message.GetOptions().map_entry:
        texts = _values(message.fields_by_name["value"])
        return st.dictionaries(texts, texts, max_size=25)
    return st.lists(_values(field), max_size=5) if field.is_repeated else _values(field)


def _messages(message: Descriptor) -> st.SearchStrategy[Message]:
    fields = st.fixed_dictionaries(
        {}, optional={field.name: _field_values(field) for field in message.fields}
    )
    return fields.map(lambda values: _class_of(message)(**values))


@given(st.sampled_from(REQUESTS).flatmap(_messages))
def test_whatever_comes_is_passed_or_refused_by_name(request_: Message) -> None:
    top_level = {field.name for field in request_.DESCRIPTOR.fields}

    for path, description in violations(request_).items():
        assert path.split(".")[0].split("[")[0] in top_level
        assert description


# --- mistakes in the contract -------------------------------------------------------------------


def _message_with(
    name: str, field: descriptor_pb2.FieldDescriptorProto, **rules: object
) -> Descriptor:
    field.name, field.number = "value", 1
    field.options.Extensions[options_pb2.rules].CopyFrom(options_pb2.Rules(**rules))  # type: ignore[arg-type] # any rule
    file = descriptor_pb2.FileDescriptorProto(
        name=f"validate_test/{name}.proto",
        package=f"validate_test.{name}",
        syntax="proto3",
        dependency=[options_pb2.DESCRIPTOR.name, struct_pb2.DESCRIPTOR.name],
        message_type=[descriptor_pb2.DescriptorProto(name="Asked", field=[field])],
    )
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindMessageTypeByName(f"validate_test.{name}.Asked")


FieldProto = descriptor_pb2.FieldDescriptorProto


@pytest.mark.parametrize(
    ("name", "field", "rules"),
    [
        ("uuid_of_a_number", FieldProto(type=FieldProto.TYPE_INT64), {"uuid": True}),
        ("range_of_a_text", FieldProto(type=FieldProto.TYPE_STRING), {"at_least": 1}),
        ("items_of_one", FieldProto(type=FieldProto.TYPE_STRING), {"max_items": 1}),
        ("floating_point", FieldProto(type=FieldProto.TYPE_DOUBLE), {}),
        (
            "anything",
            FieldProto(type=FieldProto.TYPE_MESSAGE, type_name=".google.protobuf.Struct"),
            {},
        ),
    ],
)
def test_a_rule_that_does_not_fit_refuses_to_start(
    name: str, field: descriptor_pb2.FieldDescriptorProto, rules: dict[str, object]
) -> None:
    with pytest.raises(ContractError, match=r"Asked\.value"):
        compile_validator(_message_with(name, field, **rules))


def test_a_message_that_contains_itself_is_checked_to_its_end() -> None:
    field = FieldProto(type=FieldProto.TYPE_MESSAGE, type_name=".validate_test.tree.Asked")
    field.label = FieldProto.LABEL_REPEATED
    message = _message_with("tree", field, max_items=1)
    tree, two = _class_of(message)(), _class_of(message)()
    two.value.extend([_class_of(message)(), _class_of(message)()])  # type: ignore[attr-defined] # made here
    tree.value.append(two)  # type: ignore[attr-defined] # made here

    assert violations(tree) == {"value[0].value": "must have at most 1 items"}

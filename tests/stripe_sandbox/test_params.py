"""Parameters are read with a type, and refused by their full name."""

from collections.abc import Callable

import pytest

from stripe_sandbox.errors import InvalidRequestError
from stripe_sandbox.params import Params


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (lambda p: p.integer("n"), 12),
        (lambda p: p.integer("negative"), -3),
        (lambda p: p.integer("json_n"), 7),
        (lambda p: p.integer("nothing", 5), 5),
        (lambda p: p.integer("empty", 5), 5),
        (lambda p: p.amount("n"), 12),
        (lambda p: p.boolean("yes"), True),
        (lambda p: p.boolean("json_no", default=True), False),
        (lambda p: p.text("empty", "default"), "default"),
        (lambda p: p.currency("cur"), "usd"),
        (lambda p: p.hash("hash").text("a"), "1"),
        (lambda p: len(p.hash("nothing")), 0),
        (lambda p: p.array("list"), ["x"]),
        (lambda p: p.array("nothing"), []),
        (lambda p: p.choice("cur", ("USD", "EUR")), "USD"),
    ],
)
def test_readers(read: Callable[[Params], object], expected: object) -> None:
    params = Params(
        {
            "n": "12",
            "negative": "-3",
            "json_n": 7,
            "yes": "true",
            "json_no": False,
            "empty": "",
            "cur": "USD",
            "hash": {"a": "1"},
            "list": ["x"],
        }
    )
    assert read(params) == expected


@pytest.mark.parametrize(
    ("value", "read", "param"),
    [
        ("10.5", lambda p: p.integer("x"), "data[x]"),
        ("1e3", lambda p: p.integer("x"), "data[x]"),
        ("²", lambda p: p.integer("x"), "data[x]"),
        (True, lambda p: p.integer("x"), "data[x]"),
        ("0", lambda p: p.amount("x"), "data[x]"),
        ("-5", lambda p: p.amount("x"), "data[x]"),
        ("100000000", lambda p: p.amount("x"), "data[x]"),
        ("", lambda p: p.required_amount("x"), "data[x]"),
        ("yes", lambda p: p.boolean("x"), "data[x]"),
        ({"a": "1"}, lambda p: p.text("x"), "data[x]"),
        ("text", lambda p: p.hash("x"), "data[x]"),
        ("text", lambda p: p.array("x"), "data[x]"),
        (["text"], lambda p: p.hashes("x"), "data[x]"),
        ("us", lambda p: p.currency("x"), "data[x]"),
        ("c", lambda p: p.choice("x", ("a", "b")), "data[x]"),
        (None, lambda p: p.required_text("x"), "data[x]"),
    ],
)
def test_refusals_name_the_parameter(
    value: object, read: Callable[[Params], object], param: str
) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        read(Params({"x": value}, prefix="data"))
    assert refused.value.param == param


def test_metadata_is_merged() -> None:
    existing = {"a": "1", "b": "2"}
    assert Params({"metadata": {"b": "", "c": "3"}}).merge_metadata(existing) == {
        "a": "1",
        "c": "3",
    }
    assert Params({"metadata": ""}).merge_metadata(existing) == {}
    assert Params({}).merge_metadata(existing) == existing
    assert existing == {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    "metadata",
    [
        {"k" * 41: "v"},
        {"k": "v" * 501},
        {"k": {"nested": "v"}},
        {f"k{number}": "v" for number in range(51)},
        "text",
    ],
)
def test_metadata_has_limits(metadata: object) -> None:
    with pytest.raises(InvalidRequestError):
        Params({"metadata": metadata}).merge_metadata()

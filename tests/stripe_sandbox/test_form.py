"""Stripe's form encoding, as its client libraries and its CLI write it."""

import pytest

from stripe_sandbox.errors import InvalidRequestError
from stripe_sandbox.form import decode_form


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        ("", {}),
        ("a=1&b=", {"a": "1", "b": ""}),
        ("a[b]=1&a[c][d]=2", {"a": {"b": "1", "c": {"d": "2"}}}),
        ("a[]=1&a[]=2", {"a": ["1", "2"]}),
        ("a[0]=1&a[1]=2", {"a": ["1", "2"]}),
        ("a[10]=y&a[9]=x", {"a": ["x", "y"]}),
        ("a[0][b]=1&a[0][c]=2&a[1][b]=3", {"a": [{"b": "1", "c": "2"}, {"b": "3"}]}),
        ("a[][b]=1&a[][c]=2&a[][b]=3", {"a": [{"b": "1", "c": "2"}, {"b": "3"}]}),
        ("metadata[0]=1", {"metadata": {"0": "1"}}),
        ("a[metadata][0]=1", {"a": {"metadata": {"0": "1"}}}),
        ("name=Zo%C3%AB+%26+co", {"name": "Zoë & co"}),
    ],
)
def test_decode_form(text: str, decoded: dict[str, object]) -> None:
    assert decode_form(text) == decoded


@pytest.mark.parametrize("text", ["a=1&a[b]=2", "a[b=1", "a[]=1&a[0][b]=2"])
def test_decode_form_refuses(text: str) -> None:
    with pytest.raises(InvalidRequestError):
        decode_form(text)

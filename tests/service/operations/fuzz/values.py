"""Values for the fields of requests, at random: all that the contract's own rules leave open.

They come from the descriptors and their (rules) options, so that a new field is filled by itself.
"""

import re
import string
from collections.abc import Iterator
from random import Random
from typing import Any
from uuid import UUID

from google.api import field_behavior_pb2  # type: ignore[import-untyped]  # ships without types
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from escrow.v1 import options_pb2
from service.domain.money import CURRENCIES
from service.rpc.countries import COUNTRIES

ISSUED_BY_US = ("etag", "page_token", "after", "after_version", "types")
INT64, INT32 = (-(2**63), 2**63 - 1), (-(2**31), 2**31 - 1)
LAST_S = 253_402_300_799  # 9999-12-31T23:59:59Z
MOST_ITEMS = 18  # of a list inside a list, so that a request stays below its 1 MiB
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
BETWEEN_DIGITS = re.compile(r"[\s\-\u2010-\u2015]")
ALPHABETS = (
    string.ascii_letters,
    string.printable[:95],
    "'\"\\{}[]()$%;:,.<>&|`~#@!?*+=/_^",
    "0123456789",
    "äöüßéñçŁődźİ\u0131\u017f",  # whose upper and lower cases are not each other's
    "日本語한국어中文ไทย",
    "עבריתالعربيةहिन्दी",
    "🦊👩\u200d👩\u200d👧🇩🇪🏳️\u200d🌈",
    "a\u0301e\u0308\u00a0\u3000\u200b\ufeff\ufffd\ufffe\U0010ffff",
)


def rules_of(field: FieldDescriptor) -> options_pb2.Rules:
    return field.GetOptions().Extensions[options_pb2.rules]


def is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def is_required(field: FieldDescriptor) -> bool:
    behaviours = field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
    return field_behavior_pb2.REQUIRED in behaviours


def text(random: Random, most: int, *, wild: bool = False) -> str:
    """Of at most so many characters; a ``wild`` one may be refused."""
    length = random.choice((1, 1, 7, 30, min(most, 200), most, random.randint(1, most)))
    while True:
        if random.random() < 0.3:
            drawn = "".join(map(chr, (random.randrange(1, 0x110000) for _ in range(length))))
            drawn = re.sub("[\ud800-\udfff]", "", drawn)  # no text in a message has them
        else:
            drawn = "".join(random.choices("".join(random.sample(ALPHABETS, 2)), k=length))
        if wild:
            return drawn + random.choice(
                ("", "\x00", "\u202e", "4242 4242 4242 4242", " ", "x" * most)
            )
        drawn = CONTROLS.sub("", drawn)
        if drawn.strip() and not re.search(r"\d{13}", BETWEEN_DIGITS.sub("", drawn)):
            return drawn


def integer(random: Random, least: int, most: int) -> int:
    near = (least, least + 1, most, most - 1, random.randint(least, most))
    return min(max(random.choice(near), least), most)


def time(random: Random) -> tuple[int, int]:
    """(seconds, nanoseconds), from 1970 to the end of 9999."""
    seconds = random.choice((0, 1, LAST_S, LAST_S - 1, random.randint(0, LAST_S)))
    return seconds, random.choice((0, 1, 999, 1_000, 999_999_999, random.randrange(10**9)))


def _exact(random: Random, rules: options_pb2.Rules) -> str | None:  # noqa: PLR0911  one a rule
    """A text of which the rules say all."""
    if rules.uuid:
        return str(UUID(int=random.getrandbits(128) | 1))
    if rules.currency:
        return random.choice(sorted(CURRENCIES))
    if rules.country:
        return random.choice(sorted(COUNTRIES))
    if rules.traceparent:
        return f"00-{random.getrandbits(127) + 1:032x}-{random.getrandbits(63) + 1:016x}-01"
    if rules.email:
        local = "".join(random.choices(string.ascii_lowercase + "_", k=random.randint(1, 64)))
        return f"{local}@{'x' * random.randint(1, 60)}.example.com"
    if rules.url:
        path = "".join(
            random.choices(string.ascii_letters + "äé%/?&=#._-", k=random.randint(0, 900))
        )
        return f"https://shop.example/{path}"
    return None


def _string(random: Random, field: FieldDescriptor, *, wild: bool) -> str | None:
    rules = rules_of(field)
    if rules.id_prefix or field.full_name == "escrow.v1.Money.currency":  # that of the subject
        return None
    exact = None if wild else _exact(random, rules)
    return exact or text(random, rules.max_len or 200, wild=wild)


def scalar(random: Random, field: FieldDescriptor, *, wild: bool = False) -> Any:  # noqa: ANN401  of its type
    """One value of a field; None for what only the service can give: an id, an etag."""
    rules = rules_of(field)
    if field.name in ISSUED_BY_US:
        return None
    if field.type == FieldDescriptor.TYPE_STRING:
        return _string(random, field, wild=wild)
    if field.enum_type is not None:
        return random.choice([*field.enum_type.values_by_number])
    if field.type == FieldDescriptor.TYPE_BOOL:
        return random.random() < 0.5
    if field.type == FieldDescriptor.TYPE_BYTES:
        return random.randbytes(random.randint(1, min(rules.max_len or 1000, 1000)))
    least, most = INT64 if field.cpp_type == FieldDescriptor.CPPTYPE_INT64 else INT32
    if not wild:
        least = rules.at_least if rules.HasField("at_least") else least
        most = rules.at_most if rules.HasField("at_most") else most
    return integer(random, least, most)


def fill(random: Random, message: Message, *, depth: int = 0) -> None:
    """Gives every field a value at random, but those that only the service can give."""
    descriptor: Any = message.DESCRIPTOR
    for field in descriptor.fields:
        _fill_field(random, message, field, depth)


def _fill_field(random: Random, message: Any, field: FieldDescriptor, depth: int) -> None:  # noqa: ANN401  any message
    of_type = field.message_type
    if field.name == "validate_only":
        return  # nothing would be written
    if of_type is not None and of_type.GetOptions().map_entry:
        _fill_map(random, getattr(message, field.name), rules_of(field))
    elif of_type is not None and of_type.full_name == "google.protobuf.Timestamp":
        if random.random() < 0.8:
            moment = getattr(message, field.name)
            moment.seconds, moment.nanos = time(random)
    elif field.is_repeated:
        _fill_list(random, getattr(message, field.name), field, depth)
    elif of_type is not None:
        fill(random, getattr(message, field.name), depth=depth + 1)
    elif (value := scalar(random, field)) is not None:
        setattr(message, field.name, value)


def _fill_map(random: Random, entries: Any, rules: options_pb2.Rules) -> None:  # noqa: ANN401  a map
    entries.clear()
    for _ in range(random.randint(0, rules.max_items or 100)):
        entries[text(random, 40)] = text(random, rules.max_len or 200)


def _fill_list(random: Random, items: Any, field: FieldDescriptor, depth: int) -> None:  # noqa: ANN401  any list
    most = MOST_ITEMS if depth else rules_of(field).max_items or 100
    count = random.randint(1 if is_required(field) else 0, most)
    if field.message_type is not None:
        known = [type(item).FromString(item.SerializeToString()) for item in items]
        del items[:]
        for place in range(count):
            item = items.add()
            if known:  # with the ids that only the service can give
                item.CopyFrom(known[place % len(known)])
            fill(random, item, depth=depth + 1)
        return
    values = [scalar(random, field) for _ in range(count)]
    if None not in values:
        items[:] = values


Leaf = tuple[tuple[str | int, ...], Any]
"""The path of a value in a message, its places in lists and its keys in maps too; and the value."""


def leaves(message: Message, path: tuple[str | int, ...] = ()) -> Iterator[Leaf]:
    """Every value that is set in a message; a Timestamp is one."""
    for field, value in message.ListFields():
        of_type = field.message_type
        here = (*path, field.name)
        if of_type is not None and of_type.GetOptions().map_entry:
            yield from (((*here, key), item) for key, item in value.items())
        elif field.is_repeated:
            for place, item in enumerate(value):
                yield from _of_item(item, (*here, place))
        else:
            yield from _of_item(value, here)


def _of_item(value: Any, path: tuple[str | int, ...]) -> Iterator[Leaf]:  # noqa: ANN401  any value
    if not isinstance(value, Message):
        yield path, value
    elif value.DESCRIPTOR.full_name == "google.protobuf.Timestamp":
        yield path, (value.seconds, value.nanos // 1000)  # type: ignore[attr-defined]  # it has them
    else:
        yield from leaves(value, path)

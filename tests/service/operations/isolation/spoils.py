"""All that we know of another tenant, and the requests that can be made of it.

Nothing here names a method of the contract, and of its fields only what they are for: request_id,
page_token and filter. A method that is added is asked like the others.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from escrow.client import new_request_id
from tests.service.operations.asked import Asked
from tests.service.operations.catalogue import METHODS
from tests.service.operations.fuzz.values import is_map, leaves, rules_of
from tests.service.operations.isolation.secrets import told_by
from tests.service.operations.marketplace import TENANT

OF_IDS = re.compile(r"\b([a-z]{2,4})_([0-9a-f]{32})\b")
OF_NOTHING = "0193" * 8
MOST_OF_ONE_FIELD = 2
FILTERS = (
    f"tenant_id = {TENANT}",
    f'reference = "x" OR tenant_id = "{TENANT}"',
    f"reference = \"x' OR tenant_id = '{TENANT}' --\"",
)


def names_several(request: Descriptor) -> bool:
    """Whether a request names things of which some may be ours and some theirs."""
    return sum(bool(rules_of(each).id_prefix) for each in request.fields) > 1


def of_nothing(request: Any, secret: set[str]) -> Any:  # noqa: ANN401  any request
    """The same about things that nobody has, where it names theirs; None when it names none."""

    def other_id(found: re.Match[str]) -> str:
        return f"{found[1]}_{OF_NOTHING}" if found[2] in secret else found[0]

    text = json_format.MessageToJson(request)
    other = OF_IDS.sub(other_id, text)
    return None if other == text else fresh(json_format.Parse(other, type(request)()))


@dataclass
class Spoils:
    """Their requests by method, the next pages of their lists, the words that each method told
    them, and their texts by what they are: the prefix of an id, and the name of a field.
    """

    asked: dict[str, Asked] = field(default_factory=dict)
    pages: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    told: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    texts: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def take(self, name: str, asked: Asked, answer: Any) -> None:  # noqa: ANN401  any answer
        """What they asked, and what they were answered."""
        self.asked[name] = Asked(asked.party, _copy(asked.request), asked.role)
        self.told[name] |= told_by(answer)
        for message in (asked.request, answer):
            for path, value in leaves(message):
                if isinstance(value, str) and value:
                    names = [part for part in path if isinstance(part, str)]
                    known = OF_IDS.fullmatch(value)
                    for kind in (names[-1], *(known.groups()[:1] if known else ())):
                        self.texts[kind] = [value, *self.texts[kind]]

    def take_page(self, name: str, following: Any, answer: Any) -> None:  # noqa: ANN401  any list
        """A page of theirs, and the request for the page after it."""
        self.told[name] |= told_by(answer)
        self.pages[name].append(following)

    def attacks(self, name: str, ours: Asked | None) -> Iterator[Any]:
        """Requests of this method that are about what is theirs: their own, with their request id
        and with another, the next pages of their lists, ours with their request id, and both with
        each of their fields changed for something else of theirs.
        """
        theirs = self.asked[name].request
        yield from map(_copy, (theirs, *self.pages[name]))
        yield fresh(theirs)
        yield from self._changed(name, theirs)
        if ours is not None:
            mixed = _copy(ours.request)
            if "request_id" in mixed.DESCRIPTOR.fields_by_name:
                mixed.request_id = theirs.request_id
                yield mixed
            yield from self._changed(name, ours.request)

    def _changed(self, name: str, base: Any) -> Iterator[Any]:  # noqa: ANN401  any request
        for number, (_, of) in enumerate(_places(base)):
            for value in self._values(name, of):
                changed = fresh(base)
                message, _ = next(islice(_places(changed), number, None))
                if of.is_repeated:
                    getattr(message, of.name)[:] = [value]
                else:
                    setattr(message, of.name, value)
                yield changed

    def _values(self, name: str, of: FieldDescriptor) -> Iterator[Any]:
        """What of theirs the field can hold."""
        if of.name in ("request_id", "page_token"):
            return  # are asked as they were, and fit nothing else
        if of.enum_type is not None and not of.is_repeated:
            yield from of.enum_type.values_by_number
        elif of.type == FieldDescriptor.TYPE_BOOL:
            yield from (False, True)
        elif of.type == FieldDescriptor.TYPE_STRING:
            if of.name == "filter":
                yield from self._filters(name)
            yield from self.texts[rules_of(of).id_prefix or of.name][:MOST_OF_ONE_FIELD]

    def _filters(self, name: str) -> Iterator[str]:
        """Every text of what the list shows, as if things were found by it."""
        yield from FILTERS
        for listed in METHODS[name].output_type.fields:
            for of in listed.message_type.fields if listed.message_type else ():
                for value in self.texts[of.name][:MOST_OF_ONE_FIELD]:
                    yield f'{of.name} = "{value}"'


def _places(message: Any) -> Iterator[tuple[Any, FieldDescriptor]]:  # noqa: ANN401  any message
    """Every field of a message and of those in it, set or not."""
    for of in message.DESCRIPTOR.fields:
        yield message, of
    for of, value in message.ListFields():
        of_type = of.message_type
        if of_type is None or is_map(of) or of_type.file.package == "google.protobuf":
            continue
        for inner in value[:1] if of.is_repeated else (value,):  # the others are like the first
            yield from _places(inner)


def _copy(request: Any) -> Any:  # noqa: ANN401  any request
    copy = type(request)()
    copy.CopyFrom(request)
    return copy


def fresh(request: Any) -> Any:  # noqa: ANN401  any request
    copy = _copy(request)
    if "request_id" in copy.DESCRIPTOR.fields_by_name:
        copy.request_id = new_request_id()
    return copy

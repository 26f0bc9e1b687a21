"""Policy files: YAML 1.2, and so JSON too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent

from service.domain.errors import FieldViolation
from service.domain.money import CURRENCIES, format_minor
from service.domain.policy import Policy
from service.policy_documents import (
    left_out,
    problems_of,
    read_policy,
    write_policy,
    write_whole,
)

MOST_CHARACTERS = 1_000_000
FEW = 3  # currencies that are each told by themselves


class PolicyProblem(Exception):
    """The file cannot be read, or is no policy that can be applied: every place is a violation."""

    def __init__(self, message: str, violations: Sequence[FieldViolation] = ()) -> None:
        self.violations = violations
        super().__init__(message)


class Change(NamedTuple):
    """What holds at one place of a policy before and after; None for nothing. ``by_default`` names
    the one of the two that the policy does not say: "before", "after" or "".
    """

    path: str
    before: Any
    after: Any
    by_default: str = ""


def read_file(path: Path) -> Policy:
    """A policy that passes the linter.

    Raises:
        PolicyProblem: with every place that is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
        _check_size(path, text)
        document = YAML(typ="safe", pure=True).load(text)
        violations = problems_of(document)
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyProblem(f"{path} cannot be read: {error}") from None
    except YAMLError as error:
        raise PolicyProblem(f"{path}{_where(error)}") from None
    except (RecursionError, ValueError) as error:  # too deep, or a number of thousands of digits
        raise PolicyProblem(f"{path} is no policy: {error}") from None
    if not violations:
        return read_policy(document)
    lines = [f"{each.field}: {each.description}" for each in violations]
    problem = f"{path} is no policy that can be applied: {'; '.join(lines)}"
    raise PolicyProblem(problem, violations)


def _check_size(path: Path, text: str) -> None:
    """A few lines that refer to each other can stand for more than there is memory."""
    if len(text) > MOST_CHARACTERS:
        raise PolicyProblem(f"{path} is longer than {MOST_CHARACTERS:,} characters")
    if any(isinstance(each, AliasEvent) for each in YAML(typ="safe", pure=True).parse(text)):
        raise PolicyProblem(f"{path} has aliases (*name): write out what they stand for")


def _where(error: YAMLError) -> str:
    if isinstance(error, MarkedYAMLError) and error.problem_mark:
        return f" line {error.problem_mark.line + 1}: {error.problem}"
    return f": {error}"


def as_yaml(policy: Policy) -> str:
    """The file of a policy, and as comments what it leaves out and is so all the same."""
    silent = _yaml(left_out(policy)).splitlines()
    comments = ["# And so, as it is where nothing is said:", *(f"# {line}" for line in silent)]
    return _yaml(write_policy(policy)) + ("\n".join(comments) + "\n" if silent else "")


def _yaml(document: Mapping[str, Any]) -> str:
    if not document:
        return ""
    yaml, text = YAML(typ="safe", pure=True), StringIO()
    yaml.default_flow_style = None  # limits and fees on a line each
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # its own stub says None
    yaml.width = 120
    yaml.dump(document, text)
    return text.getvalue()


def changes(before: Policy, after: Policy) -> list[Change]:
    """What new escrows get otherwise, place by place."""
    old, new = dict(_places(write_policy(before))), dict(_places(write_policy(after)))
    paths = sorted(old.keys() | new.keys())
    changed = [path for path in paths if old.get(path) != new.get(path)]
    sides = [(said, dict(_places(write_whole(of)))) for said, of in ((old, before), (new, after))]
    return [_change(path, *(_side(path, *side) for side in sides)) for path in changed]


def _side(path: str, said: Mapping[str, Any], whole: Mapping[str, Any]) -> tuple[Any, bool]:
    """What holds there, and whether that is so because nothing is said."""
    if path in said:
        return said[path], False
    return whole.get(path), path in whole or path.startswith("approvals.")


def _change(path: str, before: tuple[Any, bool], after: tuple[Any, bool]) -> Change:
    by_default = "before" if before[1] else "after" if after[1] else ""
    return Change(path, before[0], after[0], by_default)


def change_lines(before: Policy, after: Policy) -> Iterator[str]:
    """For a person: ``periods.answer_hours: 120 by default -> 48``, and - for a currency that is
    not charged. What is the same for many currencies is one line.
    """
    old, new = before.currencies.keys(), after.currencies.keys()
    whole = {"no longer charged": old - new, "charged from now on": new - old}
    whole = {says: them for says, them in whole.items() if len(them) > FEW}
    yield from (f"{says}, {_counted(them)}" for says, them in whole.items())
    told_already = set().union(*whole.values())
    alike: dict[tuple[str, str], list[Change]] = {}
    for each in changes(before, after):
        currency, place = _split(each.path)
        if currency not in told_already:
            alike.setdefault((place, _values(each)), []).append(each)
    for (place, values), them in alike.items():
        if len(them) > FEW:
            listed = _counted({_split(each.path)[0] for each in them})
            yield f"currencies.*.{place}: {values}, {listed}"
        else:
            yield from (f"{each.path}: {values}" for each in them)


def _split(path: str) -> tuple[str, str]:
    """The currency and the place in its rules; nothing and the path where there is none."""
    match path.split(".", 2):
        case ["currencies", currency, place]:
            return currency, place
    return "", path


def _counted(currencies: Iterable[str]) -> str:
    listed = sorted(currencies)
    return f"{len(listed)} currencies: {', '.join(listed)}"


def _values(change: Change) -> str:
    return " -> ".join(
        _shown(change.path, getattr(change, side), by_default=side == change.by_default)
        for side in ("before", "after")
    )


def _places(document: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        if isinstance(value, Mapping):
            yield from _places(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _shown(path: str, value: object, *, by_default: bool) -> str:
    if value is None:
        return "none by default" if by_default else "-"
    currency = path.split(".")[1] if path.endswith("_minor") else ""
    in_words = isinstance(value, int) and currency in CURRENCIES
    shown = f"{value} ({format_minor(int(str(value)), currency)})" if in_words else str(value)
    return f"{shown} by default" if by_default else shown

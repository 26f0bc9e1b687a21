"""Reads settings from the environment and from files, and names all that is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings

_S = TypeVar("_S", bound=BaseSettings)


class ConfigError(Exception):
    """The configuration cannot be used. The message is one line: every problem, no secret."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


def read_settings(model: type[_S], given: Mapping[str, Any] = MappingProxyType({})) -> _S:
    """Any settings of the environment; what is given wins over it.

    Raises:
        ConfigError: naming every variable that is missing or malformed.
    """
    settings, problems = read(model, given)
    if settings is None:
        raise ConfigError(problems)
    return settings


def read(model: type[_S], given: Mapping[str, Any]) -> tuple[_S | None, list[str]]:
    """The settings, or None and everything that is wrong with them."""
    try:
        return model(**{name: value for name, value in given.items() if value is not None}), []
    except ValidationError as error:
        return None, problems_of(error, model.model_config.get("env_prefix", ""))


def problems_of(error: ValidationError, prefix: str) -> list[str]:
    """One "NAME: what is wrong" for each field, without the values that were given."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    problems = []
    for detail in details:
        name = ".".join(str(part) for part in detail["loc"])
        what = "is required" if detail["type"] == "missing" else detail["msg"]
        what = what.removeprefix("Value error, ")
        problems.append(f"{prefix}{name.upper() if prefix else name}: {what}" if name else what)
    return problems


def text_of(file: Path, where: str, problems: list[str]) -> str | None:
    """A file's text; where it cannot be read, the problem is added and it is None."""
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        problems.append(f"{where}: cannot read {file}: {reason}")
        return None

"""The table of effect kinds has every kind, and all that the files define."""

from importlib import import_module
from pathlib import Path

import pytest

from service import effects
from service.domain.records.effect import EffectKind
from service.effects.kind import Kind
from service.effects.table import KINDS

FILES = sorted(file.stem for file in Path(effects.__path__[0]).glob("[!_]*.py"))


def test_every_kind_of_effect_has_a_line() -> None:
    assert set(KINDS) == set(EffectKind)


@pytest.mark.parametrize("name", FILES)
def test_a_kind_that_a_file_defines_is_listed(name: str) -> None:
    module = import_module(f"service.effects.{name}")
    defined = {id(value) for value in vars(module).values() if isinstance(value, Kind)}

    assert defined <= {id(kind) for kind in KINDS.values()}


@pytest.mark.parametrize("kind", EffectKind)
def test_a_kind_is_in_the_file_of_its_name(kind: EffectKind) -> None:
    module = import_module(f"service.effects.{kind.value}")

    assert KINDS[kind] is getattr(module, kind.name)

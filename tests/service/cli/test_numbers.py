"""No option that is a number takes "40.00" for 40, whatever the command."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import typer.main

from service.cli.commands import app
from service.domain import ids

MILESTONE, PAYEE = ids.show(ids.MILESTONE, uuid4()), ids.show(ids.PAYEE, uuid4())
# By the option's metavar: what an amount is written behind.
NAMED = {
    "FROM=MINOR": ("held=", f"{MILESTONE}={PAYEE}=", f"{MILESTONE}:{PAYEE}="),
    "PAYEE=MINOR": (f"{PAYEE}=",),
    "MILESTONE=MINOR": ("1=",),
    "TITLE=MINOR": ("Bonus=",),
}
OTHERWISE = ("40.00", "40.0", "40,00", "4_000", "4e3", "+40", "-40", " 40", "40 ", "40.", "٤٠", "")


def options(group: Any, before: str = "") -> Iterator[Any]:  # noqa: ANN401  typer's own
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from options(command, f"{before}{name} ")
        else:
            for one in command.params:
                yield pytest.param(command, one, id=f"{before}{name} {one.opts[0]}")


def numbers(texts: bool) -> list[Any]:
    """The options that are a number; with ``texts`` those with an amount in a text."""
    every = options(typer.main.get_command(app))
    found = (each for each in every if amount_in_text(each.values[1]) is texts)
    return [each for each in found if texts or annotation(each.values[1]) is int]


def amount_in_text(option: Any) -> bool:  # noqa: ANN401  typer's own
    return "=" in (option.metavar or "") and "MINOR" in option.metavar


def annotation(option: Any) -> Any:  # noqa: ANN401  typer's own
    return option.type_descriptor.annotation


def refused(command: Any, option: Any, text: str) -> str:  # noqa: ANN401  typer's own
    """What is said about it. The command does not run: its options are only read."""
    with pytest.raises(typer.BadParameter) as wrong:
        command.make_context("it", [option.opts[0], text])
    return wrong.value.format_message()


@pytest.mark.parametrize(("command", "option"), numbers(texts=False))
def test_a_number_is_digits_only(command: Any, option: Any) -> None:  # noqa: ANN401
    for text in OTHERWISE:
        said = refused(command, option, text)
        assert option.opts[0] in said
        assert f'"{text}" is no' in said
        assert ("minor units" in said) is ("minor units" in option.help)


@pytest.mark.parametrize(("command", "option"), numbers(texts=True))
def test_an_amount_in_a_text_is_digits_only(command: Any, option: Any) -> None:  # noqa: ANN401
    for text in OTHERWISE:
        said = [refused(command, option, f"{name}{text}") for name in NAMED[option.metavar]]
        assert any(f'"{text}" is no amount in minor units' in each for each in said)


def test_what_is_read_is_what_is_written() -> None:
    found = numbers(texts=False)
    assert {each.id for each in found} >= {
        *("disputes resolve --to-payer", "refunds plan --amount", "refunds create --amount"),
        *("freezes place --amount", "chargebacks settle --platform", "journals --limit"),
    }
    assert len(numbers(texts=True)) >= 6
    for command, option in (each.values for each in found):
        context = command.make_context("it", [option.opts[0], "40"], resilient_parsing=True)
        read = option.process_value(context, "40")
        assert (read, type(read)) == (40, int)

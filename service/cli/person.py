"""Who works with this command line: the name under which a change is kept."""

from __future__ import annotations

import os
import pwd
from typing import Annotated

import typer

from service.rpc.identity.caller import IS_NAME

Person = Annotated[
    str | None,
    typer.Option(
        "--as",
        envvar="ESCROW_OPERATOR",
        help="Who you are; without it the login's name. It is kept with what you change.",
    ),
]
_person: str | None = None


def name_person(person: str | None) -> None:
    """Keeps who works with this command line, for the changes that it makes.

    Raises:
        typer.BadParameter: that is no name.
    """
    if person is not None and not IS_NAME(person):
        says = "must be 1 to 100 letters, digits or ._:/@- and begin with a letter or digit"
        raise typer.BadParameter(says, param_hint="--as")
    global _person  # noqa: PLW0603  one process, one person
    _person = person


def named_person() -> str | None:
    """Whom --as or ESCROW_OPERATOR names."""
    return _person


def person() -> str:
    """That name, or the login's. That of a shared login names nobody.

    Raises:
        typer.BadParameter: it is not said who works here.
    """
    name = _person or (os.environ.get("SUDO_USER") if os.geteuid() == 0 else _login())
    if not name or name == "root":
        says = "say who you are, as this login may be anybody's: escrow --as NAME ..."
        raise typer.BadParameter(says, param_hint="--as or ESCROW_OPERATOR")
    return name


def _login() -> str | None:
    """The name of the user that this process really runs as, whatever its environment says."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # in a container
        return None

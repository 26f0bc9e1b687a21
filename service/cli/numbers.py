"""Numbers that a person types: digits and nothing else, for typer takes "40.00" for 40, and an
amount is in minor units.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import typer

DIGITS = "[0-9]{1,12}"  # as many as the contract's largest amount has


def minor_units(text: object) -> int:
    """An amount.

    Raises:
        typer.BadParameter: it is written in another way, perhaps with a point.
    """
    if not re.fullmatch(DIGITS, str(text)):
        raise typer.BadParameter(
            f'"{text}" is no amount in minor units: digits only, without a point'
            " (40.00 USD is 4000, 40 JPY is 40)"
        )
    return int(str(text))


def whole_number(least: int = 0, most: int | None = None) -> Callable[[object], int]:
    """Reads any other number.

    Raises:
        typer.BadParameter: from what is answered.
    """
    wanted = f"{least} or more" if most is None else f"from {least} to {most}"

    def read(text: object) -> int:
        number = int(str(text)) if re.fullmatch(DIGITS, str(text)) else -1
        if number < least or (most is not None and number > most):
            raise typer.BadParameter(f'"{text}" is not a whole number, {wanted}')
        return number

    return read


port_number = whole_number(0, 65_535)

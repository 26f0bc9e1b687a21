"""``escrow chaos``: the door to the bad days of ``tests/chaos``, which are no part of an image.

The driver reads the options: it has a world of its own, and none of this service's configuration.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import typer

from service.cli.checkout import CheckoutOnly

CHECKOUT = Path(__file__).parents[2]
DRIVER = Path("tests", "chaos", "__main__.py")
DEVELOPMENT_PACKAGE = "jsonschema_rs"  # with it the driver checks what the sandbox says


def chaos(context: typer.Context) -> None:
    """Runs the whole system through seeds of chaos: --seed, --seeds, --first, --steps, --json."""
    if not (CHECKOUT / DRIVER).is_file() or find_spec(DEVELOPMENT_PACKAGE) is None:
        raise CheckoutOnly(
            "chaos needs a checkout of the repository with the development packages:"
            " run `make chaos` there"
        )
    os.chdir(CHECKOUT)
    driver = [sys.executable, "-m", "tests.chaos", *context.args]
    os.execv(sys.executable, driver)  # noqa: S606 - no shell is what we want

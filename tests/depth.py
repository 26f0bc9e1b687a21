"""How far the tests go that could go on for ever: examples drawn, cases crossed, seeds.

`make test` and CI take a part of them that finds most of what is wrong; `make test-deep` takes all.
"""

import os
from typing import TypeVar

import pytest

DEEP = os.environ.get("ESCROW_TEST_DEPTH") == "deep"
T = TypeVar("T")

only_deep = pytest.mark.skipif(not DEEP, reason="only in `make test-deep`")


def deeper(usual: T, deep: T) -> T:
    """The first in `make test`, the second in `make test-deep`."""
    return deep if DEEP else usual

"""What a folder's catalogue is made of."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.service.operations.marketplace import Marketplace

WHY = "They asked us to on the phone."  # what operators give; others may


@dataclass
class Asked:
    """A request that will be answered, and the party that may ask it ("" for nobody's behalf)."""

    party: str
    request: Any
    role: str = ""


Requests = Mapping[str, Callable[[Marketplace], Awaitable[Asked]]]
"""By the name of the method."""

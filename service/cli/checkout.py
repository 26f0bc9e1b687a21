"""Commands that need a checkout of the repository: the production image leaves out what they run.

Such a command calls `require_local` first, and imports service.local after it, inside itself.
"""

from __future__ import annotations

from importlib.util import find_spec


class CheckoutOnly(Exception):
    """The command cannot be run from here. The message is one line."""


def require_local(command: str, instead: str) -> None:
    """Called before an import of service.local; ``instead`` is what to run in a checkout.

    Raises:
        CheckoutOnly: service.local is not here.
    """
    if find_spec("service.local") is None:
        raise CheckoutOnly(
            f"`escrow {command}` is not part of the production image: "
            f"run `{instead}` in a checkout of the repository"
        )

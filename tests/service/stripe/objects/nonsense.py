"""What is not as documented, of every kind of value: it is Unreadable, and never guessed."""

from typing import Any

NO_TEXT: tuple[Any, ...] = (7, True, ["x"], {"x": 1}, "nul \0", "half \ud800")
NO_AMOUNT: tuple[Any, ...] = (None, "10500", 10_500.0, True, [10_500])
NO_TIME: tuple[Any, ...] = (None, 1.5, True, [], 10**40, -(10**40))

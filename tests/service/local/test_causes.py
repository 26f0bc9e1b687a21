import pytest

from service.local.causes import CAUSE_MAX, RECENT_LINES, cause_in

RECORD = '{"event": "draining", "level": "info", "exception": "not an error"}'
OLDER = "LOG:  starting PostgreSQL 18\nFATAL:  of an earlier run\n"
TRACEBACK = """\
Traceback (most recent call last):
  File "service/server.py", line 3, in run
    raise ValueError("first")
ValueError: first

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "service/server.py", line 5, in run
    raise RuntimeError("no room")
RuntimeError: no room
"""


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        ("", ""),
        (RECORD, ""),
        (
            f"{RECORD}\nescrow: cannot listen on 127.0.0.1:1\n{RECORD}",
            "cannot listen on 127.0.0.1:1",
        ),
        ("escrow-gateway: the configuration cannot be used", "the configuration cannot be used"),
        (f'{RECORD}\n{{"error": {{"message": "no such role", "reason": "X"}}}}', "no such role"),
        ("stripe_sandbox: the file is in use", "the file is in use"),
        (f"{RECORD}\n{TRACEBACK}{RECORD}", "RuntimeError: no room"),
        ('{"event": "did not stop in time", "level": "critical"}', "did not stop in time"),
        (
            '{"event": "item failed", "level": "error", "exception": "Traceback (most recent call '
            'last):\\n  File\\nKeyError: 1"}\n' + RECORD,
            "item failed: KeyError: 1",
        ),
        (
            f"{OLDER}LOG:  starting PostgreSQL 18\nPANIC:  could not write: No space left\nLOG:  x",
            "could not write: No space left",
        ),
        (f"{OLDER}LOG:  starting PostgreSQL 18", ""),
        ('{"event": "survived", "level": "error"}\n' + f"{RECORD}\n" * RECENT_LINES, ""),
        ("[1, 2]\nnull\n{broken", ""),
        (f"escrow: {'x' * 1000}", "x" * CAUSE_MAX),
    ],
)
def test_the_line_that_says_why(log: str, cause: str) -> None:
    assert cause_in(log) == cause

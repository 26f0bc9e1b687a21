"""Stripe, as a program of its own."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SANDBOX = [sys.executable, "-m", "stripe_sandbox", "--port", "0"]


@contextmanager
def running_sandbox() -> Iterator[str]:
    """Where it listens."""
    with subprocess.Popen(SANDBOX, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        listening = re.search(r"http://\S+", process.stdout.readline())
        assert listening is not None
        try:
            yield listening[0]
        finally:
            process.terminate()

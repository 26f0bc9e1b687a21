"""``make sequence``: many positions under kill -9, and what was heard of them.

make sequence ARGS="--positions 100000 --kill-every 5"
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.postgres import prepare_template, running_server
from tests.sequence.proof import WRITERS, prove
from tests.service.sandbox_program import running_sandbox


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--positions", type=int, default=100_000)
    parser.add_argument("--kill-every", type=float, default=5.0, help="seconds; 0: never")
    parser.add_argument("--writers", type=int, default=WRITERS)
    parser.add_argument("--servers", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    with (
        running_server() as server,
        running_sandbox() as stripe,
        tempfile.TemporaryDirectory() as f,
    ):
        found = await prove(
            server,
            await prepare_template(server),
            stripe,
            Path(f),
            positions=asked.positions,
            kill_every_s=asked.kill_every,
            servers=asked.servers,
            workers=asked.workers,
            writers=asked.writers,
            say=lambda line: print(line, flush=True),  # noqa: T201  a program's output
        )
    print(found)  # noqa: T201
    return 0 if found.right else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

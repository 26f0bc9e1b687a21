"""The protocol of programs that run jobs: a JSON job a line in, a JSON answer a line out."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

Job = dict[str, Any]
Answer = dict[str, Any]


async def answer_jobs(run: Callable[[Job], Awaitable[Answer]]) -> None:
    """Runs each job of standard input, one JSON object a line, until it ends."""
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(await run(json.loads(line))), flush=True)  # noqa: T201  the answer

"""An S3 for the tests of the bucket: gofakes3, a program that keeps everything in memory."""

import asyncio
import os
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

NONE_HERE = "there is no gofakes3 here: `make gofakes3` builds it, and needs Go"
BUCKET = "escrow"
LOGIN = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests"}  # it takes any
LISTENING = b"using port: "


@cache
def find_gofakes3() -> str | None:
    """The program of our own environment, of Go's, or of the machine."""
    places = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    places.append(str(Path(os.environ.get("GOPATH", Path.home() / "go")) / "bin"))
    return shutil.which("gofakes3", path=os.pathsep.join(places))


@asynccontextmanager
async def running_gofakes3() -> AsyncIterator[str]:
    """The URL of an S3 with one empty bucket, as long as the block."""
    program = find_gofakes3()
    assert program is not None, NONE_HERE
    process = await asyncio.create_subprocess_exec(
        *(program, "-backend", "memory", "-initialbucket", BUCKET, "-host", "127.0.0.1:0"),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
    )
    assert process.stdout is not None
    try:
        said = b""
        while LISTENING not in said:
            line = await asyncio.wait_for(process.stdout.readline(), 30)
            assert line, f"gofakes3 has ended: {said!r}"
            said += line
        port = said.partition(LISTENING)[2].split()[0].decode()
        reading = asyncio.create_task(process.stdout.read())  # a full pipe would stop it
        yield f"http://127.0.0.1:{port}"
        reading.cancel()
    finally:
        process.kill()
        await process.wait()

"""Stripe's own stripe-mock as a second judge: it holds a request against Stripe's OpenAPI document.

The sandbox holds requests against the types of the `stripe` package, which we read ourselves.
stripe-mock is Stripe's, knows v1 only and keeps nothing: of an exchange it is told the request, and
says whether its parameters are right. What the scenarios send is taken from the sandbox's log, so
that a new request is judged without anybody thinking of it.
"""

import asyncio
import os
import re
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp

from stripe_sandbox.schemas import find_operation

KEY = "sk_test_judge"  # it takes any that looks like one
NONE_HERE = "there is no stripe-mock here: `make stripe-mock` builds it, and needs Go"
LISTENING = re.compile(r"Listening for HTTP at address: (\S+)")

Json = dict[str, Any]
Shape = tuple[object, ...]

_judged: set[Shape] = set()


@cache
def find_stripe_mock() -> str | None:
    """The program of our own environment, of Go's, or of the machine."""
    places = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    places.append(str(Path(os.environ.get("GOPATH", Path.home() / "go")) / "bin"))
    return shutil.which("stripe-mock", path=os.pathsep.join(places))


@asynccontextmanager
async def stripe_mock() -> AsyncIterator[str]:
    """The URL of a stripe-mock that runs as long as the block."""
    program = find_stripe_mock()
    assert program is not None, NONE_HERE
    process = await asyncio.create_subprocess_exec(
        # It would also take a port of its choice for HTTPS, on every interface.
        *(program, "-http-addr", "127.0.0.1:0", "-https-addr", "127.0.0.1:0"),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
    )
    assert process.stdout is not None
    try:
        said = ""
        while not (found := LISTENING.search(said)):
            line = await asyncio.wait_for(process.stdout.readline(), 30)
            assert line, f"stripe-mock has ended: {said}"
            said += line.decode()
        reading = asyncio.create_task(process.stdout.read())  # a full pipe would stop it
        yield f"http://{found[1]}"
        reading.cancel()
    finally:
        process.kill()
        await process.wait()


async def refusals(exchanges: Iterable[Json]) -> list[str]:
    """What stripe-mock refuses of these requests of v1, as sentences.

    Each shape is judged once in this process; without a stripe-mock nothing is.
    """
    new = {shape_of(each): each for each in exchanges if _can_judge(each)}
    new = {shape: each for shape, each in new.items() if shape not in _judged}
    if not new or find_stripe_mock() is None:
        return []
    async with stripe_mock() as url, aiohttp.ClientSession() as http:
        found = [refusal for each in new.values() if (refusal := await _judge(http, url, each))]
    _judged.update(new)
    return found


def _can_judge(exchange: Json) -> bool:
    """Of v1, and read by the sandbox: what it could not read, it does not have to show."""
    path, version = exchange["path"], exchange["api_version"]
    return bool(path.startswith("/v1/") and version)


def shape_of(exchange: Json) -> Shape:
    """What is judged: the operation, and the parameters with what kind of value each has."""
    operation = find_operation(exchange["method"], exchange["path"])
    path = operation.path if operation else exchange["path"]
    params = sorted(
        (re.sub(r"\[\d+\]", "[0]", name), _kind(value)) for name, value in form(exchange)
    )
    return (exchange["method"], path, tuple(dict.fromkeys(params)))


def _kind(value: str) -> str:
    """A word is one of an enumeration and kept; numbers are alike, and so are texts."""
    if re.fullmatch(r"-?\d+", value):
        return "0"
    return value if re.fullmatch(r"[a-z_.]{1,40}", value) else "text"


def form(exchange: Json) -> list[tuple[str, str]]:
    """The parameters as Stripe's libraries write them: ``a[b][0]=c``."""
    return list(_encode(exchange["params"]))


def _encode(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _encode(each, f"{name}[{key}]" if name else str(key))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _encode(each, f"{name}[{number}]")
    else:
        yield name, str(value).lower() if isinstance(value, bool) else str(value)


async def samples(exchanges: Iterable[Json]) -> list[Json]:
    """The same exchanges with stripe-mock's answers: samples that Stripe publishes, and no more."""
    asked = [each for each in exchanges if _can_judge(each)]
    async with stripe_mock() as url, aiohttp.ClientSession() as http:
        answers = [await _ask(http, url, each) for each in asked]
    return [
        {**each, "status": status, "body": body}
        for each, (status, body) in zip(asked, answers, strict=True)
    ]


async def _judge(http: aiohttp.ClientSession, url: str, exchange: Json) -> str:
    """The judge's words when it refuses, else an empty text."""
    status, said = await _ask(http, url, exchange)
    if status == 200:
        return ""
    what = f"{exchange['method']} {exchange['path']} with {form(exchange)}"
    return f"{what}: {said['error']['message']}"


async def _ask(http: aiohttp.ClientSession, url: str, exchange: Json) -> tuple[int, Json]:
    method, pairs = exchange["method"], form(exchange)
    headers = {"Authorization": f"Bearer {KEY}"}
    sent: Json = {"data": aiohttp.FormData(pairs)} if method == "POST" else {"params": pairs}
    async with http.request(method, url + exchange["path"], headers=headers, **sent) as answer:
        return answer.status, await answer.json(content_type=None)

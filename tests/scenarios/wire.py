"""The network between the service and Stripe, as a program that can hold back and lose things.

held = wire.hold("POST", "/v1/transfers", before=True)
await held.reached()          the request has left the service and has not arrived
held.lose()                   ... and never will; held.let_go() lets it go on its way
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from tests.scenarios.program import DEADLINE_S

# They are about one connection, and there are two.
HOP_BY_HOP = {"connection", "content-encoding", "content-length", "host", "transfer-encoding"}

Record = Callable[[web.Request, int, bytes], None]


@dataclass
class Held:
    """One request that stops on its way there (``before``) or its answer on its way back."""

    method: str
    path: str
    before: bool
    _reached: asyncio.Event = field(default_factory=asyncio.Event)
    _goes_on: asyncio.Future[bool] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    async def reached(self) -> None:
        """Returns when the request is where it stops."""
        await asyncio.wait_for(self._reached.wait(), DEADLINE_S)

    def lose(self) -> None:
        """The connection ends here."""
        self._goes_on.set_result(False)

    def let_go(self) -> None:
        """It goes on its way, however late."""
        self._goes_on.set_result(True)

    async def stop(self) -> bool:
        """Stops here until the test has decided; whether it goes on."""
        self._reached.set()
        return await self._goes_on


class Wire:
    """Passes everything on to the sandbox, except what it was told to hold."""

    def __init__(
        self, sandbox_url: str, http: aiohttp.ClientSession, record: Record | None = None
    ) -> None:
        self._sandbox_url = sandbox_url
        self._http = http
        self._record = record
        self._armed: list[Held] = []
        self.url = ""

    @classmethod
    @asynccontextmanager
    async def to(cls, sandbox_url: str, record: Record | None = None) -> AsyncIterator["Wire"]:
        """A wire that is open until the end; its url stands for the sandbox's. ``record`` is told
        of each request that was answered.
        """
        async with aiohttp.ClientSession(trust_env=True) as http:
            wire = cls(sandbox_url, http, record)
            app = web.Application(client_max_size=4 * 1024 * 1024)
            app.router.add_route("*", "/{path:.*}", wire._pass_on)
            runner = web.AppRunner(app, shutdown_timeout=1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            wire.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            try:
                yield wire
            finally:
                await runner.cleanup()

    def hold(self, method: str, path: str, *, before: bool) -> Held:
        """Stops the next such request, before it arrives or after it was executed."""
        held = Held(method, path, before)
        self._armed.append(held)
        return held

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        held = self._take(request)
        if held and held.before and not await held.stop():
            return _hang_up(request)
        try:
            async with self._http.request(
                request.method,
                f"{self._sandbox_url}{request.path_qs}",
                data=body,
                headers=_end_to_end(request.headers.items()),
                allow_redirects=False,
            ) as answer:
                content = await answer.read()
        except aiohttp.ClientError:
            return _hang_up(request)
        if held and not held.before and not await held.stop():
            return _hang_up(request)
        if self._record:
            self._record(request, answer.status, content)
        headers = _end_to_end(answer.headers.items())
        return web.Response(status=answer.status, body=content, headers=headers)

    def _take(self, request: web.Request) -> Held | None:
        for held in self._armed:
            if (held.method, held.path) == (request.method, request.path):
                self._armed.remove(held)
                return held
        return None


def _end_to_end(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name: value for name, value in headers if name.lower() not in HOP_BY_HOP}


def _hang_up(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()

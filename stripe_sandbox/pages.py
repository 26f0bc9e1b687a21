"""Pages: HTTP routes that a browser or a test opens, outside of the API.

A page is asynchronous and gets the whole sandbox, while a handler of the API gets one `Call`: it
may wait for a body or for deliveries, and changes state through `sandbox.execute`. Each module with
pages has one `pages`; `app.py` holds the list of all.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from stripe_sandbox.sandbox import Sandbox

Page = Callable[[Sandbox, web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Pages:
    """The pages of one module, as (method, path, page)."""

    routes: list[tuple[str, str, Page]] = field(default_factory=list)

    def get(self, path: str) -> Callable[[Page], Page]:
        """Declare what answers GET `path`: an async f(sandbox, request) -> response."""
        return self._route("GET", path)

    def post(self, path: str) -> Callable[[Page], Page]:
        """Declare what answers POST `path`: an async f(sandbox, request) -> response."""
        return self._route("POST", path)

    def _route(self, method: str, path: str) -> Callable[[Page], Page]:
        def register(page: Page) -> Page:
            self.routes.append((method, path, page))
            return page

        return register

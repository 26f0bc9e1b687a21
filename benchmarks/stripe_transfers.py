"""A Stripe that makes every transfer it is asked for, stores none, and serves nothing else.

For runs of so many releases that the books of the sandbox would become what is measured.
"""

from __future__ import annotations

import asyncio
import signal
import time
import uuid

from aiohttp import web


async def _create_transfer(request: web.Request) -> web.Response:
    asked = await request.post()
    return web.json_response(
        {
            "id": f"tr_{uuid.uuid4().hex}",
            "object": "transfer",
            "amount": int(str(asked["amount"])),
            "currency": asked["currency"],
            "destination": asked["destination"],
            "source_transaction": asked["source_transaction"],
            "transfer_group": asked["transfer_group"],
            "metadata": {
                name.removeprefix("metadata[").removesuffix("]"): value
                for name, value in asked.items()
                if name.startswith("metadata[")
            },
            "amount_reversed": 0,
            "created": int(time.time()),
            "livemode": False,
            "reversed": False,
        }
    )


async def serve() -> None:
    """Serves until SIGTERM."""
    app = web.Application()
    app.add_routes([web.post("/v1/transfers", _create_transfer)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    print(f"transfers listening on http://{host}:{port}", flush=True)  # noqa: T201  the parent reads it
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve())

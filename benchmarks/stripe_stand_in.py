"""A Stripe that shows every payment as paid, makes every transfer it is asked for, and stores and
lists nothing.

For runs of so many payments and releases that the books of the sandbox would become what is
measured.
"""

from __future__ import annotations

import asyncio
import signal
import time
import uuid
from typing import Any

from aiohttp import web

from benchmarks.payments import payment_intent


def _balance_transaction(amount_minor: int, currency: str, source: str) -> dict[str, Any]:
    now = int(time.time())
    return {
        "id": f"txn_{uuid.uuid4().hex}",
        "object": "balance_transaction",
        "type": "transfer",
        "amount": amount_minor,
        "fee": 0,
        "net": amount_minor,
        "currency": currency,
        "exchange_rate": None,
        "source": source,
        "created": now,
        "available_on": now,
    }


async def _create_transfer(request: web.Request) -> web.Response:
    asked = await request.post()
    transfer_id, currency = f"tr_{uuid.uuid4().hex}", str(asked["currency"])
    amount_minor = int(str(asked["amount"]))
    return web.json_response(
        {
            "id": transfer_id,
            "object": "transfer",
            "amount": amount_minor,
            "balance_transaction": _balance_transaction(-amount_minor, currency, transfer_id),
            "currency": currency,
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


async def _retrieve_payment_intent(request: web.Request) -> web.Response:
    return web.json_response(payment_intent(int(request.match_info["n"])))


async def _list_balance_transactions(_: web.Request) -> web.Response:
    return web.json_response({"object": "list", "data": [], "has_more": False})


async def serve() -> None:
    """Serves until SIGTERM."""
    app = web.Application()
    app.add_routes(
        [
            web.post("/v1/transfers", _create_transfer),
            web.get(r"/v1/payment_intents/pi_{n:\d+}", _retrieve_payment_intent),
            web.get("/v1/balance_transactions", _list_balance_transactions),
        ]
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    print(f"stand-in listening on http://{host}:{port}", flush=True)  # noqa: T201  the parent reads it
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve())

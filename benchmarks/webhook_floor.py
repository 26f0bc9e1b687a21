"""The floor of a webhook: an aiohttp endpoint that verifies, parses and inserts. Nothing else.

    BENCH_DATABASE_URL=... BENCH_WEBHOOK_SECRET=... python -m benchmarks.webhook_floor

It writes the row that the service writes, and answers when it is durable.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from datetime import UTC, datetime

import asyncpg
from aiohttp import web
from stripe import WebhookSignature

from service.store.stripe_events import StoredEvent, insert_event

TOLERANCE_S = 300


def _event(payload: bytes) -> StoredEvent:
    event = json.loads(payload)
    return StoredEvent(
        tenant_id="default",
        event_id=event["id"],
        endpoint="PLATFORM",
        account=None,
        type=event["type"],
        api_version=event["api_version"],
        livemode=event["livemode"],
        occurred_at=datetime.fromtimestamp(event["created"], UTC),
        payload=payload,
        traceparent="",
        attempts=0,
        received_at=datetime.now(UTC),
    )


def application(pool: asyncpg.Pool, secret: str) -> web.Application:
    async def receive(request: web.Request) -> web.Response:
        payload = await request.read()
        signature = request.headers["Stripe-Signature"]
        WebhookSignature.verify_header(payload.decode(), signature, secret, TOLERANCE_S)
        await insert_event(pool, _event(payload), state="RECEIVED")
        return web.json_response({"outcome": "stored"})

    app = web.Application()
    app.add_routes([web.post("/", receive)])
    return app


async def serve() -> None:
    """Serves until SIGTERM."""
    dsn, secret = os.environ["BENCH_DATABASE_URL"], os.environ["BENCH_WEBHOOK_SECRET"]
    async with asyncpg.create_pool(dsn, ssl=False, min_size=2, max_size=10) as pool:
        runner = web.AppRunner(application(pool, secret), access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        print(f"floor listening on http://{host}:{port}/", flush=True)  # noqa: T201  the parent reads it
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await stop.wait()
        await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve())

"""How late the event loop is: every call waits while one of them keeps it busy."""

from __future__ import annotations

import asyncio

from opentelemetry import metrics

PAUSE_S = 0.25
_BUCKETS_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_LAGS = metrics.get_meter("service").create_histogram(
    "escrow.event_loop.lag",
    unit="s",
    description="How much later than it was due a timer of this process ran.",
    explicit_bucket_boundaries_advisory=_BUCKETS_S,
)


async def measure_loop_lag() -> None:
    """Measures four times a second, until it is canceled."""
    clock = asyncio.get_running_loop().time
    while True:
        due_s = clock() + PAUSE_S
        await asyncio.sleep(PAUSE_S)
        _LAGS.record(max(0.0, clock() - due_s))

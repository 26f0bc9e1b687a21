"""The header of a run: the machine, the versions, the settings, and how busy it was before."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # its types are a package of their own

from benchmarks.plan import Plan

PACKAGES = ("grpcio", "protobuf", "asyncpg", "uvloop", "aiohttp", "stripe")

POSTGRES_DIRECTORY = Path(__file__).parent.parent / ".escrow" / "bench-postgres"

# What is durable stays durable; only what would let a checkpoint fall into a measurement is moved.
POSTGRES_SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
}


def header(plan: Plan, postgres_version: str) -> dict[str, object]:
    """Everything that somebody needs to judge the figures."""
    return {
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
            "system": f"{platform.system()} {platform.release()}",
            "load_average_before": [round(load, 2) for load in os.getloadavg()],
        },
        "versions": {
            "python": platform.python_version(),
            "postgresql": postgres_version,
            **{name: version(name) for name in PACKAGES},
        },
        "settings": {
            "postgresql": POSTGRES_SETTINGS,
            "service": "one process, uvloop, pool of 10 connections, telemetry off",
            "rounds": plan.rounds,
            "calls_per_round": dict(plan.calls),
            "entries": list(plan.entries),
        },
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()

"""The header of a run: the machine, the versions, the settings, and how busy it was before."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # its types are a package of their own

from benchmarks.plan import GatePlan, MemoryPlan, Plan

PACKAGES = ("grpcio", "protobuf", "asyncpg", "uvloop", "aiohttp", "stripe")

BUSY_LOAD_PER_CORE = 0.5

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


def header(plan: Plan | GatePlan | MemoryPlan, postgres_version: str) -> dict[str, Any]:
    """Everything a reader needs to judge the figures."""
    load, cores = os.getloadavg(), os.cpu_count() or 1
    return {
        "machine": {
            "processor": _processor(),
            "cores": cores,
            "frequency_governor": _governor(),
            "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
            "system": f"{platform.system()} {platform.release()}",
            "load_average_before": [round(average, 2) for average in load],
        },
        "versions": {
            "python": platform.python_version(),
            "postgresql": postgres_version,
            **{name: version(name) for name in PACKAGES},
        },
        "settings": {
            "postgresql": POSTGRES_SETTINGS,
            "service": "one process, uvloop, pool of 10 connections, telemetry off if not told",
            "plan": asdict(plan),
        },
        "warnings": [f"figures of a busy machine: its load average was {load[0]:.2f} before"]
        if load[0] > BUSY_LOAD_PER_CORE * cores
        else [],
    }


def _governor() -> str:
    governor = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    return governor.read_text().strip() if governor.exists() else "not told"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()

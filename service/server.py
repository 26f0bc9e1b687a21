"""The composition root: everything that is wired, opened in order and closed in reverse."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, KeysView, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import grpc
import structlog

from service.config import Config, ConfigError, DatabaseRole, Settings, check_auth
from service.config.files import host_and_port
from service.database import pooled_database
from service.effects.perform import finish_sending
from service.files.scanner import Scanner
from service.loop_lag import measure_loop_lag
from service.operations.ownership import check_own
from service.rpc.grpc_server import Listening, serving
from service.rpc.identity.caller import Identify
from service.rpc.identity.development import development_identify
from service.rpc.identity.verified import VerifiedIdentities
from service.rpc.rate_limits import RateLimits
from service.rpc.services import OPERATIONS, SERVICES
from service.rpc.streams import StreamLimits
from service.rpc.tls import TlsFiles, server_credentials
from service.runtime import Runtime
from service.store.clock import DatabaseClock
from service.telemetry import open_telemetry
from service.tenants import Check, TenantGateways, warn_of_return_hosts
from service.workers.closings import ClosingsWorker
from service.workers.deadlines import DeadlinesWorker
from service.workers.effects import EffectsWorker
from service.workers.inbox import InboxWorker
from service.workers.loop import Worker
from service.workers.receivables import ReceivablesWorker
from service.workers.sealings import SealingsWorker
from service.workers.sweeps import SweepsWorker
from service.workers.transfers import TransfersWorker
from service.workers.watch import QueueWatch

if TYPE_CHECKING:
    from service.files.bucket import Bucket

WORKERS: Sequence[type[Worker[Any]]] = (
    EffectsWorker,
    InboxWorker,
    TransfersWorker,
    ReceivablesWorker,
    DeadlinesWorker,
    ClosingsWorker,
    SealingsWorker,
    SweepsWorker,
)

EXIT_HANGING = 70  # did not stop in time (sysexits.h: EX_SOFTWARE)
EXIT_INTERRUPTED = 130  # a second signal came

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Running:
    """What runs in this process. ``port`` is None when it only works."""

    runtime: Runtime
    port: int | None


@asynccontextmanager
async def running(config: Config, *, serve: bool, work: bool) -> AsyncIterator[Running]:
    """The service in this process: its gRPC server, its workers, or both.

    Raises:
        ConfigError, DatabaseProblem, PortTaken, ContractError.
    """
    settings = config.settings
    role = DatabaseRole.WORKER if work else DatabaseRole.SERVICE
    async with AsyncExitStack() as opened:
        telemetry = open_telemetry(role="server" if serve else "worker")
        opened.callback(telemetry.shut_down)
        check = check_auth if serve else _take_any
        check(config)
        runtime = await opened.enter_async_context(open_runtime(config, role, check))
        opened.push_async_callback(finish_sending)
        if work:
            await opened.enter_async_context(working(runtime, settings.drain_s))
        if telemetry.readings is not None:
            await opened.enter_async_context(_beside(measure_loop_lag()))
            if work:
                await opened.enter_async_context(_beside(QueueWatch(runtime).run()))
        port = None
        if serve:
            tenants = runtime.stripe.keys()
            identify = await opened.enter_async_context(_identities(settings, tenants))
            port = await opened.enter_async_context(
                serving(
                    runtime,
                    SERVICES,
                    OPERATIONS,
                    identify,
                    _listening(settings),
                    check_own=partial(check_own, runtime),
                    rate_limits=_rate_limits(settings),
                )
            )
        yield Running(runtime, port)


@asynccontextmanager
async def _identities(settings: Settings, tenants: KeysView[str]) -> AsyncIterator[Identify]:
    """What says who calls, by ESCROW_AUTH. ``tenants`` may change."""
    if settings.auth_file is None or settings.auth == "development":
        yield development_identify(tenants)
        return
    identities = VerifiedIdentities(settings.auth_file, tenants)
    async with _beside(identities.follow()):
        yield identities.identify


def _take_any(_: Config) -> None:
    """A process that does not serve has no callers, so there is nothing to check."""


@asynccontextmanager
async def open_runtime(
    config: Config, role: DatabaseRole, check: Check | None = None
) -> AsyncIterator[Runtime]:
    """The database and every tenant's Stripe, for a command that needs no server and no worker.
    ``role`` is what it may do in the database. With ``check`` the tenants are read again while it
    is open.

    Raises:
        DatabaseProblem.
    """
    async with AsyncExitStack() as opened:
        pool = await opened.enter_async_context(pooled_database(config.settings, role))
        stripe = await opened.enter_async_context(TenantGateways(config))
        if check and config.read_tenants:
            await opened.enter_async_context(_beside(stripe.follow(config.read_tenants, check)))
        clock = DatabaseClock(pool)
        await clock.set()
        await opened.enter_async_context(_beside(clock.follow()))
        scanner = config.settings.files_scanner
        yield Runtime(
            pool=pool,
            stripe=stripe,
            clock=clock,
            scanner=Scanner(*host_and_port(scanner)) if scanner else None,
            bucket=_bucket(config.settings),
        )


def _bucket(settings: Settings) -> Bucket | None:
    if not settings.files_bucket:
        return None
    from service.files.bucket import Bucket  # noqa: PLC0415  15 MB, for who sets one

    return Bucket(
        settings.files_bucket, endpoint=settings.files_endpoint, region=settings.files_region
    )


@asynccontextmanager
async def working(runtime: Runtime, drain_s: float) -> AsyncIterator[None]:
    """Runs the workers beside the caller; at the end each may finish what it began."""
    workers = [worker(runtime) for worker in WORKERS]
    tasks = [asyncio.create_task(worker.run(), name=worker.name) for worker in workers]
    try:
        yield
    finally:
        for worker in workers:
            worker.stop()
        _, late = await asyncio.wait(tasks, timeout=drain_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs what has no end beside the caller, and cancels it at the end."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def run_until_stopped(
    config: Config, *, serve: bool, work: bool, on_ready: Callable[[Running], None]
) -> None:
    """Runs until SIGTERM or SIGINT, then drains.

    What hangs is left behind: a second signal, or the limit, ends the process at once. Nothing is
    lost by that, as by any crash.
    """
    stopping = asyncio.Event()
    limit_s = config.settings.shutdown_limit_s
    with _signals_to(stopping):
        async with running(config, serve=serve, work=work) as everything:
            _spare_collector()
            if serve:
                warn_of_return_hosts(config.tenants)
            on_ready(everything)
            await stopping.wait()
            log.info("draining", limit_s=limit_s)
            timer = _end_process_after(limit_s)
        timer.cancel()
    log.info("stopped")


def _rate_limits(settings: Settings) -> RateLimits:
    """Raises ConfigError."""
    if unknown := settings.rate_limits_per_s.keys() - OPERATIONS.keys():
        names = ", ".join(sorted(unknown))
        raise ConfigError([f"ESCROW_RATE_LIMITS_PER_S: there is no method {names}"])
    per_end_user = settings.rate_limit_per_end_user_per_s
    return RateLimits(
        settings.rate_limit_per_s, settings.rate_limits_per_s, per_end_user=per_end_user
    )


def _listening(settings: Settings) -> Listening:
    return Listening(
        host=settings.grpc_host,
        port=settings.grpc_port,
        default_deadline_s=settings.grpc_default_deadline_s,
        max_connection_age_s=settings.grpc_max_connection_age_s,
        drain_s=settings.drain_s,
        reflection=settings.reflection,
        streams=StreamLimits(
            settings.streams_per_caller, settings.streams, settings.stream_patience_s
        ),
        tls=_tls(settings),
        health_port=settings.health_port,
    )


def _tls(settings: Settings) -> grpc.ServerCredentials | None:
    certificate, key = settings.tls_certificate_file, settings.tls_key_file
    if certificate is None or key is None:
        return None
    client_ca = settings.tls_client_ca_file if settings.auth == "mtls" else None
    return server_credentials(TlsFiles(certificate, key, client_ca))


@contextmanager
def _signals_to(stopping: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if stopping.is_set():
            os._exit(EXIT_INTERRUPTED)
        stopping.set()

    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def _spare_collector() -> None:
    """Lets the garbage collector work less often, and not on what is there for good.

    Calls leave no cycles behind but five small objects of gRPC's: what they make ends with them,
    and looking through it every 700 objects was 5 % of the CPU of a release.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _end_process_after(limit_s: float) -> threading.Timer:
    """A thread, because what hangs may be the event loop itself."""

    def end() -> None:
        log.critical("did not stop in time", limit_s=limit_s)
        os._exit(EXIT_HANGING)

    timer = threading.Timer(limit_s, end)
    timer.daemon = True
    timer.start()
    return timer

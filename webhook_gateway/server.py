"""The HTTP edge: Stripe posts an event, we answer 2xx only when the service has stored it.

Whatever is wrong with a delivery is 400 (413 when it is huge, 408 when it is slow), whatever is
wrong with us is 503, so that Stripe sends the event again. Nothing is ever 500.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

import structlog
from aiohttp import web
from opentelemetry.trace import SpanKind, Status, StatusCode

from webhook_gateway.addresses import AllowedAddresses
from webhook_gateway.config import Settings
from webhook_gateway.connections import Connections
from webhook_gateway.ingestion import CHANNEL_OPTIONS, EventIngestion, NotStored
from webhook_gateway.service_access import ServiceAccess
from webhook_gateway.stripe_events import Refusal, VerifiedEvent, judge
from webhook_gateway.telemetry import Telemetry
from webhook_gateway.tenants import Tenants
from webhook_gateway.tenants_file import Endpoint, Secrets

log = structlog.get_logger(__name__)

MAX_BODY_BYTES = 512 * 1024
LINGER_S = 1  # how long a body that is refused unread may go on arriving before the connection ends
RETRY_AFTER_S = 10


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered to Stripe and logged. ``outcome`` is one word for people and dashboards."""

    status: int
    outcome: str
    event: VerifiedEvent | None = None

    def to_response(self) -> web.Response:
        body = b'{"outcome": "%b"}' % self.outcome.encode()  # one word: nothing in it to escape
        response = web.Response(body=body, status=self.status, content_type="application/json")
        if self.status == 503:
            response.headers["Retry-After"] = str(RETRY_AFTER_S)
        if self.status in {403, 408, 413}:
            response.force_close()  # the rest of the body is of no use
        return response


class WebhookHandler:
    """Answers the deliveries of Stripe and the probes of Kubernetes."""

    def __init__(
        self, settings: Settings, tenants: Tenants, ingestion: EventIngestion, telemetry: Telemetry
    ) -> None:
        self._settings = settings
        self._tenants = tenants
        self._ingestion = ingestion
        self._telemetry = telemetry
        self._addresses = AllowedAddresses(settings.allowed_addresses, settings.trusted_proxies)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/stripe/{tenant}/{endpoint}", self.receive),
            web.get("/healthz", self.live),
            web.get("/readyz", self.ready),
        ]

    async def live(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def ready(self, _request: web.Request) -> web.Response:
        if await self._ingestion.is_ready():
            return web.json_response({"status": "ready"})
        return web.json_response({"status": "service unavailable"}, status=503)

    async def receive(self, request: web.Request) -> web.Response:
        """Answers one delivery, and writes its one line of log.

        The span is the root of a trace: a trace context from the internet is not taken over.
        """
        tenant, endpoint = request.match_info["tenant"], request.match_info["endpoint"]
        secrets = self._tenants.secrets_of(tenant, endpoint)
        if secrets is None:
            log.info("webhook", outcome="unknown_endpoint", status=404)
            raise web.HTTPNotFound  # the same answer as for any other path
        started = time.perf_counter()
        name = f"POST /stripe/{{tenant}}/{endpoint}"
        answer = Answer(499, "unanswered")  # Stripe has hung up, or our drain has come to its end
        with self._telemetry.tracer.start_as_current_span(name, kind=SpanKind.SERVER) as span:
            try:
                answer = await self._answer(request, tenant, Endpoint(endpoint), secrets)
            except Exception:  # a bug of ours must not cost an event: 503 makes Stripe repeat it
                log.exception("webhook_failed", tenant=tenant, endpoint=endpoint)
                answer = Answer(503, "internal_error")
            finally:
                span.set_attributes(
                    {"escrow.outcome": answer.outcome, "http.response.status_code": answer.status}
                )
                if answer.status >= 500:
                    span.set_status(Status(StatusCode.ERROR, answer.outcome))
                self._record(tenant, endpoint, answer, time.perf_counter() - started)
        return answer.to_response()

    async def _answer(
        self, request: web.Request, tenant: str, endpoint: Endpoint, secrets: Secrets
    ) -> Answer:
        forwarded_for = request.headers.getall("X-Forwarded-For", [])
        if not self._addresses.allow(request.remote, forwarded_for):
            return Answer(403, "address_not_allowed")
        received_at_s = time.time()
        body = await self._read_body(request)
        if isinstance(body, Answer):
            return body
        verdict = judge(
            body,
            request.headers.getall("Stripe-Signature", []),
            secrets,
            now=time.time(),
            tolerance_s=self._settings.tolerance_s,
        )
        if isinstance(verdict, Refusal):
            return Answer(400, verdict)
        try:
            outcome = await self._ingestion.ingest(tenant, endpoint, verdict.payload, received_at_s)
        except NotStored as error:
            status = 400 if error.is_final else 503
            return Answer(status, f"service_{error.code.name.lower()}", verdict)
        return Answer(200, outcome, verdict)

    async def _read_body(self, request: web.Request) -> bytes | Answer:
        """The body as it arrived. Stripe never compresses, and signs what it sends."""
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            return Answer(400, "body_compressed")
        try:
            async with asyncio.timeout(self._settings.body_timeout_s):
                return await request.read()
        except TimeoutError:
            return Answer(408, "body_slow")
        except web.HTTPRequestEntityTooLarge:
            return Answer(413, "body_too_large")
        except (web.RequestPayloadError, ConnectionError):
            return Answer(400, "body_cut")

    def _record(self, tenant: str, endpoint: str, answer: Answer, seconds: float) -> None:
        self._telemetry.record_delivery(tenant, endpoint, answer.status, answer.outcome, seconds)
        write = log.warning if answer.status >= 500 else log.info
        write(
            "webhook",
            tenant=tenant,
            endpoint=endpoint,
            event_id=answer.event and answer.event.id,
            event_type=answer.event and answer.event.type,
            outcome=answer.outcome,
            status=answer.status,
            duration_ms=round(seconds * 1000, 2),
        )


class ListenError(Exception):
    """The address is taken or not ours. The message is one line."""


@asynccontextmanager
async def running(settings: Settings, tenants: Tenants, telemetry: Telemetry) -> AsyncIterator[str]:
    """A gateway that listens; the value is its address.

    Raises:
        ListenError, CredentialsUnusable.

    Leaving stops listening first, then lets the deliveries in flight end, then closes the channel.
    """
    async with AsyncExitStack() as stack:
        access = ServiceAccess(
            settings.service_target,
            CHANNEL_OPTIONS,
            settings.tls_files,
            settings.token_file,
            settings.deadline_s,
        )
        ingestion = EventIngestion(access, settings.deadline_s, telemetry.tracer)
        stack.push_async_callback(ingestion.close)

        watcher = asyncio.create_task(tenants.watch(settings.tenants_poll_s))
        stack.push_async_callback(_cancelled, watcher)

        connections = Connections(settings)
        middlewares = [connections.middleware()]
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=middlewares)
        app.add_routes(WebhookHandler(settings, tenants, ingestion, telemetry).routes())
        runner = web.AppRunner(
            app,
            access_log=None,
            auto_decompress=False,
            handler_cancellation=True,  # when Stripe hangs up, its event stops waiting
            lingering_time=LINGER_S,
            keepalive_timeout=settings.idle_timeout_s,
            shutdown_timeout=settings.drain_s,
        )
        stack.push_async_callback(runner.cleanup)
        await runner.setup()
        assert runner.server is not None  # since setup
        connections.server = runner.server
        listening = await _listen(connections, settings)
        stack.callback(listening.close)
        stack.push_async_callback(_cancelled, asyncio.create_task(connections.watch()))
        yield _address(settings.host, listening)


async def _listen(connections: Connections, settings: Settings) -> asyncio.Server:
    """Not a site of aiohttp's: that one would accept any number of connections."""
    host, port = settings.host, settings.port
    try:
        return await asyncio.get_running_loop().create_server(connections.accept, host, port)
    except OSError as error:
        raise ListenError(f"cannot listen on {host}:{port}: {error.strerror}") from None


def _address(host: str, listening: asyncio.Server) -> str:
    port = listening.sockets[0].getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task

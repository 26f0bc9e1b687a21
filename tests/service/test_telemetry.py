import json
import os
import socket
import subprocess
import sys

import pytest

from service.config import ConfigError
from service.telemetry import open_telemetry

TELL = """
import logging, structlog
from service.telemetry import configure_logging
configure_logging("info", {format!r})
log = structlog.get_logger()
log.debug("not shown")
structlog.contextvars.bind_contextvars(trace_id="0af7")
log.info("paid", payment="pi_1_secret_2", amount_minor=5000)
try:
    raise RuntimeError("sk_test_123")
except RuntimeError:
    log.exception("failed")
logging.getLogger("a.library").warning("mail to %s", "anna@example.com")
logging.getLogger("a.library").info("not shown")
"""


def tell(format_: str) -> str:
    """What a process of its own writes: logging is configured for a whole process."""
    done = subprocess.run(
        [sys.executable, "-c", TELL.format(format=format_)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stderr


def test_logs_are_json_with_trace_ids_and_without_secrets() -> None:
    paid, failed, library = [json.loads(line) for line in tell("json").splitlines()]

    assert paid["event"] == "paid"
    assert paid["level"] == "info"
    assert paid["amount_minor"] == 5000
    assert paid["payment"] == "[redacted]"
    assert paid["trace_id"] == "0af7"
    assert failed["exception"].endswith("RuntimeError: [redacted]")
    assert "Traceback" in failed["exception"]
    assert library["event"] == "mail to [redacted]"
    assert library["logger"] == "a.library"


def test_on_a_console_they_are_for_people() -> None:
    shown = tell("console")

    assert "paid" in shown
    assert "Traceback" in shown
    assert not any(secret in shown for secret in ("sk_test_123", "pi_1_secret_2", "anna@"))


def test_without_an_exporter_nothing_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)

    telemetry = open_telemetry(role="test")

    assert (telemetry.traces, telemetry.readings) == (None, None)
    telemetry.shut_down()


@pytest.mark.parametrize("variable", ["OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER"])
@pytest.mark.parametrize("value", ["jaeger", "otlp,jaeger", "otlp,none"])
def test_an_unknown_exporter_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(ConfigError, match=f"{variable}: must be otlp or"):
        open_telemetry(role="test")


@pytest.mark.parametrize("signal", ["TRACES", "METRICS"])
def test_a_protocol_that_we_do_not_speak_is_named(
    monkeypatch: pytest.MonkeyPatch, signal: str
) -> None:
    monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "otlp")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")

    with pytest.raises(ConfigError, match="OTEL_EXPORTER_OTLP_PROTOCOL: must be grpc"):
        open_telemetry(role="test")


EXPORT = """
import asyncio, socket, urllib.request
from opentelemetry import trace
from service.rpc.tracing import Tracer
from service.telemetry import open_telemetry
from grpc import StatusCode
telemetry = open_telemetry(role="test")
with Tracer().serve("escrow.v1.EscrowService/GetEscrow", ()) as served:
    served.code = StatusCode.NOT_FOUND
    print(trace.get_current_span().is_recording())
port = {port}
print(urllib.request.urlopen(f"http://127.0.0.1:{{port}}/metrics").read().decode())
telemetry.shut_down()
"""


def test_prometheus_sees_every_call() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    done = subprocess.run(
        [sys.executable, "-c", EXPORT.format(port=port)],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "OTEL_METRICS_EXPORTER": "prometheus,otlp",
            "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1",
            "OTEL_EXPORTER_PROMETHEUS_PORT": str(port),
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
            "OTEL_BSP_EXPORT_TIMEOUT": "100",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
        timeout=60,
    )
    recording, _, shown = done.stdout.partition("\n")

    assert recording == "True"
    assert "rpc_server_call_duration_seconds_count" in shown
    assert 'rpc_method="escrow.v1.EscrowService/GetEscrow"' in shown
    assert 'rpc_response_status_code="NOT_FOUND"' in shown

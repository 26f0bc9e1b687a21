"""``escrow serve`` and ``escrow work``: the two kinds of process."""

from __future__ import annotations

from typing import Annotated

import typer
import uvloop

from service.cli.numbers import port_number
from service.cli.printing import AsJson, people, print_json
from service.config import Config, load_config
from service.server import WORKERS, Running, run_until_stopped
from service.telemetry import configure_logging


def serve(
    host: Annotated[
        str | None, typer.Option(help="Listen on this address. (ESCROW_GRPC_HOST)")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(parser=port_number, help="0 takes any free one. (ESCROW_GRPC_PORT)"),
    ] = None,
    *,
    with_workers: Annotated[
        bool, typer.Option("--with-workers", help="Run the workers in the same process.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Serves the gRPC API until SIGTERM or SIGINT."""
    config = load_config(grpc_host=host, grpc_port=port)
    _run(config, serve=True, work=with_workers, as_json=as_json)


def work(*, as_json: AsJson = False) -> None:
    """Runs the workers: calls to Stripe, Stripe's events, transfers. Any number may run."""
    _run(load_config(), serve=False, work=True, as_json=as_json)


def _run(config: Config, *, serve: bool, work: bool, as_json: bool) -> None:
    settings = config.settings
    configure_logging(settings.log_level, settings.log_format)

    def on_ready(running: Running) -> None:
        address = f"{settings.grpc_host}:{running.port}" if serve else None
        workers = [worker.__name__ for worker in WORKERS] if work else []
        tenants = sorted(config.tenants)
        if as_json:
            print_json({"listening": address, "workers": workers, "tenants": tenants})
            return
        if address:
            how = "TLS" if settings.tls else "plain text"
            people.print(f"[bold green]serving[/] escrow.v1 on [bold]{address}[/] (gRPC, {how})")
            believed = settings.auth == "development"
            people.print(
                "  callers are believed: ESCROW_AUTH=development"
                if believed
                else f"  callers prove who they are: ESCROW_AUTH={settings.auth}"
            )
        if workers:
            people.print(f"[bold green]working[/] {', '.join(workers)}")
        people.print(f"  tenants: {', '.join(tenants)}")

    uvloop.run(run_until_stopped(config, serve=serve, work=work, on_ready=on_ready))

"""An order service to copy: an awarded order is paid into escrow, an accepted one pays the seller.

    pip install ./proto aiohttp      from a checkout; README.md says how without one
    ESCROW_TARGET=localhost:50051 python order_service.py

    POST /orders/{order}/award   {"payer_id", "payee_id", "title", "price_minor"}
                                 answers {"client_secret"}, with which Stripe.js lets the buyer pay
    POST /orders/{order}/accept  the buyer has what was ordered; 409 as long as it is not paid

Whatever crashes or times out, take the step again: its request_id was stored before it was first
sent, so the escrow service does it once. Who may take which step is for you to check.
"""

import os
import sqlite3
from collections.abc import AsyncIterator

import grpc
from aiohttp import web

from escrow.client import EscrowClient, connect, new_request_id, reason_of
from escrow.v1 import escrow_service_pb2 as pb

ESCROW = web.AppKey("escrow", EscrowClient)
routes = web.RouteTableDef()
orders = sqlite3.connect(os.environ.get("ORDERS_DATABASE", "orders.db"), isolation_level=None)
orders.execute("CREATE TABLE IF NOT EXISTS steps (step PRIMARY KEY, request_id)")
orders.execute("CREATE TABLE IF NOT EXISTS escrows (order_id PRIMARY KEY, escrow_id, milestone_id)")


@routes.post("/orders/{order}/award")
async def award(call: web.Request) -> web.Response:
    order, terms, escrow = call.match_info["order"], await call.json(), call.app[ESCROW]
    agreement = pb.CreateEscrowRequest(
        request_id=request_id(f"create {order}"),
        reference=order,
        payer_id=terms["payer_id"],
        payee_id=terms["payee_id"],
        currency="USD",
        milestones=[pb.MilestoneInput(title=terms["title"], amount_minor=terms["price_minor"])],
    )
    agreed = (await escrow.escrows.CreateEscrow(agreement)).escrow
    ids = (order, agreed.id, agreed.milestones[0].id)
    orders.execute("INSERT OR IGNORE INTO escrows VALUES (?, ?, ?)", ids)
    funding = pb.FundEscrowRequest(request_id=request_id(f"fund {order}"), escrow_id=agreed.id)
    funded = await escrow.acting("payer").escrows.FundEscrow(funding)
    return web.json_response({"client_secret": funded.payment.client_secret})


@routes.post("/orders/{order}/accept")
async def accept(call: web.Request) -> web.Response:
    order, payer = call.match_info["order"], call.app[ESCROW].acting("payer")
    found = orders.execute("SELECT * FROM escrows WHERE order_id = ?", [order]).fetchone()
    if found is None:
        raise web.HTTPNotFound
    release = pb.ReleaseMilestoneRequest(
        request_id=request_id(f"release {order}"), escrow_id=found[1], milestone_id=found[2]
    )
    try:
        await payer.escrows.ReleaseMilestone(release)
    except grpc.aio.AioRpcError as error:
        if reason_of(error) == "WRONG_STATE":  # a refusal to foresee; any other failure is a 500
            raise web.HTTPConflict(text=error.details()) from error
        raise
    return web.Response(status=204)


def request_id(step: str) -> str:
    """The one request_id of a step: stored the first time, found ever after."""
    orders.execute("INSERT OR IGNORE INTO steps VALUES (?, ?)", [step, new_request_id()])
    [stored] = orders.execute("SELECT request_id FROM steps WHERE step = ?", [step]).fetchone()
    return str(stored)


async def connected(app: web.Application) -> AsyncIterator[None]:
    async with connect(os.environ["ESCROW_TARGET"], tenant="default", caller="orders") as client:
        app[ESCROW] = client
        yield


if __name__ == "__main__":
    app = web.Application()
    app.add_routes(routes)
    app.cleanup_ctx.append(connected)
    web.run_app(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8080")))

"""The composition root: every module's registry in one flat list, wired into aiohttp."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web

from stripe_sandbox import (
    balance_transactions,
    chaos_controls,
    control,
    event_log,
    exchange_rates,
    ledger,
    traffic_controls,
    webhook_endpoints,
)
from stripe_sandbox.answers import unrecognized_url
from stripe_sandbox.api import Api
from stripe_sandbox.billing import invoices, subscription_flow, subscriptions
from stripe_sandbox.catalog import coupons, customer_discounts, prices, products
from stripe_sandbox.connect import (
    account_links,
    accounts,
    accounts_v2,
    balances,
    capabilities,
    controls,
    external_accounts,
    onboarding_page,
    payout_progress,
    payouts,
    topups,
    transfer_reversals,
    transfers,
)
from stripe_sandbox.errors import StripeError
from stripe_sandbox.pages import Page
from stripe_sandbox.payments import (
    cash_balances,
    cash_funding,
    charges,
    checkout_flow,
    checkout_page,
    checkout_sessions,
    customers,
    dispute_cards,
    dispute_controls,
    dispute_fees,
    dispute_flow,
    disputes,
    early_fraud_warnings,
    files,
    payment_flow,
    payment_intents,
    payment_methods,
    payment_pages,
    refund_controls,
    refund_flow,
    refunds,
    setup_intents,
    sources,
)
from stripe_sandbox.registry import Operation, Registry
from stripe_sandbox.sandbox import Sandbox
from stripe_sandbox.store import public

SANDBOX: web.AppKey[Sandbox] = web.AppKey("sandbox", Sandbox)

Middleware = Callable[[web.Request], Awaitable[web.StreamResponse]]

REGISTRIES = [
    control.registry,
    chaos_controls.registry,
    exchange_rates.registry,
    ledger.registry,
    balance_transactions.registry,
    event_log.registry,
    traffic_controls.registry,
    webhook_endpoints.registry,
    products.registry,
    prices.registry,
    coupons.registry,
    customer_discounts.registry,
    subscriptions.registry,
    subscription_flow.registry,
    invoices.registry,
    customers.registry,
    sources.registry,
    payment_methods.registry,
    payment_intents.registry,
    setup_intents.registry,
    payment_flow.registry,
    charges.registry,
    refunds.registry,
    refund_flow.registry,
    refund_controls.registry,
    dispute_fees.registry,
    dispute_flow.registry,
    dispute_cards.registry,
    dispute_controls.registry,
    disputes.registry,
    early_fraud_warnings.registry,
    files.registry,
    checkout_sessions.registry,
    checkout_flow.registry,
    payment_pages.registry,
    cash_balances.registry,
    cash_funding.registry,
    account_links.registry,
    accounts.registry,
    accounts_v2.registry,
    balances.registry,
    capabilities.registry,
    controls.registry,
    external_accounts.registry,
    payout_progress.registry,
    payouts.registry,
    topups.registry,
    transfer_reversals.registry,
    transfers.registry,
]

PAGES = [control.pages, onboarding_page.pages, checkout_page.pages, files.pages]


def full_registry() -> Registry:
    """Everything the sandbox offers."""
    merged = Registry()
    for registry in REGISTRIES:
        merged.merge(registry)
    return merged


def build_app(sandbox: Sandbox) -> web.Application:
    """The aiohttp application around a sandbox; it starts and stops the sandbox with itself."""
    app = web.Application(middlewares=[_stripe_errors], client_max_size=8 * 1024 * 1024)
    app[SANDBOX] = sandbox
    app.cleanup_ctx.append(_running)
    api = Api(sandbox)
    for operation in sandbox.registry.operations:
        app.router.add_route(operation.method, operation.path, api.serve(operation))
    for operation in sandbox.registry.controls:
        app.router.add_route(operation.method, operation.path, _control(sandbox, operation))
    for pages in PAGES:
        for method, path, page in pages.routes:
            app.router.add_route(method, path, _page(sandbox, page))
    return app


async def _running(app: web.Application) -> AsyncIterator[None]:
    await app[SANDBOX].start()
    yield
    await app[SANDBOX].stop()


def _control(sandbox: Sandbox, operation: Operation) -> Middleware:
    async def handle(request: web.Request) -> web.StreamResponse:
        params = await control.read_json(request)
        answer = sandbox.execute(
            sandbox.platform,
            operation.handler,
            params=params,
            path={**request.match_info, "": request.path},
        )
        return web.json_response(public(answer))

    return handle


def _page(sandbox: Sandbox, page: Page) -> Middleware:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await page(sandbox, request)

    return handle


@web.middleware
async def _stripe_errors(request: web.Request, handler: Middleware) -> web.StreamResponse:
    """Pages and controls refuse in the same shape as the API; so do unknown URLs."""
    try:
        return await handler(request)
    except StripeError as error:
        return web.Response(
            status=error.status, text=json.dumps(error.body()), content_type="application/json"
        )
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
        return unrecognized_url(request)

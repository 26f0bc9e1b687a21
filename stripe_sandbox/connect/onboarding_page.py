"""The pages an account's owner sees: onboarding behind an account link, and the dashboard.

Plain HTML forms, so that they work in any browser and can be driven by any HTTP client.
"""

from aiohttp import web

from stripe_sandbox import ledger
from stripe_sandbox.call import Call
from stripe_sandbox.connect.account_state import change_account
from stripe_sandbox.connect.bank_details import bank_details, failing_numbers
from stripe_sandbox.connect.external_accounts import add_bank_account, make_default
from stripe_sandbox.errors import StripeError
from stripe_sandbox.exchange_rates import decimals
from stripe_sandbox.html import error_box, escape, page
from stripe_sandbox.pages import Pages
from stripe_sandbox.sandbox import Sandbox
from stripe_sandbox.store import StripeObject

pages = Pages()

FORM = """<p>Your bank account in {country} ({currency})</p><form method="post">
<label>Legal name <input name="legal_name" value="{name}" required autocomplete="name"></label>
{bank}
<p class="note">{good} receives payouts{bad}.</p>
<button type="submit">Submit</button></form>"""
FIELD = '<label>{label} <input name="{name}" value="{value}" required></label>'


@pages.get("/connect/onboard/{secret}")
async def show_onboarding(sandbox: Sandbox, request: web.Request) -> web.StreamResponse:
    """The form, or a redirect to `refresh_url` for a link that was used or has expired."""
    link = _link(sandbox, request)
    return _refresh(link) if _is_stale(sandbox, link) else _form(sandbox, link, {})


@pages.post("/connect/onboard/{secret}")
async def submit_onboarding(sandbox: Sandbox, request: web.Request) -> web.StreamResponse:
    """Take the answers, make the account ready, and send the owner to `return_url`."""
    link = _link(sandbox, request)
    if _is_stale(sandbox, link):
        return _refresh(link)
    form = {name: str(value).strip() for name, value in (await request.post()).items()}
    if not form.get("legal_name"):
        return _form(sandbox, link, form, "Enter your legal name.")
    try:
        sandbox.execute(sandbox.platform, lambda call: _complete(call, link, form))
    except StripeError as error:
        return _form(sandbox, link, form, error.message)
    raise web.HTTPSeeOther(link["return_url"] or f"{sandbox.state.public_url}/connect/onboarded")


@pages.get("/connect/onboarded")
async def show_onboarded(_sandbox: Sandbox, _request: web.Request) -> web.StreamResponse:
    """Where onboarding ends when the link has no `return_url`."""
    return page("Done", "<p>Your details were received.</p>")


@pages.get("/express/{account}/{token}")
async def show_dashboard(sandbox: Sandbox, request: web.Request) -> web.StreamResponse:
    """The Express dashboard: the balance, and the latest payouts."""
    account = request.match_info["account"]
    if sandbox.store.read(sandbox.platform, "account", account) is None:
        raise web.HTTPNotFound
    body = sandbox.execute(account, _dashboard)
    return page("Express dashboard", body)


def complete_onboarding(
    call: Call,
    account_id: str,
    *,
    legal_name: str,
    account_number: str | None = None,
    routing_number: str | None = None,
) -> StripeObject:
    """Fill in all that Stripe requires; the requested capabilities become active.

    Without an account number it is the country's one that receives payouts.
    """
    with change_account(call, account_id) as account:
        account["business_type"] = account["business_type"] or "individual"
        first_name, _, last_name = legal_name.partition(" ")
        account["_identity"] |= {
            "first_name": first_name,
            "last_name": last_name or first_name,
            "company_name": legal_name,
        }
        account["tos_acceptance"]["date"] = call.now
        account["details_submitted"] = True
        account["_restriction"] = None
        owner = call.on(account_id)
        bank = add_bank_account(
            owner,
            country=account["country"],
            currency=account["default_currency"],
            account_number=bank_details(account["country"]).account_number
            if account_number is None
            else account_number,
            routing_number=routing_number,
            holder_name=legal_name,
        )
        make_default(owner, bank)
    return account


def _complete(call: Call, link: StripeObject, form: dict[str, str]) -> None:
    used = call.require("_account_link", link["id"])
    used["used"] = True
    complete_onboarding(
        call,
        link["account"],
        legal_name=form["legal_name"],
        account_number=form.get("account_number", ""),
        routing_number=form.get("routing_number"),
    )


def _dashboard(call: Call) -> str:
    amounts = ledger.balance(call)
    rows = [
        f"<li>{status}: {_money(amount, currency)}</li>"
        for status, by_currency in amounts.items()
        for currency, amount in by_currency.items()
    ]
    payouts = [
        f"<li>{_money(payout['amount'], payout['currency'])}: {escape(payout['status'])}</li>"
        for payout in call.select("payout")[:10]
    ]
    return f"<h2>Balance</h2><ul>{''.join(rows)}</ul><h2>Payouts</h2><ul>{''.join(payouts)}</ul>"


def _money(amount: int, currency: str) -> str:
    digits = decimals(currency)
    return f"{amount / 10**digits:.{digits}f} {escape(currency.upper())}"


def _link(sandbox: Sandbox, request: web.Request) -> StripeObject:
    link = sandbox.store.read(sandbox.platform, "_account_link", request.match_info["secret"])
    if link is None:
        raise web.HTTPNotFound
    return link


def _is_stale(sandbox: Sandbox, link: StripeObject) -> bool:
    return bool(link["used"] or link["expires_at"] <= sandbox.clock.now())


def _refresh(link: StripeObject) -> web.StreamResponse:
    return web.Response(status=303, headers={"Location": link["refresh_url"]})


def _form(
    sandbox: Sandbox, link: StripeObject, typed: dict[str, str], error: str | None = None
) -> web.Response:
    """The form of the account's country, with what was typed before, or test values."""
    account = sandbox.store.read(sandbox.platform, "account", link["account"])
    assert account is not None
    details = bank_details(account["country"])
    fields = [
        ("routing_number", details.routing_label, details.routing_number),
        ("account_number", details.number_label, details.account_number),
    ]
    bad = " and ".join(failing_numbers(account["country"])[:2])
    form = FORM.format(
        country=escape(account["country"]),
        currency=escape(account["default_currency"].upper()),
        name=escape(typed.get("legal_name", "")),
        bank="".join(
            FIELD.format(label=label, name=name, value=escape(typed.get(name, value)))
            for name, label, value in fields
            if label
        ),
        good=details.account_number,
        bad=f"; {bad} fail them" if bad else "",
    )
    return page("Get paid", error_box(error) + form, status=400 if error else 200)

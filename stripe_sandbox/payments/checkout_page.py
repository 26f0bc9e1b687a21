"""The hosted pages of a payment: Checkout with its card form, and the 3D Secure step."""

from aiohttp import web

from stripe_sandbox import html
from stripe_sandbox.call import Call
from stripe_sandbox.errors import CardError, StripeError
from stripe_sandbox.pages import Pages
from stripe_sandbox.params import Params
from stripe_sandbox.payments import attempts, checkout_flow, payment_methods
from stripe_sandbox.sandbox import Sandbox
from stripe_sandbox.store import StripeObject

pages = Pages()

CARD_FORM = """
<form method="post">
<label for="email">Email</label>
<input id="email" name="email" type="email" autocomplete="email" required value="{email}"{fixed}>
<label for="number">Card number</label>
<input id="number" name="number" inputmode="numeric" autocomplete="cc-number" required
 placeholder="4242 4242 4242 4242" value="{number}">
<label for="expiry">Expiry (MM / YY)</label>
<input id="expiry" name="expiry" autocomplete="cc-exp" required placeholder="12 / 34"
 value="{expiry}">
<label for="cvc">CVC</label>
<input id="cvc" name="cvc" inputmode="numeric" autocomplete="cc-csc" required placeholder="123"
 value="{cvc}">
<label for="name">Name on card</label>
<input id="name" name="name" autocomplete="cc-name" value="{name}">
<button type="submit">Pay {total}</button>
</form>
<p class="note">4242 4242 4242 4242 pays, 4000 0027 6000 3184 asks for 3D Secure,
4000 0000 0000 0002 is declined, 4000 0000 0000 9995 has insufficient funds.</p>
"""
TYPED = ("email", "number", "expiry", "cvc", "name")
# What the API tells a developer is told to a person in other words, as on Stripe's own page.
IN_A_PERSONS_WORDS = {
    "payment_intent_authentication_failure": "We are unable to authenticate your payment method."
    " Please choose a different payment method and try again.",
}
AUTHENTICATION_FORM = """
<p>Your bank asks you to confirm a payment of <strong>{amount}</strong>.</p>
<form method="post">
<button type="submit" name="outcome" value="complete">Complete authentication</button>
<button type="submit" name="outcome" value="fail" class="second">Fail authentication</button>
</form>
"""


@pages.get("/checkout/{session}")
async def show_checkout(sandbox: Sandbox, request: web.Request) -> web.StreamResponse:
    """The page `session.url` points to."""
    session = _session(sandbox, request)
    return _checkout_page(sandbox, session) if session else _not_found()


@pages.post("/checkout/{session}")
async def submit_checkout(sandbox: Sandbox, request: web.Request) -> web.StreamResponse:
    """The customer pays: redirect to success_url or 3D Secure, or show the page with the error."""
    session = _session(sandbox, request)
    if session is None:
        return _not_found()
    if session["status"] != "open":
        return _checkout_page(sandbox, session)
    form = {name: str(value) for name, value in (await request.post()).items()}
    try:
        card = _card_params(form)
        intent, decline = sandbox.execute(
            sandbox.platform, lambda call: _pay(call, session["id"], card, form.get("email"))
        )
    except StripeError as error:
        return _checkout_page(sandbox, session, form, error.message)
    if decline is not None:
        return _checkout_page(sandbox, session, form, decline.message)
    if intent["status"] == "requires_action":
        return html.redirect(intent["next_action"]["redirect_to_url"]["url"])
    return html.redirect(_success_url(session))


def _pay(
    call: Call, session_id: str, card: Params, email: str | None
) -> tuple[StripeObject, CardError | None]:
    session = call.require("checkout.session", session_id)
    return checkout_flow.pay(call, session, payment_methods.create(call, card), email)


def _incomplete(form: dict[str, str]) -> str | None:
    """What a browser's page would not send in, in the words of Stripe's."""
    month, _, year = (part.strip() for part in form.get("expiry", "").partition("/"))
    if not form.get("number", "").strip():
        return "Your card number is incomplete."
    if not (month.isdecimal() and year.isdecimal()):
        return "Your card's expiration date is incomplete."
    if not form.get("cvc", "").strip():
        return "Your card's security code is incomplete."
    return None


def _card_params(form: dict[str, str]) -> Params:
    if incomplete := _incomplete(form):
        raise StripeError(incomplete)
    month, _, year = form.get("expiry", "").partition("/")
    card = {
        "number": form.get("number", ""),
        "exp_month": month.strip(),
        "exp_year": year.strip(),
        "cvc": form.get("cvc", ""),
    }
    details = {"email": form.get("email", ""), "name": form.get("name", "")}
    return Params({"type": "card", "card": card, "billing_details": details})


def _session(sandbox: Sandbox, request: web.Request) -> StripeObject | None:
    session_id = request.match_info["session"]
    return sandbox.store.read(sandbox.platform, "checkout.session", session_id)


def _not_found() -> web.Response:
    return html.page("Not found", "<p>There is nothing to pay here.</p>", 404)


def _checkout_page(
    sandbox: Sandbox,
    session: StripeObject,
    typed: dict[str, str] | None = None,
    message: str | None = None,
) -> web.Response:
    """The page with what was typed before, so that a declined card is the only thing to change."""
    if session["status"] != "open":
        body = f"<p>This payment is {html.escape(session['status'])}.</p>"
        return html.page("Checkout", body + html.link_back(_success_url(session)), 410)
    if message is None:
        message = _last_error(sandbox, session)
    total = html.amount(session["amount_total"], session["currency"])
    known = _known_of_customer(sandbox, session)
    values = {**known, **(typed or {})} | ({"email": known["email"]} if known.get("fixed") else {})
    body = (
        html.error_box(message)
        + _items_table(session, total)
        + CARD_FORM.format(
            total=html.escape(total),
            # Stripe asks no customer for an address that it has.
            fixed=" readonly" if known.get("fixed") else "",
            **{name: html.escape(values.get(name) or "") for name in TYPED},
        )
        + html.link_back(session["cancel_url"])
    )
    return html.page("Checkout", body, 402 if message else 200)


def _last_error(sandbox: Sandbox, session: StripeObject) -> str | None:
    """Why the last attempt failed: after a failed 3D Secure step the intent has the error."""
    if not session["payment_intent"]:
        return None
    intent = sandbox.store.read(sandbox.platform, "payment_intent", session["payment_intent"])
    error = (intent or {}).get("last_payment_error") or {}
    return IN_A_PERSONS_WORDS.get(error.get("code", ""), error.get("message"))


def _known_of_customer(sandbox: Sandbox, session: StripeObject) -> dict[str, str | None]:
    """E-mail and name, of the last attempt or of the customer; ``fixed`` when it is theirs."""
    tried = session.get("customer_details") or {}
    known = {"email": tried.get("email") or session["customer_email"], "name": tried.get("name")}
    if session["customer"]:
        customer = sandbox.store.read(sandbox.platform, "customer", session["customer"]) or {}
        if customer.get("email"):
            return known | {"email": customer["email"], "fixed": "yes"}
    return known


def _items_table(session: StripeObject, total: str) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(item['description'])} x {item['quantity']}</td>"
        f"<td>{html.escape(html.amount(item['amount_total'], item['currency']))}</td></tr>"
        for item in session["_line_items"]
    )
    total_row = f'<tr class="total"><td>Total</td><td>{html.escape(total)}</td></tr>'
    return f"<table>{rows}{total_row}</table>"


def _success_url(session: StripeObject) -> str:
    url: str = session["success_url"]
    return url.replace("{CHECKOUT_SESSION_ID}", session["id"])


@pages.get("/three_d_secure/{intent}")
async def show_authentication(sandbox: Sandbox, request: web.Request) -> web.StreamResponse:
    """The page a payment intent's next_action points to."""
    intent = _intent(sandbox, request)
    if intent is None or intent["status"] != "requires_action":
        return html.page("3D Secure", "<p>There is nothing to authenticate.</p>", 404)
    amount = html.escape(html.amount(intent["amount"], intent["currency"]))
    return html.page("3D Secure", AUTHENTICATION_FORM.format(amount=amount))


@pages.post("/three_d_secure/{intent}")
async def submit_authentication(sandbox: Sandbox, request: web.Request) -> web.StreamResponse:
    """Take the customer's answer and redirect back."""
    intent = _intent(sandbox, request)
    if intent is None or intent["status"] != "requires_action":
        return html.page("3D Secure", "<p>There is nothing to authenticate.</p>", 404)
    succeeds = (await request.post()).get("outcome") == "complete"
    return_url = (intent["next_action"].get("redirect_to_url") or {}).get("return_url")
    sandbox.execute(
        sandbox.platform,
        lambda call: attempts.authenticate_as_customer(
            call, call.require("payment_intent", intent["id"]), succeeds=succeeds
        ),
    )
    return _back(sandbox, _intent(sandbox, request) or intent, return_url)


def _intent(sandbox: Sandbox, request: web.Request) -> StripeObject | None:
    return sandbox.store.read(sandbox.platform, "payment_intent", request.match_info["intent"])


def _back(sandbox: Sandbox, intent: StripeObject, return_url: str | None) -> web.Response:
    """Redirect to Checkout, or to the return URL with Stripe's three parameters."""
    failed = intent["status"] == "requires_payment_method"
    if session_id := intent.get("_checkout_session"):
        session = sandbox.store.read(sandbox.platform, "checkout.session", session_id) or {}
        return html.redirect(f"/checkout/{session_id}" if failed else _success_url(session))
    if return_url is None or not html.is_web_address(return_url):
        outcome = "failed" if failed else "complete"
        return html.page("3D Secure", f"<p>Authentication {outcome}. You can close this page.</p>")
    added = {
        "payment_intent": intent["id"],
        "payment_intent_client_secret": intent["client_secret"],
        "redirect_status": "failed" if failed else "succeeded",
    }
    return html.redirect(html.with_query(return_url, added))

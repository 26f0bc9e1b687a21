"""The layout of the hosted pages; all values are escaped."""

import html
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit, urlunsplit

from aiohttp import web

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; background: #f6f8fa; color: #1a1f36; }
main { max-width: 26rem; margin: 4rem auto; padding: 2rem; background: #fff; border-radius: 8px;
       box-shadow: 0 2px 12px #0002; }
h1 { font-size: 1.25rem; margin-top: 0; }
table { width: 100%; border-collapse: collapse; margin: 1rem 0; }
td { padding: .35rem 0; vertical-align: top; } td:last-child { text-align: right; }
tr.total td { border-top: 1px solid #d8dee4; font-weight: 600; }
label { display: block; margin: .75rem 0 .25rem; }
input { box-sizing: border-box; width: 100%; padding: .5rem; font: inherit;
        border: 1px solid #8792a2; border-radius: 6px; }
button { margin-top: 1.25rem; width: 100%; padding: .65rem; font: inherit; font-weight: 600;
         border: 0; border-radius: 6px; background: #635bff; color: #fff; cursor: pointer; }
button.second { background: #e3e8ee; color: #1a1f36; margin-top: .5rem; }
.error { background: #fdeded; color: #8c1d18; padding: .6rem .8rem; border-radius: 6px; }
.note { color: #697386; font-size: .85rem; } a { color: #635bff; }
"""


def escape(value: object) -> str:
    """Text that is safe inside elements and quoted attributes."""
    return html.escape(str(value), quote=True)


def page(title: str, body: str, status: int = 200) -> web.Response:
    """A whole page; `body` is HTML whose parts from outside are escaped already."""
    document = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}"
        '<p class="note">Local Stripe sandbox. No real money, no real cards.</p>'
        "</main></body></html>"
    )
    headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return web.Response(text=document, content_type="text/html", status=status, headers=headers)


def error_box(message: str | None) -> str:
    """The error message as HTML; empty without a message."""
    return f'<p class="error" role="alert">{escape(message)}</p>' if message else ""


def link_back(url: str | None) -> str:
    """A link out of the page, for web addresses only."""
    if not url or not is_web_address(url):
        return ""
    return f'<p><a href="{escape(url)}">Back</a></p>'


def is_web_address(url: str) -> bool:
    """Whether it is an http or https URL; javascript: and others are not safe to link to."""
    return url.startswith(("http://", "https://"))


def with_query(url: str, added: Mapping[str, str]) -> str:
    """A URL with further query parameters."""
    parts = urlsplit(url)
    query = "&".join(filter(None, [parts.query, urlencode(added)]))
    return urlunsplit(parts._replace(query=query))


def redirect(url: str) -> web.Response:
    """Send the browser on after a form was posted."""
    return web.Response(status=303, headers={"Location": url})


# Currencies without minor units, and those with three; everything else has two.
EXPONENT = {
    "jpy": 0,
    "krw": 0,
    "vnd": 0,
    "clp": 0,
    "kwd": 3,
    "bhd": 3,
    "jod": 3,
    "omr": 3,
    "tnd": 3,
}


def amount(minor_units: int, currency: str) -> str:
    """An amount for people, e.g. `105.00 USD`."""
    exponent = EXPONENT.get(currency, 2)
    whole, fraction = divmod(minor_units, 10**exponent)
    shown = f"{whole:,}.{fraction:0{exponent}}" if exponent else f"{whole:,}"
    return f"{shown} {currency.upper()}"

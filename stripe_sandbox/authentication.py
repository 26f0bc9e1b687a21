"""API keys: any secret test key is the platform's."""

import base64

from stripe_sandbox.errors import InvalidRequestError


def authenticate(authorization: str | None) -> str:
    """The secret test key of an Authorization header, Bearer or Basic; 401 without one."""
    scheme, _, credentials = (authorization or "").partition(" ")
    api_key = credentials.strip()
    if scheme.lower() == "basic":
        api_key = _basic_user(api_key)
    if not api_key:
        raise InvalidRequestError(
            "You did not provide an API key. You need to provide your API key in the "
            "Authorization header, using Bearer auth (e.g. 'Authorization: Bearer "
            "YOUR_SECRET_KEY').",
            status=401,
        )
    if not api_key.startswith(("sk_test_", "rk_test_")):
        raise InvalidRequestError(f"Invalid API Key provided: {redacted(api_key)}", status=401)
    return api_key


def _basic_user(credentials: str) -> str:
    try:
        return base64.b64decode(credentials, validate=True).decode("ascii").partition(":")[0]
    except ValueError:
        return ""


def redacted(api_key: str) -> str:
    """The key as error messages show it: at most its first eight and last four characters."""
    return f"{api_key[:8]}{'*' * 8}{api_key[-4:]}" if len(api_key) > 16 else "*" * len(api_key)

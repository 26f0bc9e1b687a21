"""Where a tenant's people may be sent back to from Stripe's pages. A link of ours that leads to a
stranger's page is what phishing needs, so only hosts that the tenant lists are taken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = rf"{_LABEL}(?:\.{_LABEL})*"
_PORT = r"(?::([0-9]{1,5}))?"
# Of "*.com" everybody could be a part: a wildcard stands before two labels at least.
_IS_PATTERN = re.compile(rf"(?:{_NAME}|\*\.{_LABEL}(?:\.{_LABEL})+|\[::1\]){_PORT}").fullmatch
# As a browser reads it, and nothing that two readers could read differently: no user, no backslash,
# no escapes, no letters beyond ASCII, no empty label.
_READ_URL = re.compile(
    rf"(https?)://({_NAME}|\[::1\]){_PORT}(?=[/?#]|\Z)", re.ASCII | re.IGNORECASE
).match
_LOOPBACK = frozenset(("localhost", "127.0.0.1", "[::1]"))
_DEFAULT_PORTS = {"https": "443", "http": "80"}

NOT_PLAIN = (
    "must begin with https://, a host in ASCII (xn--... for others) and perhaps a port, and nothing"
    " else before the path"
)
NOT_HTTPS = "must be https, except on this machine (localhost, 127.0.0.1, [::1])"
NOT_LISTED = "must be on a host that the tenant lists in return_hosts"


def host_pattern(given: str) -> str:
    """A host as a tenant lists it: "shop.example", "shop.example:8443", or "*.shop.example" for
    every subdomain, and not shop.example itself.

    Raises:
        ValueError.
    """
    pattern = given.strip().lower()
    if not _IS_PATTERN(pattern):
        raise ValueError(
            "must be a host: shop.example, shop.example:8443, or *.shop.example for its subdomains;"
            " others than ASCII as xn--..."
        )
    return pattern.removesuffix(":443")


@dataclass(frozen=True, slots=True)
class ReturnHosts:
    """The hosts that are listed. With none, ``any_host`` says whether all are taken, or none."""

    patterns: frozenset[str] = frozenset()
    any_host: bool = True

    @property
    def is_open(self) -> bool:
        """Whether nobody said where people may be sent, and they are sent anywhere."""
        return not self.patterns and self.any_host

    def complaint(self, url: str) -> str | None:
        """What is wrong with sending people there; None when nothing is."""
        read = _READ_URL(url)
        if read is None or not url.isprintable() or "\\" in url:
            return NOT_PLAIN
        scheme, host, port = read[1].lower(), read[2].lower(), read[3]
        if scheme != "https" and host not in _LOOPBACK:
            return NOT_HTTPS
        if self.is_open or self._lists(host, _suffix(scheme, port)):
            return None
        return NOT_LISTED

    def _lists(self, host: str, port: str) -> bool:
        if f"{host}{port}" in self.patterns:
            return True
        _, *parents = host.split(".")
        return any(f"*.{'.'.join(parents[i:])}{port}" in self.patterns for i in range(len(parents)))


def _suffix(scheme: str, port: str | None) -> str:
    """The port as patterns have it: none for https's own."""
    number = str(int(port)) if port else _DEFAULT_PORTS[scheme]
    return "" if number == _DEFAULT_PORTS["https"] else f":{number}"

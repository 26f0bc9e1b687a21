"""What the settings of files may look like."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._-]+)*/?")


def host_and_port(url: str) -> tuple[str, int]:
    """Of ``clamd://host:3310``. Raises ValueError."""
    parts = urlsplit(url)
    whole = parts.scheme == "clamd" and parts.hostname and parts.port
    if not whole or url != f"clamd://{parts.netloc}" or "@" in parts.netloc:
        raise ValueError("must be clamd://host:port, such as clamd://clamd.files:3310")
    return str(parts.hostname), int(parts.port or 0)


def _scanner(url: str) -> str:
    host_and_port(url)
    return url


def _bucket(url: str) -> str:
    if not BUCKET.fullmatch(url):
        raise ValueError("must be s3://bucket or s3://bucket/prefix")
    return url


def _endpoint(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise ValueError("must be a URL: https://host:port")
    return url


BucketUrl = Annotated[str, AfterValidator(_bucket)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
ScannerUrl = Annotated[str, AfterValidator(_scanner)]

"""An S3-compatible bucket that keeps files. Import it only where one is set: obstore is 15 MB."""

from __future__ import annotations

from typing import TYPE_CHECKING

import obstore
import structlog
from obstore.exceptions import BaseError
from obstore.store import S3Store

from service.domain.errors import FilesUnavailable

if TYPE_CHECKING:
    from obstore.store import S3Config

TIMEOUT_S, CONNECT_TIMEOUT_S, MOST_RETRIES = 5, 2, 1
MOST_BYTES = 1_000_000  # what a request brings, and so the largest that was ever put

log = structlog.get_logger()


class Bucket:
    """Files by their key. The login is AWS's own environment: AWS_ACCESS_KEY_ID with
    AWS_SECRET_ACCESS_KEY, or the identity of the pod or machine.
    """

    def __init__(self, url: str, *, endpoint: str | None = None, region: str | None = None) -> None:
        """``url`` is s3://bucket/prefix; ``endpoint`` another S3 than Amazon's."""
        name, _, prefix = url.removeprefix("s3://").partition("/")
        config: S3Config = {}
        if endpoint:
            config["endpoint"] = endpoint
        if region:
            config["region"] = region
        self._store = S3Store(
            name,
            prefix=prefix.strip("/") or None,
            config=config,
            client_options={
                # a URL with http says it itself: a bucket of the same machine or mesh
                "allow_http": bool(endpoint and endpoint.startswith("http://")),
                "timeout": f"{TIMEOUT_S}s",
                "connect_timeout": f"{CONNECT_TIMEOUT_S}s",
            },
            retry_config={"max_retries": MOST_RETRIES},
        )

    async def put(self, key: str, content: bytes, content_type: str) -> None:
        """Keeps it under this key; again, when it is there already. Raises FilesUnavailable."""
        try:
            await obstore.put_async(
                self._store, key, content, attributes={"Content-Type": content_type}
            )
        except (BaseError, OSError) as error:  # OSError: there is no such bucket
            raise _unavailable("put", key, error) from None

    async def get(self, key: str) -> bytes | None:
        """What is kept under this key; None for nothing, and for what is larger than any file that
        was put. Raises FilesUnavailable.
        """
        try:
            found = await obstore.get_async(self._store, key)
            if found.meta["size"] > MOST_BYTES:
                return None
            return bytes(await found.bytes_async())
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            raise _unavailable("get", key, error) from None


def _unavailable(what: str, key: str, error: Exception) -> FilesUnavailable:
    """What obstore says is long and names hosts: it is for the log, and never for a caller."""
    log.error("bucket failed", what=what, key=key, error=str(error))
    return FilesUnavailable()

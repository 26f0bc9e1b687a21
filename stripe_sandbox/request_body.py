"""Reads the parameters of a request, from its query and its body.

v1 bodies are forms, with a file in them multipart forms; v2 bodies are JSON. The query of a request
belongs to its parameters, too. An uploaded file is a hash of its own:

    {"filename": "receipt.pdf", "type": "application/pdf", "content": base64, "size": bytes}
"""

import base64
import json
from typing import Any

from aiohttp import BodyPartReader, web

from stripe_sandbox.errors import InvalidRequestError
from stripe_sandbox.form import decode_form


async def read_params(request: web.Request) -> dict[str, Any]:
    """Query and body together.

    Raises:
        InvalidRequestError: 400, the body does not match its content type.
    """
    params = decode_form(request.query_string)
    try:
        if request.content_type == "multipart/form-data":
            return params | await _read_multipart(request)
        return params | _decode(request.path, await request.read())
    except ValueError as error:
        raise InvalidRequestError(f"The request body could not be read: {error}") from error


def _decode(path: str, body: bytes) -> dict[str, Any]:
    if not body or not path.startswith("/v2/"):
        return decode_form(body.decode())
    decoded = json.loads(body)
    if not isinstance(decoded, dict):
        raise InvalidRequestError("The body must be a JSON object.")
    return decoded


async def _read_multipart(request: web.Request) -> dict[str, Any]:
    params: dict[str, Any] = {}
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or part.name is None:
            raise InvalidRequestError("Every part of the body must be a named parameter.")
        content = bytes(await part.read())
        if part.filename is None:
            params[part.name] = content.decode()
        else:
            params[part.name] = {
                "filename": part.filename,
                "type": part.headers.get("Content-Type", "application/octet-stream"),
                "content": base64.b64encode(content).decode(),
                "size": len(content),
            }
    return params

"""Files: /v1/files, uploads that serve as evidence in disputes.

The type of a file is that of its name, and evidence must also begin as files of its type do.
"""

import base64
from pathlib import PurePosixPath

from aiohttp import web

from stripe_sandbox.authentication import authenticate
from stripe_sandbox.call import Call
from stripe_sandbox.errors import parameter_invalid, parameter_missing, resource_missing
from stripe_sandbox.ids import new_id
from stripe_sandbox.lists import envelope
from stripe_sandbox.pages import Pages
from stripe_sandbox.registry import Registry
from stripe_sandbox.sandbox import Sandbox
from stripe_sandbox.store import StripeObject

registry = Registry()
pages = Pages()

LARGEST_BYTES = 5_000_000
EVIDENCE = "dispute_evidence"
PURPOSES = (
    "account_requirement", "additional_verification", "business_icon", "business_logo",
    "customer_signature", EVIDENCE, "identity_document", "issuing_regulatory_reporting",
    "pci_document", "platform_terms_of_service", "tax_document_user_upload",
    "terminal_android_apk", "terminal_reader_splashscreen", "terminal_wifi_certificate",
    "terminal_wifi_private_key",
)  # fmt: skip
BEGINS_WITH = {
    "pdf": b"%PDF-",
    "jpg": b"\xff\xd8\xff",
    "jpeg": b"\xff\xd8\xff",
    "png": b"\x89PNG\r\n\x1a\n",
}


@registry.post("/v1/files")
def create_file(call: Call) -> StripeObject:
    """Keep an upload; evidence is a PDF or a picture of at most 5 MB."""
    upload = call.params.hash("file")
    if "content" not in upload:
        raise parameter_missing("file")
    call.params.require("purpose")
    if call.params.is_set("file_link_data"):
        raise parameter_invalid("file_link_data", "The sandbox makes no links to files.")
    filename, purpose = upload.required_text("filename"), call.params.choice("purpose", PURPOSES)
    suffix = PurePosixPath(filename).suffix.removeprefix(".").lower()
    if upload["size"] == 0:
        raise parameter_invalid("file", "The file you uploaded is empty.")
    if upload["size"] > LARGEST_BYTES:
        raise parameter_invalid("file", "The file you uploaded is too large.")
    if purpose == EVIDENCE:
        _must_be_evidence(suffix, base64.b64decode(upload["content"]))
    file_id = new_id("file")
    return call.add(
        {
            "id": file_id,
            "object": "file",
            "created": call.now,
            "expires_at": None,
            "filename": filename,
            "links": envelope(f"/v1/file_links?file={file_id}", []),
            "purpose": purpose,
            "size": upload["size"],
            "title": None,
            "type": {"jpeg": "jpg"}.get(suffix, suffix) or None,
            "url": f"{call.state.public_url}/v1/files/{file_id}/contents",
            "_content": upload["content"],
            "_content_type": upload["type"],
        }
    )


def _must_be_evidence(suffix: str, content: bytes) -> None:
    if suffix not in BEGINS_WITH:
        raise parameter_invalid(
            "file", f"Invalid file type: {suffix}. Use one of {', '.join(BEGINS_WITH)}."
        )
    if not content.startswith(BEGINS_WITH[suffix]):
        raise parameter_invalid("file", f"The file you uploaded is not a valid {suffix} file.")


@registry.get("/v1/files")
def list_files(call: Call) -> StripeObject:
    """By purpose or time."""
    purpose = call.params.text("purpose")
    return call.page("file", lambda file: purpose in (None, file["purpose"]))


@registry.get("/v1/files/{id}")
def retrieve_file(call: Call) -> StripeObject:
    """The metadata of a file; its `url` has the contents."""
    return call.require("file", call.path["id"], "file")


@pages.get("/v1/files/{id}/contents")
async def read_file(sandbox: Sandbox, request: web.Request) -> web.StreamResponse:
    """The uploaded bytes; any API key may read them."""
    authenticate(request.headers.get("Authorization"))
    file_id = request.match_info["id"]
    file = sandbox.store.read(sandbox.platform, "file", file_id)
    if file is None:
        raise resource_missing("file", file_id, "file")
    return web.Response(
        body=base64.b64decode(file["_content"]), headers={"Content-Type": file["_content_type"]}
    )


def require_evidence(call: Call, file_id: str, param: str) -> str:
    """The id of a file that was uploaded as evidence."""
    file = call.find("file", file_id)
    if file is None:
        raise resource_missing("file", file_id, param)
    if file["purpose"] != EVIDENCE:
        raise parameter_invalid(param, f"File {file_id} was not uploaded as {EVIDENCE}.")
    return file_id


def content_of(call: Call, file_id: str) -> bytes:
    """The bytes of a file that is there."""
    return base64.b64decode(call.require("file", file_id)["_content"])

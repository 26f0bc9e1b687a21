"""Client certificates on a real connection: who may connect, who that is, and how files change."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID
from google.protobuf.message import Message

from escrow.client import reason_of
from escrow.v1 import party_service_pb2 as pb
from escrow.v1.party_service_pb2_grpc import PartyServiceStub
from service.domain.call import Call
from service.domain.errors import Unauthenticated
from service.local.certificates import Authority, Pair
from service.rpc.grpc_server import Listening, serving
from service.rpc.identity import verified
from service.rpc.identity.certificates import Certificates
from service.rpc.identity.document import AuthDocument
from service.rpc.identity.verified import AuthFileUnusable, VerifiedIdentities
from service.rpc.servicer import Operation
from service.rpc.services import OPERATIONS, SERVICES
from service.rpc.tls import TlsFiles, TlsFilesUnusable, server_credentials

ORDERS = "spiffe://shop/ns/prod/sa/orders"


class Served:
    """A server with mTLS, and what it was called with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder / "ca")
        self.server = self.authority.issue("server", hosts=["localhost", "127.0.0.1"])
        self.orders = self.authority.issue("orders", uri=ORDERS)
        self.file = folder / "auth.json"
        self.calls: list[Call] = []
        self.port = 0

    def write(self, **changes: Any) -> None:  # noqa: ANN401  any field
        entry = {"uri": ORDERS, "caller": "orders", "role": "service", "tenants": ["default"]}
        self.file.write_text(json.dumps({"certificates": [entry], **changes}))

    async def answer(self, _: object, call: Call, __: Message) -> Message:
        self.calls.append(call)
        return pb.GetPayerResponse()

    async def call(self, pair: Pair | None, trusts: Path | None = None, person: str = "") -> str:
        """The reason why the call was refused; its code where there is none, "" when it was not."""
        credentials = grpc.ssl_channel_credentials(
            (trusts or self.authority.file).read_bytes(),
            pair.key.read_bytes() if pair else None,
            pair.certificate.read_bytes() if pair else None,
        )
        async with grpc.aio.secure_channel(f"localhost:{self.port}", credentials) as channel:
            request = pb.GetPayerRequest(payer_id=f"pyr_{'0' * 32}")
            stub: Any = PartyServiceStub(channel)
            try:
                metadata = (("escrow-person", person),) if person else ()
                await stub.GetPayer(request, timeout=5, metadata=metadata)
            except grpc.aio.AioRpcError as error:
                return reason_of(error) or error.code().name
            return ""


@asynccontextmanager
async def serve(folder: Path, **document: Any) -> AsyncIterator[Served]:  # noqa: ANN401  any field
    served = Served(folder)
    served.write(**document)
    identities = VerifiedIdentities(served.file, {"default", "acme"})
    files = TlsFiles(served.server.certificate, served.server.key, served.authority.file)
    listening = Listening("127.0.0.1", 0, 5, 300, 1, False, server_credentials(files))
    operations: Mapping[str, Operation[None]] = dict.fromkeys(OPERATIONS, served.answer)
    following = asyncio.create_task(identities.follow())
    async with serving(None, SERVICES, operations, identities.identify, listening) as port:  # type: ignore[arg-type]  # nothing here uses it
        served.port = port
        yield served
    following.cancel()


async def test_who_is_no_operator_names_nobody_who_works_with_it(tmp_path: Path) -> None:
    async with serve(tmp_path) as served:
        assert await served.call(served.orders, person="jo") == "INVALID_FIELD"

        assert served.calls == []


async def test_a_person_is_kept_beside_the_name_that_is_proven(tmp_path: Path) -> None:
    """And looks like no name that an administrator or an issuer can give."""
    entry = {"uri": ORDERS, "caller": "ops", "role": "operator", "tenants": ["default"]}
    async with serve(tmp_path, certificates=[entry]) as served:
        assert await served.call(served.orders, person="jo") == ""
        assert await served.call(served.orders) == ""
        assert await served.call(served.orders, person="jo for root") == "INVALID_FIELD"

        assert [call.caller for call in served.calls] == ["ops for jo", "ops"]


async def test_the_certificate_says_who_calls(tmp_path: Path) -> None:
    async with serve(tmp_path) as served:
        assert await served.call(served.orders) == ""

        (call,) = served.calls
        assert (call.tenant_id, call.caller, call.party) == ("default", "orders", "service")


async def test_strangers_do_not_get_in(tmp_path: Path) -> None:
    stranger = Authority(tmp_path / "other").issue("orders", uri=ORDERS)
    async with serve(tmp_path) as served:
        expired = served.authority.issue("old", uri=ORDERS, lifetime=-timedelta(minutes=1))
        unknown = served.authority.issue("unknown", uri="spiffe://shop/ns/prod/sa/reports")

        assert await served.call(None) == "UNAVAILABLE"  # no handshake, so no answer
        assert await served.call(stranger) == "UNAVAILABLE"
        assert await served.call(expired) == "UNAVAILABLE"
        assert await served.call(unknown) == "UNAUTHENTICATED"
        assert served.calls == []


def with_names(names: bytes) -> bytes:
    """A certificate (PEM) whose alternative names are these bytes."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([]), datetime.now(UTC)
    extension = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, names)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    return (
        builder.add_extension(extension, critical=False)
        .sign(key, SHA256())
        .public_bytes(Encoding.PEM)
    )


def general_names(*names: tuple[int, bytes]) -> bytes:
    """As DER has them: a tag for the kind, and the text."""
    inner = b"".join(bytes([tag, len(text)]) + text for tag, text in names)
    return bytes([0x30, len(inner)]) + inner


DNS, URI, X400, EDI, IP = 0x82, 0x86, 0xA3, 0xA5, 0x87
OURS = (URI, ORDERS.encode())


@pytest.mark.parametrize(
    "names",
    [
        general_names((X400, b"\x30\x00"), OURS),
        general_names((EDI, b"\x30\x00"), OURS),
        general_names((IP, b"\x01\x02\x03"), OURS),
        b"\xff\xff",
        general_names(),
        general_names((URI, ORDERS.encode() + b"\0.evil")),
        general_names((URI, ORDERS.upper().encode())),
        general_names((URI, ORDERS.encode() + b"/")),
        general_names((DNS, ORDERS.encode())),
        general_names((DNS, b"*")),
    ],
)
def test_a_certificate_of_strange_names_is_nobodys(names: bytes) -> None:
    entry = {"uri": ORDERS, "caller": "orders", "role": "service", "tenants": ["default"]}
    known = Certificates(AuthDocument.model_validate({"certificates": [entry]}))

    assert known.holder(Shows(with_names(general_names(OURS)))).name == "orders"
    with pytest.raises(Unauthenticated):
        known.holder(Shows(with_names(names)))


@dataclass
class Shows:
    """A connection with a certificate."""

    pem: bytes

    def auth_context(self) -> dict[str, list[bytes]]:
        return {"x509_pem_cert": [self.pem]}


async def test_a_revoked_certificate_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verified, "LOOK_EVERY_S", 0.05)
    async with serve(tmp_path) as served:
        assert await served.call(served.orders) == ""
        shown = x509.load_pem_x509_certificate(served.orders.certificate.read_bytes())
        revoked = hashlib.sha256(shown.public_bytes(Encoding.DER)).hexdigest()

        served.write(revoked_certificates=[revoked.upper()])
        await asyncio.sleep(0.5)
        assert await served.call(served.orders) == "UNAUTHENTICATED"

        served.file.write_text("{")  # what cannot be used changes nothing
        await asyncio.sleep(0.5)
        assert await served.call(served.orders) == "UNAUTHENTICATED"
        served.write()
        await asyncio.sleep(0.5)
        assert await served.call(served.orders) == ""


async def test_certificates_and_the_ca_change_without_a_restart(tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    async with serve(tmp_path) as served:
        files = served.server, served.authority.file
        new_server = other.issue("server", hosts=["localhost"])
        new_client = other.issue("orders", uri=ORDERS)
        assert await served.call(new_client) == "UNAVAILABLE"

        files[0].key.write_bytes(new_server.key.read_bytes())  # half of a rotation: the old stays
        assert await served.call(served.orders) == ""
        files[0].certificate.write_bytes(new_server.certificate.read_bytes())
        files[1].write_bytes(other.file.read_bytes())

        assert await served.call(new_client, trusts=other.file) == ""
        assert await served.call(served.orders, trusts=other.file) == "UNAVAILABLE"


def test_files_that_do_not_fit_do_not_start(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    one, two = (authority.issue(name, hosts=["localhost"]) for name in ("one", "two"))

    for files in (
        TlsFiles(one.certificate, two.key, None),
        TlsFiles(one.certificate, tmp_path / "nowhere", None),
        TlsFiles(one.key, one.key, None),
        TlsFiles(one.certificate, one.key, one.key),
    ):
        with pytest.raises(TlsFilesUnusable) as problem:
            server_credentials(files)
        assert "\n" not in str(problem.value)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"certificates": [{"caller": "a", "role": "service", "tenants": ["*"]}]},
        {"certificates": [{"uri": "x", "caller": "a", "role": "king", "tenants": ["*"]}]},
        {"certificates": [{"uri": "x", "caller": "a", "role": "service", "tenants": []}]},
        {"certificates": 2 * [{"uri": "x", "caller": "a", "role": "service", "tenants": ["*"]}]},
        {"roles": {"operator": {"permissions": ["*.*"], "parties": ["operator"]}}},
        {"roles": {"mine": {"permissions": ["all"], "parties": ["operator"]}}},
        {"roles": {"mine": {"permissions": ["*.read"], "parties": ["stripe"]}}},
    ],
    ids=json.dumps,
)
def test_an_auth_file_that_says_too_little_is_refused(
    tmp_path: Path, document: dict[str, Any]
) -> None:
    file = tmp_path / "auth.json"
    file.write_text(json.dumps(document))

    with pytest.raises(AuthFileUnusable, match="ESCROW_AUTH_FILE: "):
        VerifiedIdentities(file, {"default"})

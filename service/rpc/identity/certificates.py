"""Client certificates (mTLS): gRPC has checked the chain; here they get a name and an end."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Mapping

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from service.domain.errors import Unauthenticated
from service.rpc.identity.caller import Peer
from service.rpc.identity.document import AuthDocument, CertificateEntry
from service.rpc.identity.tokens import Holder

MOST_KNOWN = 1_000
UNREADABLE = (
    ValueError,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


class Certificates:
    """Says who holds a certificate: by the first of its URIs, then of its DNS names, that the
    document names.
    """

    def __init__(self, document: AuthDocument) -> None:
        self._uris = {entry.uri: entry for entry in document.certificates if entry.uri}
        self._names = {entry.dns: entry for entry in document.certificates if entry.dns}
        self._revoked = frozenset(document.revoked_certificates)
        self._roles = document.every_role()
        self._known: OrderedDict[bytes, Holder] = OrderedDict()

    def holder(self, peer: Peer) -> Holder:
        """Raises Unauthenticated."""
        shown: Mapping[str, object] = peer.auth_context()
        pem = _first(shown, "x509_pem_cert")
        if pem is None:
            raise Unauthenticated("Connect with a client certificate, or send a bearer token.")
        known = self._known.get(pem)
        if known is None:
            known = self._known[pem] = self._check(pem)
            if len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)
        if known.until <= time.time():  # the connection may outlive it
            raise Unauthenticated("The client certificate has expired.")
        return known

    def _check(self, pem: bytes) -> Holder:
        try:
            certificate = x509.load_pem_x509_certificate(pem)
            names = _names(certificate)
        except UNREADABLE:  # gRPC has checked who signed it, and not what it says
            raise Unauthenticated("The client certificate cannot be read.") from None
        fingerprint = hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
        if fingerprint in self._revoked:
            raise Unauthenticated("The client certificate is revoked.")
        entry = self._entry_of(names)
        if entry is None:
            raise Unauthenticated(
                "The URIs and DNS names of the client certificate are not known here."
            )
        return Holder(
            entry.caller,
            self._roles[entry.role],
            frozenset(entry.tenants),
            certificate.not_valid_after_utc.timestamp(),
        )

    def _entry_of(self, names: x509.SubjectAlternativeName | None) -> CertificateEntry | None:
        if names is None:
            return None
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
        dns = names.get_values_for_type(x509.DNSName)
        found = (*map(self._uris.get, uris), *map(self._names.get, dns))
        return next((entry for entry in found if entry is not None), None)


def _names(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return None
    return found.value


def _first(shown: Mapping[str, object], name: str) -> bytes | None:
    values = shown.get(name)
    if not isinstance(values, list | tuple) or not values:
        return None
    return bytes(values[0])

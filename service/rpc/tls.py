"""The server's end of TLS, whose files may be replaced while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import grpc
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

log = structlog.get_logger()


class TlsFilesUnusable(Exception):
    """The certificate, its key or the clients' CA cannot be used. The message is one line."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The server's chain and key (PEM), and the CA of the clients that must show a certificate;
    without one, none is asked for.
    """

    certificate: Path
    key: Path
    client_ca: Path | None

    def read(self) -> tuple[bytes, bytes, bytes | None]:
        """Raises TlsFilesUnusable."""
        try:
            certificate, key = self.certificate.read_bytes(), self.key.read_bytes()
            client_ca = self.client_ca.read_bytes() if self.client_ca else None
        except OSError as error:
            raise TlsFilesUnusable(f"cannot read {error.filename}: {error.strerror}") from None
        try:
            (leaf, *_) = x509.load_pem_x509_certificates(certificate)
            fits = load_pem_private_key(key, None).public_key() == leaf.public_key()
            if client_ca is not None:
                x509.load_pem_x509_certificates(client_ca)
        except (ValueError, TypeError) as error:
            raise TlsFilesUnusable(f"a TLS file is not what it should be: {error}") from None
        if not fits:
            raise TlsFilesUnusable(f"{self.key} is not the key of {self.certificate}")
        return certificate, key, client_ca


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Credentials that look at the files for every new connection, as secrets are rotated. Files
    that cannot be used, or do not fit each other, leave what was there before.

    Raises:
        TlsFilesUnusable: at the start.
    """
    used = files.read()
    problem = ""

    def look() -> grpc.ServerCertificateConfiguration | None:
        nonlocal used, problem
        try:
            found = files.read()
        except TlsFilesUnusable as unusable:
            if problem != str(unusable):  # once, and not for every connection
                problem = str(unusable)
                log.error("TLS files not used", problem=problem)  # noqa: TRY400
            return None
        problem = ""
        if found == used:
            return None
        used = found
        log.info("TLS files read again")
        return _configuration(found)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(used),
        look,  # type: ignore[arg-type]  # None keeps what there is, which the stubs forget
        require_client_authentication=files.client_ca is not None,
    )


def _configuration(
    read: tuple[bytes, bytes, bytes | None],
) -> grpc.ServerCertificateConfiguration:
    certificate, key, client_ca = read
    return grpc.ssl_server_certificate_configuration([(key, certificate)], client_ca)

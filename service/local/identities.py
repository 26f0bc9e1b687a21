"""Who calls whom on this machine, proven as in production: certificates made at each start."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from escrow.client import TlsFiles
from service.local.certificates import Authority

# The clients, each with its certificate, and the role that it has. Nobody approves what they asked
# for themselves, so there is a second operator.
STORY, YOU, OPERATOR, GATEWAY = "story", "you", "operator", "gateway"
SECOND_OPERATOR = "second-operator"
ROLES = {
    STORY: "service",
    YOU: "service",
    OPERATOR: "operator",
    SECOND_OPERATOR: "operator",
    GATEWAY: "gateway",
}


@dataclass(frozen=True, slots=True)
class Identities:
    """The folder of the certificates and of the file that says who may call."""

    folder: Path

    def make(self, host: str, tenant: str) -> None:
        """Issues them, by an authority that nobody else has."""
        authority = Authority(self.folder)
        authority.issue("service", hosts=[host, "localhost"])
        for name in ROLES:
            authority.issue(name, uri=_uri(name))
        entries = [
            {"uri": _uri(name), "caller": name, "role": role, "tenants": [tenant]}
            for name, role in ROLES.items()
        ]
        self._auth_file.write_text(json.dumps({"certificates": entries}, indent=2) + "\n")

    def files(self, name: str) -> TlsFiles:
        """What a client connects with."""
        return TlsFiles(self._ca, self.folder / f"{name}.pem", self.folder / f"{name}.key")

    def of_service(self) -> Mapping[str, str]:
        """The service's settings."""
        return {
            "ESCROW_AUTH": "mtls",
            "ESCROW_AUTH_FILE": str(self._auth_file),
            "ESCROW_TLS_CERTIFICATE_FILE": str(self.folder / "service.pem"),
            "ESCROW_TLS_KEY_FILE": str(self.folder / "service.key"),
            "ESCROW_TLS_CLIENT_CA_FILE": str(self._ca),
        }

    def of_gateway(self) -> Mapping[str, str]:
        """The gateway's settings."""
        files = self.files(GATEWAY)
        return {
            "ESCROW_SERVICE_CA_FILE": str(files.ca),
            "ESCROW_GATEWAY_CERTIFICATE_FILE": str(files.certificate),
            "ESCROW_GATEWAY_KEY_FILE": str(files.key),
        }

    def of_operator(self) -> Mapping[str, str]:
        """What the command line needs to change something, from whatever folder."""
        files = Identities(self.folder.absolute()).files(OPERATOR)
        return {
            "ESCROW_SERVICE_CA_FILE": str(files.ca),
            "ESCROW_OPERATOR_CERTIFICATE_FILE": str(files.certificate),
            "ESCROW_OPERATOR_KEY_FILE": str(files.key),
        }

    @property
    def _ca(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def _auth_file(self) -> Path:
        return self.folder / "auth.json"


def _uri(name: str) -> str:
    return f"spiffe://escrow.local/{name}"

"""Where the service is, and how it knows an operator: for commands that change something."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from escrow.channels import stays_on_this_machine
from escrow.client import TlsFiles


class ServiceAccess(BaseSettings):
    """The same variables for every such command."""

    model_config = SettingsConfigDict(
        env_ignore_empty=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,  # for the table of `make docs`
    )

    target: str = Field(
        default="localhost:50051", validation_alias="ESCROW_SERVICE_TARGET", min_length=1
    )
    """Where the service is: host and port."""
    ca_file: Path | None = Field(default=None, validation_alias="ESCROW_SERVICE_CA_FILE")
    """Whose certificate is accepted of the service (PEM); with it commands connect by TLS."""
    certificate_file: Path | None = Field(
        default=None, validation_alias="ESCROW_OPERATOR_CERTIFICATE_FILE"
    )
    """The operator's certificate (PEM), which proves who it is with `ESCROW_AUTH=mtls`."""
    key_file: Path | None = Field(default=None, validation_alias="ESCROW_OPERATOR_KEY_FILE")
    """Its key (PEM)."""
    token_file: Path | None = Field(default=None, validation_alias="ESCROW_OPERATOR_TOKEN_FILE")
    """A bearer token, which proves who it is with `ESCROW_AUTH=jwt`."""

    @model_validator(mode="after")
    def _proves_who_it_is(self) -> Self:
        if (self.certificate_file is None) is not (self.key_file is None):
            raise ValueError(
                "ESCROW_OPERATOR_CERTIFICATE_FILE and ESCROW_OPERATOR_KEY_FILE: set both or neither"
            )
        if self.ca_file is None and self.certificate_file is not None:
            raise ValueError("ESCROW_SERVICE_CA_FILE: is required with a certificate")
        if self.token_file and self.ca_file is None and not stays_on_this_machine(self.target):
            raise ValueError("ESCROW_SERVICE_CA_FILE: the token would be sent in plain text")
        return self

    @property
    def tls_files(self) -> TlsFiles | None:
        """What TLS needs; None for plain text."""
        if self.ca_file is None:
            return None
        return TlsFiles(self.ca_file, self.certificate_file, self.key_file)

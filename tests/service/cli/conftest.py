"""Who may call a service that asks for certificates."""

from pathlib import Path

import pytest

from service.local.identities import Identities


@pytest.fixture
def identities(tmp_path: Path) -> Identities:
    made = Identities(tmp_path / "tls")
    made.make("127.0.0.1", "default")
    return made

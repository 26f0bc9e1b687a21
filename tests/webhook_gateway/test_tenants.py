import asyncio
import json
import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from webhook_gateway.config import ConfigError
from webhook_gateway.tenants import Tenants


def entry(current: object, previous: object = None) -> dict[str, object]:
    endpoint = (
        {"current": current} if previous is None else {"current": current, "previous": previous}
    )
    return {"webhook_secrets": {"platform": endpoint}, "stripe_key": {"file": "for the service"}}


def write(file: Path, **tenants: object) -> Path:
    """Replaces the file in one step, as Kubernetes and careful editors do."""
    new = file.with_name("new")
    new.write_text(json.dumps({"tenants": tenants}))
    return new.replace(file)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tenants.json"


def test_each_tenant_and_endpoint_has_its_own_secrets(file: Path) -> None:
    (file.parent / "secret").write_text("whsec_mounted\n")
    write(file, acme=entry({"file": "secret"}, "whsec_old"), blue=entry("whsec_blue"))
    tenants = Tenants.load(file)
    assert tenants.secrets_of("acme", "platform") == ("whsec_mounted", "whsec_old")
    assert tenants.secrets_of("blue", "platform") == ("whsec_blue",)
    assert tenants.secrets_of("blue", "connect") is None
    assert tenants.secrets_of("green", "platform") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"tenants": {}}',
        '{"tenants": {"acme": {}}}',
        '{"tenants": {"acme": {"webhook_secrets": {}}}}',
        '{"tenants": {"acme": {"webhook_secrets": {"platform": {}}}}}',
        '{"tenants": {"acme": {"webhook_secrets": {"platfrom": {"current": "whsec_1"}}}}}',
        '{"tenants": {"acme": {"webhook_secrets": {"platform": {"current": ""}}}}}',
        '{"tenants": {"acme": {"webhook_secrets": {"platform": {"current": "a", "next": "b"}}}}}',
        '{"tenants": {"a/b": {"webhook_secrets": {"platform": {"current": "whsec_1"}}}}}',
        '{"tenants": {"acme\\n": {"webhook_secrets": {"platform": {"current": "whsec_1"}}}}}',
    ],
)
def test_a_file_that_makes_no_sense_is_refused(file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError, match="ESCROW_TENANTS_FILE") as refused:
        Tenants.load(file)
    assert "whsec" not in str(refused.value)


def test_all_that_is_wrong_with_mounted_secrets_is_named(file: Path) -> None:
    (file.parent / "empty").write_text("\n")
    (file.parent / "binary").write_bytes(b"\xff")
    write(
        file, a=entry({"file": "empty"}), b=entry({"file": "absent"}), c=entry({"file": "binary"})
    )
    with pytest.raises(ConfigError) as refused:
        Tenants.load(file)
    assert len(refused.value.problems) == 3


def test_a_missing_file_is_refused(file: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        Tenants.load(file)


def test_a_changed_file_replaces_all_tenants(file: Path) -> None:
    tenants = Tenants.load(write(file, acme=entry("whsec_1")))
    assert not tenants.reload_if_changed()
    write(file, acme=entry("whsec_2", "whsec_1"), blue=entry("whsec_3"))
    assert tenants.reload_if_changed()
    assert tenants.secrets_of("acme", "platform") == ("whsec_2", "whsec_1")
    assert tenants.secrets_of("blue", "platform") == ("whsec_3",)
    write(file, blue=entry("whsec_3"))
    assert tenants.reload_if_changed()
    assert tenants.secrets_of("acme", "platform") is None


def test_a_mounted_secret_that_is_replaced_by_moving_a_link_is_seen(file: Path) -> None:
    for version in ("v1", "v2"):
        (file.parent / version).mkdir()
        (file.parent / version / "secret").write_text(f"whsec_{version}")
    data = file.parent / "data"
    data.symlink_to("v1")
    tenants = Tenants.load(write(file, acme=entry({"file": "data/secret"})))
    (file.parent / "next").symlink_to("v2")
    (file.parent / "next").rename(data)
    assert tenants.reload_if_changed()
    assert tenants.secrets_of("acme", "platform") == ("whsec_v2",)


def test_a_broken_new_file_keeps_the_old_tenants_and_is_logged_once(file: Path) -> None:
    tenants = Tenants.load(write(file, acme=entry("whsec_1")))
    write(file, acme=entry("whsec_2"), blue=entry(""))
    with capture_logs() as lines:
        assert not tenants.reload_if_changed()
        assert not tenants.reload_if_changed()
    assert [line["event"] for line in lines] == ["tenants_file_refused"]
    assert "whsec" not in str(lines)
    assert tenants.secrets_of("acme", "platform") == ("whsec_1",)


def test_a_broken_file_is_loaded_once_its_missing_secret_appears(file: Path) -> None:
    tenants = Tenants.load(write(file, acme=entry("whsec_1")))
    write(file, acme=entry({"file": "late"}))
    assert not tenants.reload_if_changed()
    (file.parent / "late").write_text("whsec_late")
    assert tenants.reload_if_changed()
    assert tenants.secrets_of("acme", "platform") == ("whsec_late",)


def test_a_file_that_goes_away_keeps_the_old_tenants(file: Path) -> None:
    tenants = Tenants.load(write(file, acme=entry("whsec_1")))
    file.unlink()
    assert not tenants.reload_if_changed()
    assert tenants.secrets_of("acme", "platform") == ("whsec_1",)


async def test_a_change_is_seen_while_the_gateway_runs(file: Path) -> None:
    tenants = Tenants.load(write(file, acme=entry("whsec_1")))
    watching = asyncio.create_task(tenants.watch(poll_s=0.01))
    write(file, acme=entry("whsec_2"))
    os.utime(file, (0, 0))
    try:
        async with asyncio.timeout(5):
            while tenants.secrets_of("acme", "platform") != ("whsec_2",):  # noqa: ASYNC110 - no event tells of a file
                await asyncio.sleep(0.01)
    finally:
        watching.cancel()

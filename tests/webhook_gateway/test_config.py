import pytest
from pydantic import SecretStr

from webhook_gateway.config import ConfigError, DefaultTenantSecrets, load_settings

SECRETS = {
    "STRIPE_WEBHOOK_SECRET_PLATFORM": "whsec_platform",
    "STRIPE_WEBHOOK_SECRET_CONNECT": "whsec_connect",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what a test sets, whatever the machine's environment holds."""
    for name in ("ESCROW_TENANTS_FILE", "ESCROW_SERVICE_TARGET", "ESCROW_GATEWAY_PORT"):
        monkeypatch.delenv(name, raising=False)
    for endpoint in ("PLATFORM", "CONNECT"):
        monkeypatch.delenv(f"STRIPE_WEBHOOK_SECRET_{endpoint}_PREVIOUS", raising=False)
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


def problems() -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load_settings()
    assert "\n" not in str(refused.value)
    return [problem.partition(":")[0] for problem in refused.value.problems]


def test_two_secrets_are_enough_to_start() -> None:
    settings, secrets = load_settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert isinstance(secrets, DefaultTenantSecrets)
    assert secrets.platform == SecretStr("whsec_platform")


def test_the_command_line_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESCROW_GATEWAY_PORT", "9000")
    assert load_settings()[0].port == 9000
    settings, _ = load_settings(host="::1", port=0)
    assert (settings.host, settings.port) == ("::1", 0)


def test_everything_that_is_wrong_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESCROW_GATEWAY_PORT", "http")
    monkeypatch.setenv("STRIPE_WEBHOOK_TOLERANCE_S", "0")
    monkeypatch.delenv("STRIPE_WEBHOOK_SECRET_PLATFORM")
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET_CONNECT", " ")
    assert problems() == [
        "ESCROW_GATEWAY_PORT",
        "STRIPE_WEBHOOK_TOLERANCE_S",
        "STRIPE_WEBHOOK_SECRET_PLATFORM",
        "STRIPE_WEBHOOK_SECRET_CONNECT",
    ]


@pytest.mark.parametrize("secret", ["", " \t\n", "whsec_a\nwhsec_b", "whsec_é"])
@pytest.mark.parametrize(
    "variable", ["STRIPE_WEBHOOK_SECRET_PLATFORM", "STRIPE_WEBHOOK_SECRET_CONNECT_PREVIOUS"]
)
def test_an_unusable_secret_refuses_to_start_and_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, variable: str, secret: str
) -> None:
    monkeypatch.setenv(variable, secret)
    with pytest.raises(ConfigError, match=variable) as refused:
        load_settings()
    assert "whsec" not in str(refused.value)


def test_a_tenants_file_needs_no_secrets_in_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ESCROW_TENANTS_FILE", "tenants.json")
    for name in SECRETS:
        monkeypatch.delenv(name)
    assert str(load_settings()[1]) == "tenants.json"


def test_a_token_is_not_sent_in_plain_text_to_another_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ESCROW_GATEWAY_TOKEN_FILE", "token")
    assert load_settings()[0].tls_files is None  # to this machine
    monkeypatch.setenv("ESCROW_SERVICE_TARGET", "dns:///escrow-service.pay:50051")
    assert problems() == ["ESCROW_SERVICE_CA_FILE"]
    monkeypatch.setenv("ESCROW_PLAIN_TEXT", "true")
    load_settings()
    monkeypatch.delenv("ESCROW_PLAIN_TEXT")
    monkeypatch.setenv("ESCROW_SERVICE_CA_FILE", "ca.pem")
    assert load_settings()[0].tls_files is not None


def test_a_certificate_needs_its_key_and_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESCROW_GATEWAY_CERTIFICATE_FILE", "gateway.pem")
    assert problems() == ["ESCROW_GATEWAY_CERTIFICATE_FILE and ESCROW_GATEWAY_KEY_FILE"]
    monkeypatch.setenv("ESCROW_GATEWAY_KEY_FILE", "gateway.key")
    assert problems() == ["ESCROW_SERVICE_CA_FILE"]

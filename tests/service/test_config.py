import json
import os
from pathlib import Path

import pytest

from service.config import ConfigError, DatabaseRole, check_auth, load_config, load_settings

GOOD = {
    "ESCROW_AUTH": "development",
    "ESCROW_DATABASE_URL": "postgresql://escrow:hunter2@db/escrow",
    "STRIPE_SECRET_KEY": "sk_test_123",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in os.environ:
        if name.startswith(("ESCROW_", "STRIPE_")):
            monkeypatch.delenv(name)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def problems() -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load_config()
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value.problems


def test_three_variables_are_enough() -> None:
    config = load_config()

    assert config.settings.dsn == config.settings.direct_dsn == GOOD["ESCROW_DATABASE_URL"]
    assert config.settings.session_role(DatabaseRole.WORKER) == "escrow_worker"
    assert not config.settings.reflection
    assert config.tenants["default"].stripe_secret_key == "sk_test_123"
    assert not config.tenants["default"].livemode


def test_everything_that_is_wrong_is_named_at_once(environment: pytest.MonkeyPatch) -> None:
    for name in GOOD:
        environment.delenv(name)
    environment.setenv("ESCROW_DIRECT_DATABASE_URL", "db:5432")
    environment.setenv("ESCROW_GRPC_PORT", "http")
    environment.setenv("ESCROW_DRAIN_S", "-1")
    environment.setenv("STRIPE_API_BASE", "localhost")

    assert [problem.partition(":")[0] for problem in problems()] == [
        "ESCROW_AUTH",
        "ESCROW_DATABASE_URL",
        "ESCROW_DIRECT_DATABASE_URL",
        "ESCROW_GRPC_PORT",
        "ESCROW_DRAIN_S",
        "STRIPE_API_BASE",
    ]


def test_an_empty_variable_counts_as_missing(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ESCROW_AUTH", "")
    environment.setenv("STRIPE_SECRET_KEY", "")

    assert problems() == (
        "ESCROW_AUTH: is required",
        "STRIPE_SECRET_KEY: is required when there is no ESCROW_TENANTS_FILE",
    )


def test_nobody_is_believed_by_default(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ESCROW_AUTH", "none")

    assert problems() == ("ESCROW_AUTH: Input should be 'development', 'mtls' or 'jwt'",)


def test_settings_that_do_not_fit_each_other(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ESCROW_DATABASE_POOL_MIN", "20")
    assert problems() == ("ESCROW_DATABASE_POOL_MIN is above ESCROW_DATABASE_POOL_MAX",)
    environment.delenv("ESCROW_DATABASE_POOL_MIN")
    environment.setenv("ESCROW_DRAIN_S", "60")
    assert problems() == ("ESCROW_SHUTDOWN_LIMIT_S must be above ESCROW_DRAIN_S",)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        (
            "ESCROW_FILES_BUCKET",
            ("s3://evidence", "s3://evidence/a/b", "s3://my.evidence/a/"),
            (
                "evidence",
                "s3://",
                "s3://E",
                "s3://evidence//a",
                "s3://evidence/a b",
                "gs://evidence",
            ),
        ),
        (
            "ESCROW_FILES_SCANNER",
            ("clamd://scanner:3310", "clamd://127.0.0.1:1", "clamd://[::1]:3310"),
            (
                *("scanner:3310", "clamd://scanner", "clamd://scanner:0", "clamd://scanner:http"),
                *("clamd://scanner:3310/", "clamd://me@scanner:3310", "clamd://:3310"),
            ),
        ),
        (
            "ESCROW_FILES_ENDPOINT",
            ("https://minio:9000", "http://127.0.0.1:9000"),
            ("minio:9000", "https://", "https://key:hunter2@minio:9000", "ftp://minio"),
        ),
    ],
)
def test_where_files_are_kept_and_scanned(
    name: str, good: tuple[str, ...], bad: tuple[str, ...], environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("ESCROW_FILES_BUCKET", "s3://evidence")
    for url in good:
        environment.setenv(name, url)
        assert getattr(load_config().settings, name.removeprefix("ESCROW_").lower()) == url
    for url in bad:
        environment.setenv(name, url)
        [problem] = problems()
        assert problem.startswith(f"{name}: ")


def test_an_endpoint_is_of_a_bucket(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ESCROW_FILES_REGION", "eu-central-1")

    [problem] = problems()
    assert "set ESCROW_FILES_BUCKET" in problem


def test_the_command_line_wins(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ESCROW_GRPC_PORT", "1")

    assert load_config(grpc_port=2, grpc_host=None).settings.grpc_port == 2


def test_behind_a_pooler_sessions_keep_nothing(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ESCROW_PGBOUNCER", "true")
    environment.setenv("ESCROW_DIRECT_DATABASE_URL", "postgresql://direct/escrow")

    settings = load_settings()

    assert settings.session_role(DatabaseRole.SERVICE) == ""
    assert settings.direct_dsn == "postgresql://direct/escrow"


def test_migrations_need_no_stripe(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("STRIPE_SECRET_KEY")

    assert load_settings().dsn == GOOD["ESCROW_DATABASE_URL"]


# --- tenants ------------------------------------------------------------------------------------


def test_a_live_key_is_sent_to_stripe_only(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("STRIPE_SECRET_KEY", "sk_live_123")
    assert load_config().tenants["default"].livemode

    environment.setenv("STRIPE_API_BASE", "http://127.0.0.1:12111")
    assert problems() == (
        "STRIPE_SECRET_KEY: a live key is sent to Stripe only; unset the API base",
    )


def test_a_publishable_key_is_refused(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("STRIPE_SECRET_KEY", "pk_test_123")

    assert problems() == (
        "STRIPE_SECRET_KEY: must be a secret key of Stripe: sk_..., or a restricted rk_...",
    )


def test_a_mounted_key(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("STRIPE_SECRET_KEY_FILE", str(tmp_path / "key"))
    assert problems()[0].startswith("STRIPE_SECRET_KEY_FILE: cannot read ")

    (tmp_path / "key").write_text("rk_test_456\n")
    environment.setenv("STRIPE_API_BASE", "http://127.0.0.1:12111/")
    tenant = load_config().tenants["default"]
    assert (tenant.stripe_secret_key, tenant.stripe_api_base) == (
        "rk_test_456",
        "http://127.0.0.1:12111",
    )
    assert "rk_test_456" not in repr(tenant)


def test_a_file_of_tenants(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "tenants.json"
    environment.setenv("ESCROW_TENANTS_FILE", str(file))
    (tmp_path / "acme").write_text("sk_live_acme\n")
    file.write_text(
        json.dumps(
            {
                "tenants": {
                    "acme": {
                        "stripe_secret_key": {"file": "acme"},
                        "webhook_secrets": {"platform": {"current": "whsec_1"}},
                    },
                    "beta": {
                        "stripe_secret_key": "sk_test_beta",
                        "stripe_api_base": "http://sandbox:12111",
                    },
                }
            }
        )
    )

    tenants = load_config().tenants

    assert {name: tenant.livemode for name, tenant in tenants.items()} == {
        "acme": True,
        "beta": False,
    }
    assert tenants["acme"].stripe_secret_key == "sk_live_acme"
    assert tenants["beta"].stripe_api_base == "http://sandbox:12111"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "ESCROW_TENANTS_FILE: Invalid JSON"),
        ("{}", "ESCROW_TENANTS_FILE: tenants: is required"),
        ('{"tenants": {}}', "ESCROW_TENANTS_FILE: tenants: "),
        (
            '{"tenants": {"A B": {"stripe_secret_key": "sk_test_1"}}}',
            "ESCROW_TENANTS_FILE: tenants.",
        ),
        ('{"tenants": {"a": {}}}', "ESCROW_TENANTS_FILE: tenants.a.stripe_secret_key: is required"),
        (
            '{"tenants": {"a": {"stripe_secret_key": {"file": "gone"}}}}',
            "ESCROW_TENANTS_FILE: tenants.a.stripe_secret_key: cannot read ",
        ),
        (
            '{"tenants": {"a": {"stripe_secret_key": "hunter2"}}}',
            "ESCROW_TENANTS_FILE: tenants.a.stripe_secret_key: must be a secret key",
        ),
    ],
)
def test_a_file_of_tenants_that_cannot_be_used(
    environment: pytest.MonkeyPatch, tmp_path: Path, text: str, problem: str
) -> None:
    file = tmp_path / "tenants.json"
    environment.setenv("ESCROW_TENANTS_FILE", str(file))
    file.write_text(text)

    assert problems()[0].startswith(problem)


def dangers(**settings: str) -> list[str]:
    """What keeps a server from listening with these settings."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in settings.items():
            environment.setenv(name, value)
        try:
            check_auth(load_config())
        except ConfigError as error:
            return [problem.partition(":")[0] for problem in error.problems]
        return []


def test_believing_everybody_is_for_this_machine_only() -> None:
    assert dangers() == []
    believes = ["ESCROW_AUTH=development does not check who calls, and does not start"]
    for unsafe in (
        {"STRIPE_SECRET_KEY": "sk_live_123"},
        {"ESCROW_GRPC_HOST": "0.0.0.0"},
        {"ESCROW_GRPC_HOST": "escrow.svc"},
        {"ESCROW_ENVIRONMENT": "production"},
    ):
        (found,) = dangers(**unsafe)
        assert found.startswith(believes[0])
        assert dangers(**unsafe, ESCROW_DEVELOPMENT_AUTH_IS_NOT_SAFE_AND_I_WANT_IT="true") == []


def test_who_proves_something_needs_what_to_prove_it_by() -> None:
    tls = {"ESCROW_TLS_CERTIFICATE_FILE": "server.pem", "ESCROW_TLS_KEY_FILE": "server.key"}
    everywhere = {"ESCROW_GRPC_HOST": "0.0.0.0"}
    file = {"ESCROW_AUTH_FILE": "auth.json"}

    assert dangers(ESCROW_AUTH="mtls") == [
        "ESCROW_AUTH_FILE",
        "ESCROW_TLS_CERTIFICATE_FILE",
        "ESCROW_TLS_CLIENT_CA_FILE",
    ]
    whole = {**tls, **file, **everywhere, "STRIPE_SECRET_KEY": "sk_live_123"}
    assert dangers(ESCROW_AUTH="mtls", ESCROW_TLS_CLIENT_CA_FILE="ca.pem", **whole) == []
    assert dangers(ESCROW_AUTH="jwt", **whole) == []
    assert dangers(ESCROW_AUTH="jwt", **file) == []
    assert dangers(ESCROW_AUTH="jwt", **file, **everywhere) == ["ESCROW_TLS_CERTIFICATE_FILE"]
    assert dangers(ESCROW_AUTH="jwt", **file, **everywhere, ESCROW_PLAIN_TEXT="true") == []
    assert dangers(ESCROW_TLS_KEY_FILE="server.key") == [
        "ESCROW_TLS_CERTIFICATE_FILE and ESCROW_TLS_KEY_FILE"
    ]


def test_a_password_is_in_one_place(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("ESCROW_DATABASE_PASSWORD_FILE", str(tmp_path / "password"))
    assert problems() == (
        (
            "ESCROW_DATABASE_PASSWORD_FILE: take the password out of ESCROW_DATABASE_URL and"
            " ESCROW_DIRECT_DATABASE_URL, or unset it"
        ),
    )

    environment.setenv("ESCROW_DATABASE_URL", "postgresql://escrow@db/escrow")
    assert load_config().settings.database_password_file == tmp_path / "password"


def test_return_hosts_of_the_one_tenant(environment: pytest.MonkeyPatch) -> None:
    assert load_config().tenants["default"].return_hosts.is_open

    environment.setenv("STRIPE_RETURN_HOSTS", "Shop.example, *.shop.example")
    hosts = load_config().tenants["default"].return_hosts
    assert hosts.complaint("https://a.shop.example/") is None
    assert hosts.complaint("https://evil.example/")

    environment.setenv("STRIPE_RETURN_HOSTS", "https://shop.example")
    (problem,) = problems()
    assert problem.startswith("STRIPE_RETURN_HOSTS.0: must be a host")


def test_a_live_key_without_return_hosts_takes_no_url(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("STRIPE_SECRET_KEY", "sk_live_123")

    hosts = load_config().tenants["default"].return_hosts
    assert hosts.complaint("https://shop.example/")
    assert not hosts.is_open


def test_rates_of_methods_are_json(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ESCROW_RATE_LIMITS_PER_S", '{"GetEscrow": 5000}')
    assert load_config().settings.rate_limits_per_s == {"GetEscrow": 5000}

    environment.setenv("ESCROW_RATE_LIMIT_PER_END_USER_PER_S", "5")
    assert load_config().settings.rate_limit_per_end_user_per_s == 5

    environment.setenv("ESCROW_RATE_LIMITS_PER_S", '{"GetEscrow": -1}')
    assert problems()[0].startswith("ESCROW_RATE_LIMITS_PER_S")

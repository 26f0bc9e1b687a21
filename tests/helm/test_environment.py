"""What the manifests tell the programs, read by the programs' own configuration."""

import ast
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from opentelemetry.sdk import environment_variables
from pydantic_settings import BaseSettings

import service
import service.config
import webhook_gateway
import webhook_gateway.config
from service.domain.settlement import Settlement
from service.rpc.identity.document import AuthDocument
from tests.helm.chart import (
    PROGRAMS,
    VARIANTS,
    Object,
    ValuesRefused,
    container,
    environment,
    nested,
    pod_specs,
    render_variant,
    variant,
)
from webhook_gateway.tenants import Tenants

MOUNT = Path("/etc/escrow")
DATABASE_URL = "postgresql://escrow@db/escrow?from="
OF = {
    **dict.fromkeys(("service", "worker", "migrate", "verify"), service),
    "gateway": webhook_gateway,
}


@pytest.fixture(autouse=True)
def nothing_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("ESCROW_", "STRIPE_", "OTEL_")):
            monkeypatch.delenv(name)


def give(
    monkeypatch: pytest.MonkeyPatch, objects: dict[str, Object], program: str, mount: Path
) -> None:
    """Does what the kubelet would: sets the variables, and mounts the volumes under ``mount``."""
    for name, value in environment(objects, program).items():
        from_secret = isinstance(value, dict)
        text = f"{DATABASE_URL}{value['name']}/{value['key']}" if from_secret else value
        monkeypatch.setenv(name, text.replace(str(MOUNT), str(mount)))
    mounts = container(objects, program).get("volumeMounts", [])
    folders = {m["name"]: mount / Path(m["mountPath"]).relative_to(MOUNT) for m in mounts}
    for volume in dict(pod_specs(objects))[program].get("volumes", []):
        for source in volume["projected"]["sources"]:
            for path, text in projected(objects, source):
                file = folders[volume["name"]] / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)


def projected(objects: dict[str, Object], source: Object) -> Iterator[tuple[str, str]]:
    if "configMap" in source:
        [config_map] = [
            item
            for item in objects.values()
            if item["kind"] == "ConfigMap"
            and item["metadata"]["name"] == source["configMap"]["name"]
        ]
        items = source["configMap"].get("items")
        paths = {item["key"]: item["path"] for item in items or []}
        for key, text in config_map["data"].items():
            if items is None or key in paths:
                yield paths.get(key, key), text
    else:
        for item in source["secret"]["items"]:
            secret = f"{source['secret']['name']}_{item['key']}".replace("-", "_")
            prefixes = {"api-key": "sk_test_", "password": ""}
            yield item["path"], prefixes.get(Path(item["path"]).name, "whsec_") + secret


@pytest.mark.parametrize("program", ["service", "worker"])
@pytest.mark.parametrize("name", VARIANTS)
def test_the_service_reads_what_it_is_given(
    name: str, program: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    give(monkeypatch, render_variant(name), program, tmp_path)

    config = service.config.load_config()

    assert set(config.tenants) == set(variant(name)["tenants"])
    assert config.settings.auth == variant(name)["auth"]
    assert config.settings.log_format == "json"
    assert config.settings.environment == variant(name).get("environment", "production")


def test_the_service_knows_where_files_are_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    objects = render_variant("everything")
    give(monkeypatch, objects, "service", tmp_path)

    settings = service.config.load_config().settings

    assert settings.files_bucket == "s3://payments-evidence/escrow"
    assert (settings.files_region, settings.files_endpoint) == (
        "eu-central-1",
        "https://minio.files:9000",
    )
    assert settings.files_scanner == "clamd://clamd.files:3310"
    given = environment(objects, "service")
    assert given["AWS_ACCESS_KEY_ID"] == {"name": "evidence-bucket", "key": "id"}
    assert given["AWS_SECRET_ACCESS_KEY"] == {"name": "evidence-bucket", "key": "secret"}
    with pytest.raises(ValuesRefused, match=r"set files\.bucket"):
        render_variant("everything", nested("files.bucket", ""))
    assert not [
        name for name in environment(render_variant("minimal"), "service") if "FILES" in name
    ]


@pytest.mark.parametrize("name", VARIANTS)
def test_the_service_knows_who_may_call(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    give(monkeypatch, render_variant(name), "service", tmp_path)

    config = service.config.load_config()

    service.config.check_auth(config)
    settings = config.settings
    files = (settings.auth_file, settings.tls_certificate_file, settings.tls_key_file)
    assert all(file and file.is_file() for file in files)
    assert (settings.tls_client_ca_file is not None) == (settings.auth == "mtls")
    assert settings.auth_file is not None
    document = AuthDocument.model_validate_json(settings.auth_file.read_text())
    given = variant(name)["authDocument"]
    assert document == AuthDocument.model_validate(given)
    for issuer in document.issuers:
        assert issuer.jwks_file is None or (settings.auth_file.parent / issuer.jwks_file).is_file()


@pytest.mark.parametrize(
    "override",
    [
        {"auth": "development", "developmentAuthIsNotSafeAndIWantIt": True},
        {"plainText": True} | nested("tls.existingSecret", ""),
    ],
)
def test_the_service_starts_without_tls_where_that_is_said(
    override: Object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    give(monkeypatch, render_variant("minimal", override), "service", tmp_path)

    config = service.config.load_config()

    service.config.check_auth(config)
    assert config.settings.auth == override.get("auth", "jwt")


def test_the_gateway_connects_without_tls_where_that_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Beside the proxy of a mesh, with its token."""
    override = {"plainText": True} | nested("tls.existingSecret", "")
    give(monkeypatch, render_variant("minimal", override), "gateway", tmp_path)

    settings, _ = webhook_gateway.config.load_settings()

    assert settings.tls_files is None
    assert settings.token_file is not None


def test_everything_said_to_the_service_arrives(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    give(monkeypatch, render_variant("everything"), "service", tmp_path)

    config = service.config.load_config()

    assert config.settings.dsn == f"{DATABASE_URL}escrow-service-login/pooled"
    assert config.settings.direct_dsn == f"{DATABASE_URL}escrow-service-login/direct"
    assert config.settings.database_engine == "citus"
    assert config.settings.pgbouncer
    assert config.settings.session_role(service.config.DatabaseRole.SERVICE) == ""
    acme, sandbox = config.tenants["acme"], config.tenants["sand_box"]
    assert acme.stripe_secret_key == "sk_test_acme_api_key"
    assert (acme.stripe_api_base, acme.stripe_rate_per_s) == (None, 80)
    assert acme.settlement == Settlement(("USD", "EUR"), convert=True)
    assert sandbox.stripe_secret_key == "sk_test_sandbox_api_secret_key"
    assert sandbox.stripe_api_base == "http://stripe-sandbox:12111"


@pytest.mark.parametrize("name", VARIANTS)
def test_the_gateway_reads_what_it_is_given(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    objects = render_variant(name)
    give(monkeypatch, objects, "gateway", tmp_path)

    settings, source = webhook_gateway.config.load_settings()
    tenants = Tenants.load(source)

    for tenant in variant(name)["tenants"]:
        assert tenants.secrets_of(tenant, "platform")
        assert tenants.secrets_of(tenant, "connect")
    files = (settings.service_ca_file, settings.certificate_file, settings.key_file)
    mutual = variant(name)["auth"] == "mtls"
    assert [file is not None and file.is_file() for file in files] == [True, mutual, mutual]
    assert settings.token_file is not None
    assert settings.token_file.is_file()
    host, _, port = settings.service_target.removeprefix("dns:///").rpartition(":")
    headless = objects["service-service"]
    assert host.split(".")[:3] == [headless["metadata"]["name"], "pay", "svc"]
    assert headless["spec"]["clusterIP"] == "None"
    assert int(port) == headless["spec"]["ports"][0]["port"]


def test_a_rolled_webhook_secret_is_valid_beside_the_new_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    give(monkeypatch, render_variant("everything"), "gateway", tmp_path)

    _, source = webhook_gateway.config.load_settings()
    tenants = Tenants.load(source)

    assert tenants.secrets_of("acme", "platform") == (
        "whsec_acme_platform_new",
        "whsec_acme_platform_old",
    )
    assert tenants.secrets_of("sand_box", "connect") == ("whsec_sandbox_webhooks_connect",)


@pytest.mark.parametrize(
    ("name", "read"), [("minimal", "escrow-owner/url"), ("everything", "escrow-owner/owner")]
)
def test_migrations_log_in_as_the_owner(
    name: str, read: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    give(monkeypatch, render_variant(name), "migrate", tmp_path)

    assert service.config.load_settings().direct_dsn == f"{DATABASE_URL}{read}"


@pytest.mark.parametrize(
    ("program", "login"),
    [
        ("service", "escrow-service-login"),
        ("worker", "escrow-worker-login"),
        ("verify", "escrow-reader-login"),
        ("migrate", "escrow-owner"),
    ],
)
def test_each_program_has_the_login_of_its_own_and_no_other(
    program: str, login: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    objects = render_variant("everything")
    give(monkeypatch, objects, program, tmp_path)

    settings = service.config.load_settings()

    assert settings.dsn.startswith(f"{DATABASE_URL}{login}/")
    assert settings.database_password_file is not None
    assert settings.database_password_file.read_text() == f"{login}_password".replace("-", "_")
    pod = json.dumps(dict(pod_specs(objects))[program])
    assert {each for each in LOGINS if f'"{each}"' in pod} == {login}


LOGINS = ("escrow-service-login", "escrow-worker-login", "escrow-reader-login", "escrow-owner")


def test_the_gateway_holds_no_api_key_and_no_database() -> None:
    objects = render_variant("everything")
    pods = {program: json.dumps(spec) for program, spec in pod_specs(objects)}

    for secret in ("api-key", "sandbox-api", *LOGINS, "DATABASE"):
        assert secret not in pods["gateway"]
    for program in ("service", "worker"):
        for secret in ("platform", "sandbox-webhooks"):
            assert secret not in pods[program]


# --- names --------------------------------------------------------------------------------------


def settings_of(package: ModuleType) -> set[str]:
    """The variables of the fields of its settings."""
    models = [
        member
        for member in vars(package.config).values()
        if isinstance(member, type)
        and issubclass(member, BaseSettings)
        and member is not BaseSettings
    ]
    return {
        str(field.validation_alias or f"{model.model_config.get('env_prefix', '')}{name}".upper())
        for model in models
        for name, field in model.model_fields.items()
    }


def names_read_by(package: ModuleType) -> set[str]:
    """Every variable that the package reads: its settings, and by name from os.environ."""
    names = settings_of(package)
    [folder] = package.__path__
    for file in Path(folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and (name := READERS.get(ast.unparse(node.func))):
                values = (arg.value for arg in node.args if isinstance(arg, ast.Constant))
                names |= {name.format(value) for value in values if isinstance(value, str)}
    return names


# What reads a variable, and how it is named after the argument.
READERS = {
    "os.environ.get": "{}",
    "_chosen": "OTEL_{}_EXPORTER",  # in both telemetry modules
}
OF_OPENTELEMETRY = {
    name for name in vars(environment_variables) if name.startswith("OTEL_")
}  # read by its SDK, not by us
OF_OBSTORE = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}  # likewise


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variable_is_one_that_its_program_reads(name: str) -> None:
    objects = render_variant(name)

    for program, _ in pod_specs(objects):
        package = OF[program]
        given = environment(objects, program).keys()
        assert given <= names_read_by(package) | OF_OPENTELEMETRY | OF_OBSTORE, program


def test_a_variable_that_nobody_reads_would_be_found() -> None:
    known = names_read_by(service)

    assert {"ESCROW_DATABASE_URL", "ESCROW_TENANTS_FILE", "OTEL_METRICS_EXPORTER"} <= known
    assert "ESCROW_DATABASE_URI" not in known
    assert "ESCROW_GATEWAY_PORT" not in known


def test_every_setting_of_the_programs_can_be_said_by_a_value() -> None:
    objects = render_variant("everything")
    given = {name for program in PROGRAMS for name in environment(objects, program)}
    settings = settings_of(service) | settings_of(webhook_gateway)

    # those of Stripe are for the one tenant of a program without a tenants file
    assert {name for name in settings if name.startswith("ESCROW_")} <= given


# --- secrets ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VARIANTS)
def test_secrets_are_named_and_never_written(name: str) -> None:
    objects = render_variant(name)

    for item in objects.values():
        assert item["kind"] != "Secret"
        if item["kind"] == "ConfigMap":
            for entry in json.loads(item["data"]["tenants.json"])["tenants"].values():
                assert_only_files_are_named(entry)
    for program, _ in pod_specs(objects):
        given = environment(objects, program)
        for variable in given.keys() & {"ESCROW_DATABASE_URL", "ESCROW_DIRECT_DATABASE_URL"}:
            assert isinstance(given[variable], dict), "by reference to a Secret"


def assert_only_files_are_named(entry: Object) -> None:
    assert set(entry) <= {
        "stripe_secret_key",
        "stripe_api_base",
        "stripe_rate_per_s",
        "settlement_currencies",
        "conversion",
        "return_hosts",
        "webhook_secrets",
    }
    if "stripe_secret_key" in entry:
        assert set(entry["stripe_secret_key"]) == {"file"}
    for secrets in entry.get("webhook_secrets", {}).values():
        assert all(set(secret) == {"file"} for secret in secrets.values())

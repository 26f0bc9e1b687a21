"""values.yaml says what can be said, and the schema refuses everything else."""

import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
import yaml

from service.config import Settings, TenantName
from service.rpc.identity.document import AuthDocument
from tests.helm.chart import (
    CHART,
    PROGRAMS,
    ValuesRefused,
    nested,
    read_yaml,
    render,
    render_variant,
    variant,
)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("auth", "auth is required"),
        ("image.repository", "image.repository is required"),
        ("database.service.existingSecret", "database.service.existingSecret is required"),
        ("database.worker.existingSecret", "database.worker.existingSecret is required"),
        ("migrations.existingSecret", "migrations.existingSecret is required"),
    ],
)
def test_what_has_no_default_is_asked_for(path: str, says: str) -> None:
    with pytest.raises(ValuesRefused, match=says):
        render_variant("minimal", nested(path, ""))


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("auth", "development", "developmentAuthIsNotSafeAndIWantIt: true"),
        ("authDocument", None, "authDocument is required with auth: mtls"),
        ("tls.existingSecret", "", "tls.existingSecret is required with auth: mtls"),
        ("tls.clientCa.existingSecret", "", "tls.clientCa.existingSecret is required"),
    ],
)
def test_what_proves_who_calls_is_asked_for(path: str, value: object, says: str) -> None:
    values = variant("everything")
    given = {path: {}} if value is None else nested(path, value)
    if value is None:
        del values[path]

    with pytest.raises(ValuesRefused, match=says):
        render(values, given)


@pytest.mark.parametrize(
    ("name", "of", "says"),
    [
        ("minimal", "ca", "with TLS"),
        ("minimal", "token", "with auth: jwt"),
        ("everything", "certificate", "with auth: mtls"),
    ],
)
def test_what_proves_that_the_gateway_calls_is_asked_for(name: str, of: str, says: str) -> None:
    path = f"gateway.credentials.{of}.existingSecret"

    with pytest.raises(ValuesRefused, match=f"{path} is required {says}"):
        render_variant(name, nested(path, ""))


def test_verification_asks_for_a_login_that_only_reads() -> None:
    with pytest.raises(ValuesRefused, match=r"database\.reader\.existingSecret is required"):
        render_variant("minimal", nested("verify.enabled", value=True))


@pytest.mark.parametrize("program", ["service", "worker", "reader"])
def test_nobody_logs_in_as_the_owner_of_the_schema(program: str) -> None:
    reused = nested(f"database.{program}.existingSecret", "escrow-owner")

    with pytest.raises(ValuesRefused, match=f'database.{program}.*"escrow-owner".*owner'):
        render_variant("minimal", reused)
    with pytest.raises(ValuesRefused, match=f"database.{program}.*owner"):  # whatever its key is
        render_variant("everything", reused)


def test_no_two_programs_share_a_login() -> None:
    shared = nested("database.worker.existingSecret", "escrow-service-login")

    with pytest.raises(ValuesRefused, match=r"database\.service\..* and database\.worker\."):
        render_variant("minimal", shared)


def test_who_migrates_by_hand_names_no_owner() -> None:
    by_hand = {"enabled": False, "existingSecret": ""}

    assert "service-deployment" in render_variant("minimal", {"migrations": by_hand})


def test_tokens_need_tls_or_a_mesh() -> None:
    no_tls = nested("tls.existingSecret", "")

    with pytest.raises(ValuesRefused, match="say plainText: true"):
        render_variant("minimal", no_tls)
    render_variant("minimal", no_tls, nested("plainText", value=True))


def test_a_tenant_is_asked_for() -> None:
    with pytest.raises(ValuesRefused, match="tenants is required"):
        render_variant("minimal", {"tenants": {"default": None}})


def test_an_ingress_asks_for_its_host() -> None:
    with pytest.raises(ValuesRefused, match=r"gateway\.ingress\.host is required"):
        render_variant("minimal", nested("gateway.ingress.enabled", value=True))


@pytest.mark.parametrize("program", ["service", "worker"])
def test_times_and_pools_must_fit(program: str) -> None:
    with pytest.raises(ValuesRefused, match=f"{program}.shutdownLimitSeconds must be above"):
        render_variant("minimal", nested(f"{program}.drainSeconds", 30))
    with pytest.raises(ValuesRefused, match=f"{program}.databasePool: min is above max"):
        render_variant("minimal", nested(f"{program}.databasePool.min", 11))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("replicas", 2),  # of which program?
        ("service.replica", 2),
        ("gateway.ingress.hosts", ["webhooks.example.com"]),
        ("gateway.ingress.host", "https://webhooks.example.com"),
        ("gateway.port", 0),
        ("gateway.port", "8080"),
        ("service.drainSeconds", 601),
        ("service.reflection", "true"),
        ("auth", "none"),
        ("plainText", "true"),
        ("tls.clientCa.key", ""),
        ("authFiles", {"../tls.key": ""}),
        ("service.healthPort", 0),
        ("environment", "Production"),
        ("image.digest", "latest"),
        ("image.pullPolicy", "Sometimes"),
        ("log.level", "verbose"),
        ("tracing.ratio", 1.5),
        ("tracing.endpoint", "collector:4317"),
        ("topologySpread", "Always"),
        ("metrics.podMonitor.interval", "30"),
        ("networkPolicy.callers", ["orders"]),
        ("networkPolicy.database.ports", []),
        ("service.extraEnv", [{"name": "A", "valeu": "b"}]),
        ("service.podAnnotations", {"a": 1}),
        ("tenants", {"Acme": variant("minimal")["tenants"]["default"]}),
        ("tenants.default.apiKey.existingSecret", ""),
        ("tenants.default.apiKey", {"existingSecret": None}),
        ("tenants.default.apiKey", {"value": "sk_test_written_here"}),
        ("tenants.default.webhookSecrets", {"platform": "whsec_written_here"}),
        ("tenants.default.ratePerSecond", 0),
        ("tenants.default.apiBase", "stripe-sandbox:12111"),
        ("database.url", "postgresql://user:password@host/database"),
        ("database.existingSecret", "one-for-all"),
        ("database.service.password", "written here"),
        ("verify.schedule", ""),
        ("fullnameOverride", "a.dot.is.no.service"),
    ],
)
def test_the_schema_refuses(path: str, value: object) -> None:
    with pytest.raises(ValuesRefused) as caught:
        render_variant("minimal", nested(path, value))
    assert "is required:" not in str(caught.value)  # by the schema, before any template


def test_the_schema_takes_what_openshift_needs() -> None:
    ids = dict.fromkeys(("runAsUser", "runAsGroup", "fsGroup"))
    objects = render(variant("minimal"), {"podSecurityContext": ids})

    given = objects["service-deployment"]["spec"]["template"]["spec"]["securityContext"]
    assert set(given) == {"runAsNonRoot", "seccompProfile"}


def test_a_tenant_may_have_the_name_that_the_programs_allow() -> None:
    patterns = read_yaml(CHART / "values.schema.json")["properties"]["tenants"]["patternProperties"]
    _, constraints = get_args(TenantName)

    assert list(patterns) == [constraints.pattern]


def test_the_ways_to_authenticate_are_those_of_the_service() -> None:
    schema = read_yaml(CHART / "values.schema.json")["properties"]["auth"]
    known = Settings.model_json_schema()["properties"]["auth"]

    assert schema["enum"] == ["", *known.get("enum", [known.get("const")])]


def objects_of(schema: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - JSON
    if isinstance(schema, dict):
        if "properties" in schema and schema.get("type") == "object":
            yield schema
        for item in schema.values():
            yield from objects_of(item)
    elif isinstance(schema, list):
        for item in schema:
            yield from objects_of(item)


def test_the_schema_is_strict_wherever_the_chart_decides() -> None:
    schema = read_yaml(CHART / "values.schema.json")

    assert all(item["additionalProperties"] is False for item in objects_of(schema))


def test_the_schema_says_nothing_that_has_no_default() -> None:
    """A value that is in the schema only would be documented nowhere."""
    schema = read_yaml(CHART / "values.schema.json")

    assert schema["properties"].keys() - {"global"} == read_yaml(CHART / "values.yaml").keys()
    for program in PROGRAMS:
        assert (
            schema["properties"][program]["properties"].keys()
            == read_yaml(CHART / "values.yaml")[program].keys()
        )


def test_every_value_is_explained() -> None:
    """By a comment above it or above its group; what the service has too, once and there."""
    explained: set[str] = set()
    silent = set()
    for path, commented in commented_keys((CHART / "values.yaml").read_text("utf-8")):
        group = path.rpartition(".")[0]
        twin = re.sub(r"^(worker|gateway)\.", "service.", path)
        if commented or group in explained - set(PROGRAMS) or twin in explained:
            explained.add(path)
        else:
            silent.add(path)
    groups = {path.rpartition(".")[0] for path in explained}

    assert silent - groups == set()


def commented_keys(text: str) -> Iterator[tuple[str, bool]]:
    """Each key of block style with whether the line above it is a comment."""
    folders: list[tuple[int, str]] = []
    above = ""
    for line in text.splitlines():
        if match := re.match(r"( *)([A-Za-z]+):", line):
            indent = len(match[1])
            folders = [entry for entry in folders if entry[0] < indent] + [(indent, match[2])]
            yield ".".join(name for _, name in folders), above.lstrip().startswith("#")
        above = line


def test_the_examples_in_the_comments_are_valid() -> None:
    """They are what somebody copies first."""
    text = (CHART / "values.yaml").read_text("utf-8")
    examples = {
        name: yaml.safe_load(re.sub(r"^# ", "", block, flags=re.MULTILINE))
        for name, block in re.findall(
            r"^(tenants|authDocument): \{\}\n((?:#   .*\n)+)", text, re.MULTILINE
        )
    }

    objects = render(variant("minimal") | {"tenants": examples["tenants"]})

    assert "service-configmap" in objects
    document = AuthDocument.model_validate(examples["authDocument"])
    assert [entry.caller for entry in document.certificates] == ["orders", "gateway", "operators"]

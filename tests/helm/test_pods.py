"""How the pods run: few rights, time enough to drain, probes that the programs answer."""

import tomllib
from pathlib import Path

import pytest
from typer.main import get_command

from service.cli.commands import app
from service.config import Settings as ServiceSettings
from tests.helm.chart import (
    CHART,
    PROGRAMS,
    VARIANTS,
    container,
    environment,
    nested,
    pod_specs,
    read_yaml,
    render_variant,
    variant,
)
from webhook_gateway import server as gateway_server
from webhook_gateway.config import Settings as GatewaySettings

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", VARIANTS)
def test_no_pod_has_a_right_that_it_does_not_need(name: str) -> None:
    for program, spec in pod_specs(render_variant(name)):
        assert spec["automountServiceAccountToken"] is False, program
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        rights = spec["containers"][0]["securityContext"]
        assert rights["readOnlyRootFilesystem"] is True
        assert rights["allowPrivilegeEscalation"] is False
        assert rights["capabilities"] == {"drop": ["ALL"]}


def test_service_links_cannot_become_settings() -> None:
    """Or a Service called escrow-gateway sets ESCROW_GATEWAY_PORT=tcp://... everywhere."""
    for program, spec in pod_specs(render_variant("minimal")):
        assert spec["enableServiceLinks"] is False, program


def test_every_program_has_an_account_of_its_own() -> None:
    objects = render_variant("minimal")
    accounts = [spec["serviceAccountName"] for _, spec in pod_specs(objects)]

    assert len(set(accounts)) == len(accounts) == 4
    made = {item["metadata"]["name"] for item in objects.values() if "Account" in item["kind"]}
    assert made == set(accounts)


def test_the_image_has_every_command() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    subcommands = get_command(app).commands  # type: ignore[attr-defined] # a group, as it has many

    for _, spec in pod_specs(render_variant("minimal")):
        program, *arguments = spec["containers"][0]["command"]
        assert program in scripts
        if arguments:
            assert arguments[0] in subcommands


def test_the_chart_is_of_this_release() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert read_yaml(CHART / "Chart.yaml")["appVersion"] == project["version"]


@pytest.mark.parametrize("program", ["service", "worker"])
def test_a_pod_is_killed_after_its_own_limit_only(program: str) -> None:
    objects = render_variant(
        "minimal", {program: {"drainSeconds": 100, "shutdownLimitSeconds": 120}}
    )
    spec = dict(pod_specs(objects))[program]
    given = environment(objects, program)

    assert given["ESCROW_DRAIN_S"] == "100"
    assert given["ESCROW_SHUTDOWN_LIMIT_S"] == "120"
    sleep_s = {"service": 5, "worker": 0}[program]
    assert spec["terminationGracePeriodSeconds"] == sleep_s + 120 + 5


def test_the_gateway_is_killed_after_its_drain_only() -> None:
    objects = render_variant("minimal", nested("gateway.drainSeconds", 40))

    assert environment(objects, "gateway")["ESCROW_GATEWAY_DRAIN_S"] == "40"
    assert dict(pod_specs(objects))["gateway"]["terminationGracePeriodSeconds"] == 5 + 40 + 5


def test_the_times_by_default_are_those_of_the_programs() -> None:
    values = read_yaml(CHART / "values.yaml")

    for program in ("service", "worker"):
        for name, field in (
            ("drainSeconds", "drain_s"),
            ("shutdownLimitSeconds", "shutdown_limit_s"),
        ):
            assert values[program][name] == ServiceSettings.model_fields[field].default
    for name, field in (
        ("drainSeconds", "drain_s"),
        ("deadlineSeconds", "deadline_s"),
        ("bodyTimeoutSeconds", "body_timeout_s"),
        ("headerTimeoutSeconds", "header_timeout_s"),
        ("idleTimeoutSeconds", "idle_timeout_s"),
        ("maxConnections", "max_connections"),
        ("toleranceSeconds", "tolerance_s"),
        ("tenantsPollSeconds", "tenants_poll_s"),
    ):
        assert values["gateway"][name] == GatewaySettings.model_fields[field].default


@pytest.mark.parametrize("program", ["service", "gateway"])
def test_traffic_goes_on_until_everybody_knows(program: str) -> None:
    objects = render_variant("minimal", nested(f"{program}.preStopSeconds", 9))

    assert container(objects, program)["lifecycle"]["preStop"] == {"sleep": {"seconds": 9}}


def test_the_service_is_probed_by_its_health_service() -> None:
    """On a port of its own: probes of Kubernetes know no TLS."""
    objects = render_variant(
        "minimal", nested("service.port", 6000), nested("service.healthPort", 6002)
    )
    service = container(objects, "service")

    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert service[probe]["grpc"] == {"port": 6002}  # no name: the health of the whole server
    assert environment(objects, "service")["ESCROW_HEALTH_PORT"] == "6002"
    assert environment(objects, "service")["ESCROW_GRPC_PORT"] == "6000"


def test_the_gateway_is_probed_where_it_answers() -> None:
    gateway = container(render_variant("minimal"), "gateway")
    source = Path(gateway_server.__file__).read_text("utf-8")

    for probe, path in (
        ("startupProbe", "/healthz"),
        ("livenessProbe", "/healthz"),
        ("readinessProbe", "/readyz"),
    ):
        assert gateway[probe]["httpGet"] == {"path": path, "port": "http"}
        assert f'web.get("{path}"' in source


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_rollout_never_has_fewer_pods_than_asked_for(program: str) -> None:
    spec = render_variant("minimal")[f"{program}-deployment"]["spec"]

    assert spec["strategy"] == {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


@pytest.mark.parametrize("program", PROGRAMS)
def test_pods_are_spread_over_zones_and_nodes(program: str) -> None:
    deployment = render_variant("minimal")[f"{program}-deployment"]["spec"]
    spread = deployment["template"]["spec"]["topologySpreadConstraints"]

    assert [constraint["topologyKey"] for constraint in spread] == [
        "topology.kubernetes.io/zone",
        "kubernetes.io/hostname",
    ]
    for constraint in spread:
        assert constraint["labelSelector"] == deployment["selector"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_a_program_is_given_reaches_its_pods_alone(program: str) -> None:
    wishes = {
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "payments", "operator": "Exists"}],
        "priorityClassName": "high",
        "affinity": {"podAffinity": {}},
    }
    given = {"resources": {"requests": {"cpu": "7"}}, "podLabels": {"team": "payments"}}
    objects = render_variant("minimal", {program: wishes | given})

    for other in PROGRAMS:
        template = objects[f"{other}-deployment"]["spec"]["template"]
        assert (wishes.items() <= template["spec"].items()) == (other == program)
        resources = template["spec"]["containers"][0]["resources"]
        assert (resources["requests"]["cpu"] == "7") == (other == program)
        assert ("team" in template["metadata"]["labels"]) == (other == program)


def test_a_changed_tenant_starts_new_pods() -> None:
    def checksums(rate: int) -> list[str]:
        objects = render_variant("minimal", nested("tenants.default.ratePerSecond", rate))
        return [
            objects[f"{program}-deployment"]["spec"]["template"]["metadata"]["annotations"][
                "checksum/tenants"
            ]
            for program in PROGRAMS
        ]

    slow, fast = checksums(1), checksums(2)

    assert slow[0] != fast[0]
    assert slow[1] != fast[1]
    assert slow[2] == fast[2]  # a rate is none of the gateway's business


def test_who_may_call_and_certificates_change_while_pods_run() -> None:
    """The programs read them again, so no new pods are started; and the kubelet renews folders."""
    document = variant("everything")["authDocument"]
    before = render_variant("everything")
    after = render_variant(
        "everything",
        {"authDocument": {"certificates": document["certificates"][:1]}},
        nested("tls.existingSecret", "renewed"),
    )

    for program in PROGRAMS:
        metadata = [
            objects[f"{program}-deployment"]["spec"]["template"]["metadata"]
            for objects in (before, after)
        ]
        assert metadata[0] == metadata[1]
    assert before["service-configmap"] != after["service-configmap"]
    for program in PROGRAMS:
        assert not [m for m in container(before, program)["volumeMounts"] if "subPath" in m]


def test_metrics_are_announced_once() -> None:
    for name, announced in (("minimal", True), ("everything", False)):
        objects = render_variant(name)
        for program in PROGRAMS:
            metadata = objects[f"{program}-deployment"]["spec"]["template"]["metadata"]
            assert ("prometheus.io/scrape" in metadata["annotations"]) == announced
        assert ("podmonitor" in objects) != announced

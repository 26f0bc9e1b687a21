"""Every object, whatever the values: what Kubernetes would accept, under a name that says whose."""

import json
import re

import kubernetes_validate  # type: ignore[import-untyped] # it has no types
import pytest

from tests.helm.chart import (
    CHART,
    NAMESPACE,
    PROGRAMS,
    RELEASE,
    VARIANTS,
    Object,
    nested,
    pod_specs,
    read_yaml,
    render,
    render_files,
    render_variant,
    variant,
)

OLDEST = re.sub(r"[^\d.]|\.0-0$", "", read_yaml(CHART / "Chart.yaml")["kubeVersion"])
NOT_OF_KUBERNETES = {"podmonitor"}  # the Prometheus operator's; no schema comes with Kubernetes
OFF = [
    nested("networkPolicy.enabled", value=False),
    nested("metrics.enabled", value=False),
    nested("migrations.enabled", value=False),
    *(nested(f"{program}.podDisruptionBudget.enabled", value=False) for program in PROGRAMS),
]


DEVELOPMENT = {"auth": "development", "developmentAuthIsNotSafeAndIWantIt": True}


def all_objects() -> list[Object]:
    """Of every variant, and with every switch off; each object once, however often it is made."""
    renderings = [
        *(render_variant(name) for name in VARIANTS),
        *(render_variant("everything", off) for off in OFF),
        render_variant("minimal", *OFF),
        render_variant("minimal", DEVELOPMENT, nested("tls.existingSecret", "")),
    ]
    distinct = {
        json.dumps(item): item
        for objects in renderings
        for name, item in objects.items()
        if name not in NOT_OF_KUBERNETES
    }
    return list(distinct.values())


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
def test_kubernetes_knows_every_field(version: str) -> None:
    for item in all_objects():
        kubernetes_validate.validate(item, version, strict=True)


def test_an_unknown_field_would_be_found() -> None:
    service = render_variant("minimal")["service-service"]
    service["spec"]["clusterIp"] = "None"

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(service, OLDEST, strict=True)


def test_files_and_objects_are_named_by_their_program() -> None:
    for file, item in render_variant("everything").items():
        program, _, kind = file.partition("-")
        if kind:
            assert item["metadata"]["name"] == f"payments-{program}"
            assert item["metadata"]["labels"]["app.kubernetes.io/component"] == program
            assert item["kind"].lower() == kind
        else:
            assert item["kind"].lower() == file
        assert item["metadata"]["namespace"] == NAMESPACE


def test_two_releases_of_one_namespace_do_not_meet() -> None:
    for item in render_variant("minimal").values():
        assert item["metadata"]["name"].startswith(f"{RELEASE}-escrow-")
        assert item["metadata"]["labels"]["app.kubernetes.io/instance"] == RELEASE


@pytest.mark.parametrize("program", PROGRAMS)
def test_everything_of_a_program_selects_its_pods_alone(program: str) -> None:
    objects = render_variant("everything")
    selector = objects[f"{program}-deployment"]["spec"]["selector"]["matchLabels"]

    assert objects[f"{program}-poddisruptionbudget"]["spec"]["selector"]["matchLabels"] == selector
    assert objects[f"{program}-networkpolicy"]["spec"]["podSelector"]["matchLabels"] == selector
    if program != "worker":
        assert objects[f"{program}-service"]["spec"]["selector"] == selector
    for other in (*PROGRAMS, "migrate"):
        kind = "job" if other == "migrate" else "deployment"
        labels = objects[f"{other}-{kind}"]["spec"]["template"]["metadata"]["labels"]
        assert (selector.items() <= labels.items()) == (other == program)


def test_selectors_survive_a_new_version_of_the_chart() -> None:
    selector = render_variant("minimal")["service-deployment"]["spec"]["selector"]["matchLabels"]

    assert set(selector) == {
        f"app.kubernetes.io/{label}" for label in ("name", "instance", "component")
    }


def test_autoscaling_replaces_the_number_of_replicas() -> None:
    fixed, scaled = render_variant("minimal"), render_variant("everything")

    for program in PROGRAMS:
        assert fixed[f"{program}-deployment"]["spec"]["replicas"] == 2
        assert f"{program}-horizontalpodautoscaler" not in fixed
        assert "replicas" not in scaled[f"{program}-deployment"]["spec"]
        scaler = scaled[f"{program}-horizontalpodautoscaler"]["spec"]
        assert scaler["scaleTargetRef"]["name"] == f"payments-{program}"


def test_the_ingress_publishes_the_webhooks_and_nothing_else() -> None:
    objects = render_variant("everything")
    ingresses = [item for item in objects.values() if item["kind"] == "Ingress"]

    assert ingresses == [objects["gateway-ingress"]]
    [rule] = ingresses[0]["spec"]["rules"]
    [path] = rule["http"]["paths"]
    assert path["path"] == "/stripe"
    assert path["backend"]["service"]["name"] == objects["gateway-service"]["metadata"]["name"]
    assert ingresses[0]["spec"]["tls"] == [
        {"secretName": "webhooks-tls", "hosts": ["webhooks.example.com"]}
    ]
    assert "gateway-ingress" not in render_variant("minimal")


def test_no_service_is_exposed_past_the_ingress() -> None:
    for name in VARIANTS:
        for item in render_variant(name).values():
            if item["kind"] == "Service":
                assert item["spec"].get("type", "ClusterIP") == "ClusterIP"


def test_the_pod_monitor_finds_a_port_in_every_program() -> None:
    objects = render_variant("everything")
    monitor = objects["podmonitor"]["spec"]
    [endpoint] = monitor["podMetricsEndpoints"]

    for program in PROGRAMS:
        template = objects[f"{program}-deployment"]["spec"]["template"]
        assert monitor["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
        ports = {port["name"] for port in template["spec"]["containers"][0]["ports"]}
        assert endpoint["port"] in ports


def test_an_image_is_a_tag_of_this_release_or_a_digest() -> None:
    app_version = read_yaml(CHART / "Chart.yaml")["appVersion"]
    digest = variant("everything")["image"]["digest"]

    for objects, image in (
        (render_variant("minimal"), f"example/escrow:{app_version}"),
        (render_variant("everything"), f"example/escrow@{digest}"),
        (render_variant("minimal", nested("image.tag", "7")), "example/escrow:7"),
    ):
        assert {spec["containers"][0]["image"] for _, spec in pod_specs(objects)} == {image}


def test_long_names_stay_within_what_kubernetes_takes() -> None:
    objects = render(variant("minimal"), {"fullnameOverride": "a" * 53})

    assert all(len(item["metadata"]["name"]) <= 63 for item in objects.values())


def test_the_notes_say_where_stripe_posts_and_who_may_call() -> None:
    closed = render_files(variant("minimal"))["NOTES.txt"]
    opened = render_files(variant("everything"))["NOTES.txt"]
    believing = render_files(variant("minimal"), DEVELOPMENT)["NOTES.txt"]
    readable = render_files(variant("minimal"), nested("plainText", value=True))["NOTES.txt"]

    assert "Nobody may yet" in closed
    assert "https://webhooks.example.com/stripe/acme/connect" in opened
    assert "WARNING: callers are believed" in believing
    assert "WARNING: plainText" in readable
    assert "WARNING" not in closed + opened

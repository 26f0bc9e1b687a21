"""Who talks to whom: the internet to the gateway, the gateway to the service, and no further."""

from typing import Any

from tests.helm.chart import Object, nested, render_variant, variant

COMPONENT = "app.kubernetes.io/component"


def egress(policy: Object) -> list[tuple[list[int], Any]]:
    return [
        (sorted({port["port"] for port in rule["ports"]}), rule.get("to"))
        for rule in policy["spec"]["egress"]
    ]


def ingress(policy: Object) -> dict[int, Any]:
    return {
        port["port"]: rule.get("from")
        for rule in policy["spec"].get("ingress", [])
        for port in rule["ports"]
    }


def programs(peers: list[Object]) -> list[str]:
    return [peer["podSelector"]["matchLabels"][COMPONENT] for peer in peers]


def test_every_pod_is_under_a_policy_for_both_directions() -> None:
    objects = render_variant("minimal")

    for program in ("service", "worker", "gateway", "migrate"):
        policy = objects[f"{program}-networkpolicy"]
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]


def test_the_gateway_reaches_names_and_the_service_and_nothing_else() -> None:
    dns, service = egress(render_variant("minimal")["gateway-networkpolicy"])

    assert dns[0] == [53]
    assert dns[1] == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
    ]
    assert service[0] == [50051]
    assert programs(service[1]) == ["service"]


def test_the_internet_reaches_the_gateway_alone() -> None:
    objects = render_variant("minimal")

    assert ingress(objects["gateway-networkpolicy"])[8080] is None  # from anywhere
    for program in ("service", "worker", "migrate"):
        for peers in ingress(objects[f"{program}-networkpolicy"]).values():
            assert peers
            assert all("ipBlock" not in peer for peer in peers)


def test_the_service_is_called_by_the_gateway_and_whom_the_operator_lists() -> None:
    before = ingress(render_variant("minimal")["service-networkpolicy"])[50051]
    after = ingress(render_variant("everything")["service-networkpolicy"])[50051]

    assert programs(before) == ["gateway"]
    assert after[1:] == variant("everything")["networkPolicy"]["callers"]


def test_nobody_calls_the_worker_or_the_migrations() -> None:
    objects = render_variant("minimal", nested("metrics.enabled", value=False))

    assert ingress(objects["worker-networkpolicy"]) == {}
    assert ingress(objects["migrate-networkpolicy"]) == {}


def test_verification_reaches_the_database_and_nothing_else() -> None:
    policy = render_variant("everything")["verify-networkpolicy"]

    assert ingress(policy) == {}
    ports = [ports for ports, _ in egress(policy)]
    assert ports == [[53], [4317], [5432, 6432]]


def test_service_and_worker_reach_the_database_and_stripe() -> None:
    objects = render_variant("minimal")

    for program in ("service", "worker"):
        ports = [ports for ports, _ in egress(objects[f"{program}-networkpolicy"])]
        assert ports[:3] == [[53], [5432], [443]]
    assert [ports for ports, _ in egress(objects["migrate-networkpolicy"])] == [[53], [5432]]


def test_the_service_fetches_the_keys_of_issuers_only_where_it_must() -> None:
    issuers = nested("networkPolicy.issuers", {"to": [{"podSelector": {}}], "ports": [8443]})

    for name, fetched in (("minimal", True), ("everything", False)):  # which has them in a file
        objects = render_variant(name, issuers)
        reached = egress(objects["service-networkpolicy"])
        assert (([8443], [{"podSelector": {}}]) in reached) == fetched
        assert [8443] not in [ports for ports, _ in egress(objects["worker-networkpolicy"])]


def test_the_bucket_and_the_scanner_are_reached_by_the_service_where_there_are_some() -> None:
    for name, reached in (("minimal", False), ("everything", True)):
        objects = render_variant(name)
        for program in ("service", "worker"):
            rules = egress(objects[f"{program}-networkpolicy"])
            found = ([9000], None) in rules and ([3310], [{"namespaceSelector": {}}]) in rules
            assert found == (reached and program == "service")


def test_the_port_of_the_probes_is_open_to_nobody() -> None:
    """The kubelet of a pod's node always gets through."""
    objects = render_variant("minimal", nested("service.healthPort", 6002))

    assert 6002 not in ingress(objects["service-networkpolicy"])
    assert [port["port"] for port in objects["service-service"]["spec"]["ports"]] == [50051]


def test_the_collector_is_reached_only_when_there_is_one() -> None:
    for name, reached in (("minimal", False), ("everything", True)):
        for file, item in render_variant(name).items():
            if file.endswith("networkpolicy"):
                assert any(ports == [4317] for ports, _ in egress(item)) == reached


def test_metrics_are_read_by_whom_the_operator_lists_or_any_pod() -> None:
    anybody = ingress(render_variant("minimal")["worker-networkpolicy"])
    listed = ingress(render_variant("everything")["worker-networkpolicy"])

    assert anybody == {9464: [{"namespaceSelector": {}}]}
    assert listed == {9100: variant("everything")["networkPolicy"]["metricsCallers"]}


def test_ports_follow_the_programs() -> None:
    objects = render_variant("minimal", nested("service.port", 6000), nested("gateway.port", 6001))

    assert 6000 in ingress(objects["service-networkpolicy"])
    assert 6001 in ingress(objects["gateway-networkpolicy"])
    assert [6000] in [ports for ports, _ in egress(objects["gateway-networkpolicy"])]


def test_policies_can_be_left_to_somebody_else() -> None:
    objects = render_variant("minimal", nested("networkPolicy.enabled", value=False))

    assert not [file for file in objects if file.endswith("networkpolicy")]

"""Renders helm/escrow as Helm would, without Helm: values merged, held to the schema, rendered."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml
from gotpl.errors import TemplateExecutionError
from gotpl.exts.helm import HelmTemplateEngine

CHART = Path(__file__).parents[2] / "helm" / "escrow"
RELEASE, NAMESPACE = "demo", "pay"
PROGRAMS = ("service", "worker", "gateway")
VARIANTS = tuple(sorted(file.name.removesuffix("-values.yaml") for file in CHART.glob("ci/*.yaml")))

Object = dict[str, Any]


class ValuesRefused(Exception):
    """The chart does not render with these values; the message is what an operator would see."""


def read_yaml(file: Path) -> dict[str, Any]:
    [document] = parse(file.read_text("utf-8"))
    return document


def parse(text: str) -> list[Object]:
    """The documents of a YAML stream. By libyaml: most of these tests' time is spent here."""
    return [document for document in yaml.load_all(text, Loader=yaml.CSafeLoader) if document]


def variant(name: str) -> dict[str, Any]:
    """The values of ci/<name>-values.yaml, without the chart's own."""
    return read_yaml(CHART / "ci" / f"{name}-values.yaml")


def merged(values: Mapping[str, Any], *overrides: Mapping[str, Any]) -> dict[str, Any]:
    """As Helm does it: maps are merged, everything else is replaced, and null removes."""
    result = dict(values)
    for override in overrides:
        for name, value in override.items():
            if value is None:
                result.pop(name, None)
            elif isinstance(value, dict) and isinstance(result.get(name), dict):
                result[name] = merged(result[name], value)
            else:
                result[name] = value
    return result


def nested(path: str, value: object) -> dict[str, Any]:
    """What --set is to Helm: "service.port" and 1 make {"service": {"port": 1}}."""
    for name in reversed(path.split(".")):
        value = {name: value}
    assert isinstance(value, dict)
    return value


@cache
def _schema() -> jsonschema_rs.Draft7Validator:
    return jsonschema_rs.Draft7Validator((CHART / "values.schema.json").read_text("utf-8"))


@cache
def _engine() -> HelmTemplateEngine:
    return HelmTemplateEngine.from_sources(
        {file.name: file.read_text("utf-8") for file in _templates()}
    )


def _templates() -> list[Path]:
    return sorted((CHART / "templates").iterdir())


def render_files(*overrides: Mapping[str, Any]) -> dict[str, str]:
    """What each template makes of the chart's values and these, in order.

    Raises:
        ValuesRefused: by the schema, or by a template.
    """
    values = merged(read_yaml(CHART / "values.yaml"), *overrides)
    if problems := [error.message for error in _schema().iter_errors(values)]:
        raise ValuesRefused("; ".join(problems))
    chart = read_yaml(CHART / "Chart.yaml")
    context = {
        "Values": values,
        "Chart": {"Name": chart["name"], "Version": chart["version"]}
        | {"AppVersion": chart["appVersion"]},
        "Release": {"Name": RELEASE, "Namespace": NAMESPACE, "Service": "Helm"},
    }
    names = [file.name for file in _templates() if not file.name.startswith("_")]
    try:
        return _engine().render(dict.fromkeys(names, context))
    except TemplateExecutionError as error:
        raise ValuesRefused(str(error)) from error


def render(*overrides: Mapping[str, Any]) -> dict[str, Object]:
    """The objects by the names of their templates, such as "gateway-service"."""
    objects = {}
    for name, text in render_files(*overrides).items():
        if name.endswith(".yaml"):
            documents = parse(text)
            assert len(documents) <= 1, f"{name}: one object per file"
            if documents:
                objects[name.removesuffix(".yaml")] = documents[0]
    return objects


def render_variant(name: str, *overrides: Mapping[str, Any]) -> dict[str, Object]:
    return render(variant(name), *overrides)


def pod_specs(objects: Mapping[str, Object]) -> Iterator[tuple[str, Object]]:
    """Every pod that the chart starts, by the program in it."""
    for item in objects.values():
        spec = item.get("spec", {})
        if item["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if item["kind"] in {"CronJob", "Deployment", "Job"}:
            spec = spec["template"]["spec"]
            yield only(spec["containers"])["name"], spec


def container(objects: Mapping[str, Object], program: str) -> Object:
    return only(dict(pod_specs(objects))[program]["containers"])


def environment(objects: Mapping[str, Object], program: str) -> dict[str, Any]:
    """The variables of its container: the text, or {"name": secret, "key": key}."""
    return {
        entry["name"]: entry["value"] if "value" in entry else entry["valueFrom"]["secretKeyRef"]
        for entry in container(objects, program)["env"]
    }


def only(items: list[Object]) -> Object:
    assert len(items) == 1
    return items[0]

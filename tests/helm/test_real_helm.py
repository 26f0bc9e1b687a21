"""The real Helm, where there is one, must agree with what the other tests looked at."""

import os
import shutil
import subprocess

import pytest

from tests.helm.chart import CHART, NAMESPACE, RELEASE, VARIANTS, Object, parse, render_variant

HELM = os.environ.get("HELM") or shutil.which("helm")
pytestmark = pytest.mark.skipif(
    HELM is None, reason="no helm on PATH, and none named by HELM; the chart is rendered by gotpl"
)


def helm(*arguments: str) -> str:
    assert HELM is not None
    done = subprocess.run([HELM, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", VARIANTS)
def test_helm_finds_nothing_to_say(name: str) -> None:
    helm("lint", "--strict", str(CHART), "--values", str(CHART / "ci" / f"{name}-values.yaml"))


@pytest.mark.parametrize("name", VARIANTS)
def test_helm_renders_the_same_objects(name: str) -> None:
    values = str(CHART / "ci" / f"{name}-values.yaml")
    flags = ("--namespace", NAMESPACE, "--kube-version", "1.30.0", "--values", values)
    rendered = helm("template", RELEASE, str(CHART), *flags)

    assert by_identity(parse(rendered)) == by_identity(list(render_variant(name).values()))


def by_identity(objects: list[Object]) -> dict[tuple[str, str], Object]:
    return {(item["kind"], item["metadata"]["name"]): item for item in objects}

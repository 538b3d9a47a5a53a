"""What helm makes of the chart."""

import functools
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from deploy.helm.program import helm

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "helm" / "cinelog"
EXAMPLES = tuple(sorted(path.name for path in CHART.glob("values-*.yaml")))
OPERATORS = ("keda.sh/v1alpha1", "postgresql.cnpg.io/v1", "rabbitmq.com/v1beta1")
NEWEST = "1.36.0"
SECRET = "k7Qz3bVx9LpWm2RtYc8NdJf5HsGa4TuE"

Manifest = dict[str, Any]


def run_helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Helm with nothing of this machine's configuration."""
    return subprocess.run(
        (str(helm()), *arguments),
        capture_output=True,
        text=True,
        check=False,
        env={"HOME": "/nonexistent", "PATH": "/usr/bin:/bin"},
    )


def template(
    *arguments: str,
    values: str | None = None,
    sets: Mapping[str, str] | None = None,
    kube: str = NEWEST,
    apis: Sequence[str] = OPERATORS,
) -> subprocess.CompletedProcess[str]:
    """`helm template`; ``values`` is an example's file name."""
    command = ["template", "cinelog", str(CHART), "--namespace", "films", "--kube-version", kube]
    if values:
        command += ["--values", str(CHART / values)]
    for key, value in (sets or {}).items():
        command += ["--set", f"{key}={value}"]
    for api in apis:
        command += ["--api-versions", api]
    return run_helm(*command, *arguments)


def render(
    values: str | None = None,
    sets: Mapping[str, str] | None = None,
    *,
    kube: str = NEWEST,
    apis: Sequence[str] = OPERATORS,
) -> list[Manifest]:
    """The manifests, hooks and tests included."""
    done = template(values=values, sets=sets, kube=kube, apis=apis)
    assert done.returncode == 0, done.stderr
    return [found for found in yaml.load_all(done.stdout, yaml.CSafeLoader) if found]


@functools.cache
def example(values: str | None) -> tuple[Manifest, ...]:
    """An example as it is; None is a plain `helm install`. Do not change what it returns."""
    return tuple(render(values))


def of_kind(manifests: Sequence[Manifest], kind: str) -> dict[str, Manifest]:
    """By name."""
    return {found["metadata"]["name"]: found for found in manifests if found["kind"] == kind}


def pods(manifests: Sequence[Manifest]) -> dict[str, Manifest]:
    """The pod specs of every workload, hook and test, by kind and name."""
    found: dict[str, Manifest] = {}
    for manifest in manifests:
        name = f"{manifest['kind']}/{manifest['metadata']['name']}"
        if manifest["kind"] == "Pod":
            found[name] = manifest["spec"]
        elif "template" in manifest.get("spec", {}) and manifest["kind"] != "ScaledObject":
            found[name] = manifest["spec"]["template"]["spec"]
        elif manifest["kind"] == "CronJob":
            found[name] = manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return found


def components(manifests: Sequence[Manifest]) -> dict[str, Manifest]:
    """The Deployments, by component."""
    return {
        found["metadata"]["labels"]["app.kubernetes.io/component"]: found
        for found in manifests
        if found["kind"] == "Deployment"
    }


def main_container(deployment: Manifest) -> Manifest:
    """The one that is not for preparation."""
    container: Manifest = deployment["spec"]["template"]["spec"]["containers"][0]
    return container


def environment(container: Manifest) -> dict[str, str]:
    """As the kubelet makes it: in order, with $(NAME) replaced, and one secret for all."""
    found: dict[str, str] = {}
    for variable in container["env"]:
        value = variable.get("value", SECRET)
        for name, known in found.items():
            value = value.replace(f"$({name})", known)
        assert "$(" not in value, f"{variable['name']} uses what comes after it"
        found[variable["name"]] = value
    return found


def containers(pod: Manifest) -> list[Manifest]:
    """Init containers too."""
    return [*pod.get("initContainers", []), *pod["containers"]]


def refusal(**sets: str) -> str:
    """Why the chart refuses these values; dots in names are written as two underscores."""
    done = template(sets={key.replace("__", "."): value for key, value in sets.items()})
    assert done.returncode != 0, "the chart took them"
    return done.stderr

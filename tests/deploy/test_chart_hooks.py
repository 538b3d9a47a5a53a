"""What operators add to pods of the chart: it is in every pod that they mean, and in no other."""

import json
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from deploy.needs import table
from tests.support.charts import Manifest, containers, refusal, template

PARTS = {
    "postgresql": "postgresql.bundled",
    "rabbitmq": "rabbitmq.bundled",
    "valkey": "redis.bundled",
    "seaweedfs": "s3.bundled",
    "collector": "observability.collector",
    "tempo": "observability.tempo",
}
JOBS = ("setup", "secrets", "backup", "restore", "restore-test", "test")
PLACE = {
    "nodeSelector": {"pool": "video"},
    "tolerations": [{"key": "video", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {"nodeAffinity": {}},
    "priorityClassName": "high",
    "podSecurityContext": {"supplementalGroups": [7], "fsGroup": 4711},
}
HOOKS = PLACE | {
    "podAnnotations": {"example.com/a": "b"},
    "podLabels": {"example.com/label": "b"},
    "initContainers": [{"name": "first", "image": "registry.example.com/first:1"}],
    "sidecars": [{"name": "beside", "image": "registry.example.com/beside:1"}],
    "extraVolumes": [{"name": "more", "emptyDir": {}}],
}
OWN = {
    "extraEnv": {"MORE": "yes"},
    "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
}
EVERYTHING = {
    "observability": {"collector": {"enabled": True}, "tempo": {"enabled": True}},
    "backup": {
        "enabled": True,
        "target": "s3://backups",
        "existingSecret": "mine",
        "toCidrs": ["203.0.113.0/24"],
    },
}


def merged(*values: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for value in values:
        for key, inner in value.items():
            both = isinstance(inner, dict) and isinstance(found.get(key), dict)
            found[key] = merged(found[key], inner) if both else inner
    return found


def at(path: str, value: Any) -> dict[str, Any]:
    """``value`` below a path with dots."""
    for key in reversed(path.split(".")):
        value = {key: value}
    return value


def templates(folder: Path, *values: dict[str, Any]) -> dict[str, list[Manifest]]:
    """The templates of all pods, by component."""
    file = folder / "values.json"
    file.write_text(json.dumps(merged(EVERYTHING, *values)))
    done = template("--values", str(file), apis=())
    assert done.returncode == 0, done.stderr
    found: dict[str, list[Manifest]] = {}
    for manifest in yaml.load_all(done.stdout, yaml.CSafeLoader):
        if not manifest:
            continue
        kubernetes_validate.validate(manifest, "1.35", strict=True)
        made = manifest
        if manifest["kind"] == "CronJob":
            made = manifest["spec"]["jobTemplate"]
        if manifest["kind"] != "Pod":
            made = made.get("spec", {}).get("template")
        if made and "spec" in made:
            name = manifest["metadata"]["labels"]["app.kubernetes.io/component"]
            found.setdefault(name, []).append(made)
    return found


def assert_placed(pod: Manifest) -> None:
    spec = pod["spec"]
    for key in ("nodeSelector", "tolerations", "affinity", "priorityClassName"):
        assert spec[key] == PLACE[key]
    security = spec["securityContext"]
    assert (security["fsGroup"], security["supplementalGroups"]) == (4711, [7])
    # What PodSecurity asks for stays.
    assert security["runAsNonRoot"] is True
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}


def assert_hooked(pod: Manifest) -> None:
    assert_placed(pod)
    assert pod["metadata"]["annotations"].items() >= HOOKS["podAnnotations"].items()
    assert pod["metadata"]["labels"].items() >= HOOKS["podLabels"].items()
    assert pod["spec"]["initContainers"][0]["name"] == "first"
    assert pod["spec"]["containers"][-1]["name"] == "beside"
    assert {"name": "more", "emptyDir": {}} in pod["spec"]["volumes"]


def assert_own(pod: Manifest) -> None:
    main = pod["spec"]["containers"][0]
    assert {"name": "MORE", "value": "yes"} in main["env"]
    assert OWN["extraVolumeMounts"][0] in main["volumeMounts"]
    for container in (one for one in containers(pod["spec"]) if one is not main):
        assert "MORE" not in str(container)


def test_defaults_are_in_every_component(tmp_path: Path) -> None:
    found = templates(tmp_path, {"defaults": HOOKS | OWN})
    for component in table().processes:
        (pod,) = found[component]
        assert_hooked(pod)
        assert_own(pod)
    for other in (*PARTS, *JOBS):
        assert "beside" not in str(found[other])


@pytest.mark.parametrize("component", ["gateway", "worker"])
def test_a_components_own_are_in_no_other(tmp_path: Path, component: str) -> None:
    found = templates(tmp_path, at(f"components.{component}", HOOKS | OWN))
    assert_hooked(found[component][0])
    assert [name for name, pods in found.items() if "beside" in str(pods)] == [component]


def test_those_of_bundled_pods_are_in_every_part(tmp_path: Path) -> None:
    found = templates(tmp_path, {"bundledPods": HOOKS})
    for part in PARTS:
        assert_hooked(found[part][0])
    for other in (*table().processes, *JOBS):
        assert "beside" not in str(found[other])


@pytest.mark.parametrize("part", PARTS)
def test_a_parts_own_are_over_those_of_all(tmp_path: Path, part: str) -> None:
    found = templates(
        tmp_path,
        {"bundledPods": {"nodeSelector": {"pool": "all"}, "priorityClassName": "low"}},
        at(PARTS[part], {"pod": HOOKS, "extraArgs": ["-x=a b", "--more"]} | OWN),
    )
    (pod,) = found[part]
    assert_hooked(pod)
    assert_own(pod)
    main = pod["spec"]["containers"][0]
    given = main.get("args", []) + main.get("command", [])
    assert given[-2:] == ["-x=a b", "--more"] or any("'-x=a b' '--more'" in one for one in given)
    for other in set(PARTS) - {part}:
        assert found[other][0]["spec"]["nodeSelector"] == {"pool": "all"}


def test_jobs_run_where_they_are_told(tmp_path: Path) -> None:
    found = templates(tmp_path, {"jobPods": PLACE})
    for job in JOBS:
        for pod in found[job]:
            assert_placed(pod)
    for other in (*table().processes, *PARTS):
        assert "nodeSelector" not in found[other][0]["spec"]


def test_an_argument_cannot_leave_its_quotes() -> None:
    said = refusal(redis__bundled__extraArgs="{a'b}")
    assert "extraArgs" in said

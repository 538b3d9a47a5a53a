"""The Tiltfile, run by a Starlark interpreter on recording stand-ins for Tilt's functions."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import starlark as sl
import yaml

from deploy.needs import table as needs_table
from tests.support.charts import ROOT, Manifest, of_kind, pods, run_helm

# Tilt's functions with the arguments that they take; whatever else is called or given is an error.
TAKES: dict[str, set[str]] = {
    "allow_k8s_contexts": {"contexts"},
    "config_define_string_list": {"name", "args", "usage"},
    "config_define_bool": {"name", "args", "usage"},
    "config_set_enabled_resources": {"resources"},
    "docker_build": {
        *("ref", "context", "dockerfile", "target", "build_args", "only", "ignore", "live_update"),
    },
    "fall_back_on": {"files"},
    "helm": {"path", "name", "namespace", "values", "set"},
    "http_get_action": {"port", "path"},
    "k8s_resource": {
        *("workload", "new_name", "port_forwards", "labels", "resource_deps", "trigger_mode"),
    },
    "k8s_yaml": {"yaml"},
    "link": {"url", "name"},
    "local": {"command", "quiet", "echo_off"},
    "local_resource": {
        *("name", "cmd", "serve_cmd", "serve_env", "deps", "links", "labels", "resource_deps"),
        *("readiness_probe", "auto_init", "trigger_mode"),
    },
    "probe": {"http_get"},
    "sync": {"local_path", "remote_path"},
    "ui_button": {"name", "text", "icon_name", "annotations", "location"},
    "cmd": {"name", "args", "start_on", "annotations"},
    "watch_file": {"path"},
}
POSITIONAL = {
    "allow_k8s_contexts": ["contexts"],
    "config_define_string_list": ["name"],
    "config_define_bool": ["name"],
    "config_set_enabled_resources": ["resources"],
    "docker_build": ["ref", "context"],
    "fall_back_on": ["files"],
    "helm": ["path"],
    "k8s_resource": ["workload"],
    "k8s_yaml": ["yaml"],
    "link": ["url", "name"],
    "local": ["command"],
    "local_resource": ["name", "cmd"],
    "sync": ["local_path", "remote_path"],
    "watch_file": ["path"],
}
# What Starlark cannot take from Python: Tilt's modules, as structs of the functions above.
PRELUDE = """
config = struct(
    define_string_list = config_define_string_list,
    define_bool = config_define_bool,
    parse = config_parse,
    set_enabled_resources = config_set_enabled_resources,
    tilt_subcommand = tilt_subcommand,
)
v1alpha1 = struct(ui_button = ui_button, cmd = cmd)
TRIGGER_MODE_AUTO = 'auto'
TRIGGER_MODE_MANUAL = 'manual'
def workload_to_resource_function(_function):
    pass  # Called below: a function cannot leave Starlark.
"""
# Calls the function that names resources, on what was rendered.
EPILOGUE = """
for item in rendered():
    workload = struct(kind = item['kind'], name = item['name'])
    record_name(workload.kind, workload.name, resource_name(workload))
"""


class Tilt:
    """Runs the Tiltfile and remembers what it asked for."""

    def __init__(self, subcommand: str = "up", **options: Any) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.manifests: list[Manifest] = []
        self.names: dict[tuple[str, str], str] = {}
        module = sl.Module()
        for name in TAKES:
            module.add_callable(name, self._stub(name))
        module.add_callable("config_parse", lambda: options)
        module.add_callable("rendered", self._workloads)
        module.add_callable("record_name", self._record_name)
        module["tilt_subcommand"] = subcommand
        dialect = sl.Dialect.extended()
        dialect.enable_top_level_stmt = True
        extensions = [sl.LibraryExtension.StructType, sl.LibraryExtension.Print]
        available = sl.Globals.extended_by(extensions)
        text = PRELUDE + (ROOT / "Tiltfile").read_text() + EPILOGUE
        sl.eval(module, sl.parse("Tiltfile", text, dialect), available)

    def of(self, function: str) -> list[dict[str, Any]]:
        return [arguments for name, arguments in self.calls if name == function]

    def resources(self) -> dict[str, dict[str, Any]]:
        """By the name that people see."""
        return {r["workload"]: r for r in self.of("k8s_resource")} | {
            r["name"]: r for r in self.of("local_resource")
        }

    @property
    def enabled(self) -> set[str]:
        (call,) = self.of("config_set_enabled_resources")
        return set(call["resources"])

    def _stub(self, function: str) -> Callable[..., Any]:
        def called(*args: Any, **kwargs: Any) -> Any:
            given = dict(zip(POSITIONAL.get(function, []), args, strict=False))
            assert len(args) <= len(POSITIONAL.get(function, [])), f"{function}{args}"
            assert not given.keys() & kwargs.keys(), f"{function}: given twice"
            given |= kwargs
            unknown = given.keys() - TAKES[function]
            assert not unknown, f"{function} takes no {unknown}"
            self.calls.append((function, given))
            return self._answer(function, given)

        return called

    def _answer(self, function: str, given: dict[str, Any]) -> Any:
        if function == "local":
            command = [sys.executable if part == "python3" else part for part in given["command"]]
            return subprocess.run(
                command, cwd=ROOT, capture_output=True, text=True, check=True
            ).stdout
        if function == "helm":
            values = [part for file in given["values"] for part in ("--values", str(ROOT / file))]
            done = run_helm("template", given["name"], str(ROOT / given["path"]), *values)
            assert done.returncode == 0, done.stderr
            return done.stdout
        if function == "k8s_yaml":
            self.manifests += [m for m in yaml.load_all(given["yaml"], yaml.CSafeLoader) if m]
            return None
        return {"function": function, **given}

    def _workloads(self) -> list[dict[str, str]]:
        return [
            {"kind": found["kind"], "name": found["metadata"]["name"]}
            for found in self.manifests
            if found["kind"] in ("Deployment", "StatefulSet", "Job")
        ]

    def _record_name(self, kind: str, name: str, resource: str) -> None:
        self.names[kind, name] = resource


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the secrets are made."""
    monkeypatch.setenv("CINELOG_HOME", str(tmp_path))
    return tmp_path


def test_everything_is_enabled_and_every_resource_is_a_workload_of_the_chart() -> None:
    tilt = Tilt()
    workloads = set(tilt.names.values())
    assert {r["workload"] for r in tilt.of("k8s_resource")} == workloads
    assert tilt.enabled == set(tilt.resources())
    assert len(tilt.enabled) == len(workloads) + len(tilt.of("local_resource"))


def test_traces_are_kept_if_asked_for() -> None:
    tilt = Tilt(observability=True)
    assert {"collector", "tempo"} <= tilt.enabled
    assert tilt.enabled == set(tilt.resources())
    assert {r["workload"] for r in tilt.of("k8s_resource")} == set(tilt.names.values())


def test_nobody_waits_for_himself_or_for_nobody() -> None:
    resources = Tilt().resources()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"{' → '.join((*path, name))} is a circle"
        for need in resources[name].get("resource_deps", []):
            assert need in resources, f"{name} needs {need}, which does not exist"
            visit(need, (*path, name))

    for name in resources:
        visit(name, ())


def test_every_image_is_used_and_every_own_image_is_built() -> None:
    tilt = Tilt()
    built = {call["ref"] for call in tilt.of("docker_build")}
    used = {
        container["image"].rsplit(":", 1)[0]
        for name, pod in pods(tilt.manifests).items()
        if not name.startswith("Pod/")
        for container in [*pod.get("initContainers", []), *pod["containers"]]
    }
    assert built == {image for image in used if image.startswith("cinelog/")}


def test_the_images_run_what_the_tiltfile_thinks() -> None:
    tilt = Tilt()
    source = (ROOT / "Tiltfile").read_text()
    for (kind, workload), name in tilt.names.items():
        if kind == "Deployment":
            found = of_kind(tilt.manifests, kind)[workload]
            image = found["spec"]["template"]["spec"]["containers"][0]["image"]
            service = image.split("/")[1].split(":")[0]
            assert f"'{name}': struct(image = '{service}'" in source


# The chart's bundled part behind what the table of needs calls a dependency.
BEHIND = {"s3": "seaweedfs", "redis": "valkey"}
# It answers 503 for a service that is not there, so that `--only gateway,…` starts a few of them.
FORWARDED = {"gateway": {"ingest", "catalog", "planner", "live"}}


@pytest.mark.parametrize("name", needs_table().processes)
def test_a_component_waits_for_what_its_process_reaches(name: str) -> None:
    process = needs_table().processes[name]
    reached = {BEHIND.get(part, part) for part in process.reached(archived=True)} - {
        "webhooks",
        "simulcast",
    }
    waits = set(Tilt().resources()[name]["resource_deps"]) - {"migrations", "buckets"}
    assert waits == reached - FORWARDED.get(name, set())
    assert f"'{name}': struct(image = '{process.image}'" in (ROOT / "Tiltfile").read_text()


def test_paths_exist_and_what_is_synchronised_is_in_the_image() -> None:
    for build in Tilt().of("docker_build"):
        assert (ROOT / build["dockerfile"]).is_file()
        assert f"AS {build['target']}" in (ROOT / build["dockerfile"]).read_text()
        for path in build["only"]:
            assert (ROOT / path).exists(), path
        syncs = [step for step in build["live_update"] if step["function"] == "sync"]
        for step in syncs:
            assert (ROOT / step["local_path"]).is_dir()
            assert step["remote_path"] == f"/app/{step['local_path']}"
            assert any(step["local_path"].startswith(path) for path in build["only"])
        (first, *_) = build["live_update"]
        assert first["function"] == "fall_back_on", "Tilt wants it first"
        for path in first["files"]:
            assert (ROOT / path).exists(), path


def test_only_brings_what_is_named_and_what_that_needs() -> None:
    tilt = Tilt(only=["relay"])
    enabled = tilt.enabled
    assert {"relay", "postgresql", "rabbitmq", "migrations"} <= enabled
    assert not {"gateway", "web", "worker", "valkey", "story"} & enabled
    resources = tilt.resources()
    for name in enabled:
        assert set(resources[name].get("resource_deps", [])) <= enabled, name


def test_a_component_that_does_not_exist_is_named() -> None:
    with pytest.raises(sl.StarlarkError, match="no component gatway; there are: auth"):
        Tilt(only=["gatway"])


def test_tests_wait_to_be_asked_but_in_ci() -> None:
    by_hand = [r for r in Tilt().of("local_resource") if r["labels"] == ["tests"]]
    assert len(by_hand) >= 3
    assert all(r["trigger_mode"] == "manual" and r["auto_init"] is False for r in by_hand)
    in_ci = [r for r in Tilt("ci").of("local_resource") if r["labels"] == ["tests"]]
    assert all(r["auto_init"] is True for r in in_ci)
    targets = (ROOT / "Makefile").read_text()
    for resource in by_hand:
        program, *arguments = resource["cmd"]
        if program == "make":
            assert all(f"\n{target}:" in targets for target in arguments)


def test_every_resource_has_a_label_and_ports_are_forwarded_once() -> None:
    tilt = Tilt()
    assert all(resource["labels"] for resource in tilt.resources().values())
    ports = [
        forward.split(":")[0]
        for resource in tilt.of("k8s_resource")
        for forward in resource.get("port_forwards", [])
    ]
    assert "8080" in ports
    assert len(ports) == len(set(ports))


def test_buttons_belong_to_resources_and_run_something() -> None:
    tilt = Tilt()
    commands = {
        button: call["args"] for call in tilt.of("cmd") for button in call["start_on"]["ui_buttons"]
    }
    for button in tilt.of("ui_button"):
        assert button["location"]["component_id"] in tilt.resources()
        assert commands[button["name"]]
    assert {"migrate", "seed"} == commands.keys()


def test_secrets_are_made_once_and_are_all_that_the_chart_needs(home: Path) -> None:
    first, second = Tilt(), Tilt()
    (secret,) = of_kind(first.manifests, "Secret").values()
    assert secret == of_kind(second.manifests, "Secret")[secret["metadata"]["name"]]
    wanted = {
        variable["valueFrom"]["secretKeyRef"]["key"]
        for pod in pods(first.manifests).values()
        for container in [*pod.get("initContainers", []), *pod["containers"]]
        for variable in container.get("env", [])
        if variable.get("valueFrom", {}).get("secretKeyRef", {}).get("name") == "cinelog-tilt"
    }
    assert wanted == set(secret["data"])
    (kept,) = home.glob("*.json")
    assert kept.stat().st_mode & 0o077 == 0
    assert json.loads(kept.read_text())


def test_services_run_the_image_that_starts_them_anew() -> None:
    tilt = Tilt()
    for found in of_kind(tilt.manifests, "Deployment").values():
        container = found["spec"]["template"]["spec"]["containers"][0]
        assert container["command"] == ["python", "/app/reload.py"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is False

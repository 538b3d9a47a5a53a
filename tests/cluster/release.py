"""One release of the chart, on the cluster that kubectl's context names."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

ROOT: Final = Path(__file__).resolve().parents[2]
CHART: Final = ROOT / "deploy" / "helm" / "cinelog"
NAME: Final = "cinelog"
STATEFUL: Final = ("postgresql", "rabbitmq", "seaweedfs", "valkey")
_VALUES: Final = Path(__file__).with_name("values.yaml")
# Seconds for whatever a busy cluster does by itself.
PATIENCE: Final = 600.0

Object = dict[str, Any]
_T = TypeVar("_T")


class Failed(Exception):
    """The message says what did not hold, or which command did not work and what it said."""


def run(*command: str, given: str = "", patience: float = PATIENCE) -> str:
    """What the command prints. Raises Failed."""
    try:
        ended = subprocess.run(
            command, input=given, capture_output=True, text=True, check=False, timeout=patience
        )
    except FileNotFoundError as error:
        raise Failed(f"{command[0]} is missing") from error
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{' '.join(command[:6])} … did not end in {patience:.0f} s") from error
    if ended.returncode != 0:
        said = (ended.stderr.strip() or ended.stdout.strip())[-1500:]
        raise Failed(f"{' '.join(command[:6])} …: {said}")
    return ended.stdout


def until(look: Callable[[], _T | None], what: str, patience: float = PATIENCE) -> _T:
    """Look until there is something to see. Raises Failed, which says ``what`` did not come."""
    deadline = time.monotonic() + patience
    while True:
        if (seen := look()) is not None and seen is not False:
            return seen
        if time.monotonic() > deadline:
            raise Failed(f"after {patience:.0f} s: {what}")
        time.sleep(0.5)


class Release:
    """The chart with this folder's values. ``settings``: `--set` arguments for every command."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.settings: list[str] = []

    def kubectl(self, *arguments: str, given: str = "", patience: float = PATIENCE) -> str:
        command = ("kubectl", "--namespace", self.namespace, *arguments)
        return run(*command, given=given, patience=patience)

    def apply(self, *objects: Object) -> None:
        whole = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("apply", "--filename", "-", given=json.dumps(whole))

    def objects(self, kind: str, selector: str = "") -> list[Object]:
        chosen = ("--selector", selector) if selector else ()
        found: list[Object] = json.loads(self.kubectl("get", kind, "-o", "json", *chosen))["items"]
        return found

    def pods(self, component: str = "") -> list[Object]:
        """Those that run for long, of a component or all of them."""
        selector = f"app.kubernetes.io/instance={NAME}"
        if component:
            selector += f",app.kubernetes.io/component={component}"
        owners = {"ReplicaSet", "StatefulSet"}
        return [
            pod
            for pod in self.objects("pods", selector)
            if any(each["kind"] in owners for each in pod["metadata"].get("ownerReferences", ()))
            and "deletionTimestamp" not in pod["metadata"]
        ]

    def install(self, *more: str) -> None:
        self._helm("install", NAME, str(CHART), more)

    def upgrade(self, *more: str, chart: Path = CHART) -> None:
        self._helm("upgrade", NAME, str(chart), more)

    def rollback(self, revision: int) -> None:
        space = ("--namespace", self.namespace)
        run("helm", "rollback", NAME, str(revision), *space, "--wait", "--timeout", "10m")

    def revision(self) -> int:
        """The number of the newest one."""
        listed = run("helm", "history", NAME, "--namespace", self.namespace, "-o", "json")
        return max(each["revision"] for each in json.loads(listed))

    def test(self) -> str:
        """What `helm test` says."""
        return run("helm", "test", NAME, "--namespace", self.namespace, "--logs")

    def identities(self, components: Sequence[str]) -> dict[str, str]:
        """Which pods these are, by name."""
        pods = [pod for component in components for pod in self.pods(component)]
        return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in pods}

    def restarts(self, component: str) -> int:
        return sum(
            container["restartCount"]
            for pod in self.pods(component)
            for container in pod["status"]["containerStatuses"]
        )

    def wait_ready(self) -> None:
        """Until every pod that is meant to be there is, and is ready."""
        until(self._is_ready, f"not all pods of {self.namespace} are ready")

    def run_job(self, cron_job: str, name: str, patience: float = PATIENCE) -> str:
        """Run what a CronJob would, now; its log. Raises Failed where it fails."""
        self.kubectl("create", "job", f"--from=cronjob/{cron_job}", name)

        def ended() -> str | None:
            conditions = self._job(name)["status"].get("conditions", ())
            types = {each["type"] for each in conditions if each["status"] == "True"}
            return next(iter(types & {"Complete", "Failed"}), None)

        end = until(ended, f"the Job {name} has not ended", patience)
        said = self.kubectl("logs", f"job/{name}", "--all-containers", "--tail=20")
        if end == "Failed":
            raise Failed(f"the Job {name} failed: {said}")
        return said

    def url(self) -> str:
        """Where the gateway's Service is reached: GATEWAY, or a node's address and port."""
        given = os.environ.get("GATEWAY")
        return given or f"http://{self._node_address()}:{self._node_port(f'{NAME}-gateway')}"

    def rtmp_url(self) -> str:
        """Where publishers connect: RTMP, or a node's address and port."""
        given = os.environ.get("RTMP")
        return given or f"rtmp://{self._node_address()}:{self._node_port(f'{NAME}-live-rtmp')}/live"

    def image(self, service: str) -> str:
        """The image that a component's pods run."""
        deployment = json.loads(self.kubectl("get", f"deployment/{NAME}-{service}", "-o", "json"))
        found: str = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
        return found

    def _helm(self, verb: str, name: str, chart: str, more: Sequence[str]) -> None:
        values = ("--values", str(_VALUES), *self.settings, *more)
        waiting = ("--wait", "--timeout", "10m")
        run(
            "helm",
            verb,
            name,
            chart,
            "--namespace",
            self.namespace,
            *values,
            *waiting,
            patience=700,
        )

    def _job(self, name: str) -> Object:
        found: Object = json.loads(self.kubectl("get", f"job/{name}", "-o", "json"))
        return found

    def _is_ready(self) -> bool:
        workloads = self.objects("deployments,statefulsets")
        return all(
            each["status"].get("readyReplicas", 0) == each["spec"]["replicas"]
            and each["status"].get("replicas", 0) == each["spec"]["replicas"]
            and each["status"].get("observedGeneration") == each["metadata"]["generation"]
            for each in workloads
        )

    def _node_address(self) -> str:
        nodes = json.loads(run("kubectl", "get", "nodes", "-o", "json"))["items"]
        addresses = nodes[0]["status"]["addresses"]
        return next(each["address"] for each in addresses if each["type"] == "InternalIP")

    def _node_port(self, service: str) -> int:
        spec = json.loads(self.kubectl("get", f"service/{service}", "-o", "json"))["spec"]
        found: int = spec["ports"][0]["nodePort"]
        return found

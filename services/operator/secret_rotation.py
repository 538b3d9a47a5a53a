"""Rotating one value of the chart's Secret, with kubectl and the rights of who calls it.

The new value is written to the Secret first, so that it cannot be lost; then the part that keeps a
copy of it is told, then the pods that read it start anew. What was interrupted is repeated with
``again``, which takes the value that the Secret has.
"""

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from services.operator.kubectl import PATIENCE, Kubectl, NotDone
from services.operator.made_secrets import encoded, fresh

# Values that decrypt what is in the database: a new one would make that unreadable.
DECRYPTING: Final[Mapping[str, str]] = {
    "signing-key-secret": "it decrypts the signing keys in auth's table, which are rotated by "
    "`python -m services.auth.main rotate-keys`; docs/kubernetes.md says how to replace it",
    "simulcast-key": "it decrypts the stream keys of simulcast targets; docs/kubernetes.md says "
    "what a new one costs",
}
_WORKLOADS: Final = "deployments,statefulsets,cronjobs"
# Their passwords count at their first start only; then they have them on their disks.
_TOLD: Final = ("postgresql", "rabbitmq")


class Reader(msgspec.Struct, frozen=True):
    """A workload whose pods read the value from a Secret."""

    kind: str
    name: str
    component: str
    secret: str

    @property
    def rolls(self) -> bool:
        """Whether it has to start anew for the value: what runs by schedule starts anyway."""
        return self.kind != "cronjob" and self.component not in _TOLD


def readers(workloads: Iterable[Mapping[str, Any]], key: str) -> list[Reader]:
    """The workloads with a container that reads ``key`` from a Secret."""
    found: dict[str, Reader] = {}
    for workload in workloads:
        spec = workload["spec"]
        pod = spec.get("jobTemplate", {}).get("spec", spec)["template"]["spec"]
        for container in [*pod.get("initContainers", ()), *pod["containers"]]:
            for variable in container.get("env", ()):
                reference = variable.get("valueFrom", {}).get("secretKeyRef", {})
                if reference.get("key") == key:
                    reader = Reader(
                        workload["kind"].lower(),
                        workload["metadata"]["name"],
                        workload["metadata"]["labels"]["app.kubernetes.io/component"],
                        reference["name"],
                    )
                    found[f"{reader.kind}/{reader.name}"] = reader
    return list(found.values())


def rotate(
    kubectl: Kubectl, release: str, key: str, *, again: bool, say: Callable[[str], None]
) -> list[str]:
    """Give ``key`` a new value; returns the workloads that were rolled. Raises NotDone."""
    if reason := DECRYPTING.get(key):
        raise NotDone(f"{key} is not rotated: {reason}.")
    ours = f"app.kubernetes.io/instance={release}"
    listed = kubectl("get", _WORKLOADS, "--selector", ours, "--output", "json")
    found = readers(json.loads(listed)["items"], key)
    if len({reader.secret for reader in found}) != 1:
        raise NotDone(f"nothing of the release {release} reads {key}, or more than one Secret")
    secret = found[0].secret
    if not again:
        patch = json.dumps({"data": {key: encoded(fresh())}})
        kubectl(
            *("patch", "secret", secret, "--type", "merge", "--patch-file", "/dev/stdin"),
            given=patch,
        )
        say(f"{key} has a new value in the Secret {secret}.")
    _tell(kubectl, release, key, found)
    rolled = [f"{reader.kind}/{reader.name}" for reader in found if reader.rolls]
    if rolled:
        kubectl("rollout", "restart", *rolled)
        say(f"Starting anew: {', '.join(rolled)}.")
    for workload in rolled:
        kubectl("rollout", "status", workload, PATIENCE)
    return rolled


def _tell(kubectl: Kubectl, release: str, key: str, found: Iterable[Reader]) -> None:
    """Give the new value to who keeps a copy of it. The same twice does no harm."""
    if key.startswith("role-password-"):
        _run_setup(kubectl, release, key)
    for reader in found:
        pod = f"{reader.name}-0"
        if reader.component == "postgresql":
            value = _value(kubectl, reader.secret, key).replace("'", "''")
            kubectl(
                *("exec", "--stdin", pod, "--container", "postgresql", "--"),
                *("psql", "-qX", "-v", "ON_ERROR_STOP=1", "-U", "cinelog_admin", "-d", "postgres"),
                given=f"alter role cinelog_admin password '{value}';\n",
            )
        elif reader.component == "rabbitmq":
            kubectl(
                *("exec", "--stdin", pod, "--container", "rabbitmq", "--"),
                *("rabbitmqctl", "change_password", "cinelog"),
                given=f"{_value(kubectl, reader.secret, key)}\n",
            )


def _value(kubectl: Kubectl, secret: str, key: str) -> str:
    held = json.loads(kubectl("get", "secret", secret, "--output", "json"))
    return base64.b64decode(held["data"][key]).decode()


def _run_setup(kubectl: Kubectl, release: str, key: str) -> None:
    """The release's setup once more: it gives every role the password of the Secret."""
    chosen = f"app.kubernetes.io/instance={release},app.kubernetes.io/component=setup"
    setup = kubectl("get", "cronjobs", "--selector", chosen, "--output", "name").strip()
    if not setup:
        raise NotDone(f"the release {release} has no setup that could tell the database")
    job = f"{release}-rotate-{key.removeprefix('role-password-')}"
    kubectl("delete", "job", job, "--ignore-not-found")
    kubectl("create", "job", job, "--from", setup.replace("cronjob.batch/", "cronjob/"))
    kubectl("wait", "--for", "condition=complete", f"job/{job}", PATIENCE)
    kubectl("delete", "job", job)

"""A place for the release, a storage for its backups, and the release itself."""

import json
from typing import Final

import yaml

from tests.cluster.release import CHART, Object, Release, run

_STORE: Final = "store"
_KEYS: Final = {"key": "Y2luZWxvZy1iYWNrdXBzLWFyZS10ZXN0ZWQtaGVyZS0=", "access-key": "backups"}
_SECRET: Final = "of-the-test-only"


def install(release: Release) -> str:
    """Into a namespace where PodSecurity is enforced; backups go to a storage of another one."""
    _namespace(release.namespace)
    _namespace(store(release).namespace)
    _start(store(release))
    release.settings += settings(release)
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "cinelog-backup"}}
    release.apply(secret | {"stringData": _KEYS | {"secret-key": _SECRET}})
    release.install()
    return f"{len(release.pods())} pods ready"


def helm_test(release: Release) -> str:
    """The chart's own story."""
    said = release.test()
    return next(line for line in said.splitlines() if "played" in line)


def remove(release: Release) -> None:
    """All that the test has made."""
    for namespace in (release.namespace, store(release).namespace):
        run("kubectl", "delete", "namespace", namespace, "--ignore-not-found", "--wait=true")


def store(release: Release) -> Release:
    """Where the storage for backups is."""
    return Release(f"{release.namespace}-backups")


def settings(release: Release) -> list[str]:
    """What leads backups to their storage."""
    place = store(release)
    pod = json.loads(place.kubectl("get", f"pod/{_STORE}", "-o", "json"))
    service = json.loads(place.kubectl("get", f"service/{_STORE}", "-o", "json"))
    # A policy sees the Service's address or the pod's, as the cluster's network has it.
    addresses = (pod["status"]["podIP"], service["spec"]["clusterIP"])
    networks = ",".join(f"{address}/32" for address in addresses)
    endpoint = f"http://{_STORE}.{place.namespace}.svc:8333"
    values = {
        "backup.endpoint": endpoint,
        "backup.port": "8333",
        "backup.toCidrs": f"{{{networks}}}",
    }
    return [word for name, value in values.items() for word in ("--set", f"{name}={value}")]


def _start(place: Release) -> None:
    """The storage for backups."""
    place.apply(_store_pod(), _store_service())
    place.kubectl("wait", "--for=condition=Ready", f"pod/{_STORE}", "--timeout=5m")
    make = "echo s3.bucket.create -name backups | weed shell"
    place.kubectl("exec", _STORE, "--", "sh", "-c", make)


def _namespace(name: str) -> None:
    label = {"pod-security.kubernetes.io/enforce": "restricted"}
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": label}}
    run("kubectl", "apply", "--filename", "-", given=json.dumps(made))


def _store_pod() -> Object:
    image = yaml.safe_load((CHART / "values.yaml").read_text())["s3"]["bundled"]["image"]
    who = {"accessKey": _KEYS["access-key"], "secretKey": _SECRET}
    identities = {"identities": [{"name": "b", "credentials": [who], "actions": ["Admin"]}]}
    program = (
        f"echo '{json.dumps(identities)}' > /tmp/s3.json && exec weed server -dir=/data -filer -s3"
        " -s3.config=/tmp/s3.json -master.volumeSizeLimitMB=256 -volume.max=100"
    )
    container = {
        "name": _STORE,
        "image": f"{image['repository']}:{image['tag']}",
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", program],
        "env": [{"name": "HOME", "value": "/tmp"}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8333}, "periodSeconds": 2},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "data", "mountPath": path} for path in ("/data", "/tmp")],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": _STORE, "labels": {"app": _STORE}},
        "spec": {
            "containers": [container],
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 1000,
                "fsGroup": 1000,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "volumes": [{"name": "data", "emptyDir": {}}],
        },
    }


def _store_service() -> Object:
    ports = [{"port": 8333, "targetPort": 8333}]
    spec = {"selector": {"app": _STORE}, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": _STORE}, "spec": spec}

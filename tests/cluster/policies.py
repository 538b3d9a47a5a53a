"""Who reaches whom: as the table of processes says, and nobody else."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from deploy.needs import table
from tests.cluster.release import Failed, Object, Release

# Asked within a pod: which of these addresses take a connection. All of them would; a policy drops
# or refuses it.
_PROBE: Final = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def reached(at):
    try:
        socket.create_connection((at[0], at[1]), 5).close()
    except OSError:
        return False
    return True
targets = json.loads(sys.argv[1])
with ThreadPoolExecutor(32) as pool:
    found = list(pool.map(lambda name: reached(targets[name]), targets))
print(json.dumps([name for name, yes in zip(targets, found) if yes]))
"""
_PORTS: Final = {"postgresql": 5432, "rabbitmq": 5672, "redis": 6379, "s3": 8333}
_PARTS: Final = {"redis": "valkey", "s3": "seaweedfs"}
_STRANGER: Final = "stranger"


def policies(release: Release) -> str:
    """Every process reaches what the table lists and nothing else; a stranger the gateway."""
    needs = table().processes
    targets = _targets(release, [name for name, each in needs.items() if "BIND" in each.variables])
    expected = {
        name: set(each.reached(archived=True)) & targets.keys() for name, each in needs.items()
    }
    expected[_STRANGER] = {"gateway"}
    release.apply(_stranger(release.image("worker")))
    release.kubectl("wait", "--for=condition=Ready", f"pod/{_STRANGER}", "--timeout=5m")
    with ThreadPoolExecutor(4) as pool:
        asked = {name: pool.submit(_reached, release, name, targets) for name in expected}
    found = {name: each.result() for name, each in asked.items()}
    release.kubectl("delete", f"pod/{_STRANGER}", "--wait=false")
    wrong = [
        f"{name} reaches {', '.join(sorted(found[name])) or 'nothing'} instead of "
        f"{', '.join(sorted(expected[name])) or 'nothing'}"
        for name in expected
        if found[name] - {name} != expected[name] - {name}
    ]
    if wrong:
        raise Failed("; ".join(wrong))
    return f"{len(expected)} pods asked {len(targets)} others: as the table has it"


def _targets(release: Release, servers: list[str]) -> dict[str, tuple[str, int]]:
    """Where each is reached, at its pod: a Service of none would refuse, too."""
    return {
        name: (release.pods(_PARTS.get(name, name))[0]["status"]["podIP"], _PORTS.get(name, 8000))
        for name in (*servers, *_PORTS)
    }


def _reached(release: Release, name: str, targets: dict[str, tuple[str, int]]) -> set[str]:
    pod = name
    if name != _STRANGER:
        pod = release.pods(name)[0]["metadata"]["name"]
    words = ("exec", pod, "--", "python", "-c", _PROBE, json.dumps(targets))
    found: list[str] = json.loads(release.kubectl(*words))
    return set(found)


def _stranger(image: str) -> Object:
    """A pod that no policy selects."""
    security: dict[str, Any] = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {
        "name": _STRANGER,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", "import time; time.sleep(3600)"],
        "securityContext": security,
    }
    metadata = {"name": _STRANGER}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}

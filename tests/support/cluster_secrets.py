"""As much of Kubernetes' API as `helm template` asks for the Secrets of a namespace."""

import json
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

# What the chart's own manifests are of.
_KINDS: dict[str, tuple[str, ...]] = {
    "v1": ("Secret", "Service", "ServiceAccount", "ConfigMap", "Pod"),
    "apps/v1": ("Deployment", "StatefulSet"),
    "batch/v1": ("Job", "CronJob"),
    "policy/v1": ("PodDisruptionBudget",),
    "autoscaling/v2": ("HorizontalPodAutoscaler",),
    "networking.k8s.io/v1": ("NetworkPolicy",),
}


def _resources(version: str) -> dict[str, Any]:
    """The kinds of one version, as the API lists them."""
    listed = [
        {
            "name": f"{kind.lower()}s".replace("ys", "ies"),
            "kind": kind,
            "namespaced": True,
            "verbs": ["get"],
        }
        for kind in _KINDS[version]
    ]
    return {"kind": "APIResourceList", "groupVersion": version, "resources": listed}


def _group(version: str) -> dict[str, Any]:
    name, _, number = version.partition("/")
    served = {"groupVersion": version, "version": number}
    return {"name": name, "versions": [served], "preferredVersion": served}


_GROUPS = [version for version in _KINDS if "/" in version]
_ABOUT: dict[str, dict[str, Any]] = {
    "/version": {"major": "1", "minor": "36", "gitVersion": "v1.36.0"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/api/v1": _resources("v1"),
    "/apis": {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [_group(version) for version in _GROUPS],
    },
    **{f"/apis/{version}": _resources(version) for version in _GROUPS},
}


@contextmanager
def cluster(secrets: Mapping[str, Mapping[str, str]], folder: Path) -> Iterator[Path]:
    """Serve these Secrets, values by key and name; yields the kubeconfig that leads there."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            name = path.rpartition("/")[2]
            if path in _ABOUT:
                self._answer(200, _ABOUT[path])
            elif name in secrets:
                values = {key: b64encode(v.encode()).decode() for key, v in secrets[name].items()}
                about = {"name": name, "namespace": "films"}
                found = {"apiVersion": "v1", "kind": "Secret", "metadata": about, "data": values}
                self._answer(200, found)
            else:
                status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404}
                self._answer(404, {**status, "reason": "NotFound", "metadata": {}})

        def _answer(self, status: int, body: Mapping[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    config = folder / "kubeconfig"
    context = {"name": "it", "context": {"cluster": "it", "user": "it"}}
    config.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "it",
                "clusters": [{"name": "it", "cluster": {"server": address}}],
                "contexts": [context],
                "users": [{"name": "it", "user": {}}],
            }
        )
    )
    try:
        yield config
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

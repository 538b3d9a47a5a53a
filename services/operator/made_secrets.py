"""The chart's Secret in its cluster: a Job makes what is missing, and touches nothing else."""

import base64
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import httpx

from shared.errors import Unavailable

_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_ADDRESS: Final = "https://kubernetes.default.svc"
# Connections that are tried anew: a new pod's network policy takes a moment to be in force.
_RETRIES: Final = 6
# Others that write the Secret at the same time.
_RACES: Final = 5
_BYTES: Final = 24
_NOT_FOUND, _CONFLICT = 404, 409
# Helm deletes what left its manifests, unless the object itself says this: releases of before had
# the Secret among theirs.
_KEEP: Final = {"helm.sh/resource-policy": "keep"}
_MERGE: Final = {"content-type": "application/merge-patch+json"}


class NoKubernetes(Unavailable):
    """The cluster's API does not answer, or refuses."""

    code = "kubernetes_unavailable"


def cluster() -> httpx.Client:
    """The API of the cluster that this pod is in, with the token of the pod's account."""
    token = (_ACCOUNT / "token").read_text()
    transport = httpx.HTTPTransport(verify=str(_ACCOUNT / "ca.crt"), retries=_RETRIES)
    return httpx.Client(
        base_url=_ADDRESS,
        headers={"authorization": f"Bearer {token}"},
        transport=transport,
        timeout=30,
    )


def make(api: httpx.Client, namespace: str, name: str, keys: Sequence[str]) -> list[str]:
    """Make the Secret, or the keys that it lacks; returns those that were made.

    A value that is there is never changed. Raises NoKubernetes.
    """
    place = f"/api/v1/namespaces/{namespace}/secrets"
    for _ in range(_RACES):
        found = _asked(api, "GET", f"{place}/{name}", but=_NOT_FOUND)
        missing = [key for key in keys if not (found or {}).get("data", {}).get(key)]
        wanted = _wanted(name, found, missing)
        if wanted is None:
            return []
        if found is None:
            done = _asked(api, "POST", place, wanted, but=_CONFLICT)
        else:
            done = _asked(api, "PATCH", f"{place}/{name}", wanted, but=_CONFLICT)
        if done is not None:
            return missing
    raise NoKubernetes(f"others kept changing the Secret {name}")


def delete(api: httpx.Client, namespace: str, name: str) -> bool:
    """Delete the Secret; whether there was one. Raises NoKubernetes."""
    place = f"/api/v1/namespaces/{namespace}/secrets/{name}"
    return _asked(api, "DELETE", place, but=_NOT_FOUND) is not None


def fresh() -> str:
    """A new value: letters and digits, as it becomes part of addresses."""
    return secrets.token_hex(_BYTES)


def encoded(value: str) -> str:
    """As a Secret's data has it."""
    return base64.b64encode(value.encode()).decode()


def _wanted(
    name: str, found: dict[str, Any] | None, missing: Sequence[str]
) -> dict[str, Any] | None:
    """What to send so that nothing is missing; None where nothing is."""
    data = {key: encoded(fresh()) for key in missing}
    if found is None:
        # No label by which Argo CD or Helm would count it among what they may delete.
        labels = {"app.kubernetes.io/part-of": "cinelog"}
        metadata = {"name": name, "labels": labels, "annotations": _KEEP}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}
    kept = (found["metadata"].get("annotations") or {}).items() >= _KEEP.items()
    if kept and not missing:
        return None
    version = found["metadata"]["resourceVersion"]
    return {"metadata": {"resourceVersion": version, "annotations": _KEEP}, "data": data}


def _asked(
    api: httpx.Client, method: str, path: str, body: dict[str, Any] | None = None, *, but: int
) -> dict[str, Any] | None:
    """The API's answer; None where its status is ``but``."""
    headers = _MERGE if method == "PATCH" else None
    try:
        answer = api.request(method, path, json=body, headers=headers)
    except httpx.HTTPError as error:
        raise NoKubernetes(f"Kubernetes does not answer: {error!r}") from error
    if answer.status_code == but:
        return None
    if answer.is_error:
        raise NoKubernetes(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
    found: dict[str, Any] = answer.json()
    return found

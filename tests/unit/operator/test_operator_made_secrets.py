"""The Job that makes the chart's Secret: what is missing, and nothing else."""

import base64
import json
from typing import Any

import httpx
import pytest

from services.operator.made_secrets import NoKubernetes, delete, make

PLACE = "/api/v1/namespaces/films/secrets"


class Cluster:
    """The Secrets of one namespace, with the rules by which the API writes them."""

    def __init__(self) -> None:
        self.secrets: dict[str, dict[str, Any]] = {}
        self.writes: list[str] = []
        self.meanwhile: list[Any] = []
        """What others do before the next write is taken, one after the other."""

    def client(self) -> httpx.Client:
        transport = httpx.MockTransport(self._answer)
        return httpx.Client(transport=transport, base_url="https://kubernetes.default.svc")

    def values(self, name: str) -> dict[str, str]:
        data = self.secrets[name]["data"]
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def put(self, name: str, values: dict[str, str], **metadata: Any) -> None:
        data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        number = str(len(self.writes) + len(self.secrets) + 1)
        about = {"name": name, "resourceVersion": number, **metadata}
        self.secrets[name] = {"metadata": about, "data": data}

    def _answer(self, request: httpx.Request) -> httpx.Response:
        body: dict[str, Any] = json.loads(request.content) if request.content else {}
        name = body.get("metadata", {}).get("name") or request.url.path.rpartition("/")[2]
        if request.method != "GET" and self.meanwhile:
            self.meanwhile.pop(0)()
        there = self.secrets.get(name)
        if request.method == "POST" and there:
            return httpx.Response(409, json={"reason": "AlreadyExists"})
        if request.method != "POST" and there is None:
            return httpx.Response(404, json={})
        if request.method == "GET":
            return httpx.Response(200, json=there)
        self.writes.append(request.method)
        return self._written(request.method, name, body)

    def _written(self, method: str, name: str, body: dict[str, Any]) -> httpx.Response:
        if method == "DELETE":
            return httpx.Response(200, json=self.secrets.pop(name))
        if method == "POST":
            self.secrets[name] = {**body, "metadata": {**body["metadata"], "resourceVersion": "1"}}
            return httpx.Response(201, json=self.secrets[name])
        there = self.secrets[name]
        if body["metadata"]["resourceVersion"] != there["metadata"]["resourceVersion"]:
            self.writes.pop()
            return httpx.Response(409, json={"reason": "Conflict"})
        there["data"] = {**there.get("data", {}), **body.get("data", {})}
        annotations = there["metadata"].get("annotations") or {}
        there["metadata"]["annotations"] = {**annotations, **body["metadata"]["annotations"]}
        return httpx.Response(200, json=there)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def made(cluster: Cluster, *keys: str) -> list[str]:
    with cluster.client() as api:
        return make(api, "films", "keys", keys)


def test_all_is_made_at_first_and_nothing_after_that(cluster: Cluster) -> None:
    assert made(cluster, "a", "b") == ["a", "b"]
    first = cluster.values("keys")
    assert len({*first.values()}) == 2
    assert all(len(value) >= 32 and value.isalnum() for value in first.values())
    assert made(cluster, "a", "b") == []
    assert cluster.values("keys") == first
    assert cluster.writes == ["POST"]


def test_a_release_that_needs_more_gets_only_that(cluster: Cluster) -> None:
    cluster.put("keys", {"a": "rotated by hand", "theirs": "x", "empty": ""})
    assert made(cluster, "a", "b", "empty") == ["b", "empty"]
    after = cluster.values("keys")
    assert (after["a"], after["theirs"]) == ("rotated by hand", "x")
    assert after["b"]
    assert after["empty"]


def test_helm_keeps_the_secret_that_leaves_its_manifests(cluster: Cluster) -> None:
    cluster.put("keys", {"a": "x"}, annotations={"meta.helm.sh/release-name": "cinelog"})
    assert made(cluster, "a") == []
    assert cluster.secrets["keys"]["metadata"]["annotations"] == {
        "meta.helm.sh/release-name": "cinelog",
        "helm.sh/resource-policy": "keep",
    }
    assert cluster.values("keys") == {"a": "x"}


def test_nobody_counts_it_among_what_they_may_delete(cluster: Cluster) -> None:
    made(cluster, "a")
    # Argo CD prunes what has the label of an application that no longer lists it.
    assert "app.kubernetes.io/instance" not in cluster.secrets["keys"]["metadata"]["labels"]


@pytest.mark.parametrize("there", [False, True])
def test_what_another_makes_at_the_same_time_stays(cluster: Cluster, there: bool) -> None:
    if there:
        cluster.put("keys", {"a": "x"})
    cluster.meanwhile.append(lambda: cluster.put("keys", {"a": "x", "b": "theirs"}))
    assert made(cluster, "a", "b", "c") == ["c"]
    assert cluster.values("keys")["b"] == "theirs"


def test_it_is_deleted_once(cluster: Cluster) -> None:
    made(cluster, "a")
    with cluster.client() as api:
        assert delete(api, "films", "keys") is True
        assert delete(api, "films", "keys") is False


def test_a_refusal_says_what_was_asked_and_no_value(cluster: Cluster) -> None:
    refused = httpx.MockTransport(lambda _: httpx.Response(403, text="may not get secrets"))
    with (
        httpx.Client(transport=refused, base_url="https://kubernetes.default.svc") as api,
        pytest.raises(NoKubernetes, match=f"GET {PLACE}/keys: 403 may not get secrets"),
    ):
        make(api, "films", "keys", ["a"])

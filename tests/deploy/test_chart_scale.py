"""How many pods there are: bounds, connections of all of them, and none for a restore."""

import re

import pytest

from tests.support.charts import (
    EXAMPLES,
    components,
    example,
    of_kind,
    pods,
    refusal,
    render,
)


@pytest.mark.parametrize(
    "sets",
    [
        {"worker__autoscaling__minReplicas": "3"},
        {
            "components__auth__autoscaling__enabled": "true",
            "components__auth__autoscaling__minReplicas": "7",
        },
    ],
)
def test_bounds_that_cross_are_refused(sets: dict[str, str]) -> None:
    assert "minReplicas" in (said := refusal(**sets))
    assert "above maxReplicas" in said


def test_the_database_takes_as_many_connections_as_the_pods_may_open() -> None:
    said = refusal(defaults__replicas="2")
    assert "postgresql.bundled.maxConnections is 300" in said
    (needed,) = re.findall(r"may open (\d+)", said)
    enough = {"defaults.replicas": "2", "postgresql.bundled.maxConnections": needed}
    postgresql = pods(render(sets=enough))["StatefulSet/cinelog-postgresql"]
    assert f"max_connections={needed}" in postgresql["containers"][0]["args"]
    # Others' databases have limits of their own.
    assert example("values-production.yaml")


@pytest.mark.parametrize("values", [None, *EXAMPLES])
def test_for_a_restore_no_pod_of_ours_runs_and_nothing_brings_one_back(values: str | None) -> None:
    manifests = render(values, sets={"stopped": "true"})
    for name, deployment in components(manifests).items():
        assert deployment["spec"]["replicas"] == 0, name
    for kind in ("HorizontalPodAutoscaler", "ScaledObject"):
        assert of_kind(manifests, kind) == {}
    bundled = of_kind(manifests, "StatefulSet").values()
    assert all(found["spec"]["replicas"] == 1 for found in bundled)


def test_where_the_cluster_assigns_users_none_is_asked_for() -> None:
    for name, pod in pods(render(sets={"assignedUsers": "true"})).items():
        security = pod["securityContext"]
        assert security["runAsNonRoot"] is True, name
        assert {"runAsUser", "runAsGroup", "fsGroup"}.isdisjoint(security), name


def test_bundled_pods_run_where_the_values_say() -> None:
    manifests = render(
        sets={
            "bundledPods.nodeSelector.disk": "fast",
            "bundledPods.tolerations[0].key": "data",
            "bundledPods.priorityClassName": "high",
        }
    )
    for name in of_kind(manifests, "StatefulSet"):
        pod = pods(manifests)[f"StatefulSet/{name}"]
        assert pod["nodeSelector"] == {"disk": "fast"}
        assert pod["tolerations"] == [{"key": "data"}]
        assert pod["priorityClassName"] == "high"
    assert "nodeSelector" not in pods(manifests)["Deployment/cinelog-auth"]


def test_openshifts_servers_of_names_are_reached() -> None:
    for name, policy in of_kind(example(None), "NetworkPolicy").items():
        for rule in policy["spec"]["egress"]:
            ports = {port["port"] for port in rule["ports"]}
            assert (53 in ports) == (5353 in ports), name


@pytest.mark.parametrize("memory", ["224Mi", "895Mi", "900M", "0.5Gi"])
def test_less_memory_than_a_worker_and_its_ffmpeg_need_is_refused(memory: str) -> None:
    """The kernel would end the worker, and the pod with it, instead of ffmpeg."""
    assert "896Mi" in refusal(components__worker__resources__limits__memory=memory)


@pytest.mark.parametrize("memory", ["896Mi", "940M", "1Gi", "1.5Gi"])
def test_as_much_memory_as_they_need_is_taken(memory: str) -> None:
    worker = components(render(sets={"components.worker.resources.limits.memory": memory}))[
        "worker"
    ]
    (container,) = worker["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["memory"]

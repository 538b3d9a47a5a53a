"""Made keys and passwords are in the cluster and in no manifest."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.support.charts import (
    EXAMPLES,
    Manifest,
    components,
    containers,
    example,
    of_kind,
    pods,
    render,
    template,
)

ALL = (None, *EXAMPLES)


def made(manifests: Sequence[Manifest]) -> list[str]:
    """The keys that the Job makes."""
    arguments: list[str] = containers(pods(manifests)["Job/cinelog-secrets"])[0]["args"]
    assert arguments[:5] == [
        *("services.operator.main", "secrets", "make", "films", "cinelog-secrets")
    ]
    return arguments[5:]


def read(manifests: Sequence[Manifest], secret: str) -> set[str]:
    """The keys of a Secret that pods read."""
    return {
        reference["key"]
        for pod in pods(manifests).values()
        for container in containers(pod)
        for variable in container.get("env", [])
        if (reference := variable.get("valueFrom", {}).get("secretKeyRef"))
        and reference["name"] == secret
    }


@pytest.mark.parametrize("values", ALL)
def test_no_manifest_holds_a_secret(values: str | None) -> None:
    assert of_kind(example(values), "Secret") == {}
    # So that nothing differs from one rendering to the next.
    assert template(values=values).stdout == template(values=values).stdout


@pytest.mark.parametrize("values", [None, "values-laptop.yaml", "values-operators.yaml"])
def test_what_pods_read_is_made_before_anything_else(values: str | None) -> None:
    manifests = example(values)
    assert read(manifests, "cinelog-secrets") == set(made(manifests))
    job = of_kind(manifests, "Job")["cinelog-secrets"]["metadata"]["annotations"]
    assert job["helm.sh/hook"] == "pre-install,pre-upgrade"
    others = [
        int(annotations["helm.sh/hook-weight"])
        for found in manifests
        if "pre-"
        in (annotations := found["metadata"].get("annotations", {})).get("helm.sh/hook", "")
        and found["metadata"]["name"] != "cinelog-secrets"
    ]
    for kind in ("ServiceAccount", "Role", "RoleBinding", "NetworkPolicy"):
        needed = of_kind(manifests, kind)["cinelog-secrets"]["metadata"]["annotations"]
        assert int(needed["helm.sh/hook-weight"]) < int(job["helm.sh/hook-weight"])
        assert set(job["helm.sh/hook"].split(",")) <= set(needed["helm.sh/hook"].split(","))
    assert all(int(job["helm.sh/hook-weight"]) < weight for weight in others)


def test_migrations_of_an_external_database_find_it_made() -> None:
    external = {
        "postgresql.mode": "external",
        "postgresql.external.host": "db.example.com",
        "postgresql.external.existingSecret": "db",
        "networkPolicy.externalCidrs": "{10.0.0.0/8}",
    }
    manifests = render(sets=external)
    (migrations,) = (
        pod for name, pod in pods(manifests).items() if name.startswith("Job/cinelog-m")
    )
    passwords = {key for key in read(manifests, "cinelog-secrets") if "role-password" in key}
    given = str(migrations)
    assert all(key in given for key in passwords)
    assert read(manifests, "cinelog-secrets") == set(made(manifests))


def test_the_job_may_do_nothing_but_that() -> None:
    def rules(**sets: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = of_kind(render(sets=sets), "Role")["cinelog-secrets"]["rules"]
        return found

    secrets = {"apiGroups": [""], "resources": ["secrets"]}
    named = {"resourceNames": ["cinelog-secrets"]}
    assert rules() == [
        {**secrets, **named, "verbs": ["get", "patch"]},
        {**secrets, "verbs": ["create"]},
    ]
    assert rules(**{"secrets.keep": "false"})[0]["verbs"] == ["get", "patch", "delete"]
    (token,) = (
        source["serviceAccountToken"]
        for volume in pods(example(None))["Job/cinelog-secrets"]["volumes"]
        for source in volume.get("projected", {}).get("sources", [])
        if "serviceAccountToken" in source
    )
    assert token["expirationSeconds"] == 600
    holders = [
        name for name, pod in pods(example(None)).items() if "serviceAccountToken" in str(pod)
    ]
    assert holders == ["Job/cinelog-secrets"]


def test_it_outlives_the_release_unless_told_otherwise() -> None:
    assert "Job/cinelog-secrets-delete" not in pods(example(None))
    laptop = example("values-laptop.yaml")
    last = of_kind(laptop, "Job")["cinelog-secrets-delete"]
    assert last["metadata"]["annotations"]["helm.sh/hook"] == "post-delete"
    assert containers(last["spec"]["template"]["spec"])[0]["args"][1:3] == ["secrets", "delete"]
    for kind in ("ServiceAccount", "Role", "RoleBinding", "NetworkPolicy"):
        hooks = of_kind(laptop, kind)["cinelog-secrets"]["metadata"]["annotations"]["helm.sh/hook"]
        assert "post-delete" in hooks


def test_with_a_secret_of_ones_own_nothing_is_made() -> None:
    manifests = render(sets={"secrets.existingSecret": "mine"})
    assert not [name for name in pods(manifests) if "secrets" in name]
    assert of_kind(manifests, "Role") == {}
    assert "media-grant-secret" in read(manifests, "mine")


def test_argo_cd_runs_setup_at_each_sync_and_misses_no_job() -> None:
    for name, job in of_kind(example(None), "Job").items():
        assert "ttlSecondsAfterFinished" not in job["spec"]
        if name != "cinelog-secrets":
            assert job["metadata"]["annotations"]["argocd.argoproj.io/hook"] == "Sync"


def test_setup_can_be_run_again_by_hand_only() -> None:
    (setup,) = of_kind(example(None), "CronJob").values()
    assert setup["spec"]["suspend"] is True
    assert setup["metadata"]["labels"]["app.kubernetes.io/component"] == "setup"


def test_no_pod_changes_with_what_is_not_seen() -> None:
    for deployment in components(example(None)).values():
        assert "annotations" not in deployment["spec"]["template"]["metadata"]

"""Backups on a cluster: what runs, as whom, and whom it reaches."""

import functools
from pathlib import Path

import kubernetes_validate
import pytest

from deploy.needs import table
from tests.support.charts import (
    Manifest,
    containers,
    environment,
    of_kind,
    pods,
    refusal,
    render,
    template,
)
from tests.support.cluster_secrets import cluster

ON = {
    "backup.enabled": "true",
    "backup.target": "s3://backups/cinelog",
    "backup.endpoint": "https://s3.example.com",
    "backup.existingSecret": "mine",
    "backup.toCidrs": "{203.0.113.0/24}",
}
TOOLS = ("backup", "restore", "restore-test")


@functools.cache
def backed_up() -> tuple[Manifest, ...]:
    """Do not change what it returns."""
    return tuple(render(sets=ON))


def cron_jobs(manifests: tuple[Manifest, ...] | list[Manifest]) -> dict[str, Manifest]:
    found = of_kind(manifests, "CronJob")
    return {name.removeprefix("cinelog-"): job for name, job in found.items()}


def pod(tool: str) -> Manifest:
    found: Manifest = pods(backed_up())[f"CronJob/cinelog-{tool}"]
    return found


def test_there_is_none_unless_asked_for() -> None:
    plain = render()
    assert set(cron_jobs(plain)) == {"migrations"}
    assert "backup" not in str(of_kind(plain, "NetworkPolicy"))


@pytest.mark.parametrize("tool", TOOLS)
def test_each_is_valid_on_every_version(tool: str) -> None:
    for minor in range(30, 37):
        for found in backed_up():
            if found["metadata"]["labels"].get("app.kubernetes.io/component") == tool:
                kubernetes_validate.validate(found, f"1.{minor}", strict=True)


def test_backups_follow_each_other() -> None:
    job = cron_jobs(backed_up())["backup"]["spec"]
    assert (job["concurrencyPolicy"], job["suspend"]) == ("Forbid", False)
    assert job["jobTemplate"]["spec"]["activeDeadlineSeconds"] == 43200
    assert cron_jobs(render(sets={**ON, "stopped": "true"}))["backup"]["spec"]["suspend"]


def test_a_restore_never_runs_by_itself() -> None:
    job = cron_jobs(backed_up())["restore"]["spec"]
    assert job["suspend"]
    assert job["jobTemplate"]["spec"]["backoffLimit"] == 0


@pytest.mark.parametrize("tool", TOOLS)
def test_each_gets_what_the_table_lists(tool: str) -> None:
    needs = table().tools[tool]
    (container,) = pod(tool)["containers"]
    assert container["args"][: len(needs.command)] == list(needs.command)
    given = environment(container)
    assert set(needs.given(archived=True)) <= set(given)
    assert given["BACKUP_TARGET"] == "s3://backups/cinelog"
    assert {"BACKUP_S3_ENDPOINT", "BACKUP_S3_ACCESS_KEY", "BACKUP_S3_SECRET_KEY"} <= set(given)


def test_a_backup_logs_in_as_who_may_only_read() -> None:
    (container,) = pod("backup")["containers"]
    assert environment(container)["DATABASE_URL"].startswith("postgresql://cinelog_backup:")
    assert "DATABASE_ADMIN_URL" not in environment(container)
    keys = {
        variable["valueFrom"]["secretKeyRef"]["key"]
        for variable in container["env"]
        if "valueFrom" in variable
    }
    own = {"role-password-backup", "key", "access-key", "secret-key"}
    assert keys == own | {"s3-access-key", "s3-secret-key"}
    (container,) = pods(render(sets={**ON, "backup.sourceKeys": "true"}))["CronJob/cinelog-backup"][
        "containers"
    ]
    named = {
        variable["name"]: variable["valueFrom"]["secretKeyRef"]
        for variable in container["env"]
        if "valueFrom" in variable
    }
    assert named["S3_ACCESS_KEY"] == {"name": "mine", "key": "source-access-key"}
    assert named["S3_SECRET_KEY"] == {"name": "mine", "key": "source-secret-key"}


def test_without_keys_the_pod_is_known_by_its_account() -> None:
    made = render(
        sets={
            **ON,
            "backup.s3Keys": "false",
            "networkPolicy.identityTo[0].ipBlock.cidr": "169.254.170.23/32",
            "backup.serviceAccountAnnotations.role": "arn:aws:iam::1:role/backups",
        }
    )
    (container,) = pods(made)["CronJob/cinelog-backup"]["containers"]
    assert "BACKUP_S3_ACCESS_KEY" not in environment(container)
    account = of_kind(made, "ServiceAccount")["cinelog-backup"]
    assert account["metadata"]["annotations"] == {"role": "arn:aws:iam::1:role/backups"}


@pytest.mark.parametrize("tool", TOOLS)
def test_each_runs_restricted(tool: str) -> None:
    spec = pod(tool)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    for container in containers(spec):
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {"cpu", "memory", "ephemeral-storage"} <= set(container["resources"]["limits"])


def test_a_test_has_a_database_of_its_own() -> None:
    spec = pod("restore-test")
    _, scratch = spec["initContainers"]
    assert scratch["restartPolicy"] == "Always"
    assert "listen_addresses=127.0.0.1" in scratch["args"]
    (container,) = spec["containers"]
    given = environment(container)
    assert "@127.0.0.1:" in given["SCRATCH_DATABASE_URL"]
    assert given["DATABASE_URL"].startswith("postgresql://cinelog_backup:")
    (data,) = (volume for volume in spec["volumes"] if volume["name"] == "data")
    assert data == {"name": "data", "emptyDir": {"sizeLimit": "8Gi"}}
    assert scratch["resources"]["limits"]["ephemeral-storage"] == "8Gi"


def test_on_openshift_nobody_has_a_number() -> None:
    made = render(sets={**ON, "assignedUsers": "true"})
    for tool in TOOLS:
        assert "runAsUser" not in str(pods(made)[f"CronJob/cinelog-{tool}"])


@pytest.mark.parametrize("tool", TOOLS)
def test_each_reaches_what_it_needs_and_nobody_reaches_it(tool: str) -> None:
    policies = of_kind(backed_up(), "NetworkPolicy")
    spec = policies[f"cinelog-{tool}"]["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in spec
    away = [rule for rule in spec["egress"] if "203.0.113.0/24" in str(rule)]
    assert away == [
        {
            "ports": [{"protocol": "TCP", "port": 443}],
            "to": [{"ipBlock": {"cidr": "203.0.113.0/24"}}],
        }
    ]
    reached = {"postgresql"} | ({"seaweedfs"} if "s3" in table().tools[tool].reaches else set())
    for part in ("postgresql", "seaweedfs", "rabbitmq", "valkey"):
        admitted = str(policies[f"cinelog-{part}"]["spec"]["ingress"])
        assert (f"'app.kubernetes.io/component': '{tool}'" in admitted) == (part in reached)


def test_the_reconciler_knows_how_old_one_may_become() -> None:
    def hours(manifests: tuple[Manifest, ...] | list[Manifest]) -> list[str | None]:
        (container,) = pods(manifests)["Deployment/cinelog-reconciler"]["containers"]
        given = environment(container)
        return [given.get("BACKUP_MAX_AGE_HOURS"), given.get("RESTORE_TEST_MAX_AGE_HOURS")]

    assert hours(render()) == [None, None]
    assert hours(backed_up()) == ["26", "192"]
    assert hours(render(sets={**ON, "backup.restoreTest.enabled": "false"})) == ["26", None]


@pytest.mark.parametrize("missing", ["backup.target", "backup.existingSecret", "backup.toCidrs"])
def test_what_is_missing_is_named(missing: str) -> None:
    sets = {key: value for key, value in ON.items() if key != missing}
    assert f"set {missing} to" in refusal(**sets)


def test_a_secret_without_its_keys_is_refused(tmp_path: Path) -> None:
    with cluster({"mine": {"key": "a"}}, tmp_path) as kubeconfig:
        done = template(
            *("--dry-run=server", "--disable-openapi-validation", "--kubeconfig", str(kubeconfig)),
            sets=ON,
            apis=(),
        )
    assert "the Secret mine has no access-key, secret-key" in done.stderr


def test_a_managed_database_is_asked_with_tls() -> None:
    made = render("values-production.yaml", sets=ON)
    (container,) = pods(made)["CronJob/cinelog-restore-test"]["containers"]
    given = environment(container)
    assert given["PGSSLMODE"]
    assert given["SCRATCH_DATABASE_URL"].endswith("?sslmode=disable")


@pytest.mark.parametrize("tool", TOOLS)
def test_each_waits_for_the_database(tool: str) -> None:
    """It may be out of reach for a moment: until the pod's policy counts, or while it restarts."""
    first, (main,) = pod(tool)["initContainers"][0], pod(tool)["containers"]
    assert first["command"] == ["python", "-m", "shared.database.wait"]
    assert (first["image"], first["env"]) == (main["image"], main["env"])

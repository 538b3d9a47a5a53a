"""Secrets that an operator names: what helm sees of them in the cluster."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from deploy.needs import table
from shared.database.setup import ROLES
from tests.support.charts import Manifest, components, of_kind, template
from tests.support.cluster_secrets import cluster

BUNDLED = ("postgresql-password", "rabbitmq-password", "redis-password")
KEYS = (
    *table().secrets.values(),
    *(f"role-password-{role}" for role in ROLES),
    *(*BUNDLED, "s3-access-key", "s3-secret-key"),
)
COMPLETE = dict.fromkeys(KEYS, "a value")


def rendered(
    secrets: Mapping[str, Mapping[str, str]], folder: Path
) -> "subprocess.CompletedProcess[str]":
    with cluster(secrets, folder) as kubeconfig:
        return template(
            *("--dry-run=server", "--disable-openapi-validation", "--kubeconfig", str(kubeconfig)),
            sets={"secrets.existingSecret": "mine"},
            apis=(),
        )


def manifests(values: Mapping[str, str], folder: Path) -> list[Manifest]:
    done = rendered({"mine": values}, folder)
    assert done.returncode == 0, done.stderr
    return [found for found in yaml.load_all(done.stdout, yaml.CSafeLoader) if found]


def test_a_key_that_is_missing_is_named(tmp_path: Path) -> None:
    short = {key: v for key, v in COMPLETE.items() if key not in ("operator-secret", KEYS[-1])}
    done = rendered({"mine": short}, tmp_path)
    assert done.returncode != 0
    assert f"the Secret mine has no operator-secret, {KEYS[-1]}" in done.stderr


def test_what_cannot_be_seen_is_not_refused(tmp_path: Path) -> None:
    assert rendered({}, tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("key", "services", "parts"),
    [
        ("operator-secret", {"ingest", "live", "planner", "reconciler"}, set[str]()),
        ("role-password-catalog", {"catalog", "projector"}, set[str]()),
        ("postgresql-password", set[str](), set[str]()),
        ("redis-password", {"auth", "catalog", "gateway", "live"}, {"valkey"}),
    ],
)
def test_who_reads_what_changed_starts_anew(
    tmp_path: Path, key: str, services: set[str], parts: set[str]
) -> None:
    before = manifests(COMPLETE, tmp_path)
    after = manifests({**COMPLETE, key: "another value"}, tmp_path)
    changed = {
        name
        for name, found in components(after).items()
        if found["spec"]["template"] != components(before)[name]["spec"]["template"]
    }
    assert changed == services
    sets = of_kind(before, "StatefulSet")
    assert {
        name.removeprefix("cinelog-")
        for name, found in of_kind(after, "StatefulSet").items()
        if found["spec"]["template"] != sets[name]["spec"]["template"]
    } == parts

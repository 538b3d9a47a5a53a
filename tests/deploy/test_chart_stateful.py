"""Databases, broker, storage and cache start anew only for settings of their own."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.charts import CHART, Manifest, example, of_kind, render, run_helm

STATEFUL = ("postgresql", "rabbitmq", "seaweedfs", "valkey")


def templates(manifests: Sequence[Manifest]) -> dict[str, Any]:
    """The pod templates of the bundled parts, by part."""
    return {
        name.removeprefix("cinelog-"): found["spec"]["template"]
        for name, found in of_kind(manifests, "StatefulSet").items()
    }


def next_version(folder: Path) -> list[Manifest]:
    """What the next release of the chart makes."""
    chart = folder / "cinelog"
    shutil.copytree(CHART, chart)
    about = (chart / "Chart.yaml").read_text()
    (chart / "Chart.yaml").write_text(about.replace("ersion: 0.1.0", "ersion: 0.2.0"))
    done = run_helm("template", "cinelog", str(chart), "--namespace", "films")
    assert done.returncode == 0, done.stderr
    return [found for found in yaml.safe_load_all(done.stdout) if found]


def test_a_release_restarts_none_of_them(tmp_path: Path) -> None:
    ours, theirs = render(apis=()), next_version(tmp_path)
    assert set(templates(ours)) == set(STATEFUL)
    assert templates(theirs) == templates(ours)
    # It is another release: the services change.
    assert "cinelog/auth:0.2.0" in str(theirs)


@pytest.mark.parametrize(
    "sets",
    [
        {"image.tag": "9.9.9"},
        {"image.digests.operator": "sha256:" + "a" * 64},
        {"settings.trustedProxies": "3"},
        {"postgresql.bundled.storage": "99Gi"},
        {"rabbitmq.bundled.storage": "99Gi"},
        {"s3.bundled.storage": "99Gi"},
        {"components.gateway.replicas": "5"},
    ],
)
def test_what_is_not_theirs_changes_none_of_them(sets: dict[str, str]) -> None:
    assert templates(render(sets=sets)) == templates(example(None))


@pytest.mark.parametrize(
    ("sets", "part"),
    [
        ({"postgresql.bundled.resources.limits.memory": "3Gi"}, "postgresql"),
        ({"rabbitmq.bundled.consumerTimeoutMinutes": "90"}, "rabbitmq"),
        ({"redis.bundled.image.tag": "9.9.9"}, "valkey"),
        ({"s3.bundled.diskSync.tag": "disk-sync-2"}, "seaweedfs"),
    ],
)
def test_its_own_setting_changes_one_of_them(sets: dict[str, str], part: str) -> None:
    before, after = templates(example(None)), templates(render(sets=sets))
    assert [name for name in STATEFUL if before[name] != after[name]] == [part]

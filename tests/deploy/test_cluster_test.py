"""What `make test-cluster` needs of the chart and of the document, seen without a cluster."""

import re

import yaml

from tests.cluster.__main__ import STEPS
from tests.support.charts import CHART, ROOT, components, of_kind, pods, run_helm

VALUES = ROOT / "tests" / "cluster" / "values.yaml"
BACKUP = ("backup.endpoint=http://store:8333", "backup.toCidrs={10.0.0.1/32}")
THREE = ("gateway", "auth", "ingest", "catalog", "projector", "planner", "relay", "worker")


def made(*more: str) -> list[dict[str, object]]:
    settings = [word for setting in (*BACKUP, *more) for word in ("--set", setting)]
    command = ("template", "cinelog", str(CHART), "--values", str(VALUES), *settings)
    done = run_helm(*command)
    assert done.returncode == 0, done.stderr
    return [found for found in yaml.load_all(done.stdout, yaml.CSafeLoader) if found]


def test_three_of_each_fit_on_two_processors() -> None:
    """With what a cluster has of its own; and the database takes their connections."""
    settings = [f"components.{name}.replicas=3" for name in THREE]
    deployments = components(made(*settings))
    asked = sum(
        cores(container["resources"]["requests"]["cpu"]) * deployment["spec"].get("replicas", 1)
        for deployment in deployments.values()
        for container in deployment["spec"]["template"]["spec"]["containers"]
    )
    assert asked < 1.6


def test_people_reach_gateway_and_live_at_a_node() -> None:
    services = of_kind(made(), "Service")
    for name in ("cinelog-gateway", "cinelog-live-rtmp"):
        assert services[name]["spec"]["type"] == "NodePort"


def test_nothing_that_is_run_by_hand_runs_meanwhile() -> None:
    jobs = of_kind(made(), "CronJob")
    assert {"cinelog-backup", "cinelog-restore", "cinelog-restore-test"} <= jobs.keys()
    assert {job["spec"]["schedule"] for job in jobs.values()} == {"0 0 1 1 *"}
    assert "CronJob/cinelog-backup" in pods(made())


def test_the_document_has_a_row_for_each_step() -> None:
    text = (ROOT / "docs" / "kubernetes.md").read_text()
    rows = re.findall(
        r"^\| `([a-z-]+)` \|", text.partition("## Tried on a cluster")[2], re.MULTILINE
    )
    assert rows == [*STEPS]


def cores(quantity: str) -> float:
    return float(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)

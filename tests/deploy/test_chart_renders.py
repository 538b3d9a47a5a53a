"""The chart is sound for every version of Kubernetes that it says it runs on."""

import functools
from collections.abc import Iterator

import kubernetes_validate
import pytest

from tests.support.charts import CHART, EXAMPLES, Manifest, example, render, run_helm, template

VERSIONS = tuple(f"1.{minor}" for minor in range(30, 37))
# Resources of operators: test_chart_custom_resources.py checks them.
CUSTOM = ("keda.sh/", "gateway.networking.k8s.io/", "postgresql.cnpg.io/", "rabbitmq.com/")
CUSTOM += ("monitoring.coreos.com/",)
ALL = (None, *EXAMPLES)


@pytest.fixture(scope="module", autouse=True)
def schemas_are_read_once() -> Iterator[None]:
    """They are large, and read anew for each manifest otherwise."""
    utils = kubernetes_validate.utils
    read = utils.schema_contents
    utils.schema_contents = functools.cache(read)
    yield
    utils.schema_contents = read


@pytest.mark.parametrize("values", ALL)
def test_helm_finds_nothing_to_complain_about(values: str | None) -> None:
    chosen = ("--values", str(CHART / values)) if values else ()
    done = run_helm("lint", "--strict", str(CHART), *chosen)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_valid(version: str) -> None:
    rendered: list[Manifest] = [found for values in ALL for found in example(values)]
    different = {repr(found): found for found in rendered}
    for manifest in different.values():
        if not manifest["apiVersion"].startswith(CUSTOM):
            kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_gets_the_same(version: str) -> None:
    kinds = [found["kind"] for found in render(kube=f"{version}.0")]
    assert kinds == [found["kind"] for found in example(None)]


def test_an_older_kubernetes_is_refused() -> None:
    done = template(kube="1.29.9")
    assert done.returncode != 0
    assert "1.30" in done.stderr


def test_a_misspelt_field_would_be_found() -> None:
    service = next(found for found in render() if found["kind"] == "Service")
    service["spec"]["selectr"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(service, "1.35", strict=True)


def test_names_stay_short_enough() -> None:
    for manifest in render(sets={"fullnameOverride": "x" * 60}):
        assert len(manifest["metadata"]["name"]) <= 63, manifest["metadata"]["name"]

"""Policies of others: checkov's for Kubernetes, and the schemas of operators' resources."""

import json
import subprocess
from pathlib import Path

import yaml

from deploy.helm.checkers import CHECKOV, SCHEMAS
from tests.support.charts import EXAMPLES, ROOT, Manifest, example

CUSTOM = ("gateway.networking.k8s.io/", "keda.sh/", "monitoring.coreos.com/")


def different(*examples: str | None) -> list[Manifest]:
    """Every manifest of these examples once."""
    found = [manifest for values in examples for manifest in example(values)]
    return list({repr(manifest): manifest for manifest in found}.values())


def test_checkov_finds_nothing_that_is_not_explained(tmp_path: Path) -> None:
    # Between them, these two contain every kind of manifest that the chart makes itself.
    manifests = different(None, "values-production.yaml")
    (tmp_path / "chart.yaml").write_text(yaml.dump_all(manifests, Dumper=yaml.CSafeDumper))
    done = subprocess.run(
        (
            *(str(CHECKOV / "bin" / "checkov"), "--skip-download", "--output", "json"),
            *("--config-file", str(ROOT / "deploy" / "helm" / "policy.yaml")),
            *("--directory", str(tmp_path)),
        ),
        capture_output=True,
        text=True,
        check=False,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "LOG_LEVEL": "ERROR"},
    )
    report = json.loads(done.stdout)
    failed = {
        f"{check['resource']}: {check['check_id']} {check['check_name']}"
        for check in report["results"]["failed_checks"]
    }
    assert failed == set()
    assert report["summary"]["passed"] > 1000
    assert report["summary"]["parsing_errors"] == 0


def refused(manifests: list[Manifest]) -> list[dict[str, str]]:
    done = subprocess.run(
        ("node", "validate.mjs"),
        cwd=SCHEMAS,
        input=json.dumps(manifests),
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[dict[str, str]] = json.loads(done.stdout)
    return found


def test_operators_take_our_resources() -> None:
    custom = [
        manifest
        for manifest in different(None, *EXAMPLES)
        if manifest["apiVersion"].startswith(CUSTOM)
    ]
    kinds = {manifest["kind"] for manifest in custom}
    assert {"HTTPRoute", "ScaledObject", "TriggerAuthentication"} <= kinds
    assert refused(custom) == []


def test_a_resource_that_no_operator_takes_is_found() -> None:
    (scaled,) = (found for found in example(None) if found["kind"] == "ScaledObject")
    wrong = {**scaled, "spec": {**scaled["spec"], "maxReplicaCount": "many"}}
    (refusal,) = refused([wrong])
    assert "maxReplicaCount" in refusal["error"]

"""Values: in the schema, in the README, and refused with a hint where they are wrong."""

import json
import re
from typing import Any

import pytest
import yaml

from deploy.helm.values_table import README, readme, rows
from tests.support.charts import CHART, ROOT, refusal, template

VALUES = (CHART / "values.yaml").read_text()
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
# Named in the schema so that the chart itself can say what to use instead.
HINTED = {
    name for name, rule in SCHEMA["properties"].items() if "type" not in rule and "$ref" not in rule
}


def resolved(rule: dict[str, Any]) -> dict[str, Any]:
    reference = rule.get("$ref")
    return SCHEMA["$defs"][reference.rsplit("/", 1)[1]] if reference else rule


def differences(values: Any, rule: dict[str, Any], path: str = "") -> list[str]:
    """Where values.yaml and the schema do not have the same keys."""
    rule = resolved(rule)
    if not isinstance(values, dict) or "properties" not in rule:
        return []
    known = set(rule["properties"]) - (HINTED if not path else set())
    found = [f"{path}{key} is only in the schema" for key in known - set(values)]
    found += [f"{path}{key} is only in values.yaml" for key in set(values) - known]
    for key in known & set(values):
        found += differences(values[key], rule["properties"][key], f"{path}{key}.")
    return found


def test_schema_and_values_have_the_same_keys() -> None:
    # What a component or a bundled part overrides, and resources and digests, are maps that may
    # stay empty.
    free = re.compile(r"components\.|image\.digests\.|.*\.(resources|pod)\.")
    found = differences(yaml.safe_load(VALUES), SCHEMA)
    assert [line for line in found if not free.match(line)] == []
    assert set(SCHEMA["properties"]["components"]["properties"]) == set(
        yaml.safe_load(VALUES)["components"]
    )


def test_the_schema_is_strict_at_every_level() -> None:
    loose: list[str] = []

    def visit(rule: Any, path: str) -> None:
        if isinstance(rule, dict):
            open_ended = "additionalProperties" not in rule and path != "$.$defs.kubernetes"
            if rule.get("type") == "object" and open_ended:
                loose.append(path)
            if "properties" in rule and rule.get("additionalProperties") is not False:
                loose.append(path)
            for key, inner in rule.items():
                visit(inner, f"{path}.{key}")
        elif isinstance(rule, list):
            for inner in rule:
                visit(inner, path)

    visit(SCHEMA, "$")
    assert loose == []


def test_the_readme_lists_every_value() -> None:
    text = README.read_text()
    assert text == readme(text, VALUES), "make chart writes it"
    assert len(rows(VALUES)) > 100


@pytest.mark.parametrize(
    ("sets", "says"),
    [
        ({"gatway": "x"}, "gatway"),
        ({"worker__slotss": "2"}, "slotss"),
        ({"components__gateway__replica": "2"}, "replica"),
        ({"worker__preset": "ultrafast"}, "preset"),
        ({"publicUrl": "video.example.com"}, "publicUrl"),
        ({"replicaCount": "2"}, "components.<name>.replicas"),
        ({"minio__enabled": "true"}, "the value minio is not used: set s3"),
        ({"postgresql__mode": "external"}, "set postgresql.external.host"),
        ({"ingress__enabled": "true"}, "set ingress.hosts"),
        ({"httpRoute__enabled": "true"}, "set httpRoute.parentRefs"),
    ],
)
def test_a_wrong_value_is_named(sets: dict[str, str], says: str) -> None:
    assert says in refusal(**sets)


@pytest.mark.parametrize(
    ("sets", "says"),
    [
        ({"worker.autoscaling.mode": "keda"}, "no KEDA"),
        ({"postgresql.mode": "cloudnativepg"}, "no CloudNativePG"),
        ({"rabbitmq.mode": "operator"}, "no RabbitMQ cluster operator"),
    ],
)
def test_an_operator_that_is_not_there_is_named(sets: dict[str, str], says: str) -> None:
    done = template(sets=sets, apis=())
    assert done.returncode != 0
    assert says in done.stderr


def test_chart_and_project_have_one_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = (ROOT / "pyproject.toml").read_text()
    assert f'version = "{chart["appVersion"]}"' in project
    assert f"## {chart['version']}" in (CHART / "UPGRADING.md").read_text()

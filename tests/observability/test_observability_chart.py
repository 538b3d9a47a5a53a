"""What the chart makes of observability, where it is asked for and where the cluster can do it."""

import json
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.support.charts import CHART, OPERATORS, Manifest, of_kind, render

PROMETHEUS = "monitoring.coreos.com/v1"
EVERYTHING = {
    "observability.collector.enabled": "true",
    "observability.tempo.enabled": "true",
    "observability.datasources.enabled": "true",
    "observability.datasources.lokiUrl": "http://loki.logs:3100",
    "observability.samplePercent": "25",
    "observability.rules.runbookUrl": "https://wiki.example.com/runbooks/",
}


@pytest.fixture(scope="module")
def everything() -> list[Manifest]:
    return render(sets=EVERYTHING, apis=(*OPERATORS, PROMETHEUS))


@pytest.mark.parametrize("version", ["1.30", "1.36"])
def test_what_is_rendered_is_valid(everything: list[Manifest], version: str) -> None:
    for manifest in everything:
        component = manifest["metadata"].get("labels", {}).get("app.kubernetes.io/component")
        ours = component in ("collector", "tempo", "observability")
        if ours and manifest["apiVersion"] != PROMETHEUS:
            kubernetes_validate.validate(manifest, version, strict=True)


def test_services_send_to_the_collector_and_it_to_tempo(everything: list[Manifest]) -> None:
    auth = of_kind(everything, "Deployment")["cinelog-auth"]
    env = {e["name"]: e.get("value") for e in container(auth)["env"]}
    assert env["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://cinelog-collector:4318"
    assert env["OTEL_TRACES_SAMPLER_ARG"] == "0.25"
    config = yaml.safe_load(
        of_kind(everything, "ConfigMap")["cinelog-collector"]["data"]["config.yaml"]
    )
    assert config["exporters"]["otlphttp/traces"] == {"endpoint": "http://cinelog-tempo:4318"}
    for pipeline in config["service"]["pipelines"].values():
        assert set(pipeline["exporters"]) <= set(config["exporters"])
        assert set(pipeline["processors"]) <= set(config["processors"])
    tempo = of_kind(everything, "StatefulSet")["cinelog-tempo"]
    assert {port["containerPort"] for port in container(tempo)["ports"]} == {3200, 4318}
    assert of_kind(everything, "Service")["cinelog-tempo"]["spec"]["ports"]


@pytest.mark.parametrize("name", ["collector", "tempo"])
def test_their_pods_are_restricted_and_fenced_in(everything: list[Manifest], name: str) -> None:
    kind = "Deployment" if name == "collector" else "StatefulSet"
    pod: dict[str, Any] = of_kind(everything, kind)[f"cinelog-{name}"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert pod["serviceAccountName"] in of_kind(everything, "ServiceAccount")
    inside = pod["containers"][0]
    assert inside["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert inside["securityContext"]["readOnlyRootFilesystem"] is True
    volumes = {volume["name"] for volume in pod["volumes"]} | {"data"}
    assert {mount["name"] for mount in inside["volumeMounts"]} <= volumes
    policy = of_kind(everything, "NetworkPolicy")[f"cinelog-{name}"]["spec"]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}


def test_every_pod_that_has_metrics_is_monitored(everything: list[Manifest]) -> None:
    monitors = of_kind(everything, "PodMonitor")
    assert set(monitors) == {"cinelog-http", "cinelog-metrics", "cinelog-rabbitmq"}
    for deployment in of_kind(everything, "Deployment").values():
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        if "cinelog.io/metrics" not in labels:
            continue
        matching = [
            monitor
            for monitor in monitors.values()
            if monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
        ]
        assert len(matching) == 1, deployment["metadata"]["name"]
        port = matching[0]["spec"]["podMetricsEndpoints"][0]["port"]
        assert port in {p["name"] for p in container(deployment)["ports"]}


def test_rules_are_those_that_are_tested(everything: list[Manifest]) -> None:
    rules = of_kind(everything, "PrometheusRule")
    assert set(rules) == {"cinelog-operations", "cinelog-slo"}
    for name in ("operations", "slo"):
        given = yaml.safe_load((CHART / "alerts" / f"{name}.yaml").read_text())["groups"]
        made = rules[f"cinelog-{name}"]["spec"]["groups"]
        text = json.dumps(made).replace("https://wiki.example.com/runbooks/", "docs/runbooks/")
        assert json.loads(text) == given


def test_dashboards_are_labelled_config_maps() -> None:
    maps = of_kind(render(), "ConfigMap")
    boards = {name: found for name, found in maps.items() if "-dashboard-" in name}
    assert len(boards) == 6
    for found in boards.values():
        assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
        ((file, text),) = found["data"].items()
        source = CHART / "dashboards" / file.removeprefix("cinelog-")
        assert json.loads(text) == json.loads(source.read_text())


def test_figures_traces_and_logs_lead_to_each_other(everything: list[Manifest]) -> None:
    data = of_kind(everything, "ConfigMap")["cinelog-datasources"]["data"]
    sources = {
        s["type"]: s for s in yaml.safe_load(data["cinelog-datasources.yaml"])["datasources"]
    }
    uids = {source["uid"] for source in sources.values()}
    tempo = sources["tempo"]["jsonData"]
    links = [
        sources["prometheus"]["jsonData"]["exemplarTraceIdDestinations"][0]["datasourceUid"],
        sources["loki"]["jsonData"]["derivedFields"][0]["datasourceUid"],
        tempo["tracesToLogsV2"]["datasourceUid"],
        tempo["tracesToMetrics"]["datasourceUid"],
    ]
    assert set(links) == uids


def test_a_cluster_without_the_operator_gets_none_of_its_objects() -> None:
    kinds = {manifest["kind"] for manifest in render()}
    assert not kinds & {"PodMonitor", "PrometheusRule"}


def container(manifest: Manifest) -> dict[str, Any]:
    found: dict[str, Any] = manifest["spec"]["template"]["spec"]["containers"][0]
    return found

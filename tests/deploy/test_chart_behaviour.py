"""What the values do."""

import json
import pkgutil
from collections.abc import Sequence
from typing import Any

import pytest

from deploy.local.database import modules
from deploy.needs import table
from shared import settings
from shared.database.setup import ROLES
from tests.support.charts import (
    EXAMPLES,
    Manifest,
    components,
    containers,
    environment,
    example,
    main_container,
    of_kind,
    pods,
    refusal,
    render,
)

ALL = (None, *EXAMPLES)


@pytest.mark.parametrize("values", ALL)
@pytest.mark.parametrize("component", table().processes)
def test_a_component_reads_its_settings(values: str | None, component: str) -> None:
    container = main_container(components(example(values))[component])
    needs = table().processes[component]
    assert tuple(container["args"]) == needs.command
    read = settings.load(pkgutil.resolve_name(needs.settings), environment(container))
    assert read.cinelog_mode == "production"


def test_a_component_knows_no_secret_that_it_does_not_use() -> None:
    keys = {
        component: {
            variable["valueFrom"]["secretKeyRef"]["key"]
            for variable in main_container(found)["env"]
            if "secretKeyRef" in variable.get("valueFrom", {})
        }
        for component, found in components(example(None)).items()
    }
    assert keys["gateway"] == {
        *("media-grant-secret", "redis-password", "s3-access-key", "s3-secret-key")
    }
    assert keys["reconciler"] == {"role-password-operator", "operator-secret"}
    no_archive = components(render(sets={"s3.archiveBucket": ""}))["relay"]
    assert {"S3_ENDPOINT", "S3_SECRET_KEY"}.isdisjoint(environment(main_container(no_archive)))
    signers = [name for name, found in keys.items() if "signing-key-secret" in found]
    assert signers == ["auth"]
    assert all("postgresql-password" not in found for found in keys.values())


@pytest.mark.parametrize("values", ALL)
def test_every_pod_keeps_to_the_restricted_standard(values: str | None) -> None:
    allowed = {"configMap", "emptyDir", "secret", "persistentVolumeClaim", "projected"}
    for name, pod in pods(example(values)).items():
        security = pod["securityContext"]
        assert security["runAsNonRoot"] is True, name
        assert security["runAsUser"] > 0, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["serviceAccountName"] != "default", name
        for volume in pod.get("volumes", []):
            assert set(volume) - {"name"} <= allowed, name
        for container in containers(pod):
            own = container["securityContext"]
            assert own == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            for bound in ("requests", "limits"):
                assert set(container["resources"][bound]) == {
                    *("cpu", "memory", "ephemeral-storage")
                }, name


@pytest.mark.parametrize("values", ALL)
def test_volumes_and_accounts_that_are_named_exist(values: str | None) -> None:
    manifests = example(values)
    names = {(found["kind"], found["metadata"]["name"]) for found in manifests}
    for name, pod in pods(manifests).items():
        assert ("ServiceAccount", pod["serviceAccountName"]) in names, name
        volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
        for volume in volumes.values():
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in names, name
        claims = {
            claim["metadata"]["name"]
            for found in manifests
            if f"{found['kind']}/{found['metadata']['name']}" == name
            for claim in found["spec"].get("volumeClaimTemplates", [])
        }
        for container in containers(pod):
            for mount in container.get("volumeMounts", []):
                assert mount["name"] in volumes.keys() | claims, name


def test_migrations_cover_every_module_and_role() -> None:
    job, later = (pod for name, pod in pods(example(None)).items() if "/cinelog-migrations" in name)
    assert later == job
    migrated = [
        argument
        for container in containers(job)
        for argument in container.get("args", [])
        if "." in argument
    ]
    assert set(migrated) == set(modules())
    for container in containers(job)[1:]:
        given = set(environment(container))
        assert {f"ROLE_PASSWORD_{role.upper()}" for role in ROLES} <= given
    waiting = {
        module
        for deployment in components(example(None)).values()
        for container in deployment["spec"]["template"]["spec"].get("initContainers", [])
        for module in container["args"]
    }
    assert waiting == set(modules())


def test_setup_waits_for_nothing_that_waits_for_it() -> None:
    for name, job in of_kind(example(None), "Job").items():
        if name != "cinelog-secrets":
            assert "helm.sh/hook" not in job["metadata"]["annotations"], name
    external = of_kind(example("values-production.yaml"), "Job")
    hooks = {
        name: job["metadata"].get("annotations", {}).get("helm.sh/hook")
        for name, job in external.items()
    }
    (migrations,) = (name for name in hooks if "migrations" in name)
    assert hooks[migrations] == "pre-install,pre-upgrade"
    for found in example("values-production.yaml"):
        annotations = found["metadata"].get("annotations", {})
        if found["metadata"]["name"] == "cinelog-setup" and found["kind"] == "ServiceAccount":
            assert int(annotations["helm.sh/hook-weight"]) < 0
    # Nobody waits for a schema that a hook has made before.
    for deployment in components(example("values-production.yaml")).values():
        assert "initContainers" not in deployment["spec"]["template"]["spec"]


def test_liveness_asks_for_no_dependency_and_the_gateway_serves_without_redis() -> None:
    for name, deployment in components(example(None)).items():
        container = main_container(deployment)
        assert container["livenessProbe"]["httpGet"]["path"] == "/health"
        assert container["startupProbe"]["httpGet"]["path"] == "/health"
        expected = "/health" if name == "gateway" else "/ready"
        assert container["readinessProbe"]["httpGet"]["path"] == expected
        ports = {port["name"] for port in container["ports"]}
        assert container["livenessProbe"]["httpGet"]["port"] in ports


def test_a_rollout_takes_nothing_away_before_the_new_one_is_there() -> None:
    for name, deployment in components(example(None)).items():
        asked = any(port["name"] == "http" for port in main_container(deployment)["ports"])
        rolling = deployment["spec"]["strategy"]["rollingUpdate"]
        # Work waits for who takes it from a queue or the log: a node needs no room for two.
        assert rolling == (
            {"maxUnavailable": 0, "maxSurge": "25%"}
            if asked
            else {"maxUnavailable": "25%", "maxSurge": 0}
        ), name
        pod = deployment["spec"]["template"]["spec"]
        sleep = pod["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep")
        if asked:
            assert sleep["seconds"] + 20 < pod["terminationGracePeriodSeconds"], name


def test_who_is_scaled_has_no_replicas_of_its_own() -> None:
    for values in ALL:
        manifests = example(values)
        scaled = {
            found["spec"]["scaleTargetRef"]["name"]
            for found in manifests
            if found["kind"] in ("HorizontalPodAutoscaler", "ScaledObject")
        }
        assert "cinelog-worker" in scaled
        for name, deployment in of_kind(manifests, "Deployment").items():
            assert ("replicas" in deployment["spec"]) == (name not in scaled), name


def test_workers_follow_the_queues_down_to_none() -> None:
    from services.transcoder.consumers import QUEUES

    scaled = of_kind(example("values-production.yaml"), "ScaledObject")["cinelog-worker"]["spec"]
    assert scaled["minReplicaCount"] == 0
    triggers = [trigger["metadata"] for trigger in scaled["triggers"]]
    assert {trigger["queueName"] for trigger in triggers} == {q.name for q in QUEUES.values()}
    for trigger in triggers:
        # A message that is being worked on counts, or its worker would be taken away.
        assert (trigger["protocol"], trigger["excludeUnacknowledged"]) == ("http", "false")


def test_without_keda_cpu_decides_and_one_worker_stays() -> None:
    scaled = of_kind(render(apis=()), "HorizontalPodAutoscaler")["cinelog-worker"]["spec"]
    assert scaled["minReplicas"] == 1
    by_hand = render(sets={"worker.autoscaling.mode": "none", "components.worker.replicas": "3"})
    assert components(by_hand)["worker"]["spec"]["replicas"] == 3


def test_a_worker_gets_the_disk_and_the_time_it_needs() -> None:
    worker = components(example("values-production.yaml"))["worker"]["spec"]["template"]["spec"]
    container = worker["containers"][0]
    (scratch,) = (volume for volume in worker["volumes"] if volume["name"] == "scratch")
    size = scratch["emptyDir"]["sizeLimit"]
    assert size == "16Gi"
    for bound in ("requests", "limits"):
        assert container["resources"][bound]["ephemeral-storage"] == size
    drain = int(environment(container)["DRAIN_SECONDS"])
    assert worker["terminationGracePeriodSeconds"] > drain
    assert worker["nodeSelector"] == {"example.com/pool": "encode"}


def test_rabbitmq_waits_longer_than_a_worker_drains() -> None:
    config = of_kind(example(None), "ConfigMap")["cinelog-rabbitmq"]["data"]["rabbitmq.conf"]
    (timeout,) = (
        int(line.split("=")[1]) for line in config.splitlines() if "consumer_timeout" in line
    )
    assert timeout == 30 * 60 * 1000
    assert "drainSeconds" in refusal(worker__drainSeconds="1800")


@pytest.mark.parametrize("values", ALL)
def test_every_pod_has_a_policy_for_both_directions(values: str | None) -> None:
    manifests = example(values)
    policies = of_kind(manifests, "NetworkPolicy").values()
    selected = [policy["spec"]["podSelector"]["matchLabels"] for policy in policies]
    for policy in policies:
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    for found in manifests:
        template = found.get("spec", {}).get("template") or found
        if found["kind"] in ("Deployment", "StatefulSet", "Job", "Pod"):
            labels = template["metadata"]["labels"]
            matching = [chosen for chosen in selected if chosen.items() <= labels.items()]
            assert len(matching) == 1, found["metadata"]["name"]


@pytest.mark.parametrize("values", ALL)
def test_nothing_may_go_everywhere(values: str | None) -> None:
    for name, policy in of_kind(example(values), "NetworkPolicy").items():
        for rule in policy["spec"]["egress"]:
            assert rule.get("to"), (name, rule)
            for peer in rule["to"]:
                block = peer.get("ipBlock", {"cidr": "", "except": []})
                wide = block["cidr"].endswith("/0")
                # Webhooks go to the internet, and not to special networks.
                assert not wide or "169.254.0.0/16" in block["except"], (name, rule)


def test_networks_of_what_is_outside_must_be_named() -> None:
    external = {
        "redis__mode": "external",
        "redis__external__existingSecret": "mine",
    }
    assert "networkPolicy.externalCidrs" in refusal(**external)
    assert "networkPolicy.otlpTo" in refusal(observability__otlpEndpoint="http://x:4318")
    collector = {"observability__collector__enabled": "true"}
    assert "otlpTo" in refusal(**collector, observability__collector__tracesTo="http://x:4318")
    # Without policies, nothing is needed.
    render(sets={"observability.otlpEndpoint": "http://x:4318", "networkPolicy.enabled": "false"})


def test_dns_is_asked_at_the_clusters_servers_only() -> None:
    for name, policy in of_kind(example(None), "NetworkPolicy").items():
        for rule in policy["spec"]["egress"]:
            if any(port["port"] == 53 for port in rule["ports"]):
                (peer,) = rule["to"]
                assert peer["podSelector"] == {"matchLabels": {"k8s-app": "kube-dns"}}, name
                assert peer["namespaceSelector"]


def test_what_an_operator_opens_for_webhooks_is_open() -> None:
    manifests = render(sets={"settings.webhookNetworks": "{10.9.0.0/16}"})
    projector = components(manifests)["projector"]
    assert environment(main_container(projector))["WEBHOOK_NETWORKS"] == "10.9.0.0/16"
    egress = of_kind(manifests, "NetworkPolicy")["cinelog-projector"]["spec"]["egress"]
    assert {"to": [{"ipBlock": {"cidr": "10.9.0.0/16"}}]} in egress


def test_only_who_needs_the_database_reaches_it() -> None:
    policy = of_kind(example(None), "NetworkPolicy")["cinelog-postgresql"]["spec"]
    assert policy["egress"] == []
    (rule,) = policy["ingress"]
    callers = {
        peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for peer in rule["from"]
    }
    using = {
        name
        for name, found in components(example(None)).items()
        if "DATABASE_URL" in environment(main_container(found))
    }
    assert callers == using | {"setup"}


def test_who_is_given_an_address_may_go_there() -> None:
    policies = of_kind(example(None), "NetworkPolicy")
    targets = {"gateway", "auth", "ingest", "catalog", "planner", "live", "postgresql", "rabbitmq"}
    targets |= {"valkey", "seaweedfs"}
    for name, found in components(example(None)).items():
        values = " ".join(environment(main_container(found)).values())
        addressed = {target for target in targets if f"cinelog-{target}:" in values} - {name}
        allowed: set[str] = set()
        for rule in policies[f"cinelog-{name}"]["spec"]["egress"]:
            for peer in rule.get("to", []):
                labels = peer.get("podSelector", {}).get("matchLabels", {})
                allowed.add(labels.get("app.kubernetes.io/component"))
        assert addressed == allowed - {None}, name


def test_selectors_come_from_no_value() -> None:
    changed = render(
        sets={"commonLabels.team": "films", "image.tag": "9.9.9", "nameOverride": "cinelog"}
    )
    for name, deployment in components(changed).items():
        ours = components(example(None))[name]
        assert deployment["spec"]["selector"] == ours["spec"]["selector"]
        assert deployment["metadata"]["labels"]["team"] == "films"


def test_one_registry_and_digests_for_every_image() -> None:
    digest = "sha256:" + "a" * 64
    manifests = render(
        sets={"global.imageRegistry": "mirror.example.com", "image.digests.gateway": digest}
    )
    images = {
        container["image"] for pod in pods(manifests).values() for container in containers(pod)
    }
    assert all(image.startswith("mirror.example.com/") for image in images)
    assert f"mirror.example.com/cinelog/gateway@{digest}" in images
    assert not any(":latest" in image for image in images)


def test_no_image_of_ours_has_a_name_that_anybody_may_take() -> None:
    images = {
        container["image"] for pod in pods(example(None)).values() for container in containers(pod)
    }
    ours = {image for image in images if "cinelog/" in image}
    assert len(ours) > 1
    # A first part without a dot would be an account of Docker Hub.
    assert {image.partition("/")[0] for image in ours} == {"localhost"}


def test_a_disruption_budget_blocks_no_drain() -> None:
    for budget in of_kind(example(None), "PodDisruptionBudget").values():
        assert budget["spec"]["maxUnavailable"] == 1
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_uploads_meet_no_deadline_of_the_route() -> None:
    (route,) = of_kind(example("values-production.yaml"), "HTTPRoute").values()
    (rule,) = route["spec"]["rules"]
    assert rule["timeouts"] == {"request": "0s", "backendRequest": "0s"}


def test_manifests_of_ones_own_are_rendered() -> None:
    own = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-own"}}
    from tests.support.charts import CHART, run_helm

    done = run_helm(
        *("template", "cinelog", str(CHART), "--set-json", f"extraManifests=[{json.dumps(own)}]")
    )
    assert "name: 'cinelog-own'" in done.stdout


def test_tracing_goes_where_it_may() -> None:
    sets = {
        "observability.otlpEndpoint": "http://collector.tracing:4318",
        "networkPolicy.otlpTo[0].ipBlock.cidr": "10.1.2.3/32",
    }
    manifests = render(sets=sets)
    for name, found in components(manifests).items():
        assert environment(main_container(found))["OTEL_EXPORTER_OTLP_ENDPOINT"]
        rules: list[Any] = of_kind(manifests, "NetworkPolicy")[f"cinelog-{name}"]["spec"]["egress"]
        (rule,) = (r for r in rules if any(port["port"] == 4318 for port in r["ports"]))
        assert rule["to"] == [{"ipBlock": {"cidr": "10.1.2.3/32"}}]


def test_publishers_by_rtmps_get_a_port_and_the_certificate() -> None:
    def ports(manifests: Sequence[Manifest]) -> tuple[set[int], set[int]]:
        """Of the pod and of its Service for publishers."""
        pod = main_container(components(manifests)["live"])["ports"]
        service = of_kind(manifests, "Service")["cinelog-live-rtmp"]["spec"]["ports"]
        return {each["containerPort"] for each in pod}, {each["port"] for each in service}

    without, _ = ports(example(None))
    assert 1936 not in without
    manifests = render(sets={"settings.live.tlsSecret": "films-tls"})
    pod_ports, service_ports = ports(manifests)
    assert {1935, 1936} <= pod_ports
    assert service_ports == {1935, 1936}
    given = environment(main_container(components(manifests)["live"]))
    assert given["RTMPS_CERTIFICATE"] == "/etc/cinelog/rtmps/tls.crt"
    volumes = components(manifests)["live"]["spec"]["template"]["spec"]["volumes"]
    assert {"name": "rtmps", "secret": {"secretName": "films-tls"}} in volumes
    ingress = of_kind(manifests, "NetworkPolicy")["cinelog-live"]["spec"]["ingress"]
    assert any({"protocol": "TCP", "port": 1936} in rule.get("ports", ()) for rule in ingress)

from pathlib import Path

import msgspec
import pytest

from deploy.local.environments import (
    Stack,
    environments,
    port_names,
    role_url,
    tool_environment,
)
from deploy.local.parts import READY, Urls
from deploy.local.process import Process, Task, all_needs, in_order
from deploy.local.stack import steps
from shared.database.setup import ROLES

URLS = Urls(
    postgres="postgresql://admin:pg-secret@127.0.0.1:20001/postgres",
    amqp="amqp://cinelog:mq-secret@127.0.0.1:20002/",
    rabbitmq_api="http://cinelog:mq-secret@127.0.0.1:20003/api",
    redis="redis://:redis-secret@127.0.0.1:20004/0",
    s3_endpoint="http://127.0.0.1:20005",
    s3_access_key="cinelog",
    s3_secret_key="s3-secret",
)
WORKERS = {"worker-1", "worker-2", "worker-3"}
SECRETS = {f"role_password_{role}": f"{role}-password" for role in ROLES} | {
    "media_grant_secret": "grant-secret",
    "signing_key_secret": "signing-secret",
    "simulcast_key": "simulcast-secret",
    "operator_secret": "operator-secret",
}


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    ports = {name: 21000 + number for number, name in enumerate(port_names(3))}
    return Stack(tmp_path, URLS, 8080, ports, SECRETS, workers=3)


def test_every_process_has_an_environment_and_the_other_way_round(stack: Stack) -> None:
    processes = {step.name for step in steps(stack) if isinstance(step, Process)}

    assert processes == set(environments(stack))
    assert processes >= WORKERS


def test_every_address_is_loopback(stack: Stack) -> None:
    for env in environments(stack).values():
        for name in ("BIND", "METRICS_BIND", "RTMP_BIND", "SRT_BIND"):
            assert env.get(name, "127.0.0.1:1").startswith("127.0.0.1:")


def test_no_two_processes_listen_on_one_port(stack: Stack) -> None:
    binds = [
        env[name]
        for env in environments(stack).values()
        for name in ("BIND", "METRICS_BIND", "RTMP_BIND", "SRT_BIND")
        if name in env
    ]

    assert len(binds) == len(set(binds))


def test_each_service_logs_in_as_its_own_role(stack: Stack) -> None:
    roles = {
        "auth": "auth",
        "ingest": "ingest",
        "catalog": "catalog",
        "projector": "catalog",
        "reconciler": "operator",
        "planner": "transcoder",
        "worker-1": "transcoder",
        "live": "live",
        "relay": "relay",
    }
    for name, role in roles.items():
        expected = role_url(URLS.postgres, role, f"{role}-password")
        assert environments(stack)[name]["DATABASE_URL"] == expected


@pytest.mark.parametrize(
    ("secret", "holders"),
    [
        ("pg-secret", set[str]()),
        ("signing-secret", {"auth"}),
        ("simulcast-secret", {"live"}),
        ("operator-secret", {"ingest", "live", "planner", "reconciler"}),
        ("grant-secret", {"gateway", "catalog", "projector", "live"}),
        ("redis-secret", {"gateway", "auth", "catalog", "live"}),
        ("s3-secret", {"gateway", "ingest", "catalog", "planner", "live", "relay", *WORKERS}),
        ("mq-secret", {"ingest", "planner", "projector", "relay", *WORKERS}),
    ],
)
def test_a_secret_is_given_only_to_who_needs_it(
    stack: Stack, secret: str, holders: set[str]
) -> None:
    given = {
        name for name, env in environments(stack).items() if any(secret in v for v in env.values())
    }

    assert given == holders


def test_an_option_reaches_the_processes_that_have_it(stack: Stack) -> None:
    chosen = {"ORPHAN_SECONDS": "30", "OTEL_TRACES_SAMPLER": "always_off"}
    env = environments(msgspec.structs.replace(stack, options=chosen))

    assert {name for name in env if "ORPHAN_SECONDS" in env[name]} == {"ingest", "planner"}
    assert all(given["OTEL_TRACES_SAMPLER"] == "always_off" for given in env.values())


def test_an_option_that_no_process_has_is_refused(stack: Stack) -> None:
    with pytest.raises(ValueError, match="ORPHANS_SECONDS"):
        msgspec.structs.replace(stack, options={"ORPHANS_SECONDS": "30"})


def test_only_the_gateway_stops_before_the_others(stack: Stack) -> None:
    fronts = [step.name for step in steps(stack) if isinstance(step, Process) and step.front]

    assert fronts == ["gateway"]


def test_with_parts_of_our_own_everything_waits_for_its_part(stack: Stack) -> None:
    own = steps(stack, READY)
    needs = {step.name: step.needs for step in own}

    assert needs["migrations"] == {"postgres"}
    assert needs["buckets"] == {"seaweedfs"}
    assert needs["projector"] == {"migrations", "postgres"}
    assert needs["relay"] == {"migrations", "postgres", "buckets", "seaweedfs"}
    assert not any("rabbitmq" in names for names in needs.values())


def test_with_parts_elsewhere_nothing_waits_for_them(stack: Stack) -> None:
    plan = in_order(steps(stack))

    assert not any(needs & READY for needs in all_needs(plan).values())
    assert {step.name for step in plan if isinstance(step, Task)} == {"migrations", "buckets"}


def test_backups_are_asked_for_by_who_runs_them(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKUP_TARGET", "/mnt/backups")
    found = tool_environment(stack, "backup")
    assert found["DATABASE_URL"] == role_url(URLS.postgres, "backup", "backup-password")
    assert found["BACKUP_TARGET"] == "/mnt/backups"
    # Empty is not set, which the command says.
    assert found["BACKUP_KEY"] == ""
    assert "DATABASE_ADMIN_URL" not in found
    assert tool_environment(stack, "restore")["DATABASE_ADMIN_URL"] == URLS.postgres

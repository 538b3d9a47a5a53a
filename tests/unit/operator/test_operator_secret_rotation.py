"""`cinelog secrets rotate`: in which order, and who starts anew."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from services.operator.commands import command_line, run
from services.operator.kubectl import Kubectl, NotDone
from services.operator.secret_rotation import rotate
from tests.support.charts import example

# It keeps what it is asked, and the Secret; a file says at which command it fails.
KUBECTL = """#!/usr/bin/env python3
import json, pathlib, sys
folder = pathlib.Path(__file__).parent
asked = sys.argv[1:]
given = sys.stdin.read()
with (folder / "asked").open("a") as file:
    file.write(json.dumps([asked, given]) + "\\n")
words = asked[2:] if asked[:1] == ["--namespace"] else asked
fails = folder / "fails"
if fails.exists() and words[0] == fails.read_text():
    sys.exit("error: it fails")
secret = folder / "secret"
if words[:2] == ["get", "deployments,statefulsets,cronjobs"]:
    print((folder / "workloads").read_text())
elif words[:2] == ["get", "secret"]:
    print(secret.read_text())
elif words[:2] == ["get", "cronjobs"]:
    print("cronjob.batch/cinelog-migrations")
elif words[0] == "patch":
    held = json.loads(secret.read_text())
    held["data"].update(json.loads(given)["data"])
    secret.write_text(json.dumps(held))
"""


class Scene:
    """A release as the chart makes it, and a kubectl that sees it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        program = folder / "kubectl"
        program.write_text(KUBECTL)
        program.chmod(0o755)
        kinds = ("Deployment", "StatefulSet", "CronJob")
        workloads = [found for found in example(None) if found["kind"] in kinds]
        (folder / "workloads").write_text(json.dumps({"items": workloads}))
        (folder / "secret").write_text(json.dumps({"data": {}}))
        self.kubectl = Kubectl("films", str(program))

    def rotate(self, key: str, *, again: bool = False) -> list[str]:
        return rotate(self.kubectl, "cinelog", key, again=again, say=lambda _: None)

    def value(self, key: str) -> str:
        data = json.loads((self.folder / "secret").read_text())["data"]
        return base64.b64decode(data[key]).decode()

    def asked(self) -> list[tuple[list[str], str]]:
        """What kubectl was asked and given, without the namespace."""
        lines: list[Any] = [
            json.loads(line) for line in (self.folder / "asked").read_text().splitlines()
        ]
        assert all(words[:2] == ["--namespace", "films"] for words, _ in lines)
        return [(words[2:], given) for words, given in lines]

    def verbs(self) -> list[str]:
        return [words[0] for words, _ in self.asked()]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_who_reads_a_secret_starts_anew_and_nobody_else(scene: Scene) -> None:
    assert scene.rotate("operator-secret") == [
        *(f"deployment/cinelog-{name}" for name in ("ingest", "live", "planner", "reconciler"))
    ]
    assert scene.verbs() == ["get", "patch", "rollout", *("rollout",) * 4]
    assert len(scene.value("operator-secret")) >= 32


def test_a_roles_password_is_told_to_the_database_before_the_pods(scene: Scene) -> None:
    assert scene.rotate("role-password-catalog") == [
        *("deployment/cinelog-catalog", "deployment/cinelog-projector")
    ]
    words = [words for words, _ in scene.asked()]
    setup = words.index(
        ["create", "job", "cinelog-rotate-catalog", "--from", "cronjob/cinelog-migrations"]
    )
    waited = next(at for at, found in enumerate(words) if found[0] == "wait")
    restarted = next(at for at, found in enumerate(words) if found[:2] == ["rollout", "restart"])
    patched = next(at for at, found in enumerate(words) if found[0] == "patch")
    assert patched < setup < waited < restarted


def test_the_password_of_backups_is_told_and_nothing_starts_anew(scene: Scene) -> None:
    assert scene.rotate("role-password-backup") == []
    made = ["create", "job", "cinelog-rotate-backup", "--from", "cronjob/cinelog-migrations"]
    assert made in [words for words, _ in scene.asked()]
    assert "rollout" not in scene.verbs()


@pytest.mark.parametrize(
    ("key", "program", "pod"),
    [
        ("postgresql-password", "psql", "cinelog-postgresql-0"),
        ("rabbitmq-password", "rabbitmqctl", "cinelog-rabbitmq-0"),
    ],
)
def test_who_keeps_a_copy_is_told_and_not_restarted(
    scene: Scene, key: str, program: str, pod: str
) -> None:
    rolled = scene.rotate(key)
    assert not [name for name in rolled if "statefulset" in name]
    (told,) = ((words, given) for words, given in scene.asked() if words[0] == "exec")
    assert pod in told[0]
    assert program in told[0]
    assert scene.value(key) in told[1]


def test_storage_and_cache_read_their_keys_when_they_start(scene: Scene) -> None:
    assert "statefulset/cinelog-valkey" in scene.rotate("redis-password")
    assert "statefulset/cinelog-seaweedfs" in scene.rotate("s3-secret-key")


@pytest.mark.parametrize(
    "key", ["operator-secret", "role-password-auth", "postgresql-password", "rabbitmq-password"]
)
def test_no_value_is_on_a_command_line(scene: Scene, key: str) -> None:
    scene.rotate(key)
    encoded = base64.b64encode(scene.value(key).encode()).decode()
    for words, _ in scene.asked():
        assert scene.value(key) not in " ".join(words)
        assert encoded not in " ".join(words)


def test_what_was_interrupted_goes_on_with_the_same_value(scene: Scene) -> None:
    (scene.folder / "fails").write_text("exec")
    with pytest.raises(NotDone, match="it fails"):
        scene.rotate("postgresql-password")
    value = scene.value("postgresql-password")
    (scene.folder / "fails").unlink()
    scene.rotate("postgresql-password", again=True)
    assert scene.value("postgresql-password") == value
    assert value in scene.asked()[-1][1]


@pytest.mark.parametrize("key", ["signing-key-secret", "simulcast-key"])
def test_what_decrypts_the_database_is_not_replaced(scene: Scene, key: str) -> None:
    with pytest.raises(NotDone, match="decrypts"):
        scene.rotate(key)
    assert not (scene.folder / "asked").exists()


def test_a_key_that_nobody_reads_is_refused(scene: Scene) -> None:
    with pytest.raises(NotDone, match="nothing of the release cinelog reads no-such-key"):
        scene.rotate("no-such-key")
    assert scene.verbs() == ["get"]


def test_the_command_needs_no_settings_of_the_services(capsys: pytest.CaptureFixture[str]) -> None:
    def unasked(_: object) -> Any:
        raise AssertionError("it opens what it does not need")

    assert run(command_line(unasked, unasked), ["secrets", "rotate", "simulcast-key"]) == 1
    assert "simulcast-key is not rotated" in capsys.readouterr().err

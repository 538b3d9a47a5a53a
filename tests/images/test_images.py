"""What is in the images, and what is not. `make test-images` runs it after building them."""

import subprocess
from pathlib import Path

import pytest

from deploy.docker.images import SERVICES, docker, image
from tests.support.images import restrictions
from tests.support.stack import RunningStack

ROOT = Path(__file__).resolve().parents[2]
STORY = ROOT / "deploy" / "helm" / "cinelog" / "files" / "story.py"


@pytest.fixture(scope="module")
def client() -> str:
    return docker()


def run(client: str, service: str, *command: str, network: str = "none") -> str:
    """In a container with the chart's restrictions; its output. Fails where it fails."""
    ended = subprocess.run(
        (
            *(client, "run", "--rm", "--network", network, *restrictions()),
            *("--entrypoint", command[0], image(service), *command[1:]),
        ),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.parametrize("service", SERVICES)
def test_it_has_its_own_service_and_no_other(client: str, service: str) -> None:
    others = [other for other in SERVICES if other != service]
    program = (
        f"import services.{service}.main, importlib.util as u; "
        f"print([o for o in {others!r} if u.find_spec('services.' + o)])"
    )
    assert run(client, service, "python", "-c", program).strip() == "[]"


@pytest.mark.parametrize("service", SERVICES)
def test_nobody_but_root_owns_it_and_nothing_builds_in_it(client: str, service: str) -> None:
    assert run(client, service, "id", "-u").strip() == "10001"
    writable = "find /app /usr -xdev -writable ! -type l -print -quit"
    assert run(client, service, "sh", "-c", writable) == ""
    tools = (
        "for tool in gcc cc make uv npm node; do command -v $tool; done; ls -d /cache /uv || true"
    )
    assert run(client, service, "sh", "-c", tools + " 2>/dev/null") == ""


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_missing_stops_it_with_one_line(client: str, service: str) -> None:
    process = {"catalog": ["api"], "operator": ["reconciler"], "transcoder": ["worker"]}.get(
        service, []
    )
    ended = subprocess.run(
        (
            *(client, "run", "--rm", "--network", "none", *restrictions(), image(service)),
            *(f"services.{service}.main", *process),
        ),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 2
    assert ended.stderr.endswith("is not set\n")


@pytest.fixture
def story(cinelog: RunningStack, client: str) -> list[str]:
    """`helm test`'s command, against the containers."""
    return [
        *(client, "run", "--rm", "--network", "host", *restrictions()),
        *("--volume", f"{STORY}:/story/story.py:ro", "--env", "PYTHONPATH=/app"),
        *("--env", f"GATEWAY={cinelog.url}", "--entrypoint", "python"),
        *(image("transcoder"), "/story/story.py"),
    ]


def test_helm_test_uploads_a_clip_and_plays_it(story: list[str]) -> None:
    told = subprocess.run(story, capture_output=True, text=True, check=False, timeout=400)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "played, 144 frames" in told.stdout

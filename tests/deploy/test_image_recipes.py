"""What can be said of the images without an engine; `make test-images` says the rest."""

import re

from deploy.docker.images import LIMITS, SERVICES, disk_sync, image
from tests.support.charts import ROOT, containers, example, pods

DOCKERFILE = (ROOT / "deploy" / "docker" / "Dockerfile").read_text()


def test_every_service_has_an_image_and_its_requirements() -> None:
    assert set(SERVICES) == {path.parent.name for path in ROOT.glob("services/*/main.py")}
    assert LIMITS.keys() == set(SERVICES)
    for service in SERVICES:
        assert (ROOT / "requirements" / f"{service}.txt").is_file()
        assert f" AS web-{service}\n" in DOCKERFILE
    makefile = (ROOT / "Makefile").read_text()
    (listed,) = re.findall(r"^IMAGES := (.*)$", makefile, re.MULTILINE)
    assert set(listed.split()) == set(SERVICES)


def test_the_chart_runs_the_images_that_are_built() -> None:
    ours = {
        container["image"]
        for pod in pods(example(None)).values()
        for container in containers(pod)
        if container["image"].startswith("localhost/")
    }
    assert ours == {*(image(service) for service in SERVICES), disk_sync()}


def test_what_the_recipe_copies_is_there_and_let_in() -> None:
    ignore = (ROOT / "deploy" / "docker" / "Dockerfile.dockerignore").read_text().splitlines()
    allowed = [line[1:] for line in ignore if line.startswith("!")]
    for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE):
        for source in line.split()[:-1]:
            path = source.replace("${SERVICE}", "relay")
            assert (ROOT / path).exists(), path
            folder = re.sub(r"[^/]+\.txt$", "*.txt", path)
            assert any(folder == one or folder.startswith(f"{one}/") for one in allowed), path


def test_nobody_runs_as_root_and_every_base_is_an_argument() -> None:
    stages = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    names = set(re.findall(r" AS (\S+)$", DOCKERFILE, re.MULTILINE)) | {"scratch", "web-${WEB}"}
    assert {stage for stage in stages if stage not in names} == {"${BASE_IMAGE}", "${NODE_IMAGE}"}
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE)[-1] == "10001:10001"

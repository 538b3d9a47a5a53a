"""`cinelog disks grow`: in which order, and when it is not begun."""

import json
from pathlib import Path
from typing import Any

import pytest

from deploy.helm.values_table import CHART
from services.operator.disk_growth import VALUES, grow
from services.operator.kubectl import Kubectl, NotDone
from tests.support.charts import example, of_kind

KUBECTL = """#!/usr/bin/env python3
import json, pathlib, sys
folder = pathlib.Path(__file__).parent
with (folder / "asked").open("a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
answer = folder / sys.argv[2]
if sys.argv[1] == "get":
    print(answer.read_text())
"""


class Scene:
    """The bundled SeaweedFS as the chart makes it, and a kubectl that sees it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        program = folder / "kubectl"
        program.write_text(KUBECTL)
        program.chmod(0o755)
        self.kubectl = Kubectl(None, str(program))
        self.set = of_kind(example(None), "StatefulSet")["cinelog-seaweedfs"]
        claim = {"metadata": {"name": "data-cinelog-seaweedfs-0"}}
        self.show("persistentvolumeclaims", [{**claim, "spec": {"storageClassName": "fast"}}])
        self.show("statefulsets", [self.set])
        self.write("storageclass", {"allowVolumeExpansion": True})

    def show(self, kind: str, items: list[Any]) -> None:
        self.write(kind, {"items": items})

    def write(self, kind: str, answer: dict[str, Any]) -> None:
        (self.folder / kind).write_text(json.dumps(answer))

    def changes(self) -> list[list[str]]:
        asked = [json.loads(line) for line in (self.folder / "asked").read_text().splitlines()]
        return [words for words in asked if words[0] != "get"]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_the_claim_grows_before_its_set_is_made_anew(scene: Scene) -> None:
    assert grow(scene.kubectl, "cinelog", "seaweedfs", "40Gi") == "s3.bundled.storage=40Gi"
    patched, deleted = scene.changes()
    assert patched[:3] == ["patch", "persistentvolumeclaim", "data-cinelog-seaweedfs-0"]
    assert json.loads(patched[-1])["spec"]["resources"]["requests"]["storage"] == "40Gi"
    # Without its pod, which goes on.
    assert deleted == ["delete", "statefulset", "cinelog-seaweedfs", "--cascade=orphan"]


def test_it_goes_on_where_the_set_is_gone_already(scene: Scene) -> None:
    scene.show("statefulsets", [])
    assert grow(scene.kubectl, "cinelog", "seaweedfs", "40Gi") == "s3.bundled.storage=40Gi"


def test_disks_that_cannot_grow_are_left_alone(scene: Scene) -> None:
    scene.write("storageclass", {})
    with pytest.raises(NotDone, match="disks of the StorageClass fast do not grow"):
        grow(scene.kubectl, "cinelog", "seaweedfs", "40Gi")
    assert scene.changes() == []


def test_a_disk_that_would_go_with_its_set_is_left_alone(scene: Scene) -> None:
    laptop = of_kind(example("values-laptop.yaml"), "StatefulSet")["cinelog-seaweedfs"]
    scene.show("statefulsets", [laptop])
    with pytest.raises(NotDone, match=r"persistence\.deleteOnUninstall=false"):
        grow(scene.kubectl, "cinelog", "seaweedfs", "40Gi")
    assert scene.changes() == []


def test_a_part_without_a_disk_is_named(scene: Scene) -> None:
    scene.show("persistentvolumeclaims", [])
    with pytest.raises(NotDone, match="seaweedfs of cinelog has 0 disks"):
        grow(scene.kubectl, "cinelog", "seaweedfs", "40Gi")


def test_every_bundled_part_has_its_value() -> None:
    readme = (CHART / "README.md").read_text()
    assert all(f"`{value}`" in readme for value in VALUES.values())
    parts = {name.removeprefix("cinelog-") for name in of_kind(example(None), "StatefulSet")}
    assert set(VALUES) == parts

"""``cinelog disks …``: the disks of bundled parts, on a cluster."""

import click

from services.operator.disk_growth import VALUES
from services.operator.disk_growth import grow as grow_disk
from services.operator.kubectl import Kubectl, NotDone
from services.operator.output import Output
from services.operator.tools import Failed


@click.group("disks")
def disks() -> None:
    """Grow the disks of bundled parts."""


@disks.command()
@click.argument("part", type=click.Choice(sorted(VALUES)))
@click.argument("size")
@click.option("--release", default="cinelog", show_default=True, help="Helm's name for it.")
@click.option("--namespace", help="kubectl's own unless given.")
@click.pass_obj
def grow(output: Output, part: str, size: str, release: str, namespace: str | None) -> None:
    """Grow the disk of PART to SIZE, such as 40Gi. Calls kubectl, with your rights."""
    try:
        value = grow_disk(Kubectl(namespace), release, part, size)
    except NotDone as error:
        raise Failed(str(error)) from error
    output.show({"value": value}, f"The disk grows. Now: helm upgrade … --set {value}")

"""``cinelog secrets …``: what the chart's Secret holds, on a cluster."""

import click

from services.operator import made_secrets, secret_rotation
from services.operator.kubectl import Kubectl, NotDone
from services.operator.output import Output
from services.operator.tools import Failed


@click.group("secrets")
def secrets() -> None:
    """Rotate a value of the chart's Secret; make or delete that Secret."""


@secrets.command()
@click.argument("key")
@click.option("--release", default="cinelog", show_default=True, help="Helm's name for it.")
@click.option("--namespace", help="kubectl's own unless given.")
@click.option("--again", is_flag=True, help="Repeat what was interrupted, with the same value.")
@click.pass_obj
def rotate(output: Output, key: str, release: str, namespace: str | None, again: bool) -> None:
    """Give KEY, such as operator-secret, a new value, and start anew what reads it.

    Calls kubectl, with your rights.
    """
    kubectl = Kubectl(namespace)
    try:
        rolled = secret_rotation.rotate(kubectl, release, key, again=again, say=output.say)
    except NotDone as error:
        raise Failed(str(error)) from error
    output.show({"key": key, "rolled": rolled}, f"{key} is rotated.")


@secrets.command()
@click.argument("namespace")
@click.argument("name")
@click.argument("keys", nargs=-1, required=True)
@click.pass_obj
def make(output: Output, namespace: str, name: str, keys: tuple[str, ...]) -> None:
    """Make the Secret NAME, or KEYS that it lacks. Runs in a pod, before the release."""
    with made_secrets.cluster() as api:
        made = made_secrets.make(api, namespace, name, keys)
    output.show({"made": made}, f"Made in {name}: {', '.join(made) or 'nothing, all is there'}.")


@secrets.command()
@click.argument("namespace")
@click.argument("name")
@click.pass_obj
def delete(output: Output, namespace: str, name: str) -> None:
    """Delete the Secret NAME. Runs in a pod, after the release."""
    with made_secrets.cluster() as api:
        there = made_secrets.delete(api, namespace, name)
    output.show({"deleted": there}, f"{name} is deleted." if there else f"There is no {name}.")

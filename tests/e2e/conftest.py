"""The whole product as `make up` starts it, in a home of its own."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.ports import choose
from tests.e2e.product import ROOT, Person, Product


@pytest.fixture(scope="session")
def product() -> Iterator[Product]:
    """Started once, stopped at the end; its logs are shown if it does not start."""
    home = Path(tempfile.mkdtemp(prefix="cinelog-e2e-"))
    home.chmod(0o711)
    # Downloaded packages are shared with `make up`, so that nothing is fetched twice.
    packages = Path(os.environ.get("CINELOG_HOME") or ROOT / ".local") / "packages"
    if packages.is_dir():
        (home / "packages").symlink_to(packages.resolve())
    port = choose(["gateway"], {})["gateway"]
    env = {
        **os.environ,
        "CINELOG_HOME": str(home),
        "PORT": str(port),
        "WORKERS": "2",
        # The story signs up more people in a minute than the default rate lets one address do.
        "RATE_LIMIT_AUTH": "20/s burst 100",
    }
    product = Product(home, port, env)
    try:
        product.local("up")
        yield product
    finally:
        subprocess.run(
            (sys.executable, "-m", "deploy.local", "down"), cwd=ROOT, env=env, check=False
        )
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def person(product: Product) -> Iterator[Person]:
    """Somebody new, signed up."""
    with product.sign_up() as person:
        yield person

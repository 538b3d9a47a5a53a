"""The API document is made without a running stack, and kept up to date."""

import json
import shutil
import subprocess

from shared.version import VERSION
from tools.openapi_document import DOCUMENT, ROOT, document


def test_the_committed_document_is_what_the_routes_say() -> None:
    made = document()
    assert made == json.loads(DOCUMENT.read_text()), "make openapi writes it"
    assert made["info"]["version"] == VERSION


def test_the_clients_types_are_made_from_the_committed_document() -> None:
    npx = shutil.which("npx")
    assert npx is not None
    check = (npx, "--no-install", "openapi-typescript", "openapi.json", "--check")
    checked = subprocess.run(
        (*check, "-o", "src/api/schema.d.ts"),
        cwd=ROOT / "web",
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, f"make openapi writes them: {checked.stderr}"

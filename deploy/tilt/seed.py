"""A user, a clip and its watch page, as `make demo` makes them: ``python -m deploy.tilt.seed URL``.

The password of the user `demo` is made once and kept beside the cluster's other secrets.
"""

import os
import secrets
import sys
from pathlib import Path

from deploy.local.demo import DemoFailed, upload_clip


def main() -> None:
    """Upload, wait until it plays, print where."""
    address = sys.argv[1]
    root = Path(__file__).resolve().parents[2]
    file = Path(os.environ.get("CINELOG_HOME") or root / ".local") / "tilt-demo-password"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(12))
    try:
        url = upload_clip(address, file.read_text(), lambda line: print(line, flush=True))
    except DemoFailed as error:
        sys.exit(f"✗ {error}")
    sys.stdout.write(f"{url}\n")


if __name__ == "__main__":
    main()

"""Prints the Secret of a developer's cluster: made once, kept in .local, which git ignores.

Standard library only: the Tiltfile runs it with the system's Python.
"""

import base64
import json
import os
import secrets
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from deploy.local.files import write_private  # noqa: E402 - found by the line above

NAME = "cinelog-tilt"
KEYS = (
    *("media-grant-secret", "operator-secret", "signing-key-secret", "simulcast-key"),
    *("role-password-auth", "role-password-backup", "role-password-catalog"),
    *("role-password-ingest", "role-password-live"),
    *("role-password-operator", "role-password-relay", "role-password-transcoder"),
    *("postgresql-password", "rabbitmq-password", "redis-password"),
    *("s3-access-key", "s3-secret-key"),
)


def main() -> None:
    """Make what is missing, print all of it."""
    file = Path(os.environ.get("CINELOG_HOME") or ROOT / ".local") / "tilt-secrets.json"
    try:
        kept: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    except ValueError:
        sys.exit(f"{file} is damaged: put a backup back, or delete it and the cluster's data")
    complete = {key: kept.get(key) or secrets.token_hex(24) for key in KEYS}
    if complete != kept:
        write_private(file, json.dumps(complete).encode())
    data = {key: base64.b64encode(value.encode()).decode() for key, value in complete.items()}
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": NAME},
        "type": "Opaque",
        "data": data,
    }
    sys.stdout.write(json.dumps(manifest) + "\n")


if __name__ == "__main__":
    main()

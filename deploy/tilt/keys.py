"""Prints the Secret of a developer's cluster: made once, kept in .local, which git ignores.

Standard library only: the Tiltfile runs it with the system's Python.
"""

import base64
import json
import os
import secrets
import sys
from pathlib import Path

NAME = "cinelog-tilt"
KEYS = (
    *("media-grant-secret", "operator-secret", "signing-key-secret"),
    *("role-password-auth", "role-password-catalog", "role-password-ingest"),
    *("role-password-operator", "role-password-relay", "role-password-transcoder"),
    *("postgresql-password", "rabbitmq-password", "redis-password"),
    *("s3-access-key", "s3-secret-key"),
)


def main() -> None:
    """Make what is missing, print all of it."""
    root = Path(__file__).resolve().parents[2]
    file = Path(os.environ.get("CINELOG_HOME") or root / ".local") / "tilt-secrets.json"
    kept: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    complete = {key: kept.get(key) or secrets.token_hex(24) for key in KEYS}
    if complete != kept:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(json.dumps(complete))
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

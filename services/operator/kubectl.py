"""The program kubectl, which acts with the rights of who calls it."""

import subprocess
from typing import Final

# For what Kubernetes does in its own time.
PATIENCE: Final = "--timeout=10m"


class NotDone(Exception):
    """The message says what was not done, and why."""


class Kubectl:
    """The program kubectl, in one namespace."""

    def __init__(self, namespace: str | None, program: str = "kubectl") -> None:
        """Without a namespace, the one of kubectl's context."""
        self._command = (program, *(("--namespace", namespace) if namespace else ()))

    def __call__(self, *arguments: str, given: str = "") -> str:
        """What it prints. Secrets are ``given`` to its input, not to its command line."""
        try:
            ended = subprocess.run(  # noqa: S603 - the words of this module
                (*self._command, *arguments),
                input=given,
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError as error:
            raise NotDone("kubectl is missing: it is what speaks to the cluster") from error
        if ended.returncode != 0:
            said = ended.stderr.strip().splitlines()[-1:] or [f"status {ended.returncode}"]
            raise NotDone(f"kubectl {' '.join(arguments[:3])} …: {said[0]}")
        return ended.stdout

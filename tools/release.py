"""Checks whether this commit can be released, and prints what to do: ``python -m tools.release``.

It changes nothing and tags nothing. Exit code 1 and one line for each problem, or 0 and the steps.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from tools import openapi_diff, versions
from tools.openapi_document import document

ROOT: Final = Path(__file__).resolve().parents[1]
BREAKING: Final = "**Breaking"

_UPGRADING: Final = "deploy/helm/cinelog/UPGRADING.md"
_STEPS: Final = """\
Everything is ready for {version}. Now:

  make test test-images audit                    # on this commit, on an idle machine
  git tag -a v{version} -m "Cinelog {version}"
  git push origin v{version}
  make images REGISTRY=… PUSH=1                  # the images of this version
  make chart sbom                                # into dist/: attach them to the release
  make openapi-released                          # commit it: the next release is compared with it
"""


class Facts(Struct, frozen=True, kw_only=True):
    """What a release is judged by."""

    uncommitted: list[str]
    tags: list[str]
    stated: dict[str, str]
    released_document: dict[str, Any]
    committed_document: dict[str, Any]
    current_document: dict[str, Any]
    section: str
    unreleased: str
    upgrading: str

    @property
    def version(self) -> str:
        """The one that is to be released."""
        return self.current_document["info"]["version"]


def problems(facts: Facts) -> list[str]:
    """Why ``facts`` are no release; empty if they are one. Pure."""
    found: list[str] = []
    version, last = facts.version, facts.released_document["info"]["version"]
    if facts.uncommitted:
        found.append(f"not committed: {', '.join(facts.uncommitted)}")
    found += [
        f"{place} states {other or 'nothing'}, not {version}"
        for place, other in facts.stated.items()
        if other != version
    ]
    if _parts(version) <= _parts(last):
        found.append(f"{last} is released already: make version NEW=…")
    if f"v{version}" in facts.tags:
        found.append(f"the tag v{version} exists already")
    if not facts.section:
        found.append(f"{versions.CHANGELOG} has nothing for {version}")
    if facts.unreleased:
        found.append(f"{versions.CHANGELOG} still lists unreleased changes: make version NEW=…")
    if f"## {version}\n" not in facts.upgrading:
        found.append(f"{_UPGRADING} has no section for {version}")
    if facts.committed_document != facts.current_document:
        found.append("web/openapi.json is not what the routes say: make openapi")
    return found + _breaks(facts)


def _breaks(facts: Facts) -> list[str]:
    """A breaking change needs a word in the changelog and a new major number (minor before 1.0)."""
    changes = openapi_diff.compare(facts.released_document, facts.current_document)
    if not changes.breaking:
        return []
    listed = "".join(f"\n    {line}" for line in changes.breaking)
    version, last = _parts(facts.version), _parts(facts.released_document["info"]["version"])
    found: list[str] = []
    if BREAKING not in facts.section:
        found.append(f"{versions.CHANGELOG} has no '- {BREAKING}:** …' for what breaks:{listed}")
    digits = 1 if version[0] else 2
    if version[:digits] <= last[:digits]:
        kind = "major" if version[0] else "minor"
        found.append(f"what breaks needs a new {kind} version:{listed}")
    return found


def gather(root: Path, current: dict[str, Any]) -> Facts:
    """Read the facts from a checkout; ``current`` is the document that its routes say."""
    version = current["info"]["version"]
    released = root / openapi_diff.RELEASED.relative_to(ROOT)
    committed = root / openapi_diff.CURRENT.relative_to(ROOT)
    return Facts(
        uncommitted=[line[3:] for line in _git(root, "status", "--porcelain")],
        tags=_git(root, "tag", "--list"),
        stated=versions.stated(root),
        released_document=json.loads(released.read_text()),
        committed_document=json.loads(committed.read_text()),
        current_document=current,
        section=_section((root / versions.CHANGELOG).read_text(), version),
        unreleased=versions.unreleased(root),
        upgrading=(root / _UPGRADING).read_text(),
    )


def _section(changelog: str, version: str) -> str:
    found = re.search(rf"^## {re.escape(version)} - .*\n((?:(?!## ).*\n?)*)", changelog, re.M)
    return found.group(1).strip() if found else ""


def _git(root: Path, *arguments: str) -> list[str]:
    command = ("git", *arguments)
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def _parts(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def main(root: Path = ROOT) -> int:
    """Print the problems, or what to do; returns the exit code."""
    facts = gather(root, document())
    found = problems(facts)
    if found:
        sys.stderr.write("".join(f"✗ {problem}\n" for problem in found))
        return 1
    sys.stdout.write(_STEPS.format(version=facts.version))
    return 0


if __name__ == "__main__":
    sys.exit(main())

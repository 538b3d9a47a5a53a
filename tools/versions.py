"""The one version of the product, and every file that states it.

``python -m tools.versions`` prints each place and what it says; it exits with 1 if two differ.
``python -m tools.versions 0.2.0`` writes a new version to all of them.
"""

import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from msgspec import Struct

ROOT: Final = Path(__file__).resolve().parents[1]
CHANGELOG: Final = "CHANGELOG.md"
UNRELEASED: Final = "## Unreleased\n"

_NUMBER: Final = r"\d+\.\d+\.\d+"
_VERSION: Final = re.compile(rf"\A{_NUMBER}\Z")


class Place(Struct, frozen=True):
    """Where a file states the version: ``<version>`` in a pattern, as often as it matches."""

    file: str
    pattern: str

    @property
    def regex(self) -> re.Pattern[str]:
        """The compiled pattern; ``^`` is the beginning of a line."""
        return re.compile(self.pattern.replace("<version>", f"({_NUMBER})"), re.MULTILINE)


PLACES: Final = (
    Place("pyproject.toml", r'^name = "cinelog"\nversion = "<version>"$'),
    Place("shared/version.py", r'^VERSION: Final = "<version>"$'),
    Place("deploy/helm/cinelog/Chart.yaml", r"^version: <version>$"),
    Place("deploy/helm/cinelog/Chart.yaml", r"^appVersion: <version>$"),
    Place("web/package.json", r'^  "version": "<version>",$'),
    Place("web/package-lock.json", r'"name": "cinelog-web",\s+"version": "<version>"'),
    Place("web/openapi.json", r'"info":\{"title":"Cinelog","version":"<version>"\}'),
    Place("docs/kubernetes.md", r"\bcinelog/[a-z$]+:<version>\b"),
)


VERSION_IN_DOCUMENT: Final = re.compile(rf'"info":{{"title":"Cinelog","version":"({_NUMBER})"}}')


class WrongVersion(ValueError):
    """The new version cannot be written; the message says why."""


def stated(root: Path = ROOT) -> dict[str, str]:
    """Each place (file and line number) → the version that it states.

    Raises WrongVersion if a file states none where it should.
    """
    found: dict[str, str] = {}
    for place in PLACES:
        text = (root / place.file).read_text()
        matches = list(place.regex.finditer(text))
        if not matches:
            raise WrongVersion(f"{place.file} states no version ({place.pattern})")
        for match in matches:
            line = text.count("\n", 0, match.start(1)) + 1
            found[f"{place.file}:{line}"] = match.group(1)
    newest = released(root)
    found[f"{CHANGELOG}, newest release"] = newest[0] if newest else ""
    return found


def released(root: Path = ROOT) -> list[str]:
    """The versions that the changelog has a section for, newest first."""
    text = (root / CHANGELOG).read_text()
    return re.findall(rf"^## ({_NUMBER}) - \d{{4}}-\d\d-\d\d$", text, re.MULTILINE)


def unreleased(root: Path = ROOT) -> str:
    """What the changelog lists as not yet released."""
    _, _, rest = (root / CHANGELOG).read_text().partition(UNRELEASED)
    return re.split(r"^## ", rest, maxsplit=1, flags=re.MULTILINE)[0].strip()


def write(version: str, root: Path = ROOT) -> None:
    """State ``version`` everywhere; what was unreleased becomes the changelog's new section.

    Raises WrongVersion if it is no version, not newer, or if nothing is unreleased.
    """
    if not _VERSION.match(version):
        raise WrongVersion(f"{version!r} is no version: three numbers, such as 0.2.0")
    if any(_parts(version) <= _parts(old) for old in released(root)):
        raise WrongVersion(f"{version} is not newer than {released(root)[0]}")
    if not unreleased(root):
        raise WrongVersion(f"{CHANGELOG} lists nothing below '{UNRELEASED.strip()}'")
    for place in PLACES:
        path = root / place.file
        path.write_text(place.regex.sub(lambda match: _replaced(match, version), path.read_text()))
    today = datetime.now(UTC).date().isoformat()
    changelog = root / CHANGELOG
    section = f"{UNRELEASED}\n## {version} - {today}\n"
    changelog.write_text(changelog.read_text().replace(UNRELEASED, section, 1))


def _parts(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _replaced(match: re.Match[str], version: str) -> str:
    start, end = match.start(1) - match.start(), match.end(1) - match.start()
    return match.group()[:start] + version + match.group()[end:]


def main(arguments: list[str]) -> int:
    """Print the places, or write a version; returns the exit code."""
    try:
        if arguments:
            write(arguments[0])
        found = stated()
    except WrongVersion as error:
        sys.stderr.write(f"✗ {error}\n")
        return 1
    for place, version in found.items():
        sys.stdout.write(f"{version:<10}{place}\n")
    return 0 if len(set(found.values())) == 1 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

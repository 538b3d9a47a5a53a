from pathlib import Path

import pytest

from deploy.local import bootstrap, debian

Ran = list[tuple[str, ...]]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, folder in {
        "ROOT": tmp_path,
        "VENV": tmp_path / ".venv",
        "WEB": tmp_path / "web",
    }.items():
        monkeypatch.setattr(bootstrap, name, folder)
    (tmp_path / "requirements").mkdir()
    for name in ("bootstrap", "run", "dev"):
        (tmp_path / "requirements" / f"{name}.txt").write_text(f"# {name}\n")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / "web" / "src").mkdir(parents=True)
    (tmp_path / "web" / "node_modules").mkdir()
    (tmp_path / "web" / "dist").mkdir()
    (tmp_path / "web" / "package-lock.json").write_text("{}")
    (tmp_path / "web" / "src" / "main.tsx").write_text("first")
    return tmp_path


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Ran:
    commands: Ran = []

    def record(*command: str, cwd: Path | None = None) -> None:
        commands.append(command)

    monkeypatch.setattr(bootstrap, "_run", record)
    return commands


@pytest.mark.usefixtures("root")
def test_packages_are_installed_with_their_hashes_and_once(ran: Ran) -> None:
    bootstrap.prepare_python("run")
    installs = list(ran)
    bootstrap.prepare_python("run")

    assert all("--require-hashes" in command for command in installs)
    assert any(command[-1].endswith("bootstrap.txt") for command in installs)
    assert ran == installs


def test_changed_requirements_are_installed_again(root: Path, ran: Ran) -> None:
    bootstrap.prepare_python("run")
    before = len(ran)
    (root / "requirements" / "run.txt").write_text("# newer\n")
    bootstrap.prepare_python("run")

    assert len(ran) > before


@pytest.mark.usefixtures("root")
def test_what_tests_need_contains_what_running_needs(ran: Ran) -> None:
    bootstrap.prepare_python("dev")
    before = len(ran)
    bootstrap.prepare_python("run")

    assert len(ran) == before


def test_pip_stands_in_where_uv_cannot_reach_the_registry(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: Ran = []

    def only_pip(*command: str, cwd: Path | None = None) -> None:
        commands.append(command)
        if command[0].endswith("/uv"):
            raise bootstrap.Missing("no route")

    monkeypatch.setattr(bootstrap, "_run", only_pip)
    bootstrap.prepare_python("run")

    assert commands[-1][1:3] == ("-m", "pip")
    assert commands[-1][-1] == str(root / "requirements" / "run.txt")


def test_the_web_client_is_built_once_and_again_when_it_changed(root: Path, ran: Ran) -> None:
    bootstrap.prepare_web()
    assert [command[:2] for command in ran] == [("npm", "ci"), ("npm", "run")]
    bootstrap.prepare_web()
    assert len(ran) == 2

    (root / "web" / "src" / "main.tsx").write_text("second")
    (root / "web" / "dist" / "index.html").write_text("built")
    bootstrap.prepare_web()

    assert [command[:2] for command in ran[2:]] == [("npm", "run")]


def test_a_failed_build_is_tried_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*command: str, cwd: Path | None = None) -> None:
        if command[1] == "run":
            raise bootstrap.Missing("type error")

    monkeypatch.setattr(bootstrap, "_run", fails)
    with pytest.raises(bootstrap.Missing):
        bootstrap.prepare_web()

    assert not (root / "web" / "dist" / ".built").exists()


def test_no_node_is_said_with_where_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap.shutil, "which", lambda _: None)

    with pytest.raises(bootstrap.Missing, match=r"Node 20 .*nodejs\.org"):
        bootstrap.check_versions()


def test_without_root_the_command_to_type_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap.os, "geteuid", lambda: 1000)

    with pytest.raises(bootstrap.Missing, match="apt-get install chromium"):
        bootstrap.install_debian("chromium", why="Chromium")


def test_what_is_installed_as_root_comes_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a compiler the tests of the sandbox could not ask what a decoder may do."""
    installed: list[tuple[str, ...]] = []
    monkeypatch.setattr(bootstrap.shutil, "which", lambda _: None)
    monkeypatch.setattr(
        bootstrap, "install_debian", lambda *packages, why: installed.append(packages)
    )

    bootstrap.prepare_installed()

    assert installed == [("chromium",), ("gcc", "libc6-dev")]


def test_no_debian_is_said_with_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian.shutil, "which", lambda _: None)

    with pytest.raises(debian.PackagesUnavailable, match="rabbitmq-server"):
        debian.unpack("rabbitmq-server", tmp_path / "rabbitmq")


def test_packages_that_cannot_be_fetched_leave_nothing_half_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*command: str, folder: Path) -> str:
        raise debian.CommandFailed("E: Unable to locate package")

    monkeypatch.setattr(debian, "_run", unreachable)

    with pytest.raises(debian.PackagesUnavailable, match="apt-get install rabbitmq-server"):
        debian.unpack("rabbitmq-server", tmp_path / "rabbitmq")

    assert list(tmp_path.iterdir()) == []


def test_packages_beside_each_other_are_in_one_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []

    def run(*command: str, folder: Path) -> str:
        if "--simulate" in command:
            return "Inst xvfb (2)\nInst obs-studio (29)\n"
        if "download" in command:
            fetched.extend(command[command.index("download") + 1 :])
        return ""

    monkeypatch.setattr(debian, "_run", run)
    monkeypatch.setattr(debian.shutil, "which", lambda name: f"/usr/bin/{name}")

    into = debian.unpack("obs-studio", tmp_path / "publishers", beside=("xvfb",))

    assert into.is_dir()
    assert fetched == ["obs-studio", "xvfb"]


def test_an_installed_package_is_downloaded_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []

    def run(*command: str, folder: Path) -> str:
        if "download" in command:
            fetched.extend(command[command.index("download") + 1 :])
        # Of what is installed, the plan says nothing.
        return ""

    monkeypatch.setattr(debian, "_run", run)
    monkeypatch.setattr(debian.shutil, "which", lambda name: f"/usr/bin/{name}")

    debian.unpack("libfaketime", tmp_path / "libfaketime")

    assert fetched == ["libfaketime"]

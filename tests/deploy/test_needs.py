"""One table says what each process needs: settings, `make up` and the chart agree with it."""

import pkgutil
import re
from pathlib import Path

import msgspec
import pytest

from deploy.local.environments import (
    Stack,
    environments,
    port_names,
    secret_names,
    tool_environment,
)
from deploy.local.parts import Urls
from deploy.needs import Needs, table
from shared.database.setup import ROLES
from shared.settings import Settings
from tests.support.charts import (
    ROOT,
    Manifest,
    components,
    containers,
    environment,
    example,
    main_container,
    pods,
    render,
)

PROCESSES = table().processes
READERS = {
    name: needs
    for name, needs in (PROCESSES | table().companions | table().tools).items()
    if needs.settings
}
# Of the machine, and what only a terminal asks for.
OF_THE_MACHINE = {"PATH", "LANG", "LC_ALL", "SSL_CERT_FILE", "TZ", "PYTHONUNBUFFERED"}
# Read by the database's driver, where TLS is asked for.
OF_THE_DRIVER = {"PGSSLMODE", "PGSSLROOTCERT"}
EVERY = set(table().every.variables)


def fields(needs: Needs) -> dict[str, msgspec.structs.FieldInfo]:
    """The variables that a process's settings declare, but for those of every process."""
    kind: type[Settings] = pkgutil.resolve_name(needs.settings)
    common = {field.name for field in msgspec.structs.fields(Settings)}
    found = {field.name: field for field in msgspec.structs.fields(kind)}
    return {name.upper(): field for name, field in found.items() if name not in common}


def listed(needs: Needs) -> tuple[str, ...]:
    return (*needs.given(archived=True), *needs.optional(archived=True))


def stack(folder: Path, **options: str) -> Stack:
    names = port_names(1)
    url = "http://127.0.0.1:1"
    return Stack(
        home=folder,
        urls=Urls("postgresql://admin:secret@127.0.0.1:1/postgres", url, url, url, "key", "secret"),
        port=1,
        ports={name: 2 + number for number, name in enumerate(names)},
        secrets=dict.fromkeys(secret_names(), "secret"),
        workers=1,
        options=options,
    )


def local(folder: Path, component: str, **options: str) -> set[str]:
    """The names of the variables that `make up` gives."""
    name = "worker-1" if component == "worker" else component
    return set(environments(stack(folder, **options))[name]) - OF_THE_MACHINE


def in_chart(container: Manifest) -> set[str]:
    """The names of the variables that the chart gives, but for those that make up others."""
    used = " ".join(variable.get("value", "") for variable in container["env"])
    return set(environment(container)) - set(re.findall(r"\$\((\w+)\)", used)) - OF_THE_DRIVER


@pytest.mark.parametrize("name", READERS)
def test_the_table_lists_exactly_what_is_read(name: str) -> None:
    needs, declared = READERS[name], fields(READERS[name])
    assert sorted(listed(needs)) == sorted(declared)
    required = {variable for variable, field in declared.items() if field.required}
    assert required <= set(needs.variables)


@pytest.mark.parametrize("name", READERS)
def test_what_settings_declare_is_used(name: str) -> None:
    module = READERS[name].settings.rpartition(".")[0]
    folder = ROOT / Path(*module.split(".")).parent
    code = "".join(path.read_text() for path in folder.rglob("*.py"))
    unused = {
        variable
        for variable in fields(READERS[name])
        if not re.search(rf"\.{variable.lower()}\b", code)
    }
    assert not unused


@pytest.mark.parametrize("name", PROCESSES)
def test_make_up_gives_each_process_what_the_table_lists(tmp_path: Path, name: str) -> None:
    needs = PROCESSES[name]
    assert local(tmp_path, name) == EVERY | set(needs.given(archived=True))
    everything = dict.fromkeys(table().options, "1")
    options = {*needs.optional(archived=True), *table().every.options}
    assert local(tmp_path, name, **everything) == local(tmp_path, name) | options


@pytest.mark.parametrize("values", [None, "values-production.yaml", "values-operators.yaml"])
@pytest.mark.parametrize("name", PROCESSES)
def test_the_chart_gives_each_process_the_same(
    tmp_path: Path, name: str, values: str | None
) -> None:
    needs = PROCESSES[name]
    given = in_chart(main_container(components(example(values))[name]))
    assert local(tmp_path, name) <= given
    assert given - local(tmp_path, name) <= {*needs.optional(archived=True), *table().every.options}


def test_without_an_archive_nothing_is_given_for_it() -> None:
    relay = components(render(sets={"s3.archiveBucket": ""}))["relay"]
    assert in_chart(main_container(relay)) == EVERY | set(PROCESSES["relay"].variables)


def test_every_component_is_a_process_of_the_table() -> None:
    assert set(components(example(None))) == set(PROCESSES)


def test_tools_get_what_the_table_lists(tmp_path: Path) -> None:
    found = pods(example(None))
    for tool in ("migrations", "buckets"):
        needs = table().tools[tool]
        given = EVERY | set(needs.given(archived=True))
        assert set(tool_environment(stack(tmp_path), tool)) - OF_THE_MACHINE == given
        (job,) = (pod for name, pod in found.items() if name.startswith(f"Job/cinelog-{tool}"))
        for container in job["containers"]:
            assert given <= in_chart(container) <= given | set(needs.options)


def test_setup_knows_the_password_of_every_role() -> None:
    assert set(table().roles) == set(ROLES)
    passwords = {f"ROLE_PASSWORD_{role.upper()}" for role in ROLES}
    assert set(table().tools["migrations"].variables) == passwords | {"DATABASE_ADMIN_URL"}


def test_the_charts_readme_makes_the_password_of_every_role() -> None:
    text = (ROOT / "deploy/helm/cinelog/README.md").read_text()
    assert {role for role in ROLES if f"role-password-{role}" not in text} == set()


def test_the_chart_sets_only_options_that_some_process_has() -> None:
    text = (ROOT / "deploy/helm/cinelog/templates/_environment.tpl").read_text()
    (options,) = re.findall(r'define "cinelog.options" -}}(.*?)\n{{- end -}}\n', text, re.DOTALL)
    assert set(re.findall(r'"([A-Z][A-Z0-9_]+)"', options)) <= table().options


def test_secrets_are_in_no_process_that_does_not_read_them() -> None:
    for name, found in components(example(None)).items():
        for container in containers(found["spec"]["template"]["spec"]):
            given = {
                variable["valueFrom"]["secretKeyRef"]["key"]
                for variable in container["env"]
                if "secretKeyRef" in variable.get("valueFrom", {})
            }
            made = {table().secrets[v] for v in PROCESSES[name].variables if v in table().secrets}
            assert given & set(table().secrets.values()) <= made, name

"""What documents call by name is called so in the product: queues, metrics, leaders, events."""

import ast
import functools
import importlib
import json
import re
from collections.abc import Callable

import pytest
import yaml
from opentelemetry.sdk import environment_variables as opentelemetry

from deploy.needs import table as needs_table
from services.gateway.request.routes import Router, Unknown
from services.gateway.request.routes import table as routes
from shared.contracts import EVENT_TYPES
from shared.contracts.event_registry import CATEGORY_EVENTS
from shared.loops.leaders import Leader
from tests.support.documents import ROOT, Document, documents, table

ALL = documents()
BY_NAME = {document.name: document for document in ALL}
ARCHITECTURE = BY_NAME["docs/architecture.md"]
RUNBOOKS = [document for document in ALL if document.name.startswith("docs/runbooks/")]
CHART = ROOT / "deploy" / "helm" / "cinelog"
SOURCES = [path for top in ("services", "shared", "deploy") for path in (ROOT / top).rglob("*.py")]
SCHEMAS = "auth|ingest|transcoder|catalog|live|log"
# Programs whose commands runbooks quote.
PROGRAMS = ("make ", "cinelog ", "kubectl ", "helm ", "select ")

each_document = pytest.mark.parametrize("document", ALL, ids=lambda document: document.name)


# Benchmarks have variables of their own.
each_product_document = pytest.mark.parametrize(
    "document",
    [document for document in ALL if not document.name.startswith("benchmarks/")],
    ids=lambda document: document.name,
)


@functools.cache
def code() -> str:
    """All of the product's Python."""
    return "\n".join(path.read_text() for path in SOURCES)


@functools.cache
def strings() -> frozenset[str]:
    """Every string literal in it."""
    return frozenset(
        node.value
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


@functools.cache
def database_names() -> set[str]:
    """``schema.table`` for every table of the product."""
    found: set[str] = set()
    for path in (*ROOT.glob("services/*/tables.py"), ROOT / "shared/event_store/tables.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found |= set(importlib.import_module(module).metadata.tables)
    return found


@functools.cache
def queues() -> set[str]:
    """Every queue: the process that consumes a projection's names it by schema and projection."""
    projections = {
        f"{path.parts[-2] if path.parts[-3] == 'services' else path.parts[-3]}.{name}"
        for path in ROOT.glob("services/**/projections.py")
        for name in re.findall(r'^(?:    name|NAME) = "(\w+)"$', path.read_text(), re.MULTILINE)
    }
    return projections | set(re.findall(r'work_queue\("([\w.]+)"\)', code()))


def test_the_queues_are_found() -> None:
    assert queues() == {
        "catalog.library",
        "ingest.doomed_sources",
        "transcoder.planner",
        "transcoder.urgent",
        "transcoder.bulk",
    }


@each_document
def test_queues_and_tables_exist(document: Document) -> None:
    known = queues() | database_names() | strings()
    names = set(
        re.findall(
            r"(?<![\w./])(?:auth|ingest|transcoder|catalog|live|log)\.[a-z_]+(?![\w.(])",
            "\n".join(document.quoted),
        )
    )
    for block in document.blocks("mermaid"):
        labels = re.findall(r"\|([^|]+)\|", block)
        on_arrows = set(re.findall(r"\b[a-z]+\.[a-z_]+\b", " ".join(labels)))
        # An arrow to or from the broker bears a queue's or the exchange's name.
        assert on_arrows <= queues() | {"cinelog.events"}
    assert names <= known, names - known


@each_document
def test_metrics_exist(document: Document) -> None:
    rules = "\n".join(path.read_text() for path in (CHART / "alerts").glob("*.yaml"))
    rules += "\n".join(path.read_text() for path in (CHART / "dashboards").glob("*.json"))
    rules += (ROOT / "tests" / "observability" / "rabbitmq_metrics.txt").read_text()
    unknown: set[str] = set()
    for text in document.quoted:
        for name in re.findall(r"\b(?:cinelog|gateway|http|rabbitmq)_[a-z_]+\b", text):
            base = re.sub(r"_(total|bucket|count|sum)$", "", name)
            if not ({name, base} & strings() or re.search(rf"\b{name}\b", rules)):
                unknown.add(name)
    # Roles of the database look alike.
    assert {
        name for name in unknown if name.removeprefix("cinelog_") not in needs_table().roles
    } == set()


@each_document
def test_routes_exist(document: Document) -> None:
    router = Router(routes(1))
    missing: list[str] = []
    for text in document.quoted:
        for path in re.findall(r"^(?:[A-Z]+ )?(/[a-z.][\w./{}-]*)(?:\?\S*)?$", text):
            if path.startswith("/etc/"):
                continue
            known = any(
                not isinstance(router.match(method, path.encode()), Unknown)
                for method in ("GET", "POST")
            )
            parts = [part for part in path.split("/") if part]
            if not known and not all(f"/{part}" in code() for part in parts):
                missing.append(text)
    assert missing == []


@each_document
def test_routes_that_are_called_in_examples_exist(document: Document) -> None:
    router = Router(routes(1))
    missing = [
        path
        for block in document.blocks("sh", "text", "python", "javascript")
        for path in re.findall(r"(?<=[\w}])(/api/v1/[\w./{}$-]*)", block)
        if all(
            isinstance(router.match(method, path.strip("$").encode()), Unknown)
            for method in ("GET", "POST")
        )
    ]
    assert missing == []


@each_product_document
def test_variables_exist(document: Document) -> None:
    found = needs_table()
    known = {*found.every.variables, *found.options, *found.secrets}
    for needs in (*found.processes.values(), *found.tools.values()):
        known |= {*needs.given(archived=True), *needs.options}
    known |= {name for name in dir(opentelemetry) if name.startswith("OTEL_")}
    tools = "\n".join(
        (ROOT / name).read_text() for name in ("Makefile", "deploy/local/__main__.py")
    ) + "\n".join(path.read_text() for path in (ROOT / "deploy/docker").glob("*") if path.is_file())
    unknown = [
        name
        for text in document.quoted
        for name in re.findall(r"^([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=.*)?$", text)
        if name not in known and name not in tools and not _in_code(name)
    ]
    assert unknown == []


def _in_code(name: str) -> bool:
    return re.search(rf"\b{name}\b", code()) is not None


def test_every_event_is_described_and_no_other() -> None:
    words = set(re.findall(r"\b[A-Z][a-z]+[A-Z]\w+\b", ARCHITECTURE.text))
    assert set(EVENT_TYPES) - words == set(), "docs/architecture.md lacks them"
    for name, header in (
        ("docs/architecture.md", ("Step", "Written by", "Event", "What then happens")),
        ("README.md", ("What happens", "Event")),
    ):
        for row in table(BY_NAME[name], *header):
            named = set(re.findall(r"\b[A-Z][a-z]+[A-Z]\w+\b", row[header.index("Event")]))
            assert named
            assert named <= set(EVENT_TYPES)


def test_leaders_are_those_of_the_product() -> None:
    leads = [row[2] for row in table(ARCHITECTURE, "Process", "Does", "Leads as")]
    assert {name for cell in leads for name in re.findall(r"`(\w+)`", cell)} == set(Leader)
    runbook = BY_NAME["docs/runbooks/no-leader.md"]
    rows = table(runbook, "leader", "pods", "what stands still meanwhile")
    assert {row[0].strip("`") for row in rows} == set(Leader)
    glossary = table(BY_NAME["docs/glossary.md"], "Term", "Meaning")
    assert glossary
    (meaning,) = re.findall(r"^\| leader \| (.+) \|$", BY_NAME["docs/glossary.md"].text, re.M)
    assert set(re.findall(r"`(\w+)`", meaning)) == set(Leader)


def test_processes_are_those_of_the_table_of_needs() -> None:
    rows = table(ARCHITECTURE, "Process", "Does", "Leads as")
    assert {row[0].strip("`") for row in rows} == {
        " ".join(needs.command) for needs in needs_table().processes.values()
    }


def test_the_readme_counts_every_service() -> None:
    numbers = {5: "Five", 6: "Six", 7: "Seven", 8: "Eight", 9: "Nine"}
    services = {path.parent.name for path in ROOT.glob("services/*/main.py")}
    services -= {"relay", "operator"}
    (found,) = re.findall(r"^(\w+) services \(([^)]+)\)", BY_NAME["README.md"].text, re.MULTILINE)
    assert set(found[1].split(", ")) == services
    assert found[0] == numbers[len(services)]


def test_writers_are_those_that_the_database_allows() -> None:
    rows = table(
        ARCHITECTURE, "Category", "One stream per", "Service", "Role", "Processes that append"
    )
    migrations = (ROOT / "shared/event_store/migrations").glob("*.py")
    policies = "\n".join(path.read_text() for path in migrations)
    allowed = dict(re.findall(r'^    "(\w+)": "(cinelog_\w+)",$', policies, re.MULTILINE))
    assert {row[0].strip("`-"): row[3].strip("`") for row in rows} == allowed
    assert set(allowed) == set(CATEGORY_EVENTS)
    roles = {needs.role for needs in needs_table().processes.values()}
    assert {row[3].strip("`").removeprefix("cinelog_") for row in rows} <= roles


@pytest.mark.parametrize("runbook", RUNBOOKS, ids=lambda runbook: runbook.name)
def test_a_runbook_quotes_log_lines_and_panels_that_there_are(runbook: Document) -> None:
    lines = [
        text
        for text in runbook.quoted
        if re.fullmatch(r"[a-z]+(?: [a-z]+)+", text) and not text.startswith(PROGRAMS)
    ]
    assert [line for line in lines if line not in strings()] == []
    titles: set[str] = set()
    for path in (CHART / "dashboards").glob("*.json"):
        dashboard = json.loads(path.read_text())
        titles.add(dashboard["title"].removeprefix("Cinelog / "))
        titles |= {panel["title"] for panel in dashboard["panels"]}
    panels = set(re.findall(r"(?<!\*)\*([A-Z][^*\n]+)\*(?!\*)", runbook.text))
    assert panels <= titles, panels - titles


@pytest.mark.parametrize("runbook", RUNBOOKS, ids=lambda runbook: runbook.name)
def test_a_runbook_names_the_alerts_that_lead_to_it(runbook: Document) -> None:
    leading = {
        rule["alert"]
        for file in (CHART / "alerts").glob("*.yaml")
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
        if "alert" in rule and rule["annotations"]["runbook_url"] == runbook.name
    }
    (line,) = re.findall(r"^Alerts?: (.+)$", runbook.text, re.MULTILINE)
    assert set(re.findall(r"\bCinelog\w+", line)) == leading


def test_terms_of_the_glossary_are_in_order_and_explained_once() -> None:
    text = BY_NAME["docs/glossary.md"].text
    seen: list[str] = []
    for section in text.split("\n## ")[1:]:
        terms = re.findall(r"^\| ([\w ]+) \| .+ \|$", section, re.MULTILINE)[1:]
        assert terms == sorted(terms, key=str.lower)
        seen += terms
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (test_queues_and_tables_exist, "`transcoder.nothing`"),
        (
            test_queues_and_tables_exist,
            "```mermaid\nflowchart LR\n    a -->|transcoder.tasks| b\n```",
        ),
        (test_metrics_exist, "`cinelog_relay_leader`"),
        (test_routes_exist, "`/api/v1/nothing/at/all`"),
        (
            test_routes_that_are_called_in_examples_exist,
            "```sh\ncurl localhost:8080/api/v1/nothing/at/all\n```",
        ),
        (test_variables_exist, "`NO_SUCH_VARIABLE`"),
        (test_a_runbook_quotes_log_lines_and_panels_that_there_are, "`the relay is unhappy`"),
        (test_a_runbook_quotes_log_lines_and_panels_that_there_are, "see *No such panel*"),
    ],
)
def test_a_wrong_document_is_found(check: Callable[[Document], None], text: str) -> None:
    with pytest.raises(AssertionError):
        check(Document("docs/page.md", f"# Page\n\n{text}\n"))

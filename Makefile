# `make up` runs everything on this machine; `make test` checks everything. `make help` lists all.
SHELL := /bin/sh
.DEFAULT_GOAL := help

CINELOG_HOME ?= $(CURDIR)/.local
export CINELOG_HOME

PYTHON := .venv/bin/python
LOCAL := $(PYTHON) -m deploy.local
GROUPS := bootstrap gateway auth ingest transcoder live catalog relay operator run bench dev
IMAGES := gateway auth ingest transcoder catalog live relay operator
# Bytecode and rewritten assertions are kept, whatever the environment says: reading all tests anew
# costs each lane ten seconds, and each service that is started one.
export PYTHONDONTWRITEBYTECODE :=
# Tests that run at the same time; 0 runs one after the other, in one process. One more than the
# processors that CI has: a fifth of the time a test only waits.
LANES ?= 3
# Programs with an environment of their own, as they pin half of the world.
TOOLS := checkov==3.3.30 cyclonedx-bom==7.5.0 pip-audit==2.10.1 pre-commit==4.7.0 py-spy==0.4.3

# Installs one of them, as requirements/tools/ pins it.
tool = .venv/bin/uv venv --quiet --allow-existing .venv/$(1) && \
	.venv/bin/uv pip install --quiet --python .venv/$(1) --require-hashes --no-deps -r requirements/tools/$(1).txt

.PHONY: coverage images test-images chart sbom audit openapi-diff openapi-released version release hooks check profile
.PHONY: help cli chaos two-versions test-cluster attack fuzz-media fuzz-live test-live-publishers mutants up down status logs clean demo test unit lint fmt typecheck migration lock openapi bench-gateway bench-events bench-transcode bench-reconcile bench-uploads bench-reads bench-scale bench-faults bench-live bench-idle fetch-run fetch-dev

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

up: fetch-run ## Start everything; PORT=8080 WORKERS=2 CINELOG_HOME=.local OBSERVABILITY=1; STOPPED=1: only the parts
	@$(LOCAL) up

down: ## Stop everything; the state stays
	@if [ -x $(PYTHON) ]; then $(LOCAL) down; else echo "Nothing is running."; fi

status: ## Show every process and whether it is well
	@if [ -x $(PYTHON) ]; then $(LOCAL) status; else echo "Nothing is running."; fi

logs: ## Follow the logs; SERVICE=gateway for one of them
	@$(LOCAL) logs $(SERVICE)

clean: ## Stop everything and forget its state
	@if [ -x $(PYTHON) ]; then $(LOCAL) clean; else rm -rf "$(CINELOG_HOME)"; fi

demo: ## Upload a real clip and print where to watch it
	@$(LOCAL) demo

test: fetch-dev ## Everything: style, types, import rules, the web client, unit to end-to-end, coverage
	@mkdir -p dist
	@rm -f dist/passed-alone.txt .pytest_cache/v/cache/lastfailed
	@status=0; \
	$(PYTHON) -m slipcover --source services,shared --json --out dist/coverage.json \
		-m pytest -n $(LANES) --durations=25 || $(PYTHON) -m tools.failed_again || status=1; \
	$(MAKE) --silent coverage || status=1; \
	exit $$status

# Percent of the statements of services/ and shared/ that tests execute in their own process.
FLOOR := 84

coverage: ## What the last `make test` left untested; fails below the floor
	@test -f dist/coverage.json || { echo "Run make test first."; exit 1; }
	@$(PYTHON) -m slipcover --skip-covered --fail-under $(FLOOR) --out dist/coverage.json \
		--merge dist/coverage.json || { echo "coverage is below $(FLOOR) %"; exit 1; }

unit: fetch-dev ## Only the fast tests, which need no parts
	@$(PYTHON) -m pytest -q -n $(LANES) tests/unit tests/contract/test_golden_events.py tests/architecture

check: fetch-dev ## Only what changed since main (BASE=…): style, import rules, types, unit tests
	@$(PYTHON) -m tools.check $(BASE)

lint: ## Style of Python and of the web client, and the import rules
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@.venv/bin/lint-imports --no-cache
	@cd web && npm run --silent lint

fmt: ## Put Python and the web client into shape; what no tool can mend is listed
	@status=0; \
	$(PYTHON) -m ruff format . || status=1; \
	$(PYTHON) -m ruff check --fix . || status=1; \
	$(PYTHON) -m ruff format --quiet . || status=1; \
	(cd web && npm run --silent format) || status=1; \
	exit $$status

hooks: fetch-dev ## Check style and import rules before each commit, by pre-commit
	@$(call tool,pre-commit)
	@.venv/pre-commit/bin/pre-commit install

typecheck: ## Types of Python and of the web client
	@.venv/bin/pyright
	@cd web && npm run --silent typecheck

migration: ## Write a migration from the models: service=catalog name="add captions"
	@$(PYTHON) -m deploy.local.migration "$(service)" "$(name)"

lock: ## Pin requirements/*.txt from pyproject.toml
	@.venv/bin/uv lock --quiet
	@for group in $(GROUPS); do \
		.venv/bin/uv export --quiet --frozen --no-emit-project --no-annotate --no-header \
			--only-group $$group --output-file requirements/$$group.txt >/dev/null || exit 1; \
	done
	@for tool in $(TOOLS); do \
		echo $$tool | .venv/bin/uv pip compile --quiet --universal --generate-hashes --no-annotate \
			--no-header --python-version 3.11 --output-file requirements/tools/$${tool%%==*}.txt - || exit 1; \
	done

cli: ## Operate it: make cli ARGS="projections status"; ARGS=--help lists all
	@$(LOCAL) cli $(ARGS)

profile: ## Sample a process of make up: SERVICE=gateway SECONDS=30; into dist/, for speedscope
	@$(call tool,py-spy)
	@$(PYTHON) -m tools.profiling $(SERVICE) $(SECONDS)

chaos: fetch-dev ## 300 uploads while 110 things go wrong; SEED="1 2" replays, KINDS="mute *,lose power" UPLOADS=20 FAULTS=10
	@$(PYTHON) -m tests.chaos --uploads $(or $(UPLOADS),300) --faults $(or $(FAULTS),110) \
		$(if $(SEED),--seed $(SEED)) $(if $(KINDS),--kinds "$(KINDS)")

two-versions: fetch-dev ## An earlier version and today's in turn on one state, rolled back and forward; BASE=commit
	@$(PYTHON) -m tests.chaos.two_versions $(if $(BASE),--base $(BASE)) $(if $(UPLOADS),--uploads $(UPLOADS))

test-cluster: fetch-dev ## The chart on a real cluster, kubectl's or one of CLUSTER_TOOL=program: every pod killed, upgraded, restored; STEPS="story drain" KEEP=1
	@$(PYTHON) -m tests.cluster $(if $(KEEP),--keep) $(if $(NAMESPACE),--namespace $(NAMESPACE)) $(STEPS)

attack: fetch-dev ## What one account can take away from others, one line for each attack; NAMES="event streams"
	@$(PYTHON) -m tests.attack $(if $(NAMES),"$(NAMES)")

fuzz-media: fetch-dev ## Files of a grammar, each compared with what plain ffmpeg decodes; FILES=1000 SEED=…
	@$(PYTHON) -m tests.media.fuzz --files $(or $(FILES),1000) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY))

fuzz-live: fetch-dev ## Mutated input of publishers, of every protocol; CASES=100000 SEED=…
	@$(PYTHON) -m tests.support.live_fuzz --cases $(or $(CASES),100000) $(if $(SEED),--seed $(SEED))

test-live-publishers: fetch-dev ## Lives from real OBS, GStreamer, both ffmpegs and Chromium; NAMES="obs"
	@CINELOG_TEST_PUBLISHERS=1 $(PYTHON) -m pytest -v tests/publishers $(if $(NAMES),-k "$(NAMES)")

mutants: fetch-dev ## Change the code and see whether a test notices; MODULES="scheduler …" SAMPLE=300 SEED=…
	@$(PYTHON) -m tests.mutants $(MODULES) $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(SEED),--seed $(SEED))

openapi: ## Write web/openapi.json from the services' routes and the client's types from it
	@$(PYTHON) -m tools.openapi_document
	@cd web && npm run --silent generate

openapi-diff: ## What breaks clients, and what is new, since the last release
	@$(PYTHON) -m tools.openapi_diff

openapi-released: ## Keep the document of this release, to compare the next one with
	@cp web/openapi.json docs/api/openapi-released.json

version: ## Print the version and where it stands; NEW=0.2.0 writes it everywhere
	@$(PYTHON) -m tools.versions $(NEW)
	@$(if $(NEW),$(MAKE) --silent openapi)

release: ## Check whether this commit can be released and print what to do; tags nothing
	@$(PYTHON) -m tools.release

bench-gateway: fetch-dev ## The gateway beside nginx and Traefik; SECTIONS="requests bodies …"
	@.venv/bin/uv pip install --quiet --python $(PYTHON) --require-hashes -r requirements/bench.txt
	@$(PYTHON) -m benchmarks.gateway.run $(SECTIONS)

bench-events: fetch-dev ## The event log beside pgbench and eventsourcing; SECTIONS="append visible projection rebuild"
	@.venv/bin/uv pip install --quiet --python $(PYTHON) --require-hashes -r requirements/bench.txt
	@$(PYTHON) -m benchmarks.events $(SECTIONS)

bench-transcode: fetch-dev ## What split encoding costs, and how soon an upload plays; SECTIONS="encode av1 …"
	@$(PYTHON) -m benchmarks.transcode $(SECTIONS)

bench-reconcile: fetch-dev ## Seconds that a reconciliation of 10,000 videos takes; VIDEOS=1000
	@$(PYTHON) -m benchmarks.reconcile

bench-uploads: fetch-dev ## What it costs that an upload is on disk; tus beside tusd
	@mkdir -p dist
	@$(PYTHON) -m benchmarks.uploads
	@$(PYTHON) -m benchmarks.uploads.beside

bench-reads: fetch-dev ## CPU of what people read most, also beside Go; AGAINST=… another checkout
	@AGAINST=$(AGAINST) $(PYTHON) -m benchmarks.reads
	@$(PYTHON) -m benchmarks.reads.beside

bench-scale: fetch-dev ## How the CPU of reads grows with the videos; VIDEOS=100000
	@VIDEOS=$(or $(VIDEOS),100000) $(PYTHON) -m benchmarks.reads.scale

bench-faults: fetch-dev ## Seconds until work goes on after a fault; SECTIONS="mute broker"
	@$(PYTHON) -m benchmarks.faults $(SECTIONS)

bench-live: fetch-dev ## How soon lives are seen, and what they cost; SECTIONS="glass cpu …" MINUTES=10 SECONDS=60 ROUNDS=5
	@$(PYTHON) -m benchmarks.live $(SECTIONS) $(if $(MINUTES),--minutes $(MINUTES)) \
		$(if $(SECONDS),--seconds $(SECONDS)) $(if $(ROUNDS),--rounds $(ROUNDS))

bench-idle: fetch-dev ## What the whole stack costs at rest: CPU, wake-ups, memory; SECONDS=120 SETTLE=90
	@$(PYTHON) -m benchmarks.idle $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SETTLE),--settle $(SETTLE))

images: fetch-dev ## Build every service's image; BASES=debian where no base can be pulled, REGISTRY=… PUSH=1
	@$(PYTHON) -m deploy.docker.images $(SERVICE)

test-images: images ## The end-to-end story and the contract against containers of the images
	@CINELOG_TEST_IMAGES=1 $(PYTHON) -m pytest -q tests/images/test_images.py tests/e2e/test_story.py \
		tests/e2e/test_contract.py --deselect $(FROZEN); \
		status=$$?; docker ps --quiet --filter label=cinelog-test | xargs -r docker rm --force; exit $$status

# It freezes the workers by their process numbers, which are not a container's.
FROZEN := tests/e2e/test_story.py::test_processing_is_stopped_and_taken_up_again

chart: fetch-dev ## Write the chart's README from its values, check it and pack it into dist/
	@$(PYTHON) -m deploy.helm.values_table
	@$(PYTHON) -m pytest -q tests/deploy
	@"$$($(PYTHON) -m deploy.helm.program)" package --destination dist deploy/helm/cinelog

sbom: fetch-run ## What every image and the client are made of, as CycloneDX in dist/
	@$(call tool,cyclonedx-bom)
	@mkdir -p dist
	@for group in $(IMAGES); do \
		.venv/cyclonedx-bom/bin/python -W ignore -m cyclonedx_py requirements --pyproject pyproject.toml \
			--short-PURLs --output-reproducible --output-file dist/$$group.cdx.json \
			requirements/$$group.txt || exit 1; \
	done
	@cd web && npm sbom --sbom-format cyclonedx --omit dev > ../dist/web.cdx.json.part
	@mv dist/web.cdx.json.part dist/web.cdx.json

audit: fetch-run ## Known vulnerabilities in what the images and the client are made of
	@$(call tool,pip-audit)
	@for group in $(IMAGES); do \
		.venv/pip-audit/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off \
			-r requirements/$$group.txt || exit 1; \
	done
	@cd web && npm audit --omit dev

fetch-run:
	@python3 deploy/local/bootstrap.py run

fetch-dev:
	@python3 deploy/local/bootstrap.py dev
	@$(PYTHON) -m deploy.helm.checkers

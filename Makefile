# `make demo` and `make test` need Python 3.11+ and make, nothing else: uv comes into the virtual environment, and uv.lock
# (with hashes) says what is installed.
PYTHON ?= python3
VENV   := .venv
RUN    := $(VENV)/bin/
UV     := $(VENV)/uv/bin/uv
STAMP  := $(VENV)/.synced

# Without compiled files beside the installed packages each process compiles hundreds of modules: seconds of CPU.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo serve ui test test-slow second-server coverage fuzz lint types-newest lowest audit sbom docs reference screenshots bench score clean

demo: $(STAMP)
	$(RUN)billing-dq demo

# What `make demo` kept, in a browser.
serve: $(STAMP)
	BILLING_DQ_CONFIG=.billing_dq/demo/billing_dq.toml $(RUN)billing-dq serve --open

ui: $(STAMP)
	$(RUN)billing-dq demo --ui

test: $(STAMP)
	$(RUN)pytest -n 2 --dist loadfile -m 'not slow'

# What takes minutes: shards, engines, a browser, processes that are killed, a simulated year.
test-slow: $(STAMP)
	$(RUN)pytest -n 2 --dist loadfile -m slow

# The integration tests against a second implementation of MongoDB's wire protocol; needs Java and Maven.
second-server: $(STAMP)
	tests/second_server/run -q

# The tests, with what they reach; COVERAGE_CORE=sysmon (Python 3.12+) costs next to nothing.
coverage: $(STAMP)
	$(RUN)pytest -n 2 --dist loadfile --cov --cov-report=term --cov-report=html:dist/coverage

# Inputs that are changed until they reach new code, for a target of tests/fuzz/targets.py; fetches Atheris.
TARGET       ?= documents
FUZZ_SECONDS ?= 600
fuzz: $(STAMP)
	$(UV) run --isolated --locked --all-extras --with 'atheris>=3,<4' \
		python -m tests.fuzz.coverage_guided $(TARGET) $(or $(INPUT),-max_total_time=$(FUZZ_SECONDS))

lint: $(STAMP)
	$(RUN)ruff check .
	$(RUN)ruff format --check .
	$(RUN)pyright
	$(RUN)lint-imports
	$(RUN)pymarkdown scan *.md docs/*.md deploy/*.md
	$(RUN)dagster definitions validate

# The types as the newest Python has them; `lint` has those of the Python that is there.
types-newest: $(STAMP)
	$(RUN)pyright --pythonversion 3.13

# The lowest versions that pyproject.toml names, in an environment of their own: what touches a library.
LOWEST ?= tests/alerts tests/catalog tests/defs/test_night.py tests/rules/test_sql.py tests/serving/test_metrics.py \
          tests/serving/test_assistant.py tests/sources/stripe tests/storage/test_stored_table.py tests/test_settings.py
lowest: $(STAMP)
	mkdir -p dist
	$(UV) pip compile --quiet --resolution lowest-direct --extra ui --extra otel --extra mcp pyproject.toml --output-file dist/lowest.txt
	$(UV) venv --quiet --clear --python $(RUN)python dist/lowest
	$(UV) pip install --quiet --python dist/lowest/bin/python --requirement dist/lowest.txt pytest hypothesis 'moto[s3,server]' 'secantusdb==0.7.0b3'
	$(UV) pip install --quiet --python dist/lowest/bin/python --no-deps --editable .
	PYTHONPATH=. dist/lowest/bin/python -m pytest $(LOWEST)

# Known weaknesses of what the lock file installs, and of the workflows; asks the advisory databases, so it needs the network.
audit: $(STAMP)
	mkdir -p dist
	$(UV) export --locked --all-extras --no-emit-project --output-file dist/requirements.txt --quiet
	$(UV) tool run --isolated 'pip-audit>=2.10,<3' --requirement dist/requirements.txt --disable-pip --require-hashes
	$(UV) tool run --isolated 'zizmor>=1.16,<2' --offline .github

# What is shipped, as CycloneDX: the packages of the image with their hashes.
sbom: $(STAMP)
	mkdir -p dist
	$(UV) export --locked --no-dev --extra ui --extra postgres --no-emit-project --output-file dist/requirements-image.txt --quiet
	$(UV) tool run --isolated --from 'cyclonedx-bom>=7,<8' cyclonedx-py requirements dist/requirements-image.txt --pyproject pyproject.toml --output-file dist/sbom.cdx.json

# The reference of the Python API, from the docstrings.
docs: $(STAMP)
	$(RUN)pdoc billing_dq --docformat google --output-directory dist/api

# The columns in docs/tables.md, from the table contracts.
reference: $(STAMP)
	$(RUN)python -m tests.support.table_reference

# The pictures of README.md, from what `make demo` kept; needs Chromium and its driver.
screenshots: $(STAMP)
	$(RUN)python -m docs.screenshots

bench: $(STAMP)
	$(RUN)billing-dq bench

score: $(STAMP)
	$(RUN)billing-dq score

$(STAMP): uv.lock pyproject.toml billing_dq_simulation/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "billing_dq needs Python 3.11 or newer; set PYTHON=")'
	@test -x $(RUN)python || $(PYTHON) -m venv $(VENV)
	@test -x $(UV) || { $(PYTHON) -m venv $(VENV)/uv && $(VENV)/uv/bin/pip install --quiet 'uv>=0.9'; }
	UV_PROJECT_ENVIRONMENT=$(VENV) $(UV) sync --locked --all-extras --all-packages --python $(RUN)python
	@touch $(STAMP)

clean:
	rm -rf $(VENV) .billing_dq .pytest_cache .ruff_cache .hypothesis .coverage .coverage.* dist

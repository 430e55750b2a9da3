# Every target works on a fresh machine that has Python 3.11 or newer and make: it builds the environment it needs.
PYTHON ?= python3
# The demo's options, for example: make demo DEMO="--traffic log.jsonl.gz --key key.jsonl.gz"
DEMO ?=
# Pytest's options, for example: make test TESTS="-k gateway"
TESTS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test check format bench clean

help: ## Says what there is
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: .venv/.demo ## Runs the main job: the whole ring, offline, in minutes
	.venv/bin/tierwright demo $(DEMO)

test: .venv-test/.test ## Runs all tests
	.venv-test/bin/python -m pytest -n 2 --dist loadgroup $(TESTS)

check: .venv-dev/.dev ## What must pass before a commit: format, lint, types, imports, fast tests
	.venv-dev/bin/ruff format --check .
	.venv-dev/bin/ruff check .
	.venv-dev/bin/mypy
	.venv-dev/bin/lint-imports --no-cache
	.venv-dev/bin/python -m pytest -n 2 -q -m "not slow" tests/unit

format: .venv-dev/.dev ## Formats the code
	.venv-dev/bin/ruff format .
	.venv-dev/bin/ruff check --fix .

bench: .venv-test/.test ## Prints the figures that README, docs and LAB.md quote
	for script in benchmarks/*.py; do .venv-test/bin/python $$script || exit 1; done

clean: ## Removes the environments and what tools left behind
	rm -rf .venv .venv-test .venv-dev build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# An environment is made again whenever the pinned dependencies change.
define environment
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Tierwright needs Python 3.11 or newer; this is %s. Say: make PYTHON=/path/to/python3.11" % sys.version.split()[0])'
	rm -rf $(@D)
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.$(1)'
	@touch $@
endef

.venv/.demo: pyproject.toml
	$(call environment,)

.venv-test/.test: pyproject.toml
	$(call environment,[test])

.venv-dev/.dev: pyproject.toml
	$(call environment,[dev])

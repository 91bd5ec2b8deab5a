# Two commands to begin with: `make demo` and `make test`. Each makes its own .venv when there is none.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV   := .venv
BIN    := $(VENV)/bin
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$p; break; }; done)

INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
LOCK    := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
	--generate-hashes --custom-compile-command "make lock"

.PHONY: help demo test test-busy conformance explore explore-http browser lint format bench docs \
	lock licenses picture sbom audit dist clean

help: ## what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.run ## generate data, train, evaluate, deploy and ask the quickstart's model, all on this machine
	@$(BIN)/ftops data generate specs/quickstart
	@echo
	@$(BIN)/ftops apply specs/quickstart --auto-approve
	@echo
	@$(BIN)/ftops exec specs/quickstart -- specs/quickstart/ask.py \
		"Take off the drone to 50 meters" "Change drone's paint job color"
	@echo
	@echo "Next: $(BIN)/ftops plan specs/quickstart     (No changes.)"
	@echo "      edit a line of specs/quickstart/ftops.yaml, and plan again"
	@echo "      $(BIN)/ftops destroy specs/quickstart"

test: $(VENV)/.dev ## the whole test suite
	@$(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

BUSY := $(addprefix tests/functional/test_,cli_apply.py cli_exec.py cli_startup.py audit.py pains_azure.py) \
	tests/functional/test_crash.py::test_killed_at_a_random_time \
	tests/emulator/test_lifetime.py tests/store/test_processes.py \
	"tests/chaos/test_chaos.py::test_random_faults_end_converged_with_nothing_twice[0]"

test-busy: $(VENV)/.dev ## tests of processes, while four others keep the machine busy
	@burners=(); trap 'kill "$${burners[@]}"' EXIT; \
	for n in 1 2 3 4; do while :; do :; done & burners+=($$!); done; \
	$(BIN)/python -m pytest -q -n 2 --dist loadfile $(BUSY) $(ARGS)

conformance: $(VENV)/.dev ## official clients, installed from PyPI and npm, against the emulator; ARGS=tests/clients/test_X.py
	@$(BIN)/python -m tests.clients $(ARGS)

explore: $(VENV)/.dev ## random histories of the whole engine: FTOPS_EXPLORE_HISTORIES, FTOPS_EXPLORE_SEED
	@$(BIN)/python -m tests.explore
	@$(BIN)/python -m pytest -q -n 2 -m slow tests --ignore tests/functional/test_report_in_browser.py \
		--ignore tests/test_site_in_browser.py

explore-http: $(VENV)/.dev ## the same over HTTP, against emulators
	@$(BIN)/python -m tests.explore http

browser: $(VENV)/.dev docs ## the pages of `ftops report`, `data report` and the site in Chromium, if it is installed
	@$(BIN)/python -m pytest -q -m slow tests/functional/test_report_in_browser.py tests/test_site_in_browser.py $(ARGS)

lint: $(VENV)/.dev ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(VENV)/.dev ## let ruff format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(VENV)/.dev ## ftops and terraform side by side
	@$(BIN)/python -m bench.terraform $(ARGS)

docs: build/docs/.made ## the documentation site, in build/site; broken links and anchors are errors
	@build/docs/bin/zensical build --clean --strict
	@$(PYTHON) -m tools.site build/site

lock: $(VENV)/.dev ## renew the locked packages; ARGS=--upgrade-package=NAME renews one
	@$(LOCK) $(or $(ARGS),--upgrade) --extra dev --group build pyproject.toml -o requirements/dev.txt
	@$(LOCK) --constraint requirements/dev.txt pyproject.toml -o requirements/run.txt
	@$(LOCK) --constraint requirements/dev.txt --group build -o requirements/build.txt
	@$(LOCK) $(or $(ARGS),--upgrade) --constraint requirements/dev.txt --group docs -o requirements/docs.txt
	@$(MAKE) --no-print-directory licenses ARGS=

licenses: $(VENV)/.dev ## list the licences of the locked packages in docs/licenses.md
	@$(BIN)/python -m tools.licenses > docs/licenses.md

picture: $(VENV)/.dev ## draw the README's picture again, from what `ftops plan` shows
	@$(BIN)/python -m tools.picture

sbom: $(VENV)/.dev ## a CycloneDX list of what ftops runs on, in build/sbom.json
	@rm -rf build/sbom && $(PYTHON) -m venv --without-pip build/sbom
	@$(BIN)/python -m pip --python build/sbom/bin/python install --quiet --disable-pip-version-check \
		--require-hashes --requirement requirements/run.txt
	@$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
		--output-file build/sbom.json build/sbom
	@echo "build/sbom.json: $$(grep -c '"purl"' build/sbom.json) packages"

dist: $(VENV)/.run ## sdist and wheel, in dist; ftops is started from the wheel in a new environment
	@rm -rf dist build/dist && $(PYTHON) -m venv --without-pip build/dist
	@$(BIN)/python -m hatchling build --target sdist
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		--wheel-dir dist dist/*.tar.gz
	@$(BIN)/python -m pip --python build/dist/bin/python install --quiet --disable-pip-version-check \
		--require-hashes --requirement requirements/run.txt
	@$(BIN)/python -m pip --python build/dist/bin/python install --quiet --disable-pip-version-check \
		--no-deps dist/*.whl
	@cd build/dist && bin/ftops version && bin/ftops init first && bin/ftops plan first && \
		bin/ftops apply -y first && bin/ftops destroy -y first
	@echo
	@echo "Built and tried: $$(ls dist/*.whl)"
	@echo "Install it with one of: uv tool install, pipx install, pip install (in a virtual environment)"

audit: $(VENV)/.dev ## look the locked packages up in the database of known vulnerabilities
	@$(BIN)/python -m tools.audit $(ARGS)

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "ftops needs Python 3.11 or later; none was found. Set PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

build/docs/.made: $(BIN)/python requirements/docs.txt
	@rm -rf build/docs && $(PYTHON) -m venv --without-pip build/docs
	@$(BIN)/python -m pip --python build/docs/bin/python install --quiet --disable-pip-version-check \
		--require-hashes --requirement requirements/docs.txt
	@touch $@

$(VENV)/.run: $(BIN)/python pyproject.toml requirements/build.txt requirements/run.txt
	@echo "Installing ftops into $(VENV) …"
	@$(INSTALL) --require-hashes --requirement requirements/build.txt --requirement requirements/run.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml requirements/dev.txt
	@echo "Installing ftops and its development tools into $(VENV) …"
	@$(INSTALL) --require-hashes --requirement requirements/dev.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.run

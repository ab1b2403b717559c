# Needs Python >= 3.11 with pip, and make. Everything else is fetched into .venv (and uv into .tools, if there is none).

VENV := .venv
BIN  := $(VENV)/bin

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo clinic test check format bench lab lock clean

help: ## list the verbs
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

demo: $(VENV)/.run ## analyse the built-in virtual patients
	$(BIN)/melascope demo

clinic: $(VENV)/.dev ## run the clinic with demo patients
	$(BIN)/melascope clinic demo

test: $(VENV)/.dev ## all tests, with coverage
	@$(BIN)/python -m compileall -q src tests  # once, and not in each of the hundreds of processes that tests start
	$(BIN)/pytest -n 2 --cov --cov-report=term

check: $(VENV)/.dev ## style, types, and who may import whom
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## put the code in its shape
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.dev ## time each stage of an analysis
	$(BIN)/python benchmarks/analyze.py

lab: $(VENV)/.lab ## add the laboratory (torch and its company: several GB)
	@echo "the laboratory is in $(VENV)"

lock: $(VENV)/.made ## choose and pin all versions anew
	$(LOCK) --group tools -o requirements/uv.txt
	$(LOCK) --group build -o requirements/build.txt
	$(LOCK) -o requirements/run.txt -c requirements/build.txt pyproject.toml
	$(LOCK) --extra cohort --extra clinic --extra postgres --extra ray --group dev \
		--override requirements/data-only.txt -o requirements/dev.txt -c requirements/run.txt pyproject.toml
	$(LOCK) --extra lab -o requirements/lab.txt -c requirements/dev.txt pyproject.toml

include recipes/measuring.mk

clean: ## remove everything that was set up or measured
	rm -rf $(VENV) .tools .coverage .*_cache .hypothesis build dist

# ---------------------------------------------------------------- set-up

# The first Python that is new enough, by its real place: PYTHON=/usr/bin/python3.12 make test chooses another.
NEW_ENOUGH := import sys; sys.version_info >= (3, 11) and print(sys.executable)
PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11 python,\
	$(shell $(name) -c '$(NEW_ENOUGH)' 2>/dev/null)))

NEED_PYTHON = @test -n "$(PYTHON)" || { \
	echo "no Python >= 3.11 on the PATH: install one, or say make PYTHON=/its/place" >&2; exit 1; }

# The uv on the PATH if it runs, else one of our own in .tools, fetched by pip; `--target` asks for no virtual
# environment and leaves a system's Python alone (PEP 668).
UV ?= $(shell if uv --version >/dev/null 2>&1; then echo uv; else echo .tools/bin/uv; fi)
LOCK = $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	--custom-compile-command "make lock"
INSTALL = $(UV) pip install --quiet --python $(BIN)/python

export UV_PYTHON_DOWNLOADS := never
export PIP_ROOT_USER_ACTION := ignore

.tools/bin/uv:
	$(NEED_PYTHON)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-warn-script-location --upgrade \
		--target .tools --require-hashes -r requirements/uv.txt

$(VENV)/.made: $(filter .tools/bin/uv,$(UV))
	$(NEED_PYTHON)
	@rm -rf $(VENV)
	$(UV) venv --quiet --python "$(PYTHON)" $(VENV)
	@touch $@

# Requirements are complete and pinned by hash; the project itself is installed in place. Nothing is looked up again.
$(VENV)/.run $(VENV)/.dev: $(VENV)/.%: $(VENV)/.made requirements/%.txt requirements/build.txt pyproject.toml
	$(INSTALL) --compile-bytecode --no-deps --require-hashes -r requirements/build.txt -r requirements/$*.txt
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.lab: $(VENV)/.dev requirements/lab.txt
	$(INSTALL) --no-deps --require-hashes -r requirements/lab.txt
	@touch $@

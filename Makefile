# The two commands of the README are `make demo` and `make test`; each sets up what it needs.
.PHONY: help setup system demo test lint fmt bench lock

PYTHON ?= $(shell for python in python3.11 python3.12 python3.13; do command -v $$python && break; done)
BIN := .venv/bin
SYSTEM_PACKAGES := python3-venv libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core
SERVE ?= 1
PORT ?= 8000
WORKERS ?= auto

help:  ## Show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/'

system:  ## Install the system libraries that PDFs need (as root), or say the line to run
	@test -n "$(PYTHON)" || { echo "Python is missing. Run: sudo apt-get install -y python3 $(SYSTEM_PACKAGES)" >&2; exit 1; }
	@if PATH="$$PATH:/sbin" ldconfig -p | grep -q libpangoft2-1.0 && PATH="$$PATH:/sbin" ldconfig -p | grep -q libharfbuzz-subset \
	  && $(PYTHON) -c 'import ensurepip' 2>/dev/null && test -e /usr/share/fonts/truetype/dejavu; then :; \
	elif [ "$$(id -u)" = 0 ]; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(SYSTEM_PACKAGES) >/dev/null; \
	else \
	  echo "System libraries are missing. Run: sudo apt-get install -y $(SYSTEM_PACKAGES)" >&2; exit 1; \
	fi

.venv/runtime: requirements.txt | system
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

.venv/development: requirements-dev.txt .venv/runtime
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

setup: .venv/runtime  ## Make .venv with the locked dependencies

demo: export INSTITUTION_NAME ?= Larkspur University
demo: export SITE_URL ?= http://127.0.0.1:$(PORT)
demo: setup  ## Bill a made-up university's month, then serve it at 127.0.0.1:8000 (SERVE=0: do not)
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py demo
	@if [ "$(SERVE)" != 0 ]; then \
	  echo "Serving until Ctrl-C."; \
	  exec $(BIN)/gunicorn --bind 127.0.0.1:$(PORT) --threads 4 --timeout 300 --log-level warning ocb_project.wsgi; \
	fi

test: .venv/development  ## Run the whole suite (DATABASE_URL chooses the database)
	@$(BIN)/python -W error::DeprecationWarning -m pytest -n $(WORKERS) --dist loadfile

lint: export OCB_HOME = $(CURDIR)/.venv/lint
lint: .venv/development  ## Style, types, import direction, migrations, templates
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/python manage.py makemigrations --check --dry-run --verbosity 0
	@$(BIN)/djlint templates --lint --quiet
	@$(BIN)/mypy

fmt: .venv/development  ## Format the code
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

bench: setup  ## Measure the import and the PDFs on this machine (FULL=1: a million rows too)
	@$(BIN)/python manage.py bench $(if $(FULL),--full)

lock:  ## Renew the locked dependencies (needs uv)
	uv pip compile --quiet pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -o requirements.txt
	uv pip compile --quiet pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -c requirements.txt -o requirements-dev.txt

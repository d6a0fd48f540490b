# EventPulse. `make help` explains each target.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help run test check format smoke clean

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "eventpulse: $(PYTHON) is not installed: install Python 3.11, or say make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "eventpulse: $(PYTHON) is not Python 3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: $(BIN)/python pyproject.toml requirements.lock
	@echo "Installing what EventPulse needs to run (some minutes the first time) ..."
	$(PIP) install --progress-bar on -c requirements.lock -e .
	@touch $@

$(VENV)/dev.stamp: $(BIN)/python pyproject.toml requirements.lock
	@echo "Installing what EventPulse needs to run, train and be tested (some minutes the first time) ..."
	$(PIP) install --progress-bar on -c requirements.lock -e '.[train,dev]'
	@touch $@ $(VENV)/run.stamp

run: $(VENV)/run.stamp ## Run it: sample event, or REPLAY=file EVENT=name SPEED=50 [TIMES=kept|shifted] [PORT=8000]
	@$(BIN)/python -m cluster.local $(if $(PORT),--port $(PORT)) $(if $(RAY_DASHBOARD_PORT),--ray-dashboard-port $(RAY_DASHBOARD_PORT)) $(if $(REPLAY),--replay '$(REPLAY)') $(if $(EVENT),--event '$(EVENT)') $(if $(QUERY),--query '$(QUERY)') $(if $(SPEED),--speed $(SPEED)) $(if $(TIMES),--times $(TIMES)) $(if $(LIVE_ONLY),--no-replay)

test: $(VENV)/dev.stamp ## Run the tests
	$(BIN)/python -m pytest

check: $(VENV)/dev.stamp ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/dev.stamp ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

smoke: $(VENV)/run.stamp ## Bring everything up on free ports, kill the live pipeline once, recount; prints one JSON line
	@$(BIN)/python -m cluster.smoke

clean: ## Remove the virtual environment and the local state
	rm -rf $(VENV) var

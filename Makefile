# `make` lists what there is.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# How many scenarios, or tests, run side by side, each with a lab of its own: four for each processor, or two in Docker
# and of tests; one in the lab of docker-start.
WORKERS ?= auto
# docker, local, or auto: Docker where an engine answers.
LAB ?= auto
# Where Kamailio and SIPp come from: trixie, sid, a root filesystem's directory, an image.
KAMAILIO ?=
# The directory of your own kamailio.cfg; without it this project's is tested.
CONFIG ?=
FROM = $(if $(KAMAILIO),--kamailio $(KAMAILIO))
PYTEST_FROM = $(if $(KAMAILIO),--rating-kamailio $(KAMAILIO)) $(if $(CONFIG),--rating-kamailio-config $(CONFIG))
# Plugins of the tests' own libraries, which scenarios don't use: each worker would import them, for a second.
WITHOUT = -p no:schemathesis -p no:hypothesispytest
# Further options for pytest: make test-kamailio ARGS="-k failover"
ARGS ?=

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(VENV)/.ready ## Make .venv, and install what the machine lacks (as root, with apt)

$(VENV)/.ready: $(VENV)/.installed requirements-dev.txt
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.txt
	@touch $@

# What runs scenarios, without what changes this project: a third of the download. python3-venv and mmdebstrap are all
# that a fresh Debian or Ubuntu lacks.
$(VENV)/.installed: pyproject.toml requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed; this is $$($(PYTHON) --version). Another one: make PYTHON=python3.12"; exit 1; }
	@missing=""; \
	$(PYTHON) -c 'import ensurepip' 2>/dev/null || missing="$$missing python3-venv"; \
	command -v mmdebstrap >/dev/null || missing="$$missing mmdebstrap"; \
	if [ -n "$$missing" ]; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "installing$$missing"; \
			apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
		else \
			echo "missing on this machine:$$missing; install with: sudo apt-get install$$missing"; \
			case "$$missing" in *venv*) exit 1;; esac; \
		fi; \
	fi
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements.txt
	$(BIN)/pip install -q --disable-pip-version-check --no-deps -e .
	@# Where PYTHONDONTWRITEBYTECODE is set, each of a run's processes would compile the whole harness anew.
	@$(BIN)/python -m compileall -q harness
	@touch $@

LOCKED = pip compile -q --universal --python-version 3.11 --constraints constraints.txt --generate-hashes \
	--no-annotate --no-emit-index-url --custom-compile-command "make lock" pyproject.toml

.PHONY: lock
lock: setup ## Write requirements.txt and requirements-dev.txt: what constraints.txt names, with hashes
	@$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt uv
	$(BIN)/uv $(LOCKED) -o requirements.txt
	$(BIN)/uv $(LOCKED) --extra dev -o requirements-dev.txt

.PHONY: test-kamailio
test-kamailio: $(VENV)/.installed ## Run all scenarios: real calls through Kamailio and a rating engine
	@$(BIN)/rating-harness prepare --lab $(LAB) $(FROM)
	$(BIN)/pytest scenarios $(WITHOUT) -n $(WORKERS) --rating-lab $(LAB) $(PYTEST_FROM) $(ARGS)

# What `make matrix` goes through.
KAMAILIOS ?= trixie sid

.PHONY: matrix
matrix: setup ## Run all scenarios with one Kamailio after another: KAMAILIOS="trixie sid"
	@failed=""; for each in $(KAMAILIOS); do \
		echo "=== Kamailio of $$each"; $(MAKE) --no-print-directory test-kamailio KAMAILIO=$$each || failed="$$failed $$each"; \
	done; [ -z "$$failed" ] || { echo "failed with:$$failed"; exit 1; }

.PHONY: test
test: setup ## Run the project's own tests
	@$(BIN)/rating-harness prepare --lab local
	$(BIN)/pytest tests --ignore tests/browser --ignore tests/swarm --rating-lab local --rating-persistent-lab no -n $(WORKERS) --dist worksteal $(ARGS)

.PHONY: test-floors
test-floors: setup ## Try the least versions that pyproject.toml allows, on Python 3.11: a part of the tests, and calls
	$(BIN)/python tests/supported.py floors $(if $(filter auto,$(WORKERS)),2,$(WORKERS))

.PHONY: test-newest
test-newest: setup ## The same with what is locked on Python 3.14: where the machine has none, Debian sid's (as root)
	$(BIN)/python tests/supported.py newest $(if $(filter auto,$(WORKERS)),2,$(WORKERS))

.PHONY: test-swarm
test-swarm: setup ## Make a load from three Docker engines in namespaces of their own, one of them killed (as root)
	$(BIN)/pytest tests/swarm -n 0 $(ARGS)

.PHONY: test-browser
test-browser: setup ## Look at the HTML report in Chromium, without a window (installs it: as root, with apt)
	@$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[browser]'
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; } || \
		{ echo "missing on this machine: chromium; install with: sudo apt-get install chromium"; exit 1; }
	$(BIN)/pytest tests/browser -n 0 $(ARGS)

.PHONY: docs
docs: setup ## Build the documentation's site into build/site; a link that leads nowhere fails it
	$(BIN)/python -m documentation

.PHONY: lint
lint: setup ## Check style, types and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

.PHONY: bench
bench: setup ## Measure what the harness, the tap, the engine and the rating cost, as ratios: six minutes (needs wrk)
	$(BIN)/python -m benchmarks.ratios $(ARGS)

.PHONY: bench-check
bench-check: setup ## The same, and fail when a ratio fell by more than its noise since benchmarks/ratios.json
	$(BIN)/python -m benchmarks.ratios --check $(ARGS)

.PHONY: bench-engine
bench-engine: setup ## Measure the embedded engine against a bare route (needs wrk)
	$(BIN)/python -m benchmarks.engine $(ARGS)

.PHONY: soak
soak: setup ## Make mixed calls with faults for a long while: RATE=50 DURATION=1800
	$(BIN)/python -m benchmarks.soak --rate $(or $(RATE),50) --seconds $(or $(DURATION),1800) $(FROM)

.PHONY: flood
flood: setup ## Flood Kamailio with INVITEs while the agent is silent, and time OPTIONS: ARGS="--rate 1000 --seconds 60"
	$(BIN)/python -m benchmarks.flood $(FROM) $(ARGS)

.PHONY: attack
attack: setup ## Attack Kamailio at random beside honest calls, and see whether the ledger is exact: MINUTES=30 ARGS="--seed 1"
	$(BIN)/python -m benchmarks.attack --minutes $(or $(MINUTES),30) $(FROM) $(ARGS)

.PHONY: public-tools
public-tools: setup ## Run sipvicious and sipsak against Kamailio beside honest calls (installs them: as root, with apt)
	@command -v svmap >/dev/null && command -v sipsak >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends sipvicious sipsak >/dev/null; } || \
		{ echo "missing on this machine: sipvicious, sipsak; install with: sudo apt-get install sipvicious sipsak"; exit 1; }
	$(BIN)/python -m benchmarks.public_tools $(FROM) $(ARGS)

.PHONY: coverage
coverage: setup ## Run all scenarios, and say what of the configuration none executes; reports in coverage/
	@$(BIN)/rating-harness prepare --lab $(LAB) $(FROM)
	$(BIN)/pytest scenarios -q $(WITHOUT) -n $(WORKERS) --rating-lab $(LAB) $(PYTEST_FROM) --rating-cov coverage $(ARGS)

.PHONY: mutate
mutate: setup ## Break the configuration in one place at a time, and see who notices: ARGS="--since HEAD~1"
	@$(BIN)/rating-harness prepare --lab $(LAB) $(FROM)
	$(BIN)/rating-harness mutate --lab $(LAB) $(FROM) $(ARGS)

.PHONY: mutate-checks
mutate-checks: setup ## Break what judges in one place at a time, and see whether its tests notice: ARGS="evidence/tables"
	@$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[mutation]'
	$(BIN)/python -m benchmarks.mutate_checks $(ARGS)

.PHONY: flake
flake: setup ## Run all scenarios N times (50), and go on where it was left: a flake is a failure
	@$(BIN)/rating-harness prepare --lab $(LAB) $(FROM)
	$(BIN)/python -m benchmarks.flake --runs $(or $(N),50) -- -n $(WORKERS) --rating-lab $(LAB) $(PYTEST_FROM) $(ARGS)

# Of the scenarios those that ask what any integration has to do; the others know this one's log, switches and policies.
ANY := $(addprefix scenarios/,authorization dialog routing unanswered)

.PHONY: test-public
test-public: setup ## Try a checkout of the public integration: its files, and its configuration: DIR=...
	$(BIN)/pytest $(DIR)/tests/scenarios/*.yaml -n $(WORKERS) --rating-lab $(LAB) $(PYTEST_FROM) $(ARGS)
	$(BIN)/pytest $(DIR)/tests/scenarios/*.yaml -n $(WORKERS) --rating-lab $(LAB) $(PYTEST_FROM) --rating-kamailio-config $(DIR)/conf/kamailio
	@echo "What its own files don't see in its configuration (docs/public-example.md):"
	$(BIN)/pytest $(ANY) -n $(WORKERS) --rating-lab $(LAB) $(PYTEST_FROM) --rating-kamailio-config $(DIR)/conf/kamailio; test $$? = 1

.PHONY: docker-start
docker-start: $(VENV)/.installed ## Bring a lab up and leave it there to play with
	$(BIN)/rating-harness up --lab $(LAB)

.PHONY: docker-stop
docker-stop: $(VENV)/.installed ## Remove the lab of docker-start
	$(BIN)/rating-harness down

.PHONY: docker-logs
docker-logs: $(VENV)/.installed ## Show what the services of that lab have logged
	$(BIN)/rating-harness logs

.PHONY: doctor
doctor: $(VENV)/.installed ## Tell what the machine has for a lab, and what it lacks
	$(BIN)/rating-harness doctor

.PHONY: clean
clean: ## Remove what killed runs left behind, and the virtual environment
	@if [ -x $(BIN)/rating-harness ]; then $(BIN)/rating-harness clean; fi
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis

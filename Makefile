# Callscribe: commands for development. `make` alone lists them.
#
#   ARGS          extra arguments: make test ARGS="-k retry", make demo ARGS=--once, make sam-local ARGS="--port 3001"
#   ARCHITECTURE  the processor to build for: x86_64 or arm64; by default that of the stage in samconfig.toml, else x86_64
#   BUILD_DIR     the folder for the built functions
#   STAGE         the stage to deploy, a section of samconfig.toml: default, staging, production
#   JOBS          how many test files run at the same time: one more than processors, because many of them wait; 0: no parallel runs

ARGS         ?=
ARCHITECTURE ?=
BUILD_DIR    ?= .aws-sam/build
STAGE        ?= default
JOBS         ?= 3

# From npm: a second DynamoDB engine for the tests of races, and the accessibility rules for the admin page. Tests that need
# them are skipped if they cannot be installed.
DYNALITE := .build/dynalite/.installed
AXE      := .build/axe/.installed
# Checks the admin page's files. If it cannot be installed, `make lint` says so and skips the check.
BIOME    := .build/biome/.installed

# Versions of the admin page's libraries: `make vendor`.
PREACT := 11.2.0
HTM    := 3.1.1

export SAM_CLI_TELEMETRY := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# The executable of the first of these that is Python 3.13: `python3` may be another version, or a shim.
IS_3_13 := import sys; sys.exit(sys.version_info[:2] != (3, 13) or print(sys.executable))
PYTHON   = $(shell for each in python3.13 python3 python; do $$each -c '$(IS_3_13)' 2>/dev/null && break; done)
VENV    := .venv/bin
# SAM CLI builds with the first `python` on the PATH, so that must be this one.
IN_SAM  := PATH="$(CURDIR)/.venv-sam/bin:$$PATH"
SAM     := $(IN_SAM) .venv-sam/bin/sam
DEPLOYMENT = $(IN_SAM) .venv-sam/bin/python -m deployment

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup setup-whisper build deploy outputs check lint format audit lock vendor test test-all coverage demo sam-local rehearsal clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: .venv/.installed ## create .venv with everything that the local stack and the tests need

setup-whisper: .venv-whisper/.installed ## create .venv-whisper for `up --recogniser whisper`: faster-whisper, without a model

build: .venv-sam/.installed samconfig.toml ## check the template and build the functions and their layer for Lambda
	$(SAM) validate --lint
	$(DEPLOYMENT) build --build-dir $(BUILD_DIR) --stage $(STAGE) --architecture "$(ARCHITECTURE)"
# Lambda's code folder is read-only, so include byte code. Check it by hash, because zipping changes modification times.
	.venv-sam/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash $(BUILD_DIR)

# Not echoed, because ARGS may contain the key of the WhisperX server.
deploy: override BUILD_DIR = .aws-sam/build
deploy: build ## deploy to AWS, guided if the stack does not exist; STAGE=staging or production for another stack
	@$(DEPLOYMENT) deploy --stage $(STAGE) --architecture "$(ARCHITECTURE)" $(ARGS)

outputs: .venv-sam/.installed samconfig.toml ## show the outputs of the stack: the URL of the admin page, buckets and commands
	@$(DEPLOYMENT) outputs --stage $(STAGE) $(ARGS)

# Not in the repository, because SAM saves the answers of the first deployment in it.
samconfig.toml:
	cp samconfig.example.toml $@

check: lint audit test ## run lint, audit and test: before each commit

# $(call biome,OPTIONS)
biome = @if [ -e $(BIOME) ]; then ./.build/biome/node_modules/.bin/biome check $(1); \
  else echo "The admin page's files are not checked: biome needs npm."; fi

lint: .venv/.installed $(BIOME) ## check style, formatting and types
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/mypy
	$(call biome,--error-on-warnings)

format: .venv/.installed $(BIOME) ## format all code, and fix what the linters can fix
	$(VENV)/ruff check --fix .
	$(VENV)/ruff format .
	$(call biome,--write)

audit: .venv-sam/.installed .venv-audit/.installed ## check the template with cfn-lint, and its security with checkov
	.venv-sam/bin/cfn-lint --include-checks I --format pretty template.yaml
	.venv-audit/bin/checkov --file template.yaml --config-file .checkov.yaml

LOCK = uv pip compile --quiet --universal --python-version 3.13 --generate-hashes --no-header --no-annotate $(ARGS)

lock: ## pin the requirements of the .in files, with hashes, in the .txt files; ARGS=--upgrade for newer versions
	@command -v uv >/dev/null || { echo "make lock needs uv on the PATH: pipx install uv" >&2; exit 1; }
	$(LOCK) layers/shared/requirements.in -o layers/shared/requirements.txt
	$(LOCK) functions/api/requirements.in -c layers/shared/requirements.txt -o functions/api/requirements.txt
	$(LOCK) functions/process/requirements.in -o functions/process/requirements.txt
	$(LOCK) functions/sync/requirements.in -o functions/sync/requirements.txt
	$(LOCK) requirements/dev.in -c layers/shared/requirements.txt -c functions/api/requirements.txt \
	  -c functions/process/requirements.txt -c functions/sync/requirements.txt -o requirements/dev.txt
	$(LOCK) requirements/sam.in -o requirements/sam.txt
	$(LOCK) requirements/audit.in -o requirements/audit.txt
	$(LOCK) requirements/ministack.in -o requirements/ministack.txt
	$(LOCK) requirements/runtime.in -o requirements/runtime.txt
	$(LOCK) requirements/whisper.in -c requirements/dev.txt -o requirements/whisper.txt

vendor: ## download the libraries of the admin page
	@rm -rf .build/vendor && mkdir -p .build/vendor
	npm install --prefix .build/vendor --no-save --no-package-lock --no-audit --no-fund --ignore-scripts preact@$(PREACT) htm@$(HTM)
	@set -e; from=.build/vendor/node_modules to=functions/api/admin/vendor; \
	  for each in preact htm; do cp $$from/$$each/LICENSE $$to/$$each.LICENSE; done; \
	  cp $$from/htm/dist/htm.module.js $$to/htm.js; \
	  sed '/^\/\/# sourceMappingURL/d' $$from/preact/dist/preact.mjs >$$to/preact.js; \
	  sed -e '/^\/\/# sourceMappingURL/d' -e 's#from"preact"#from"./preact.js"#' $$from/preact/hooks/dist/hooks.mjs >$$to/hooks.js

# A fixed hash seed gives sets the same order each time, and so the state machine test the same examples.
PYTEST = PYTHONHASHSEED=0 $(VENV)/python -m pytest -rs -n $(JOBS) --dist loadfile

test: .venv/.installed ## run the quick tests, in five to seven minutes
	$(PYTEST) -m "not slow" $(ARGS)

test-all: .venv/.installed .venv-sam/.installed .venv-whisper/.installed $(DYNALITE) $(AXE) ## run every test that this machine can run, and measure coverage
	@$(MAKE) --no-print-directory .venv-ministack/.installed || echo "The rehearsal is skipped: .venv-ministack could not be installed."
	$(PYTEST) --cov --cov-report= $(ARGS)

# COVERED is the minimum coverage of lines and branches, in percent. The COMPLETE modules decide what happens to a recording, so
# they must be covered completely. A module without data, for example after it was renamed, fails too.
COVERED  := 95
COMPLETE := $(addprefix layers/shared/callscribe/,recordings/state_machine.py recordings/transitions.py recordings/circuit_breaker.py store/admission.py)
PACKAGES  = $(patsubst %,'%**',$(filter-out %/__pycache__/,$(wildcard functions/*/ layers/shared/callscribe/*/)))
COVERAGE := $(VENV)/coverage report --format=total --precision=1

coverage: .venv/.installed ## report the coverage of the last make test-all by package; fails below the limits
# First combine the data that processes wrote after the tests had ended, so that its message is not part of the table.
	@$(COVERAGE) >/dev/null || true
	@status=0; \
	report() { printf '%-42s ' "$$1"; shift; $(COVERAGE) "$$@" || status=1; }; \
	for each in $(PACKAGES) 'layers/shared/callscribe/*'; do report "$$each" --include="$$each"; done; \
	for each in $(COMPLETE); do report "$$each" --include="$$each" --fail-under=100; done; \
	report total --fail-under=$(COVERED); exit $$status

demo: .venv/.installed ## run Callscribe on this machine with sample recordings, without an AWS account
	$(VENV)/python -m local up --samples $(ARGS)

sam-local: .venv/.installed .venv-sam/.installed ## serve the built functions in containers, with SAM CLI and Docker (docs/sam-local.md)
	$(VENV)/python -m local sam $(ARGS)

rehearsal: .venv/.installed .venv-sam/.installed .venv-ministack/.installed ## deploy to ministack instead of AWS, transcribe samples, deploy again and delete
	$(VENV)/python -m tests.e2e.rehearsal

clean: ## remove build results and caches, but not the environments
	rm -rf .aws-sam .build .callscribe .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find functions layers deployment local benchmarks testing tests -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# An environment is created again when its lock file changes, so that it contains nothing else.
# $(call environment,FOLDER,LOCK)
define environment
	@test -n "$(PYTHON)" || { echo "Callscribe needs Python 3.13, as python3.13 or python3 on the PATH. Install it with \
	your system's packages, 'uv python install 3.13' or 'pyenv install 3.13', then run make again." >&2; exit 1; }
	@echo "Setting up $(1) from $(2) …"
	@$(PYTHON) -m venv --clear $(1)
	@$(1)/bin/python -m pip install --quiet --require-hashes -r $(2)
endef

.venv/.installed: requirements/dev.txt
	$(call environment,.venv,$<)
# Its name sorts before coverage's own .pth file, which imports a plugin from this project.
	@$(VENV)/python -c 'import pathlib, sysconfig; \
	  pathlib.Path(sysconfig.get_path("purelib"), "a0_callscribe.pth").write_text("$(CURDIR)\n$(CURDIR)/layers/shared\n")'
	@touch $@

.venv-sam/.installed: requirements/sam.txt
	$(call environment,.venv-sam,$<)
	@touch $@

.venv-audit/.installed: requirements/audit.txt
	$(call environment,.venv-audit,$<)
	@touch $@

.venv-ministack/.installed: requirements/ministack.txt
	$(call environment,.venv-ministack,$<)
	@touch $@

.venv-whisper/.installed: requirements/whisper.txt
	$(call environment,.venv-whisper,$<)
	@touch $@

# $(call from_npm,PACKAGE@VERSION)
define from_npm
	@mkdir -p $(@D)
	@if npm install --prefix $(@D) --no-save --no-package-lock --no-audit --no-fund --ignore-scripts --fetch-retries=0 \
	  $(1) >$(@D)/npm.log 2>&1; then touch $@; else echo "$(1) could not be installed: see $(@D)/npm.log"; fi
endef

$(DYNALITE):
	$(call from_npm,dynalite@4.0.0)

$(AXE):
	$(call from_npm,axe-core@4.14.1)

$(BIOME):
	$(call from_npm,@biomejs/biome@2.6.8)

# The commands that people and CI use. Each one makes the environment first where it is missing or older than its lock.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
LOCKS := dev api worker build bootstrap
# Tests and demo start hundreds of processes: without bytecode beside the sources, each compiles its imports for seconds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help:  ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

.venv/.installed: requirements/dev.txt requirements/bootstrap.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/bootstrap.txt
	VIRTUAL_ENV=.venv $(BIN)/uv pip sync --quiet --require-hashes --allow-empty-requirements requirements/dev.txt
	VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

.PHONY: install
install: .venv/.installed  ## make .venv from the lock

.PHONY: lock
lock:  ## resolve the lock files anew (UPGRADE=--upgrade takes newer releases)
	for group in $(LOCKS); do \
		VIRTUAL_ENV=.venv $(BIN)/uv pip compile pyproject.toml --group $$group --universal --python-version 3.11 \
			--generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --quiet $(UPGRADE) \
			$$(test $$group = dev || echo --constraints requirements/dev.txt) \
			--output-file requirements/$$group.txt || exit 1; \
	done

.PHONY: demo
demo: install  ## run the main job from end to end on generated data
	$(BIN)/python -m hls demo

.PHONY: serve
serve: install  ## leave the service running (STAC_API_URL=... says what to harvest)
	$(if $(STAC_API_URL),STAC_API_URL=$(STAC_API_URL)) $(BIN)/python -m api

ELSEWHERE = not soak and not containers and not browser
.PHONY: test
test: install  ## the tests of every part and of every fault, at a size that takes minutes
	$(BIN)/pytest -m "$(ELSEWHERE) and not journey" -n auto --dist worksteal $(ARGS)

.PHONY: test-journeys
test-journeys: install  ## the product as people meet it: README and docs, command line, deployment, many callers
	$(BIN)/pytest -m "$(ELSEWHERE) and journey" -n auto --dist worksteal $(ARGS)

.PHONY: test-browser
test-browser: install  ## the page in Chromium, which is found or installed, and the page's snippets
	$(BIN)/pytest -m browser --timeout 300 tests/browser $(ARGS)

.PHONY: soak
soak: install  ## the tests at full size; takes an hour or so
	$(BIN)/pytest -m soak --timeout 3600 $(ARGS)

# An engine that speaks Docker's language. BUILD_FLAGS is for what a site needs, such as --secret or --platform.
ENGINE ?= $(shell command -v docker || command -v podman)
PIP_ARGS = $(foreach name,PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_TRUSTED_HOST,$(if $($(name)),--build-arg $(name)))
DIGEST_ARG = $(if $(PYTHON_DIGEST),--build-arg PYTHON_DIGEST=$(PYTHON_DIGEST))
# Podman's own image format has no health check.
FORMAT = $(if $(findstring podman,$(notdir $(ENGINE))),--format docker)

.PHONY: images
images:  ## build the worker's and the service's image, with docker or podman
	@test -n "$(ENGINE)" || { echo "No docker and no podman here: install one, or say ENGINE=..." >&2; exit 1; }
	for image in worker api; do \
		$(ENGINE) build $(FORMAT) $(PIP_ARGS) $(DIGEST_ARG) $(BUILD_FLAGS) -f Dockerfile.$$image -t hls-$$image . || exit 1; \
	done

.PHONY: test-containers
test-containers: install images  ## the real chain, with both images; needs a container engine's socket
	$(BIN)/pytest -m containers --timeout 600 tests/containers $(ARGS)

# ITEMS and RUNS size a benchmark, ONLY=... chooses a part (--help), JSON=FILE writes the figures to a file too.
BENCH = PYTHONPATH=tests/support $(BIN)/python -m benchmarks.$(1) $(if $(ITEMS),--items $(ITEMS)) $(if $(RUNS),--runs $(RUNS)) \
	$(if $(ONLY),--only $(ONLY)) $(if $(JSON),--json $(JSON))

.PHONY: bench-harvest
bench-harvest: install  ## a month to one file: the worker beside its peers
	$(call BENCH,harvest)

.PHONY: bench-memory
bench-memory: install  ## the worker's peak memory as the month grows, and a month under Batch's hard limits
	$(call BENCH,memory)

.PHONY: bench-files
bench-files: install  ## the file: its size beside its peers', the bytes that queries read, what checkers say
	$(call BENCH,files)

.PHONY: bench-choices
bench-choices: install  ## what order, row groups, encodings and compression of the file cost and save
	$(call BENCH,choices)

.PHONY: bench-source
bench-source: install  ## how near the worker comes to what a slow, rate-limited source allows
	$(call BENCH,source)

.PHONY: bench-api
bench-api: install  ## the service under 50 clients, and a sweep of the reconciler over ITEMS jobs
	$(call BENCH,api)

.PHONY: push
push:  ## push both images (REGISTRY=, WORKER=, API=, TAG=: outputs of HlsBatchStack, and the release)
	@test -n "$(REGISTRY)" -a -n "$(WORKER)" -a -n "$(API)" -a -n "$(TAG)" || { echo "Say REGISTRY=, WORKER=, API= and TAG=: docs/operations.md" >&2; exit 1; }
	aws ecr get-login-password | $(ENGINE) login --username AWS --password-stdin $(REGISTRY)
	$(ENGINE) tag hls-worker $(WORKER):$(TAG) && $(ENGINE) push $(WORKER):$(TAG)
	$(ENGINE) tag hls-api $(API):$(TAG) && $(ENGINE) push $(API):$(TAG)

.PHONY: synth
synth: install  ## write the cloud's templates to cdk.out/; needs no network and no Node.js of the machine's
	$(BIN)/python -m infra

.PHONY: lint
lint: install  ## style, types, import directions, image files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile.api Dockerfile.worker

.PHONY: audit
audit: install  ## known weaknesses of what is locked, where the index tells them
	$(BIN)/python requirements/audit.py $(ARGS)

.PHONY: fmt
fmt: install  ## put the code in shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: docs
docs: install  ## write the tables of README and docs that are made from code
	PYTHONPATH=tests/support $(BIN)/python -m settings_tables
	PYTHONPATH=tests/support $(BIN)/python -m operations_tables

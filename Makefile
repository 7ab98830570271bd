# make run    the whole system on this machine, until Ctrl-C
# make test   all tests
# make explore  the property tests with examples that no run had before, ROUNDS times
# make check  style, types, import rules
# make docs   docs/api.md, from the API itself
# make validate  the templates, by cfn-lint
# make build  what Lambda is given: zip functions, their layer, the predict image's content
# make localstack  deploys template.yaml to LocalStack and tests it there
# make sam-local   builds the images, and has the SAM CLI run them
# make cost   docs/cost.md, from prices and docs/bench.json
# make scale  docs/scale.md, from a simulation
# make search docs/search.md: what a search by example finds in FOLDER's recordings, how fast
# make drift  docs/drift.md: what drift is found by, from FOLDER's real recordings
# make noise  what the default bundle makes of steady noise
# make season docs/season.md: ten simulated weeks, from FOLDER's recordings or made-up sounds
# make figures  README's table; make bundle, make network: what ships, trained again
# make retrain-image  builds and pushes it to ECR
# make page   the dashboard as files, for a host of its own: API=https://… OUT=folder
# make screenshots  docs/screenshots/: each page, in a browser
# make fuzz   hostile files, archives and requests, many more than in make test
# make storm  CLIPS clips at once while workers are killed: each counts once
# make long   how fast a night in one file is heard, and in how much memory
# make bench  how fast it is, against what: docs/bench.md; SECTIONS="cold warm" of it only
# make load   mixed traffic by Locust: USERS, TIME, RUNTIMES (1, 2, 4, in Lambda's runtime) or HOST
# make faults every call of AWS made to fail in every way, and the table of what came of it
PYTHON ?= python3
PORT ?= 8000
AWS_PORT ?= 4566
DATA ?= .data
APPLICATION ?= surveillance
BACKBONE ?=
THRESHOLD ?= 25
SHADOW ?= 0
DEMO ?= 1
AUTH ?= 0
CORS ?=
WEBHOOK ?=
ENDPOINT_URL ?=
FUZZ ?= 10000
ROUNDS ?= 5
CLIPS ?= 10000
USERS ?= 10
TIME ?= 1m
RUNTIMES ?= 1
HOST ?=
OUT ?=
SECTIONS ?=
# So many processes test at once: one for each core, four at most, since each may take 2 GB of
# memory; JOBS=0 is none but the first, for a debugger.
JOBS ?= auto

BIN := .venv/bin
SAM := .venv-sam/bin/sam

.PHONY: run test explore check docs page screenshots fuzz storm long bench load faults validate build localstack sam-local retrain-image cost scale drift noise search season bundle network figures examples format clean

run: .venv/installed
	@exec $(BIN)/python -m infra.local --port $(PORT) --aws-port $(AWS_PORT) --data "$(DATA)" \
		--application $(APPLICATION) --threshold $(THRESHOLD) --shadow $(SHADOW) \
		$(if $(BACKBONE),--backbone $(BACKBONE)) \
		$(if $(filter-out 0,$(AUTH)),--auth) $(if $(CORS),--cors "$(CORS)") \
		$(if $(WEBHOOK),--webhook "$(WEBHOOK)") \
		$(if $(filter 0,$(DEMO)),--no-demo) $(if $(ENDPOINT_URL),--endpoint-url $(ENDPOINT_URL))

test: .venv/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --maxprocesses 4 --dist worksteal $(TESTS)

explore: .venv/installed-dev
	set -e; for round in $$(seq $(ROUNDS)); do OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q \
		-n $(JOBS) --maxprocesses 4 -m hypothesis --hypothesis-profile others $(TESTS); done

check: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/unit/test_cold_import.py

docs: .venv/installed
	$(BIN)/python -m infra.manual > docs/api.md

page: .venv/installed
	$(BIN)/python -m infra.page "$(API)" "$(OUT)"

# Of all pages, or PAGES="listen labels"; it takes a Chromium.
screenshots: .venv/installed-dev
	PYTHONPATH=.:tests:tests/e2e $(BIN)/python tests/e2e/screenshots.py $(PAGES)

fuzz: .venv/installed-dev
	EARSHOT_FUZZ=$(FUZZ) $(BIN)/python -m pytest tests/fuzz --timeout 0

faults: .venv/installed-dev
	EARSHOT_FAULTS=all $(BIN)/python -m pytest tests/faults -q -s --timeout 0

# So many clips at once, a third of them twice, while workers are killed: every sound counts once.
storm: .venv/installed
	@$(BIN)/python -m tests.load.storm --clips $(CLIPS)

# A day in one file, sparse on the disk, and an hour of noise in each format, on one core.
long: .venv/installed
	@$(BIN)/python -m tests.load.long

bench: .venv/installed-dev
	$(BIN)/python -m tests.bench $(SECTIONS)

# CSV and HTML below .data/load, or OUT.
load: .venv/installed-dev
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[load]'
	$(BIN)/python -m tests.load.traffic --users $(USERS) --time $(TIME) --runtimes $(RUNTIMES) \
		$(if $(HOST),--host $(HOST)) --out "$(or $(OUT),.data/load)"

validate: .venv-sam/installed
	$(SAM) validate --lint --region us-east-1 --template-file template.yaml
	$(SAM) validate --lint --region us-east-1 --template-file infra/batch.yaml
	$(SAM) validate --lint --region us-east-1 --template-file infra/monitoring.yaml
	$(SAM) validate --lint --region us-east-1 --template-file infra/page.yaml

# The zip functions and their layer; the images want a container engine: plain `sam build`. What
# the predict image holds is made in a folder, for the tests in Lambda's runtime.
build: .venv-sam/installed .venv/installed
	$(SAM) build --exclude PredictFunction
	$(BIN)/python -m infra.local.artefacts

# With Docker, or in Python 3.13 without; KEEP=1 leaves LocalStack running.
localstack: build .venv/installed-dev
	@infra/localstack/run.sh

# With Docker, or with podman on stand-ins for the base images; see docs/runtimes.md.
sam-local: .venv-sam/installed .venv/installed-dev
	@infra/sam_local.sh

# The retrain image, built and pushed to this account's ECR; says what RetrainImageUri has to be.
retrain-image:
	@infra/retrain_image.sh

cost: .venv/installed
	$(BIN)/earshot cost --markdown $(if $(wildcard docs/bench.json),--measured docs/bench.json) \
		> docs/cost.md

scale: .venv/installed
	$(BIN)/python -m infra.scale > docs/scale.md

# How well and how fast POST /search finds: FOLDER holds the sets sesa, esc10, esc50_by, us8k_eco.
search: .venv/installed-dev
	@$(BIN)/python tests/bench/search.py "$(FOLDER)" > docs/search.md

# FOLDER holds the sets sesa, us8k_eco, distress_nv; a quarter of an hour.
drift: .venv/installed-dev
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.bench.drift "$(FOLDER)" > docs/drift.md

noise: .venv/installed-dev
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.bench.noise

# Ten simulated weeks: of the clips of FOLDER/sesa, or without FOLDER of made-up sounds.
season: .venv/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m examples.season $(if $(FOLDER),--data "$(FOLDER)/sesa") \
		--out docs

# The default bundle, trained again: FOLDER holds the sets sesa (its training part), esc10, esc50_by.
bundle: .venv/installed
	rm -rf infra/bundles/surveillance
	$(BIN)/earshot train "$(FOLDER)/sesa" --only split=train \
		--application infra/applications/surveillance.toml \
		--background "$(FOLDER)/esc10" --background "$(FOLDER)/esc50_by" \
		--similar fireworks --similar thunderstorm --out infra/bundles/surveillance

# The shipped network, taught again (about an hour on one core): TEACHER is mn04's file.
network: .venv/installed
	$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt \
		-e 'layers/earshot[distil]'
	$(BIN)/python -m retrain.distil "$(FOLDER)/sesa" "$(FOLDER)/esc10" "$(FOLDER)/esc50_by" \
		--teacher "$(TEACHER)" --work .data/lessons --out functions/retrain/backbones/cnn.onnx

# README's table of figures: FOLDER holds the sets that infra/figures.toml names.
figures: .venv/installed
	@$(BIN)/earshot figures infra/figures.toml "$(FOLDER)"

# One sound of each label, to try the service with; synthesised by us.
examples: .venv/installed
	$(BIN)/python -m infra.local.sounds

format: .venv/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .venv-sam .venv-localstack .venv-bench .aws-sam "$(DATA)"

.venv/installed: constraints.txt pyproject.toml layers/earshot/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Earshot needs Python 3.11 or newer; say make PYTHON=python3.12, for example.")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing Earshot into .venv (once, about a minute) …"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt \
		-e 'layers/earshot[local]' -e .
	@touch $@

.venv/installed-dev: .venv/installed
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

# The SAM CLI pins its own versions of much, so it lives apart.
.venv-sam/installed:
	@test -x .venv-sam/bin/python || $(PYTHON) -m venv .venv-sam
	@.venv-sam/bin/python -m pip install -qq --disable-pip-version-check aws-sam-cli==1.170.0
	@touch $@

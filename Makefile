# make run    the whole system on this machine, until Ctrl-C
# make test   all tests
# make check  style, types, import rules
PYTHON ?= python3
PORT ?= 8000
AWS_PORT ?= 4566
DATA ?= .data
APPLICATION ?= surveillance
THRESHOLD ?= 25
DEMO ?= 1
ENDPOINT_URL ?=

BIN := .venv/bin
SAM := .venv-sam/bin/sam

.PHONY: run test check validate build bundle format clean

run: .venv/installed
	@exec $(BIN)/python -m infra.local --port $(PORT) --aws-port $(AWS_PORT) --data "$(DATA)" \
		--application $(APPLICATION) --threshold $(THRESHOLD) \
		$(if $(filter 0,$(DEMO)),--no-demo) $(if $(ENDPOINT_URL),--endpoint-url $(ENDPOINT_URL))

test: .venv/installed-dev
	$(BIN)/python -m pytest $(TESTS)

check: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/unit/test_cold_import.py

validate: .venv-sam/installed
	$(SAM) validate --lint --region us-east-1 --template-file template.yaml
	$(SAM) validate --lint --region us-east-1 --template-file infra/batch.yaml

# The zip function and its layer; the images want a container engine: plain `sam build`.
build: .venv-sam/installed
	$(SAM) build IngestFunction

# The default bundle, trained again: FOLDER holds SESA's training part.
bundle: .venv/installed
	rm -rf infra/bundles/surveillance
	$(BIN)/earshot train "$(FOLDER)" --application infra/applications/surveillance.toml \
		--out infra/bundles/surveillance

format: .venv/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .venv-sam .aws-sam "$(DATA)"

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

# The front door. A fresh machine needs make and Python 3.11 or newer, nothing else.

BIN := .venv/bin
INSTALLED := .venv/installed
CODE := service stripe_sandbox webhook_gateway benchmarks tests proto/escrow proto/examples
PROTOS = $(shell find proto -name '*.proto')
TEST_POSTGRES := .escrow/test-postgres

# `make test ARGS="-k release -x"`, `make run ARGS=--help`, `make lock ARGS=--upgrade`
ARGS :=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
# Where it is set, every process compiles all of our code again: a second each, of hundreds in tests.
unexport PYTHONDONTWRITEBYTECODE

##@ Every day

.PHONY: help
help: ## show this list
	@awk 'BEGIN { FS = ":.*## " } \
	/^##@ / { printf "\n%s\n", substr($$0, 5) } \
	/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: $(INSTALLED) ## start everything here, play a story the first time (STORY=1: again), keep serving (ARGS=--help: ports)
	@exec $(BIN)/escrow up $(if $(STORY),--story) $(ARGS)

.PHONY: test
test: $(INSTALLED) ## run the tests
	@# two processes more than there are cores: tests wait for other processes as much as they work
	@$(BIN)/pytest -n $$($(BIN)/python -c 'import os; print((os.cpu_count() or 1) + 2)') --dist worksteal $(ARGS)

.PHONY: test-deep
test-deep: $(INSTALLED) ## the tests with many more examples, cases and seeds than CI has time for
	@ESCROW_TEST_DEPTH=deep $(MAKE) test

.PHONY: chaos
chaos: $(INSTALLED) ## run the system through bad days; SEEDS=1000 STEPS=50, or SEED=17 again
	@PYTHONPATH=.:proto $(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),25)) \
		--steps $(or $(STEPS),50) $(ARGS)

.PHONY: acceptance
acceptance: $(INSTALLED) ## the scenarios at a Stripe test account, its answers compared (STRIPE_SECRET_KEY)
	@GRPC_ENABLE_FORK_SUPPORT=false PYTHONPATH=.:proto $(BIN)/python -m tests.acceptance $(ARGS)

.PHONY: fuzz
fuzz: $(INSTALLED) ## read back what every field of every request brings; VALUES=1000000, SEED=17 again
	@ESCROW_FUZZ_VALUES=$(or $(VALUES),1000000) $(if $(SEED),ESCROW_FUZZ_SEED=$(SEED)) \
		$(BIN)/pytest -n 0 --quiet --capture=no --log-level=ERROR tests/service/operations/fuzz $(ARGS)

.PHONY: model
model: $(INSTALLED) ## check the model of a milestone in every order of events (needs spin and gcc)
	@$(BIN)/pytest -n 0 --quiet tests/model $(ARGS)

.PHONY: trace
trace: $(INSTALLED) ## run a call and a webhook through everything, and show their traces
	@$(BIN)/pytest --quiet --capture=no tests/scenarios/test_one_trace.py

.PHONY: sequence
sequence: $(INSTALLED) ## 100,000 positions under kill -9 of every process, and what was heard of them
	@PYTHONPATH=.:proto $(BIN)/python -m tests.sequence $(ARGS)

.PHONY: bench
bench: $(INSTALLED) ## measure against floors; ARGS=--quick that it works, --full 5,000,000 entries, --memory
	@PYTHONPATH=.:proto $(BIN)/python -m benchmarks $(ARGS)

.PHONY: bench-gate
bench-gate: $(INSTALLED) ## whether a release costs more CPU, by that of an echo, than it may
	@PYTHONPATH=.:proto $(BIN)/python -m benchmarks --gate $(ARGS)

.PHONY: bench-profile
bench-profile: $(INSTALLED) ## where the time of a release goes
	@PYTHONPATH=.:proto $(BIN)/python -m benchmarks.release_profile $(ARGS)

.PHONY: check
check: format-check lint types imports proto-check schema-check docs-check test chart ## all that CI asks for, quickest first

##@ One check at a time

.PHONY: format-check
format-check: $(INSTALLED) ## whether `make format` would change a file
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/buf format --diff --exit-code proto

.PHONY: lint
lint: $(INSTALLED) ## ruff, sqlfluff on the migrations, buf on the contract, hadolint on the Dockerfile
	@$(BIN)/ruff check --quiet .
	@$(BIN)/hadolint Dockerfile
	@$(BIN)/sqlfluff lint --disable-progress-bar --nocolor migrations/0*.sql
	@.ci/proto lint

.PHONY: types
types: $(INSTALLED) ## mypy --strict
	@$(BIN)/mypy $(CODE)

.PHONY: imports
imports: $(INSTALLED) ## who may import whom (design: imports point down)
	@$(BIN)/lint-imports

.PHONY: proto-check
proto-check: $(INSTALLED) ## whether the generated code is what `make proto` would write
	@.ci/proto check

.PHONY: schema-check
schema-check: $(INSTALLED) ## whether migrations/schema.sql is the sum of the migrations
	@$(BIN)/python -m service.local.schema_dump $(TEST_POSTGRES) --check

.PHONY: docs-check
docs-check: $(INSTALLED) ## whether docs/generated is what `make docs` would write
	@$(BIN)/escrow docs --check

.PHONY: chart
chart: $(INSTALLED) ## render and validate the Helm chart
	@$(BIN)/pytest --quiet tests/helm

##@ What is generated

.PHONY: format
format: $(INSTALLED) ## format the code and the contract
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/buf format --write proto

.PHONY: proto
proto: $(INSTALLED) ## generate the Python code of the contract, and check its style
	@$(BIN)/buf format --write proto
	@.ci/proto generate
	@.ci/proto lint

.PHONY: schema
schema: $(INSTALLED) ## write migrations/schema.sql from the migrations
	@$(BIN)/python -m service.local.schema_dump $(TEST_POSTGRES)

.PHONY: docs
docs: $(INSTALLED) ## write the tables of states, postings, refusals and settings into docs/generated/
	@$(BIN)/escrow docs

.PHONY: lock
lock: $(INSTALLED) ## resolve the dependencies again; ARGS=--upgrade for newer ones
	@$(COMPILE) $(ARGS) --output-file requirements.lock
	@$(COMPILE) $(ARGS) --group dev --constraint requirements.lock --output-file requirements-dev.lock
	@$(COMPILE) $(ARGS) --group supply --constraint requirements.lock --output-file requirements-supply.lock

COMPILE = $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-annotate --no-header

# Stripe's own, which judges our requests in the scenarios; it needs Go, and the tests skip without.
STRIPE_MOCK := github.com/stripe/stripe-mock@v0.203.0
.PHONY: stripe-mock
stripe-mock: $(INSTALLED) ## build Stripe's stripe-mock into .venv, for the tests that ask it (needs Go)
	@GOBIN=$(CURDIR)/$(BIN) go install $(STRIPE_MOCK)

# An S3 for the tests of the bucket; it needs Go, and they skip without.
GOFAKES3 := github.com/johannesboyne/gofakes3/cmd/gofakes3@v1.2.0
.PHONY: gofakes3
gofakes3: $(INSTALLED) ## build gofakes3 into .venv, an S3 for the tests of the bucket (needs Go)
	@GOBIN=$(CURDIR)/$(BIN) go install $(GOFAKES3)

##@ What goes out

.PHONY: sbom
sbom: $(INSTALLED) ## dist/sbom.cdx.json (CycloneDX) and dist/licenses.md of what the image holds
	@.ci/supply-chain sbom

.PHONY: audit
audit: $(INSTALLED) ## whether a locked package has a known vulnerability; asks an advisory database
	@.ci/supply-chain audit

.PHONY: image
image: ## build the image on the base that its tag names today, by digest; needs docker
	@.ci/supply-chain image

.PHONY: clean
clean: ## remove the environment, caches and the local databases
	@find . -path ./.venv -prune -o -name __pycache__ -type d -exec rm -rf {} +
	@rm -rf .venv .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache \
		build dist *.egg-info proto/build proto/*.egg-info
	@for link in .escrow/*/server; do if [ -L "$$link" ]; then rm -rf "$$(readlink "$$link")"; fi; done
	@rm -rf .escrow

$(INSTALLED): requirements-dev.lock pyproject.toml proto/pyproject.toml
	@.ci/venv

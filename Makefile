# `make demo` shows the relay at work, `make test` checks everything. Both install what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := .make
JOBS ?= 2
EXIT ?=
TARGETS ?=
SECONDS ?= 60

# What the tests run against: real mail servers, clients and verifiers.
TEST_PACKAGES := postfix dovecot-core dovecot-imapd swaks libmail-dkim-perl libmail-spf-perl libmail-srs-perl \
	libmail-dmarc-perl libnet-dns-perl libio-socket-ssl-perl libnet-ssleay-perl openssl procps rspamd haproxy

.PHONY: demo test check lint types contracts tests pure fuzz lock schema clean

demo: $(STAMPS)/runtime
	@$(BIN)/relay sandbox demo $(if $(EXIT),--exit)

test: $(STAMPS)/dev $(STAMPS)/test-packages check pure tests

check: lint types contracts

lint: $(STAMPS)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMPS)/dev
	$(BIN)/mypy

contracts: $(STAMPS)/dev
	$(BIN)/lint-imports

# The pure rooms: every branch.
pure: $(STAMPS)/dev
	$(BIN)/pytest -q -n $(JOBS) tests/unit/mail tests/unit/policy --cov=relay.mail --cov=relay.policy --cov-branch \
		--cov-report=term:skip-covered --cov-fail-under=100

tests: $(STAMPS)/dev $(STAMPS)/test-packages
	$(BIN)/pytest -q -n $(JOBS) --dist loadgroup --ignore=tests/unit/mail --ignore=tests/unit/policy

# Looks for octets that break what reads them; see fuzz/README.md.
fuzz: $(STAMPS)/dev $(STAMPS)/fuzz
	$(BIN)/python -m fuzz.run --seconds $(SECONDS) $(TARGETS)

lock: $(STAMPS)/dev
	$(BIN)/pip install -q uv
	$(BIN)/uv pip compile -q pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --custom-compile-command "make lock" --upgrade -o requirements/runtime.lock
	$(BIN)/uv pip compile -q pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --custom-compile-command "make lock" --upgrade -o requirements/dev.lock
	$(BIN)/uv pip compile -q --group fuzz --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --custom-compile-command "make lock" --upgrade -o requirements/fuzz.lock

schema: $(STAMPS)/runtime
	$(BIN)/python -m relay.config.schema

clean:
	rm -rf $(VENV) $(STAMPS) .cache build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(STAMPS)/venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || tools/install-packages python3
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || tools/install-packages python3-venv
	@echo "Making the virtual environment $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@mkdir -p $(STAMPS) && touch $@

# The locks name everything: pip resolves nothing, so no release made since can get in its way.
$(STAMPS)/runtime: $(STAMPS)/venv requirements/runtime.lock pyproject.toml
	@echo "Installing the relay and what it needs (half a minute or so)"
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps --require-hashes \
		-r requirements/runtime.lock
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

$(STAMPS)/dev: $(STAMPS)/runtime requirements/dev.lock
	@echo "Installing what the checks and tests need (a minute or so)"
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements/dev.lock
	@$(BIN)/pip check -q --disable-pip-version-check
	@touch $@

# In a place of its own: neither the relay nor a test may come to need it.
$(STAMPS)/fuzz: $(STAMPS)/venv requirements/fuzz.lock
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps --require-hashes --only-binary :all: --upgrade \
		--target .cache/atheris -r requirements/fuzz.lock
	@touch $@

$(STAMPS)/test-packages: Makefile tools/install-packages $(STAMPS)/venv
	@tools/install-packages $(TEST_PACKAGES)
	@touch $@

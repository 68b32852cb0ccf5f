# Needs Python 3.11 to 3.13 and make; everything else is installed, pinned, into .venv. Deploying needs none of this.

PYTHON ?= python3
BIN := .venv/bin
export SAM_CLI_TELEMETRY := 0

.PHONY: help demo check test approve lint explore reliability chaos fuzz mutants large-file bench package release audit deploy-check lock clean

help:
	@echo "make demo          shows a night of exports on this machine (ARCHIVE=1: and archives their files;"
	@echo "                   DELIVER=1: and delivers them to an SFTP server; PICTURE=1: writes docs/demo.svg anew)"
	@echo "make check         checks a setup as CheckSetupFunction does, in the sandbox (EXPORTS='Nightly*')"
	@echo "make test          checks style and types, and runs all tests"
	@echo "make approve       takes over the mails as they are now, for you to read the difference"
	@echo "make explore       goes through every order of events, crashes and faults (twenty minutes; SHORT=1: two)"
	@echo "make reliability   breaks it in every way and counts what is lost (SHORT=1: within three minutes)"
	@echo "make chaos         a bad night of 10,000 exports"
	@echo "make fuzz          two million made-up callbacks"
	@echo "make mutants       measures how strong the unit tests are (an hour; PACKAGES=domain: a quarter)"
	@echo "make large-file    archives a large file, and measures memory and speed (MIB=2048; else 200)"
	@echo "make bench         measures speed and memory against a typical peer (six minutes)"
	@echo "make package       validates and builds what sam deploys (needs python3.13)"
	@echo "make release       writes what others deploy into dist/: a zip, its checksum and SBOM (needs python3.13)"
	@echo "make audit         looks for flaws in the template, with all switches on and with all off (needs npm)"
	@echo "make deploy-check  deploys with the SAM CLI to an emulator of AWS, and plays a night there (needs python3.13)"
	@echo "make lock          renews all pinned requirements, with hashes, from the short lists of what is wanted"
	@echo "make clean         removes what these have made"

demo: .venv/ready
	@$(BIN)/python -m tests.sandbox $(if $(ARCHIVE),archive) $(if $(DELIVER),deliver) $(if $(PICTURE),picture=docs/demo.svg)

check: .venv/ready
	@$(BIN)/python -m tests.sandbox.check

test: lint
	$(BIN)/python -m pytest --quiet --numprocesses 2 --dist loadfile

approve: .venv/ready
	APPROVE=1 $(BIN)/python -m pytest --quiet tests/unit
	git diff --stat -- tests/approved

lint: .venv/ready
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .
	$(BIN)/mypy
	PYTHONPATH=functions $(BIN)/lint-imports

explore: .venv/ready
	@PYTHONPATH=functions $(BIN)/python -m tests.explore $(if $(SHORT),short,long)

reliability: .venv/ready
	@PYTHONPATH=functions $(BIN)/python -m tests.reliability $(if $(SHORT),short,long)

chaos fuzz: .venv/ready
	@PYTHONPATH=functions $(BIN)/python -m tests.reliability $@

mutants: .venv-mutants/ready
	@.venv-mutants/bin/python -m tests.mutants

large-file: .venv/ready
	@$(BIN)/python -m tests.large_file $(or $(MIB),200)

bench: .venv/ready
	@PYTHONPATH=functions $(BIN)/python -m tests.bench

package: python3.13 .venv/ready .venv-sam/ready .venv-release/ready
	.venv-sam/bin/python -m tests.package_check

release: python3.13 .venv/ready .venv-release/ready
	@$(BIN)/python -m release.build

deploy-check: python3.13 .venv/ready .venv-sam/ready .venv-emulator/ready .venv-release/ready
	@$(BIN)/python -m tests.deploy_check

.PHONY: python3.13
python3.13:
	@python3.13 --version >/dev/null 2>&1 || { echo "This needs a python3.13 that runs, on the PATH: sam builds for that version."; exit 1; }

audit: .venv-audit/ready
	@.venv-audit/bin/python -m tests.audit

# The functions' first: the tests' include them. KEEP=1 only adds and removes, and renews nothing.
LOCK := .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
  --custom-compile-command "make lock"

lock: .venv-lock/ready
	@for name in functions/requirements tests/requirements tests/requirements-sam tests/requirements-audit \
	  tests/requirements-emulator tests/requirements-mutants tests/requirements-release tests/requirements-lock; do \
	  $(LOCK) $(if $(KEEP),,--upgrade) $$name.in --output-file $$name.txt || exit 1; done

clean:
	rm -rf .venv .venv-sam .venv-audit .venv-emulator .venv-mutants .venv-release .venv-lock .build .aws-sam .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/ready: tests/requirements.txt
	@echo "Setting up .venv (once; takes a minute) ..."
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] <= (3, 13) else "This needs Python 3.11 to 3.13; $(PYTHON) is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.13 ...")'
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement tests/requirements.txt
	@touch $@

.venv-%/ready: tests/requirements-%.txt
	@echo "Setting up .venv-$* (once; takes a minute) ..."
	@$(PYTHON) -m venv --clear .venv-$*
	@.venv-$*/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement $<
	@touch $@

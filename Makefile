# make demo     set up, run the demo set to its accuracies, say what to open
# make test     set up, run the tests
# make install  set up only: .venv with pinned packages
# make faults   kills, damage, hostile files, full disks: some 40 minutes on two cores
# make slurm    jobs on a real Slurm of this machine: ten minutes; needs slurm-wlm and munge
# make evidence  the comparisons of docs/results.md; ONLY=jhmdb14/split1/seed1: one fold and seed
# make docs     the site of docs/, in site/index.html
# make lint     ruff, snakefmt and Snakemake's own linter
# make lock     write the locks anew from requirements.in, .dev.in and .docs.in
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
COMPILE := .lock/bin/uv pip compile --universal --python-version 3.11 --quiet --no-emit-index-url \
    --no-annotate --custom-compile-command "make lock"
export PATH := $(CURDIR)/$(BIN):$(PATH)
.DEFAULT_GOAL := help
.PHONY: help install demo test faults slurm evidence docs lint format lock

help:
	@sed -n 's/^# //p' Makefile | head -8

install: .venv/installed

# The stamp is written last: a broken installation is begun again, a finished one costs nothing.
.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; (3, 11) <= sys.version_info < (3, 14) or sys.exit( \
	    "error: Python 3.11, 3.12 or 3.13 is needed, this is " + sys.version.split()[0] + \
	    "; name another: make install PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(PIP) -r requirements.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

demo: install
	@snakemake --cores all results/demo/split1/acc.json

# Two processes: a test may run Snakemake on two cores itself, and training programs take a gigabyte
# each.
test: install
	python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

faults: install
	python tests/faults/run.py --seed 1

slurm: install
	PIPELINE_TEST_SLURM=whole python -m pytest tests/workflow/test_slurm.py

evidence: install
	python benchmarks/evidence.py run $(if $(ONLY),--only $(ONLY)) $(if $(AGAIN),--again)

# What the site is built with is installed here, and not by `make install`.
.venv/installed-docs: .venv/installed requirements.docs.lock
	$(PIP) -r requirements.docs.lock
	@touch $@

docs: .venv/installed-docs
	python docs/programs/settings_page.py
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet
	@echo "the site: site/index.html"

lint: install
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	snakemake --lint

format: install
	ruff check --fix .
	ruff format .
	snakefmt Snakefile workflow

lock:
	$(PYTHON) -m venv .lock
	.lock/bin/pip install --quiet uv
	$(COMPILE) requirements.in requirements.dev.in --output-file requirements.lock
	$(COMPILE) requirements.docs.in --output-file requirements.docs.lock
	rm -r .lock

# make demo: train on real photographs in minutes and see it; make test: the test suite; make test-slow: its slow part;
# make lint; make docs; make test-openmmlab: the suite with the original OpenMMLab packages.
# Tests run in random order and print its seed: make test SEED=1234 takes that order again,
# make test SEED=1234 WORKERS=0 in one process.
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO_DIR := work_dirs/demo

OPENMMLAB_VENV := .venv-openmmlab
DOCS_VENV := .venv-docs
AUDIT_VENV := .venv-audit
# a worker takes a file at a time
WORKERS ?= 2
SLOW_MINUTES ?= 60
TEST_OPTIONS = -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(SEED:%=--randomly-seed=%)

.PHONY: help demo test test-slow test-openmmlab lint docs setup audit lock clean
.DEFAULT_GOAL := help

help:
	@sed -n '1,/^[^#]/s/^# //p' Makefile

setup: $(STAMP)

# runs again only when the requirements change
$(STAMP): requirements.txt requirements-dev.txt setup.py
	test -x $(BIN)/python || python3 -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip setuptools==84.2.1 wheel==0.48.0
	$(BIN)/python -m pip install --quiet -r requirements.txt -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

demo: $(STAMP)
	$(BIN)/python tools/dataset_converters/prepare_demo.py --out data/demo
	$(BIN)/python tools/train.py configs/isalux_cpu.py --work-dir $(DEMO_DIR)
	$(BIN)/python tools/demo_report.py $(DEMO_DIR) --overwrite

test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(TEST_OPTIONS)
	@echo 'make test: all tests passed'

# What takes longer than ten seconds, kills processes and waits for them. Where the machine is too busy for that a test
# fails: what failed runs once more, alone. After SLOW_MINUTES no further test is begun, and the rest is skipped, counted.
SLOW = $(BIN)/python -m pytest -m slow
test-slow: $(STAMP)
	OMP_NUM_THREADS=1 ISALUX_SLOW_MINUTES=$(SLOW_MINUTES) $(SLOW) $(TEST_OPTIONS) || { \
	  echo 'make test-slow: what failed runs once more, alone'; \
	  OMP_NUM_THREADS=1 $(SLOW) -n 0 -x --last-failed --last-failed-no-failures none; }
	@echo 'make test-slow: all tests passed'

# Left out: what mmengine 0.10.7 cannot do under PyTorch 2.6 and later, resume a checkpoint that it wrote itself.
test-openmmlab: $(OPENMMLAB_VENV)/.installed
	OMP_NUM_THREADS=1 PYTHONPATH=. $(OPENMMLAB_VENV)/bin/python -m pytest $(TEST_OPTIONS) \
	  --deselect tests/engine/test_hooks.py::test_ema_checkpoints_and_resume_meet_the_hidden_network \
	  --deselect tests/tools/test_train.py::test_resume_goes_on_where_it_stopped
	@echo 'make test-openmmlab: all tests passed'

$(OPENMMLAB_VENV)/.installed: requirements.txt requirements-dev.txt requirements-openmmlab.txt
	test -x $(OPENMMLAB_VENV)/bin/python || python3 -m venv $(OPENMMLAB_VENV)
	grep -v onedl requirements.txt > $(OPENMMLAB_VENV)/core.txt
	$(OPENMMLAB_VENV)/bin/python -m pip install --quiet --upgrade pip 'setuptools<81' wheel
	$(OPENMMLAB_VENV)/bin/python -m pip install --quiet -r $(OPENMMLAB_VENV)/core.txt -r requirements-dev.txt \
	  -r requirements-openmmlab.txt
	touch $@

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy

# An environment of its own, small and soon made: the API reference is read off the sources, which need not run.
docs: $(DOCS_VENV)/.installed
	NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/mkdocs build --quiet --strict
	@echo 'make docs: site/index.html'

$(DOCS_VENV)/.installed: requirements-docs.txt
	test -x $(DOCS_VENV)/bin/python || python3 -m venv $(DOCS_VENV)
	$(DOCS_VENV)/bin/python -m pip install --quiet -r requirements-docs.txt
	touch $@

# Known faults of what is installed. pip-audit asks a service for them: without a network it is skipped, which is said.
audit: $(AUDIT_VENV)/.installed
	@$(AUDIT_VENV)/bin/pip-audit --disable-pip --no-deps -r requirements.txt > $(AUDIT_VENV)/report.txt 2>&1; status=$$?; \
	  cat $(AUDIT_VENV)/report.txt; \
	  if grep -qiE 'ConnectionError|ServiceError|Max retries|timed out|ConnectionFailed' $(AUDIT_VENV)/report.txt; then \
	    echo 'make audit: skipped, the service that knows of faults is not reached'; else exit $$status; fi

$(AUDIT_VENV)/.installed:
	test -x $(AUDIT_VENV)/bin/python || python3 -m venv $(AUDIT_VENV)
	$(AUDIT_VENV)/bin/python -m pip install --quiet pip-audit
	touch $@

# Every package that a requirements file brings, with its version and the hash of its file, for this platform:
# pip install --require-hashes -r requirements.lock
lock: $(STAMP)
	for name in requirements requirements-dev requirements-docs; do \
	  $(BIN)/python -m pip install --quiet --dry-run --ignore-installed --report $$name.json -r $$name.txt && \
	  $(BIN)/python tools/lock_requirements.py $$name.json $$name.lock && rm $$name.json || exit 1; done

clean:
	rm -rf work_dirs/demo data/demo site

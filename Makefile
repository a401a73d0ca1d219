# make demo: train on real photographs in minutes and see it; make test: the whole test suite; make lint; make docs;
# make test-openmmlab: the suite with the original OpenMMLab packages.
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO_DIR := work_dirs/demo

OPENMMLAB_VENV := .venv-openmmlab
DOCS_VENV := .venv-docs

.PHONY: help demo test test-openmmlab lint docs setup clean
.DEFAULT_GOAL := help

help:
	@sed -n '1,2s/^# //p' Makefile

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
	$(BIN)/python tools/demo_report.py $(DEMO_DIR)

test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile
	@echo 'make test: all tests passed'

# Left out: what mmengine 0.10.7 cannot do under PyTorch 2.6 and later, resume a checkpoint that it wrote itself.
test-openmmlab: $(OPENMMLAB_VENV)/.installed
	OMP_NUM_THREADS=1 PYTHONPATH=. $(OPENMMLAB_VENV)/bin/python -m pytest -n 2 --dist loadfile \
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

clean:
	rm -rf work_dirs/demo data/demo site

# make demo: train on real photographs in minutes and see it; make test: the whole test suite.
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO_DIR := work_dirs/demo

.PHONY: demo test lint setup clean
.DEFAULT_GOAL := help

help:
	@sed -n '1s/^# //p' Makefile

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

lint: $(STAMP)
	$(BIN)/ruff check .

clean:
	rm -rf work_dirs/demo data/demo

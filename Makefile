# One word a chore; each makes .venv and installs what it needs by itself.
PYTHON ?= python3
VENV := .venv
WORKERS ?= auto
BIN := $(VENV)/bin
TYPINGS := ../shared/typings
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help demo test towers check format docs pictures bench deb constraints clean

help:
	@echo "make demo     train, export, watch two clips, see the alert on a page (SERVE=1 leaves it open)"
	@echo "make test     all tests; what needs mosquitto, chromium or the real images skips and says so"
	@echo "make towers   export, verify and build the large encoders of open_clip: half an hour"
	@echo "make check    format, ruff, mypy strict, import-linter"
	@echo "make format   let ruff rewrite the sources"
	@echo "make docs     write docs/configuration.md from the settings and options"
	@echo "make pictures the pictures of docs/pictures.md, by a real run (ONLY=live makes one)"
	@echo "make bench    measure: ratios side by side, written to benchmarks/results/"
	@echo "make deb      the device as a Debian package in dist/ (WHEELS=folder packs wheels along)"
	@echo "make clean    remove .venv and everything that was made"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "edgeclip needs Python >= 3.10: run 'make PYTHON=python3.11 ...'" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade "pip>=24"

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing into $(VENV): PyTorch and all else, about 6 GB the first time, some minutes"
	$(PIP) install --quiet --progress-bar off --constraint constraints.txt --editable ".[demo,cpu]"
	@touch $@

$(VENV)/.all: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing into $(VENV): PyTorch and all else, about 7 GB the first time, some minutes"
	$(PIP) install --quiet --progress-bar off --constraint constraints.txt --editable ".[all]"
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo
	$(BIN)/python examples/demo.py $(if $(SERVE),--serve)

test: $(VENV)/.all
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

towers: $(VENV)/.all
	$(BIN)/python -m pytest -m towers $(ARGS)

check: $(VENV)/.all
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	@for version in 10.3 10.16; do \
	  if [ -d "$(TYPINGS)/tensorrt-$$version" ]; then \
	    echo "mypy with the signatures of TensorRT $$version" && \
	    MYPYPATH="$(TYPINGS)/tensorrt-$$version" $(BIN)/mypy --cache-dir .mypy_cache/tensorrt-$$version \
	      edgeclip/contract export/edgeclip_export device/edgeclip_device || exit 1; \
	  else \
	    echo "skipped: no signatures of TensorRT $$version at $(TYPINGS)"; \
	  fi; \
	done
	$(BIN)/lint-imports

format: $(VENV)/.all
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.all
	$(BIN)/python scripts/write_configuration.py

pictures: $(VENV)/.all
	$(BIN)/python scripts/make_pictures.py $(if $(ONLY),--only $(ONLY))

bench: $(VENV)/.all
	$(BIN)/python -m benchmarks $(ARGS)

deb: $(VENV)/.all
	$(BIN)/python scripts/build_deb.py $(if $(WHEELS),--wheels $(WHEELS))

constraints: $(VENV)/.all
	$(BIN)/python scripts/write_constraints.py python3.10 python3.11 python3.12

clean:
	rm -rf $(VENV) dist build demo-output test-output *.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage*
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

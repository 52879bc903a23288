# `make` prints the commands. The environment lives in .venv; nothing is installed elsewhere.
VENV := .venv
PYTHON := $(VENV)/bin/python
PROFILE ?= published
JOBS ?= 2
# Chapters run in kernels of their own. One thread each: processes that share the cores and spin wait for each other.
NOTEBOOK_TESTS := tests/book/test_nbval.py
# Written last, so that a set-up that broke off is done again.
READY := $(VENV)/.set-up
# In the C locale Python 3.11 cannot start in a folder whose name has other letters than ASCII's.
ifneq (,$(filter C POSIX,$(LC_ALL)))
export LC_ALL := C.UTF-8
endif

.DEFAULT_GOAL := help
.PHONY: help setup book data quick pdf poster slides test lint mutants fuzz bench check compare release lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(READY) ## create .venv with the versions of requirements.lock (seconds when up to date)

$(READY): requirements.lock pyproject.toml scripts/oversmooth-book
	@rm -f $(READY)
	@case "$$PWD" in *[{}]*) \
	  echo "This folder's path has braces, with which setuptools installs nothing: rename it, or clone elsewhere." >&2; \
	  exit 1;; esac
	@$(PYTHON) -m pip --version >/dev/null 2>&1 || { \
	  for python in python3.11 python3 python3.12 python3.13; do \
	    if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	      echo "creating $(VENV) with $$($$python --version)"; exec $$python -m venv --clear $(VENV); \
	    fi; \
	  done; \
	  echo "Python 3.11 or newer is needed (python3.11, python3.12 or python3 on the PATH)." >&2; exit 1; }
	$(PYTHON) -m pip install --quiet --requirement requirements.lock
	$(PYTHON) -m pip install --quiet --no-deps --no-build-isolation --editable .
	cp scripts/oversmooth-book $(VENV)/bin/
	@touch $(READY)

book: setup ## run the chapters and build the book (PROFILE=quick, published or full)
	$(PYTHON) -m oversmooth_book run --profile $(PROFILE)
	$(PYTHON) -m oversmooth_book build --profile $(PROFILE)

data: setup ## download the public graphs that the book needs (a call that broke off goes on where it stopped)
	$(PYTHON) -m oversmooth_book fetch

quick: ## the same, smaller, in a few minutes
	@$(MAKE) --no-print-directory book PROFILE=quick

pdf: setup ## print the built book to one PDF, with Chromium (PROFILE=quick, published or full)
	$(PYTHON) -m oversmooth_book.show.pdf --profile $(PROFILE)

poster: setup ## the committed book on one page, A4 and A3, with Chromium
	$(PYTHON) -m oversmooth_book.show.poster

slides: setup ## the committed book in twelve slides, HTML and PDF, with Chromium
	$(PYTHON) -m oversmooth_book.show.slides

test: setup ## all tests (JOBS processes at once)
	OMP_NUM_THREADS=1 $(PYTHON) -m pytest --numprocesses $(JOBS) --dist loadgroup --durations 30 --ignore $(NOTEBOOK_TESTS)
	OMP_NUM_THREADS=1 $(PYTHON) -m pytest --numprocesses $(JOBS) --dist worksteal $(NOTEBOOK_TESTS)

lint: setup ## style and docstrings
	$(PYTHON) -m ruff check .

mutants: setup ## change the mathematics, one operator at a time: which change does no test see? (half an hour)
	$(PYTHON) scripts/mutants.py

fuzz: setup ## damage files of every kind that is read: whatever comes must be a sentence (half an hour)
	OMP_NUM_THREADS=1 $(PYTHON) scripts/fuzz.py

bench: setup ## benchmarks, as a table in data/published/benchmarks (half an hour on a quiet machine)
	$(PYTHON) benchmarks/run.py

check: setup ## claims, profiles and committed notebooks, without running them
	$(PYTHON) -m oversmooth_book check

compare: setup ## your published-profile run against the published one (and _build/published/compare.html)
	$(PYTHON) -m oversmooth_book compare

release: setup ## the committed book as an archive with checksums, in _build/release
	$(PYTHON) -m oversmooth_book release

lock: ## rewrite requirements.lock and environment.yml from .venv
	$(PYTHON) scripts/lock.py

clean: ## delete what was built; keep .venv and downloaded graphs
	rm -rf _build build dist .pytest_cache .ruff_cache .hypothesis .benchmarks
	find src tests benchmarks scripts -name __pycache__ -prune -exec rm -rf {} +

# Set-up, tests and demo from a bare clone: Python 3.10-3.13, a C++ compiler, nothing else.
# Each step leaves a stamp in $(VENV) and runs again only when what it is made from changes.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11 python3.10,\
  $(shell $(name) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $(name))))
INTERFACES := $(shell find msg -type f)
TORCH := torch==2.13.0

.DELETE_ON_ERROR:
.PHONY: help setup test demo clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.installed  ## the environment in .venv; what test and demo do first

test: setup  ## every test
	$(BIN)/python -m pytest -q $(PYTEST_ARGS)

demo: setup  ## the whole stack on the simulated tabletop: video, recording and report in runs/demo
	$(BIN)/vlaser demo --out runs/demo

clean:  ## remove the environment and build outputs; runs/ stays
	rm -rf $(VENV) build *.egg-info .pytest_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

# A stamp, not the folder: a half-made environment has no stamp and is made anew.
$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "no Python 3.10-3.13 found: install python3 (apt install python3), or make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import importlib.util, os, shutil, sys, sysconfig; \
	  v = "python%d.%d" % sys.version_info[:2]; \
	  need = [v + "-venv"] * (importlib.util.find_spec("ensurepip") is None) \
	    + [v + "-dev"] * (not os.path.exists(sysconfig.get_path("include") + "/Python.h")) \
	    + ["g++"] * (shutil.which("c++") is None); \
	  need and sys.exit("this machine lacks what the set-up is made with: apt install " + " ".join(need))'
	$(PYTHON) -m venv $(VENV)
	echo '$(TORCH)' > $(VENV)/constraints.txt
	touch $@

# Torch first and pinned by a constraint from then on, so that nothing later exchanges it for another build.
$(VENV)/.torch: $(VENV)/.made
	$(PIP) install --quiet --constraint $(VENV)/constraints.txt torch
	touch $@

# The interface package, compiled against ROS 2's wheels. CMake and ninja come as wheels too.
$(VENV)/.interfaces: $(VENV)/.torch $(INTERFACES)
	$(PIP) install --quiet --constraint $(VENV)/constraints.txt ./msg
	touch $@

# Other people's clients of `vlaser serve`, for its tests. Without what they declare: openpi-client asks for NumPy below 2, which its
# code does not need, and vla-eval for what its benchmarks need; dm-tree and the rest of what their clients import is in `test`.
$(VENV)/.installed: $(VENV)/.interfaces pyproject.toml setup.cfg setup.py
	$(PIP) install --quiet --constraint $(VENV)/constraints.txt --editable '.[data,test]'
	$(PIP) install --quiet --no-deps openpi-client==0.1.2 vla-eval==0.8.0
	touch $@

# Thin names for commands that a reader can copy. `make certify` and `make test` need nothing but
# Python >= 3.11 on a Linux machine; everything else lands in .venv.

PYTHON  ?= python3
GPU     := $(shell [ -e /proc/driver/nvidia/version ] && echo gpu || echo cpu)
BIN     := .venv/bin
READY   := .venv/.ready-$(GPU)
# Trust what the machine trusts: behind a company's proxy uv's own list is not enough.
export UV_SYSTEM_CERTS ?= true
TARGET  ?= conformance/targets/reference/target.toml
DEFECTS := conformance/tests/test_defects.py loadtests/tests/test_checks.py

.PHONY: certify test check matrix repeat load fuzz soak chaos certify-all bench clean

certify: $(READY)  ## judge the reference server
	$(BIN)/servespec certify --target $(TARGET) --only conformance

test: $(READY)  ## the tests of this repository: two files at a time, then the defects, alone
	$(BIN)/python -m pytest -q -n 2 --dist loadfile $(DEFECTS:%=--ignore %)
	$(BIN)/python -m pytest -q $(DEFECTS)

check: $(READY)  ## what must be green before a commit
	$(BIN)/ruff format --check . && $(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

repeat: $(READY)  ## N runs of the judging, all of them must pass: make repeat N=20 PROFILE=oip-rest
	$(BIN)/python -m conformance.tests.repeat --target $(TARGET) --times $(or $(N),20) \
	  $(if $(PROFILE),--profile $(PROFILE))

matrix: $(READY)  ## every defect against every check of its profile (about half an hour)
	$(BIN)/python -m conformance.tests.matrix

load: $(READY)  ## judge the reference server under load, and try the defects: ten minutes, alone; needs promtool
	$(BIN)/servespec certify --target $(TARGET) --only loadtests
	SERVESPEC_LOAD=1 $(BIN)/python -m pytest -q loadtests/tests/test_checks.py

fuzz: .venv-fuzz/.ready  ## 100,000 hostile requests; again: make fuzz REQUESTS=500 SEED=7 PART=rest
	.venv-fuzz/bin/python -m conformance.fuzzing --requests $(or $(REQUESTS),100000) \
	  --seed $(or $(SEED),1) $(if $(PART),--part $(PART))

soak: $(READY)  ## ten minutes of mixed traffic, the memory watched; shorter: make soak SECONDS=60
	SERVESPEC_SOAK_SECONDS=$(or $(SECONDS),600) \
	  $(BIN)/servespec certify --target $(TARGET) --profile soak

chaos: $(READY)  ## faults and rollouts under load: about seven minutes; needs redis-server
	$(BIN)/python -m pytest -q chaos --target $(TARGET) --log-cli-level INFO

certify-all: certify  ## the third-party servers too, each in an environment of its own
	for target in conformance/targets/*/target.toml; do $(BIN)/servespec certify --target $$target; done

bench: $(READY)  ## the reference server against its bare ceiling; needs wrk
	$(BIN)/python -m benchmarks.serving

$(READY): locks/$(GPU).txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check uv==0.13.9
	$(BIN)/uv pip sync --quiet --python $(BIN)/python locks/$(GPU).txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@

.venv-fuzz/.ready: $(READY) locks/fuzz.txt pyproject.toml
	$(PYTHON) -m venv .venv-fuzz
	$(BIN)/uv pip sync --quiet --python .venv-fuzz/bin/python locks/fuzz.txt
	$(BIN)/uv pip install --quiet --python .venv-fuzz/bin/python --no-deps --editable .
	touch $@

clean:
	rm -rf .venv .venv-fuzz reports .servespec

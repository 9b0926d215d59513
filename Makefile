# Each target does all its own set-up in .venv; nothing but Python 3.11+ and make is needed before.
PYTHON ?= python3
BIN := .venv/bin
DEMO ?= demo

.PHONY: demo test test-slow bench bench-detection bench-detection-events bench-night bench-spark lint lock clean

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name it with make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

demo: .venv/installed ## generate a shop with planted pain points, find them, draw its journey map
	$(BIN)/painpoints demo $(DEMO)

test: .venv/installed lint ## everything but what needs minutes or big parts
	$(BIN)/pytest -m "not slow" -n 2 --dist loadfile

# Apart from the rest: it is 450 MB, and only tests that are slow anyway ask for it.
.venv/spark-installed: requirements-spark.lock .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --require-hashes \
		-r requirements-spark.lock
	touch $@

test-slow: .venv/installed .venv/spark-installed ## what `make test` leaves out
	$(BIN)/pytest -m slow -n 2 --dist loadfile

# The contenders have a venv of their own: retentioneering pins what we do not.
.venv-bench/installed:
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/pip install --quiet --disable-pip-version-check \
		chdb==4.4.0 polars==2.1.0 retentioneering==5.2.0 "mcp<2" duckdb==2.0.0 pyarrow==26.0.1
	touch $@

bench: .venv/installed .venv-bench/installed ## time the engine beside ClickHouse, Polars, plain SQL and retentioneering
	$(BIN)/python tests/bench/run.py --data bench-data --profile \
		--python chdb=.venv-bench/bin/python --python polars=.venv-bench/bin/python \
		--python retentioneering=.venv-bench/bin/python $(BENCH)

bench-detection: .venv/installed ## score the detector on worlds with planted pain, beside usual practice
	$(BIN)/python tests/detection/run.py --kinds all --seeds 10 --processes 2 $(BENCH)

bench-detection-events: .venv/installed ## the same from vendors' files through the whole program; minutes a world
	$(BIN)/python tests/detection/event_run.py $(BENCH)

bench-night: .venv/installed ## time a night, new day and late rows, beside a whole build
	$(BIN)/python tests/bench/night_speed.py --data bench-data $(BENCH)

bench-spark: .venv/installed .venv/spark-installed ## rows per second of a build on Spark, one worker and two
	$(BIN)/python tests/bench/spark_scaling.py --data bench-data/spark $(BENCH)

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lock: ## resolve the dependencies anew
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-annotate --no-header --upgrade -o requirements.lock
	echo 'pyspark>=4.3,<4.4' | $(BIN)/uv pip compile - --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-annotate --no-header --upgrade -o requirements-spark.lock

clean:
	rm -rf .venv .venv-bench bench-data demo .mypy_cache .ruff_cache .pytest_cache .hypothesis

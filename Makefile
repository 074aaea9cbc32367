# Everything by one word. The service with nothing else installed: `make demo`.
.PHONY: demo test simulate lint lock clean

compile = PATH="$(CURDIR)/.venv/bin:$$PATH" uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-header

demo:
	@scripts/environment
	@exec .venv/bin/credits demo

# The tests wait more than they work, so more of them run at once than there are cores: each process has a database of
# its own. `make test PROCESSES=0` runs them in one.
test: PROCESSES = 4
test:
	@scripts/environment dev
	@exec .venv/bin/python -m pytest --numprocesses=$(PROCESSES) --dist=worksteal

# The rules of the ledger against an independent model; the tests have 500 runs of it. FROM is the first seed.
simulate: RUNS = 10000
simulate: FROM = 0
simulate:
	@scripts/environment dev
	@exec .venv/bin/python -m tests.simulation $(RUNS) $(FROM)

lint:
	@scripts/environment dev
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports

# What builds the project is in both locks: it is installed from its folder, and then fetches nothing.
lock:
	@scripts/environment dev
	@command -v uv >/dev/null || .venv/bin/python -m pip install --quiet uv
	printf 'hatchling\neditables\n' | $(compile) pyproject.toml - --output-file requirements.lock
	$(compile) pyproject.toml --extra dev --constraints requirements.lock --output-file requirements-dev.lock

# Not the data folder: what is in there was paid for.
clean:
	rm -rf .venv dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

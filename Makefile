# Every target sets up what it needs; see .ci/setup.
PYTHON := .venv/bin/python
PYTEST := $(PYTHON) -m pytest

.PHONY: setup demo test peers check lint bench images-proof faults fuzz clean

setup:
	@.ci/setup

demo: setup ## bring up examples/guestbook from nothing and use it
	@examples/demo

test: setup lint ## every check and every test that needs no other engine; skipped where it cannot run
	$(PYTEST) -m "not peer"

peers: setup ## beside Docker, Docker Compose, Podman, Buildah and skopeo; example images from Debian's packages
	@.ci/setup --peers
	$(PYTEST) -m peer

check: setup lint ## the quick ones: no root, under a minute
	$(PYTEST) -m "not root and not slow and not peer and not scenario" -q

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

bench: ## against Docker Compose, podman-compose, dockerd and Podman, into docs/performance.md
	@.ci/setup --peers
	$(PYTHON) tests/benchmarks/loading.py
	$(PYTHON) -m tests.benchmarks.bench
	$(PYTHON) -m tests.benchmarks.images

images-proof: ## PostgreSQL, Redis, nginx, Python: built, pushed, pulled, run by composer, Podman and Docker
	@.ci/setup --peers
	$(PYTEST) -q -p no:randomly tests/scenarios/test_images.py

faults: setup ## kill -9 at random moments: 100 of up and down, 50 of pull, load and build; 100 power cuts
	@.ci/setup --peers
	$(PYTHON) tests/faults/kill_sweep.py --rounds 100
	$(PYTHON) tests/faults/image_kill_sweep.py --rounds 50
	$(PYTHON) tests/faults/power_cuts.py --cuts 100

fuzz: setup ## 100,000 sequences of tar entries against the extractor
	COMPOSER_FUZZ=100000 $(PYTEST) tests/hostile/test_layers_fuzz.py

clean:
	rm -rf .venv .cache dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

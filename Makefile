# Every target does its own set-up from a clean checkout; a second run finds it done.

SHELL := bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
unexport PYTHONDONTWRITEBYTECODE    # each of the processes that tests start would compile its modules again

PYTEST_ARGS ?=
PYTEST = .venv/bin/python -m pytest --numprocesses

.PHONY: help
help: ## Show these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

.PHONY: demo
demo: setup ## Build GNU hello on two builders, compare, sign, verify, publish and rebuild it
	@demo/run

.PHONY: check
check: .venv ## Lint and run the unit tests: two minutes, without Nix and without a network
	@$(MAKE) --jobs 2 lint unit

.PHONY: unit
unit: .venv
	@TMPDIR=$$(tools/quick-folder) nice $(PYTEST) $$(($$(nproc) + 1)) tests/unit $(PYTEST_ARGS)    # one more than cores, since some wait for a limit

.PHONY: test
test: setup ## Run the unit, integration and documentation tests
	@tools/test-needs
	@$(PYTEST) $$(($$(nproc) + 2)) $(PYTEST_ARGS)    # two more than cores, since hosts and builds keep tests waiting

.PHONY: test-sigstore
test-sigstore: setup ## Run a real Rekor v2 server, built from Debian's sources, and sign into it
	@tools/need 'command -v npm' npm
	@tools/need 'command -v zstd' zstd
	@.venv/bin/python -m pytest tests/sigstore $(PYTEST_ARGS)

.PHONY: test-emulated
test-emulated: setup ## Build on two emulated machines of another architecture: eight minutes of CPU
	@tools/need 'command -v qemu-system-aarch64' qemu-system-arm
	@.venv/bin/python -m pytest tests/emulated $(PYTEST_ARGS)

.PHONY: test-packages
test-packages: setup ## Install what make deb, image and dist make where no clone is: four minutes of CPU
	@tools/need 'command -v mmdebstrap' mmdebstrap
	@.venv/bin/python -m pytest tests/packages $(PYTEST_ARGS)

.PHONY: lint
lint: .venv ## Check style, types and which module may import which
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-logo

.PHONY: bench
bench: setup ## Measure against the baselines, in the same run
	@tools/need 'command -v ssh-keygen' openssh-client
	@tools/need 'command -v qemu-system-x86_64' qemu-system-x86
	@.venv/bin/python bench/run.py

.PHONY: docs
docs: .venv ## Write docs/reference/command-line.md again from the program's own help, and the tables of codes
	@.venv/bin/python tools/command_line_reference.py
	@.venv/bin/python tools/codes_reference.py

.PHONY: dist
dist: .venv ## Make the package that users install, a wheel in dist/
	@rm -f dist/tallystick-*.whl
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct 2> /dev/null || echo 315532800) .venv/bin/python -m flit_core.wheel --outdir dist > /dev/null
	@ls dist/tallystick-*.whl

.PHONY: zipapp
zipapp: setup ## Build tally as one file with tally itself, by two builders that agree
	@mkdir -p dist
	@artifact=$$(.venv/bin/tally build package/recipes/tallystick.toml --no-sign) && cp --no-preserve=mode "$$artifact" dist/tally-0.1.0-cp311.pyz
	@sha256sum dist/tally-*.pyz

.PHONY: deb
deb: setup ## Build a Debian package of tally with tally itself, by two builders that agree
	@mkdir -p dist
	@artifact=$$(.venv/bin/tally build package/recipes/tallystick-deb.toml --no-sign) && cp --no-preserve=mode "$$artifact" dist/tallystick_0.1.0_amd64.deb
	@sha256sum dist/tallystick_*.deb

.PHONY: image
image: setup ## Build an image for CI, with tally, Nix and git, with tally itself, by two builders that agree
	@mkdir -p dist
	@artifact=$$(.venv/bin/tally build package/recipes/tallystick-image.toml --no-sign) && cp --no-preserve=mode "$$artifact" dist/tallystick-image-0.1.0.oci.tar
	@sha256sum dist/tallystick-image-*.oci.tar

.PHONY: lock
lock: ## Pin the Python packages again (requirements/*.txt)
	@test -x .venv/bin/pip-compile || tools/setup-python || test -x .venv/bin/pip-compile
	@tools/lock-requirements

.PHONY: setup
setup: .venv
	@tools/need 'command -v nix-store' nix-bin
	@tools/need 'command -v git' git

.PHONY: .venv
.venv: .venv/stamp
	@:

.venv/stamp: pyproject.toml requirements/dev.txt tools/setup-python tools/need
	@tools/setup-python
	@touch $@

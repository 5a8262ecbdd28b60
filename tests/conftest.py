"""What every test may use: the command run as a user runs it, and a state folder kept between runs."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import large_pages
import pytest
from progress import Progress
from scheduling import Scheduling, ordered, scheduling
from spent import Spent
from warm import WARM

for _number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:  # `nohup make test`; what tests start has to hear it
        signal.signal(_number, lambda *_: None)

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Ran:
    """How one run of `tally` ended."""

    arguments: tuple[str, ...]
    code: int
    out: str
    err: str

    def succeeded(self) -> Ran:
        assert self.code == 0, (
            f"tally {' '.join(self.arguments)} ended with {self.code}:\n{self.out}{self.err}"
        )
        return self

    def failed(self, code: int) -> Ran:
        """Ended with that code, and said why as an error, not as a traceback."""
        assert self.code == code, (
            f"tally {' '.join(self.arguments)} ended with {self.code}:\n{self.out}{self.err}"
        )
        assert "Traceback" not in self.err
        return self


@dataclass(frozen=True)
class Tally:
    """Runs `tally` in a process of its own, which begins warm: `tally("plan", "recipes/hello.toml")`."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def __call__(
        self,
        *arguments: object,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
        stdin: str | None = None,
        timeout: float = 1200,
    ) -> Ran:
        words, where = tuple(map(str, arguments)), folder or self.folder
        whole = {**os.environ, **self.environment, **(environment or {})}
        warm = WARM.run(words, where, whole, stdin, timeout)
        if warm is not None:
            return Ran(words, warm.code, warm.out, warm.err)
        done = subprocess.run(
            [*command(), *words],
            cwd=where,
            env=whole,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Ran(words, done.returncode, done.stdout, done.stderr)


class TallyIn(Protocol):
    def __call__(self, folder: Path, **environment: str) -> Tally: ...


def command() -> list[str]:
    """The command line in the checkout under test, by this very interpreter."""
    return [sys.executable, "-m", "orchestrator.cli"]


@pytest.fixture(scope="session", autouse=True)
def _warm() -> Iterator[None]:
    """What the runs are forked from ends with the tests."""
    yield
    WARM.close()


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout under test."""
    return ROOT


@pytest.fixture(scope="session")
def session_state() -> Path:
    """The state folder that tests share and that outlives them: packages are fetched once a machine.

    `TALLY_TEST_STATE` names another. Tests that harm a state folder make one of their own.
    """
    configured = os.environ.get("TALLY_TEST_STATE")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    state = Path(configured) if configured else cache / "tallystick" / "tests"
    (state / "sources").mkdir(parents=True, exist_ok=True)  # stores of a test's own have a link to it
    return state


@pytest.fixture
def tally(session_state: Path) -> Tally:
    """`tally` in the checkout, with the tests' shared state folder."""
    return Tally(ROOT, {"TALLY_STATE": str(session_state)})


@pytest.fixture(scope="session")
def tally_in(session_state: Path) -> TallyIn:
    """`tally` in another folder; keyword arguments are environment variables, `TALLY_STATE` among them."""

    def run_in(folder: Path, **environment: str) -> Tally:
        return Tally(folder, {"TALLY_STATE": str(session_state), **environment})

    return run_in


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's own state, passphrase and Nix settings stay out of the tests."""
    for name in ("TALLY_STATE", "TALLY_KEY_PASSPHRASE", "NIX_CONFIG", "NIX_REMOTE", "NIX_STORE", "NIX_PATH"):
        monkeypatch.delenv(name, raising=False)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--order", type=int, metavar="SEED", help="run the tests in an order that follows from SEED"
    )
    parser.addoption(
        "--spent", type=Path, metavar="FILE", help="write what each test takes of the processors to FILE"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("numprocesses", None) and not config.option.verbose:
        config.pluginmanager.register(Progress(config))
    if spent := config.getoption("--spent"):
        config.pluginmanager.register(Spent(config.invocation_params.dir / spent))


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Scheduling:
    return scheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Everything below tests/integration is marked; what costs most comes first."""
    for item in items:
        if "integration" in item.path.relative_to(ROOT).parts:
            item.add_marker(pytest.mark.integration)
    items[:] = ordered(items, config.getoption("--order"))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Hardly anything that is made until all tests are there goes again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """What there is by now stays to the end: the collector of garbage need not look at it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)  # from 700, 10, 10: a tenth of the processor time
    if "PYTEST_XDIST_WORKER" in os.environ:  # which runs many
        large_pages.settle()

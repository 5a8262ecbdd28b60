"""`tally lock` as users run it, against the real archive, in a folder of its own."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from warm import WARM

from orchestrator.ground.nar import nar_hash
from orchestrator.pinning import debian
from orchestrator.recipe.lock import read
from orchestrator.sources.mirrors import Mirrors

if TYPE_CHECKING:
    from tests.conftest import TallyIn

HELLO = """\
name = "hello"
version = "2.10"
summary = "A greeting"
homepage = "https://example.org/"
license = "GPL-3.0-or-later"

[source]
url = "mirror://debian/pool/main/h/hello/hello_2.10.orig.tar.gz"
sha256 = "31e066137a962676e89f69d1b65382de95a7ef7d914b8cb956f41ea72e0f516b"

[toolchain]
from = "debian"
packages = ["make"]

[build]
script = "make"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with one recipe and no lock."""
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes/hello.toml").write_text(HELLO)
    return tmp_path


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory, tally_in: TallyIn) -> bytes:
    """The lock of such a folder: to resolve it takes seconds, and it is the same each time."""
    folder = tmp_path_factory.mktemp("locked")
    (folder / "recipes").mkdir()
    (folder / "recipes/hello.toml").write_text(HELLO)
    tally_in(folder)("lock").succeeded()
    return (folder / "tally.lock").read_bytes()


def _machine_apt() -> dict[str, tuple[int, int]]:
    """What would show that the machine's own apt state was touched."""
    folders = [Path("/var/lib/apt"), Path("/var/cache/apt"), Path("/etc/apt"), Path("/var/lib/dpkg")]
    files = [path for folder in folders for path in [folder, *folder.rglob("*")] if path.exists()]
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in files}


def test_a_lock_is_made_checked_and_kept(project: Path, tally_in: TallyIn, locked: bytes) -> None:
    tally, file = tally_in(project), project / "tally.lock"
    tally("lock", "--check").failed(2)
    before = _machine_apt()
    tally("lock").succeeded()
    assert _machine_apt() == before
    lock = read(file)
    found = lock.set_for(["make"], "x86_64-linux")
    assert found is not None
    names = {lock.packages[each].name for each in found.packages}
    assert {"make", *debian.BASE} <= names
    assert "gcc" not in names
    assert any(package.license for package in lock.package)
    assert "http" not in file.read_text()

    written = file.read_bytes(), file.stat().st_mtime_ns
    tally("lock", "--check").succeeded()
    again = json.loads(tally("lock", "--json").succeeded().out)
    assert again["changed"] is False
    assert (file.read_bytes(), file.stat().st_mtime_ns) == written

    assert locked == written[0], "another run makes the same"


def test_what_drifted_is_said_and_only_that_is_resolved(
    project: Path, tally_in: TallyIn, locked: bytes
) -> None:
    tally, file = tally_in(project), project / "tally.lock"
    file.write_bytes(locked)
    before = read(file)
    other = HELLO.replace('"hello"', '"second"', 1).replace('["make"]', '["make", "m4"]')
    (project / "recipes/second.toml").write_text(other)
    said = tally("lock", "--check").failed(1)
    assert "second: not locked for x86_64-linux: the packages m4, make" in said.out
    assert read(file) == before
    drift = json.loads(tally("lock", "--check", "--json").failed(1).out)["drift"]
    assert len(drift) == 2
    # a pin that is there and fits stays, even one that no archive would give now
    kept = before.package[0].model_copy(update={"license": "LicenseRef-kept"})
    text = file.read_text()
    first = next(line for line in text.splitlines() if line.startswith("license = "))
    file.write_text(text.replace(first, 'license = "LicenseRef-kept"', 1))
    said = tally("lock").succeeded()
    assert "for second" in said.err
    assert "for hello" not in said.err
    after = read(file)
    assert after.set_for(["make"], "x86_64-linux") == before.set_for(["make"], "x86_64-linux")
    assert any(package.license == kept.license for package in after.package)
    # a busybox that left the archive, as at a point release: `--update` takes the one that is there
    (busybox,) = (package for package in after.package if package.name == "busybox-static")
    gone = file.read_text().replace(busybox.version.rpartition(":")[2], "0.1-1")
    file.write_text(gone.replace(busybox.sha256, "0" * 64))
    assert "busybox-static_0.1-1_amd64.deb" in file.read_text()
    assert "resolving make for hello" in tally("lock", "--update", "hello").succeeded().err
    assert busybox.sha256 in {package.sha256 for package in read(file).package}
    assert read(file).busybox == after.busybox
    (project / "recipes/second.toml").unlink()
    tally("lock").succeeded()
    assert len(read(file).set) == 1


@pytest.mark.parametrize(
    ("old", "new", "says", "hint"),
    [
        ('["make"]', '["mak"]', "has no package 'mak' for amd64", "did you mean"),
        ('["make"]', '["make-"]', "has no package 'make-'", "did you mean 'make"),
        (
            "mirror://debian/",
            "mirror://debain/",
            "there is no mirror called 'debain'",
            "did you mean 'debian'",
        ),
        ("516b", "516c", "its sha256 is 31e066137a96", "compare with the sha256 that the publisher names"),
        (
            '2.10.orig.tar.gz"\nsha256 = "31',
            'none.tar.gz"\nsha256 = "00',
            "HTTP status 404",
            "check the network",
        ),
        (
            'packages = ["make"]',
            'packages = ["make"]\nfoo = 1',
            "unknown key `toolchain.foo`",
            "known keys here",
        ),
        ("[source]", 'inputs = ["hello"]\n[source]', "hello -> hello", "take one of them out"),
    ],
)
def test_what_cannot_be_locked_leaves_nothing(  # type: ignore[no-untyped-def]
    project: Path, tally_in, old: str, new: str, says: str, hint: str
) -> None:
    assert old in HELLO
    (project / "recipes/hello.toml").write_text(HELLO.replace(old, new))
    ran = tally_in(project)("lock").failed(2)
    assert says in ran.err
    assert hint in ran.err
    assert not (project / "tally.lock").exists()


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGKILL])
def test_stopped_at_any_moment_it_leaves_no_half_and_a_rerun_finishes(
    project: Path, tmp_path: Path, signal_number: signal.Signals
) -> None:
    environment = {**os.environ, "TALLY_STATE": str(tmp_path / "state"), "TMPDIR": str(tmp_path)}
    codes = []
    for delay in (0.6, 1.5, 3.0, 4.5, 6.0):
        running = WARM.start(["lock"], project, environment)
        assert running is not None
        try:
            running.wait(delay)
        except subprocess.TimeoutExpired:
            running.send_signal(signal_number)
        codes.append(running.wait(10))
        if (project / "tally.lock").exists():
            read(project / "tally.lock").packages  # noqa: B018  (whole, or this raises)
            break
        if signal_number == signal.SIGINT and codes[-1] == 130:
            assert not list((tmp_path / "state").rglob("*.tmp"))
    assert set(codes) <= {0, 130, -signal_number}
    again = WARM.run(["lock"], project, environment, None, 600)
    assert again is not None and again.code == 0, again
    for file in (tmp_path / "state/sources").glob("*/[!.]*"):
        assert file.is_dir() or hashlib.sha256(file.read_bytes()).hexdigest() == file.parent.name


def test_commands_that_make_no_sense(project: Path, tally_in: TallyIn, locked: bytes) -> None:
    tally = tally_in(project)
    assert "give one of the two" in tally("lock", "--check", "--update", "hello").failed(2).err
    (project / "tally.lock").write_bytes(locked)
    assert "did you mean 'hello'?" in tally("lock", "--update", "hallo").failed(2).err
    (project / "empty").mkdir()
    assert "there is no recipe in empty" in tally("lock", "empty").failed(2).err
    assert "cannot read the recipes" in tally("lock", "absent").failed(2).err


def test_the_repositorys_lock_fits_its_recipes(tally) -> None:  # type: ignore[no-untyped-def]
    tally("lock", "--check").succeeded()


def test_another_suite_and_its_signature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = Mirrors().bases("debian")
    with debian.opened(addresses, "amd64", "trixie") as apt:
        found = {package.name: package.version for package in apt.resolve(["nix-bin"])}
    assert found["nix-bin"].startswith("2.26")
    # an index that these keys did not sign is refused
    keys = tmp_path / "keys.gpg"
    shutil.copy("/usr/share/keyrings/debian-archive-removed-keys.gpg", keys)
    keys.chmod(0o644)
    tmp_path.chmod(0o755)
    monkeypatch.setattr(debian, "KEYRING", keys)
    with (
        pytest.raises(Exception, match="no address gave a signed index of Debian trixie"),
        debian.opened(addresses, "amd64", "trixie"),
    ):
        pass


def test_schemas_are_json_schemas(tally) -> None:  # type: ignore[no-untyped-def]
    for name in ("recipe", "lock", "config"):
        schema = json.loads(tally("schema", name).succeeded().out)
        assert schema["type"] == "object"
        assert schema["additionalProperties"] is False
    tally("schema", "nothing").failed(2)


def test_nar_hashes_are_nixs(tmp_path: Path) -> None:
    if shutil.which("nix-store") is None:
        pytest.skip("Nix is not here")
    tree = tmp_path / "tree"
    shutil.copytree(Path(debian.__file__).parent, tree, ignore=shutil.ignore_patterns("__pycache__"))
    (tree / "link").symlink_to("/none")
    dumped = subprocess.run(["nix-store", "--dump", str(tree)], capture_output=True, check=True).stdout
    assert nar_hash(tree).hex == hashlib.sha256(dumped).hexdigest()

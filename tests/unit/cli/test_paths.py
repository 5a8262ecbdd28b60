"""Every path that a command takes, when there is not what it should name: each is told, with the way out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import powers
import pytest
import releases
import typer
from foreign import ARTIFACT, Instance, Recipe

from orchestrator.cli import sbom as sbom_command
from orchestrator.ground.errors import ExitCode, TallyError

READ: Mapping[str, str] = {
    # what it is, and the command line with it
    "build a recipe": "build PATH --no-sign",
    "build --key": "build recipes/hello.toml --key PATH",
    "plan a recipe": "plan PATH",
    "lock a folder": "lock PATH",
    "lock --check": "lock PATH --check",
    "verify a release": "verify PATH --key release.pub",
    "verify --key": "verify signed --key PATH",
    "verify --policy": "verify signed --policy PATH",
    "verify --evidence": "verify signed --key release.pub --evidence PATH",
    "verify --list": "verify --key release.pub --list PATH",
    "verify --trusted-root": "verify signed --key release.pub --trusted-root PATH",
    "verify --attest-key": "verify signed --key release.pub --attest out.json --attest-key PATH",
    "verify a file": "verify PATH --bundle some.sigstore.json --key some.pub --trusted-root root.json",
    "verify --bundle": "verify some.file --bundle PATH --key some.pub --trusted-root root.json",
    "verify --bundle --key": "verify some.file --bundle some.sigstore.json --key PATH",
    "verify --bundle --trusted-root": "verify some.file --bundle some.sigstore.json --key some.pub "
    "--trusted-root PATH",
    "policy check": "policy check PATH",
    "policy explain": "policy explain PATH --policy policy.toml",
    "policy explain --policy": "policy explain signed --policy PATH",
    "policy explain --evidence": "policy explain signed --policy policy.toml --evidence PATH",
    "policy explain --trusted-root": "policy explain signed --policy policy.toml --trusted-root PATH",
    "keys rotate": "keys rotate PATH next",
    "keys show": "keys show PATH",
    "log verify --from": "log verify --from PATH",
    "attest --key": "attest --key PATH --public-key",
    "builder add --ssh-key": "builder add red ssh-ng://red.example --ssh-key PATH --host-key HOSTKEY",
    "builder add --link-key": "builder add red ssh-ng://red.example --link-key PATH --host-key HOSTKEY",
}
WRITTEN: Mapping[str, str] = {
    "verify --attest": "verify signed --key release.pub --attest PATH --attest-key release.key",
    "keys generate": "keys generate PATH",
    "keys rotate to": "keys rotate release.pub PATH",
    "keys show --out": "keys show release.pub --out PATH",
    "build --out": "build recipes/hello.toml --key release.key --out PATH",
}
Kind = Callable[[Path], str]
"""Makes something in a folder, or nothing, and gives its name."""
Told = Callable[..., str]
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA" + "A" * 42


def missing(folder: Path) -> str:
    return "not-there"


def a_folder(folder: Path) -> str:
    (folder / "a-folder").mkdir()
    return "a-folder"


def below_a_file(folder: Path) -> str:
    (folder / "a-file").write_text("text")
    return "a-file/below"


def unreadable(folder: Path) -> str:
    (folder / "locked").write_text("text")
    (folder / "locked").chmod(0)
    return "locked"


def in_a_closed_folder(folder: Path) -> str:
    (folder / "closed").mkdir()
    (folder / "closed/inside").write_text("text")
    (folder / "closed").chmod(0)
    return "closed/inside"


def empty(folder: Path) -> str:
    (folder / "nothing").write_bytes(b"")
    return "nothing"


def dangling(folder: Path) -> str:
    (folder / "dangling").symlink_to("nowhere")
    return "dangling"


def circular(folder: Path) -> str:
    (folder / "circle").symlink_to("circle")
    return "circle"


def newline(folder: Path) -> str:
    return "two\nlines"


def endless(folder: Path) -> str:
    return "x" * 5000


KINDS = (
    missing,
    a_folder,
    below_a_file,
    unreadable,
    in_a_closed_folder,
    empty,
    dangling,
    circular,
    newline,
    endless,
)
DECIDED = {
    # these say something, and are no mistakes: a policy that trusts nobody, and evidence that is none
    ("verify --policy", empty),
    ("verify --evidence", a_folder),
    ("verify --evidence", empty),
    ("verify a file", empty),
    ("verify --bundle", empty),
    ("policy check", empty),
    ("policy explain --policy", empty),
    ("policy explain --evidence", a_folder),
    ("policy explain --evidence", empty),
    # recipes are read when Nix is there: tests/unit/recipe/test_recipe_model.py
    ("build a recipe", empty),
    ("plan a recipe", empty),
}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one of everything, each as it should be."""
    desk = tmp_path_factory.mktemp("desk")
    releases.signed(desk).folder.rename(desk / "signed")
    (desk / "policy.toml").write_text('[[signer]]\nname = "us"\nkey = "release.pub"\n')
    (desk / "recipes").mkdir()
    (desk / "tally.lock").write_text("never read")
    (desk / "recipes/hello.toml").write_text("never read")
    releases.log_in(desk / "state/log")
    instance = Instance(desk / "instance")
    made = instance.make(Recipe())
    (desk / "some.file").write_bytes(ARTIFACT)
    (desk / "some.sigstore.json").write_text(json.dumps(made.document))
    (desk / "some.pub").write_text(made.public.pem)
    (desk / "root.json").write_bytes(instance.root.render())
    return desk


def tally(line: str, path: str) -> int:
    """Runs a command in this process, as `tally` does; what it does not expect of a file system is raised."""
    from orchestrator.cli import main
    from orchestrator.cli.app import app

    words = [path if word == "PATH" else HOST_KEY if word == "HOSTKEY" else word for word in line.split()]
    try:
        return int(app(words, standalone_mode=False) or 0)
    except (TallyError, typer.TyperException) as error:
        return main._explained(error)


@pytest.fixture
def told(desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Told:
    """Runs a command line with a path, which has to be refused, and gives what it said."""
    monkeypatch.chdir(desk)
    monkeypatch.setenv("TALLY_STATE", str(desk / "state"))

    def run(line: str, path: str, state: str | None = None) -> str:
        if state is not None:
            monkeypatch.setenv("TALLY_STATE", state)
        with powers.as_anybody():
            code = tally(line, path)
        said = capsys.readouterr().err
        assert code == ExitCode.UNDECIDED, (line, path[:100], code, said[:1000])
        assert said.startswith("tally: error: "), (line, path[:100], said[:1000])
        hinted = said.splitlines()[-1].startswith("hint: ")
        assert hinted or "expected a text on one line" in said, (line, path[:100], said[:1000])
        assert len(said) < 2000
        return said

    return run


def names(said: str, path: str) -> bool:
    """Whether it names the path, or the beginning of one that is too long to be shown."""
    return path[-200:] in said or path[:100] in said or repr(path)[1:-1] in said


@pytest.mark.parametrize(
    ("place", "kind"),
    [(place, kind) for place in READ for kind in KINDS if (place, kind) not in DECIDED],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_what_cannot_be_read(desk: Path, told: Told, place: str, kind: Kind) -> None:
    folder = desk / f"{place} {kind.__name__}"
    folder.mkdir()
    path = str(folder / kind(folder))
    said = told(READ[place], path)
    assert names(said, path), said


@pytest.mark.parametrize(
    ("place", "kind"),
    [(place, kind) for place in WRITTEN for kind in (below_a_file, in_a_closed_folder, endless)],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_what_cannot_be_written(desk: Path, told: Told, place: str, kind: Kind) -> None:
    folder = desk / f"{place} {kind.__name__}"
    folder.mkdir()
    path = str(folder / kind(folder))
    said = told(WRITTEN[place], path)
    assert names(said, path), said


@pytest.mark.parametrize("place", [place for place in WRITTEN if place != "build --out"])
@pytest.mark.parametrize("kind", [a_folder, dangling], ids=lambda kind: kind.__name__)
def test_what_is_there_is_never_overwritten(desk: Path, told: Told, place: str, kind: Kind) -> None:
    folder = desk / f"{place} {kind.__name__}"
    folder.mkdir()
    path = folder / kind(folder)
    for suffix in (".key", ".pub"):
        path.with_name(path.name + suffix).symlink_to("nowhere")
    said = told(WRITTEN[place], str(path))
    assert names(said, str(path)), said


@pytest.mark.parametrize("kind", [empty, dangling, circular], ids=lambda kind: kind.__name__)
def test_a_folder_for_releases_that_is_none(desk: Path, told: Told, kind: Kind) -> None:
    folder = desk / f"out {kind.__name__}"
    folder.mkdir()
    path = str(folder / kind(folder))
    assert names(told(WRITTEN["build --out"], path), path)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_state_folder_without_a_log(desk: Path, told: Told, kind: Kind) -> None:
    folder = desk / f"state {kind.__name__}"
    folder.mkdir()
    path = str(folder / kind(folder))
    assert names(told("log show", "", state=path), path)


@pytest.mark.parametrize(
    "kind",
    [below_a_file, unreadable, in_a_closed_folder, empty, dangling, circular, endless],
    ids=lambda kind: kind.__name__,
)
def test_a_state_folder_that_cannot_be_used(desk: Path, told: Told, kind: Kind) -> None:
    folder = desk / f"used state {kind.__name__}"
    folder.mkdir()
    path = str(folder / kind(folder))
    said = told("attest --public-key", "", state=path)
    assert names(said, path), said


@pytest.mark.parametrize("name", ["nul\\u0000inside", "two\\nlines", "not-there", "x" * 450])
@pytest.mark.parametrize(
    "table",
    [
        '[[signer]]\nname = "us"\nkey = "NAME"',
        'trusted-root = "NAME"\n[[signer]]\nname = "us"\nkey = "release.pub"',
    ],
)
def test_what_a_policy_names(desk: Path, told: Told, name: str, table: str) -> None:
    file = desk / "naming.toml"
    file.write_text(table.replace("NAME", name))
    said = told("policy check PATH", str(file))
    assert name[:8].partition("\\")[0] in said, said


@pytest.mark.parametrize("name", ["nul\\u0000inside", "two\\nlines", "not-there", "x" * 450])
@pytest.mark.parametrize(
    "table", ['key = "NAME"', 'key = "release.key"\ntrusted-root = "NAME"\nlog = "https://log.example"']
)
def test_what_tally_toml_names(desk: Path, told: Told, name: str, table: str) -> None:
    (desk / "tally.toml").write_text("[signing]\n" + table.replace("NAME", name))
    try:
        said = told("build recipes/hello.toml", "")
    finally:
        (desk / "tally.toml").unlink()
    assert name[:8].partition("\\")[0] in said, said


@pytest.mark.parametrize(
    "kind",
    [missing, a_folder, below_a_file, unreadable, in_a_closed_folder, dangling, circular],
    ids=lambda kind: kind.__name__,
)
def test_a_tally_toml_that_cannot_be_read(
    desk: Path, told: Told, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = desk / f"configured {kind.__name__}"
    folder.mkdir()
    (folder / "tally.toml").symlink_to(folder / kind(folder))
    monkeypatch.chdir(folder)
    for line in ("builder list", "builder add red ssh-ng://red.example --host-key HOSTKEY"):
        assert "tally.toml" in told(line, "")


def test_a_list_with_a_name_that_is_none(desk: Path, told: Told) -> None:
    (desk / "targets").write_bytes(b"nul\0inside\n")
    assert "NUL" in told("verify --key release.pub --list PATH", str(desk / "targets"))


def test_several_files_are_written_all_or_none(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("before")
    (tmp_path / "file").touch()
    with pytest.raises(TallyError):
        sbom_command._write_all({tmp_path / "a": b"after", tmp_path / "file/b": b"after"})
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a", "file"]
    assert (tmp_path / "a").read_text() == "before"
    sbom_command._write_all({tmp_path / "a": b"after", tmp_path / "new/b": b"after"})
    assert (tmp_path / "a").read_text() == (tmp_path / "new/b").read_text() == "after"

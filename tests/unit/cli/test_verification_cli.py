"""`tally verify` and `tally keys` as their users meet them: exit codes, words, JSON."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import releases
from releases import Signed

from orchestrator.keys.key import PublicKey, SigningKey

if TYPE_CHECKING:
    from tests.conftest import Tally


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    return releases.signed(tmp_path_factory.mktemp("release"))


def test_yes(tally: Tally, release: Signed) -> None:
    ran = tally("verify", release.folder, release.artifact, "--key", release.pub).succeeded()
    assert ran.out.count("PASSED") == 2
    assert "a, b agree (same-host)" in ran.out
    assert ran.err == ""


def test_yes_as_json(tally: Tally, release: Signed) -> None:
    (found,) = json.loads(tally("verify", release.folder, "--key", release.pub, "--json").succeeded().out)
    assert found["verdict"] == "passed"
    assert found["artifact"]["path"] == release.artifact.name
    assert found["builders"] == ["a", "b"]


def test_a_log_that_somebody_else_vouches_for(tally: Tally, tmp_path: Path) -> None:
    made = releases.observed(tmp_path / "in")
    key, log = SigningKey.generate(), releases.log_in(tmp_path / "log")
    _, pub = key.write(tmp_path / "release")
    path = releases.published(tmp_path / "out", made, key, releases.builder_keys(made), log).path
    alone = tally("verify", path, "--key", pub).succeeded()
    said = f"only the release says that they are in the log {log.instance.origin}, a list of what was signed"
    assert f"notice: its signatures suffice; {said}; " in alone.out
    root = tmp_path / "log" / "trusted_root.json"
    assert "notice" not in tally("verify", path, "--key", pub, "--trusted-root", root).succeeded().out
    releases.log_in(tmp_path / "other")
    other = tmp_path / "other" / "trusted_root.json"
    assert "not-in-log: " in tally("verify", path, "--key", pub, "--trusted-root", other).failed(1).out


@pytest.mark.parametrize("data", [None, b"{}", b"\xff"])
def test_a_trusted_root_that_cannot_be_read(
    tally: Tally, release: Signed, tmp_path: Path, data: bytes | None
) -> None:
    root = tmp_path / "root.json"
    if data is not None:
        root.write_bytes(data)
    ran = tally("verify", release.folder, "--key", release.pub, "--trusted-root", root).failed(2)
    assert str(root) in ran.err


def test_no(tally: Tally, release: Signed, tmp_path: Path) -> None:
    _, other = SigningKey.generate().write(tmp_path / "other")
    ran = tally("verify", release.folder, "--key", other).failed(1)
    assert "FAILED" in ran.out
    assert "untrusted-signer: attestations/provenance.sigstore.json" in ran.out
    named, trusted = (PublicKey.load(each).fingerprint for each in (release.pub, other))
    assert f"it names sha256:{named}, and you trust sha256:{trusted}\n" in ran.out
    assert "hint: " in ran.out


def test_no_as_json(tally: Tally, release: Signed, tmp_path: Path) -> None:
    _, other = SigningKey.generate().write(tmp_path / "other")
    (found,) = json.loads(tally("verify", release.folder, "--key", other, "--json").failed(1).out)
    assert found["verdict"] == "failed"
    assert found["reasons"][0]["code"] == "untrusted-signer"
    assert found["reasons"][0]["hint"]


def test_one_no_among_several_is_a_no(tally: Tally, release: Signed, tmp_path: Path) -> None:
    import shutil

    harmed = tmp_path / "harmed"
    shutil.copytree(release.folder, harmed)
    (harmed / release.artifact.name).write_bytes(b"another")
    ran = tally("verify", release.folder, harmed, "--key", release.pub).failed(1)
    assert ran.out.count("PASSED") == ran.out.count("FAILED") == 1


def test_what_cannot_be_decided_hides_no_answer(tally: Tally, release: Signed, tmp_path: Path) -> None:
    import shutil

    harmed = tmp_path / "harmed"
    shutil.copytree(release.folder, harmed)
    (harmed / release.artifact.name).write_bytes(b"another")
    ran = tally("verify", "nowhere", harmed, release.folder, "--key", release.pub).failed(1)
    assert ran.out.count("PASSED") == ran.out.count("FAILED") == 1
    assert "there is nothing at nowhere" in ran.err
    ran = tally("verify", "nowhere", release.folder, "--key", release.pub, "--json").failed(2)
    assert [each["verdict"] for each in json.loads(ran.out)] == ["undecided", "passed"]


def test_a_releases_name_alone_is_answered_with_its_folder(
    tally: Tally, release: Signed, tmp_path: Path
) -> None:
    (tmp_path / "releases").mkdir()
    (tmp_path / "releases" / "hello-1.0-x86_64-linux").symlink_to(release.folder)
    for name in ("hello", "hello-1.0", "hello-1.0-x86_64-linux"):
        said = tally("verify", name, "--key", release.pub, folder=tmp_path).failed(2).err
        assert "did you mean releases/hello-1.0-x86_64-linux?" in said
    assert "did you mean" not in tally("verify", "hell*", "--key", release.pub, folder=tmp_path).err


def test_names_that_no_encoding_has_and_folders_without_end(
    tally: Tally, release: Signed, tmp_path: Path
) -> None:
    import shutil

    folder = tmp_path / "rélease"
    shutil.copytree(release.folder, folder)
    (folder / os.fsdecode(b"\xff\xfe")).write_text("stray")
    for depth in range(1, 1200):
        (folder / ("d/" * depth)).mkdir()
    for encoding in ("ascii", "utf-8:strict"):
        for more in ((), ("--json",)):
            environment = {"PYTHONIOENCODING": encoding}
            tally("verify", folder, "--key", release.pub, *more, environment=environment).succeeded()
    subprocess.run(["rm", "-r", folder / "d"], check=True)  # deeper than pytest's own clearing goes


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
@pytest.mark.parametrize("form", ["--json", "--sarif"])
def test_json_is_json_in_every_locale(release: Signed, tmp_path: Path, encoding: str, form: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "orchestrator.cli", "verify", "é😀", form, "--key", str(release.pub)],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert "é😀" in str(json.loads(ran.stdout.decode("utf-8")))
    assert ran.stdout.isascii() == (encoding != "utf-8")


@pytest.mark.parametrize(
    "words",
    [
        "verify {folder} --key {pub}",
        "verify nowhere --key {pub} --json",
        "--version",
        "--help",
        "schema recipe",
    ],
)
def test_an_answer_that_cannot_be_written_is_none(release: Signed, words: str) -> None:
    asked = words.format(folder=release.folder, pub=release.pub).split()
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "orchestrator.cli", *asked],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert ran.returncode == 2
    *_, said, hint = ran.stderr.decode().splitlines()
    assert said == "tally: error: standard output cannot be written: No space left on device"
    assert hint.startswith("hint: ")
    assert ran.stderr.count(b"cannot be written") == 1
    assert b"Traceback" not in ran.stderr


def test_an_error_that_cannot_be_written_keeps_its_exit_code(release: Signed) -> None:
    for target, code in ((release.folder, 0), ("nowhere", 2)):
        with Path("/dev/full").open("w") as full:
            asked = [
                sys.executable,
                "-m",
                "orchestrator.cli",
                "verify",
                str(target),
                "--key",
                str(release.pub),
            ]
            assert subprocess.run(asked, stdout=subprocess.PIPE, stderr=full, check=False).returncode == code


def test_an_index_with_half_a_letter(tally: Tally, release: Signed, tmp_path: Path) -> None:
    (tmp_path / "release.json").write_text(
        r'{"releaseFormat":1,"files":[{"path":"\ud800","sha256":"zz","size":1}],"artifact":{"path":"\ud800"}}'
    )
    ran = tally("verify", tmp_path, "--key", release.pub, "--json").failed(1)
    assert json.loads(ran.out)[0]["verdict"] == "failed"


@pytest.mark.parametrize(
    "arguments",
    [
        ["verify", "absent", "--key", "release.pub"],
        ["verify", ".", "--key", "release.pub"],
        ["verify", "release.pub", "--key", "release.pub"],
        ["verify", ".", "--key", "absent.pub"],
        ["verify", ".", "--key", "release.key"],
        ["verify", "."],
        ["verify", "--key", "release.pub"],
    ],
)
def test_undecided(tally: Tally, tmp_path: Path, arguments: list[str]) -> None:
    SigningKey.generate().write(tmp_path / "release")
    ran = tally(*arguments, folder=tmp_path).failed(2)
    assert ran.out == ""
    assert ran.err


class TestKeys:
    def test_generate_and_show(self, tally: Tally, tmp_path: Path) -> None:
        ran = tally("keys", "generate", "release", folder=tmp_path).succeeded()
        assert "release.key (keep it secret)" in ran.err
        assert stat.S_IMODE((tmp_path / "release.key").stat().st_mode) == 0o600
        private, public = (
            json.loads(tally("keys", "show", name, "--json", folder=tmp_path).succeeded().out)
            for name in ("release.key", "release.pub")
        )
        assert private == public
        assert public["pem"] == (tmp_path / "release.pub").read_text()
        text = tally("keys", "show", "release.pub", folder=tmp_path).succeeded().out
        assert public["fingerprint"] in text
        assert "PRIVATE" not in text

    def test_never_overwrites(self, tally: Tally, tmp_path: Path) -> None:
        tally("keys", "generate", "release", folder=tmp_path).succeeded()
        before = (tmp_path / "release.key").read_bytes()
        assert "never overwritten" in tally("keys", "generate", "release", folder=tmp_path).failed(2).err
        assert (tmp_path / "release.key").read_bytes() == before

    def test_a_passphrase_from_the_environment(self, tally: Tally, tmp_path: Path) -> None:
        secret = {"TALLY_KEY_PASSPHRASE": "open sesame"}
        tally("keys", "generate", "release", folder=tmp_path, environment=secret).succeeded()
        assert "ENCRYPTED" in (tmp_path / "release.key").read_text()
        tally("keys", "show", "release.key", folder=tmp_path, environment=secret).succeeded()
        wrong = {"TALLY_KEY_PASSPHRASE": "open barley"}
        assert (
            "does not open"
            in tally("keys", "show", "release.key", folder=tmp_path, environment=wrong).failed(2).err
        )
        assert "needs a passphrase" in tally("keys", "show", "release.key", folder=tmp_path).failed(2).err

    def test_an_ed25519_key_and_its_passphrase_by_descriptor(self, tally: Tally, tmp_path: Path) -> None:
        tally("keys", "generate", "release", "--type", "ed25519", folder=tmp_path).succeeded()
        found = json.loads(tally("keys", "show", "release.pub", "--json", folder=tmp_path).succeeded().out)
        assert found["kind"] == "ed25519"
        SigningKey.generate().write(tmp_path / "locked", b"open sesame")
        command = ["keys", "show", "locked.key", "--passphrase-fd", "0"]
        tally(*command, folder=tmp_path, stdin="open sesame\n").succeeded()
        assert "does not open" in tally(*command, folder=tmp_path, stdin="open barley\n").failed(2).err

    @pytest.mark.parametrize("kind", ["p256", "ed25519"])
    def test_rotate(self, tally: Tally, tmp_path: Path, kind: str) -> None:
        import tomllib
        from datetime import UTC, datetime, timedelta

        tally("keys", "generate", 'old "1"', "--type", kind, folder=tmp_path).succeeded()
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}
        command = ["keys", "rotate", 'old "1".pub', "keys/new", "--overlap", "30"]
        old, new = tomllib.loads(tally(*command, folder=tmp_path).succeeded().out)["signer"]
        until = datetime.now(UTC).date() + timedelta(days=30)
        assert old == {"name": 'old "1"', "key": 'old "1".pub', "until": until}
        assert new == {"name": "new", "key": "keys/new.pub"}
        first, second = (PublicKey.load(tmp_path / each["key"]) for each in (old, new))
        assert first.kind is second.kind
        assert first != second
        assert stat.S_IMODE((tmp_path / "keys/new.key").stat().st_mode) == 0o600
        assert all(path.read_bytes() == data for path, data in before.items())
        assert "never overwritten" in tally(*command, folder=tmp_path).failed(2).err
        tally("keys", "rotate", "nowhere.pub", "newer", folder=tmp_path).failed(2)
        assert not (tmp_path / "newer.key").exists()

    def test_the_tables_of_a_rotation_are_had_again(self, tally: Tally, tmp_path: Path) -> None:
        """Who lost them, as on a full disk, is told the command that prints them, and no key is made."""
        import shlex

        tally("keys", "generate", "old", folder=tmp_path).succeeded()
        command = ["keys", "rotate", "old.pub", "keys/a new"]
        tables = tally(*command, folder=tmp_path).succeeded().out
        before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
        told = tally(*command, folder=tmp_path).failed(2).err
        words = shlex.split(told.split("`")[1])
        assert words == ["tally", "keys", "rotate", "old.pub", "keys/a new.pub"]
        again = tally(*words[1:], folder=tmp_path).succeeded()
        assert (again.out, again.err) == (tables, "")
        assert "leave it out" in tally(*words[1:], "--passphrase", folder=tmp_path).failed(2).err
        assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before

    def test_whose_folder_a_name_is_from(self, tally: Tally, tmp_path: Path) -> None:
        old, new = tmp_path / "old.pub", tmp_path / "new.pub"
        SigningKey.generate().write(old)
        tables = tally("keys", "rotate", "old.pub", "new", folder=tmp_path).succeeded().out
        for name in ("old.pub", "new.pub"):
            assert f'key = "{name}"    # as from the folder of this policy\n' in tables
        assert "from the folder" not in tally("keys", "rotate", old, new, folder=tmp_path).succeeded().out

    @pytest.mark.parametrize("name", ["a\x7fb", "a\nb", "a\udcffb"])
    def test_a_name_that_no_policy_can_hold(self, tally: Tally, tmp_path: Path, name: str) -> None:
        """Told before a key is made."""
        SigningKey.generate().write(tmp_path / name)
        SigningKey.generate().write(tmp_path / "old")
        before = set(tmp_path.iterdir())
        for words in (f"{name}.pub", "newer"), ("old.pub", f"{name}-2"), ("old.pub", f"{name}.pub"):
            assert "no policy can name it" in tally("keys", "rotate", *words, folder=tmp_path).failed(2).err
        assert set(tmp_path.iterdir()) == before

    def test_nobody_to_ask(self, tally: Tally, tmp_path: Path) -> None:
        ran = tally("keys", "generate", "release", "--passphrase", folder=tmp_path).failed(2)
        assert "nobody is there" in ran.err
        assert list(tmp_path.iterdir()) == []

    def test_a_descriptor_that_is_closed(self, tally: Tally, tmp_path: Path) -> None:
        tally("keys", "generate", "release", "--passphrase-fd", "99", folder=tmp_path).failed(2)
        assert list(tmp_path.iterdir()) == []


class TestMany:
    """One that cannot be judged says nothing of the others."""

    @pytest.mark.parametrize("many", [1, 60])
    def test_a_name_that_no_file_can_have(
        self, tally: Tally, release: Signed, tmp_path: Path, many: int
    ) -> None:
        bad = releases.signed(tmp_path / "bad")
        bad.artifact.write_bytes(b"harmed")
        names = [str(bad.folder), "0" * 300, "x" * 100_000, *[str(release.folder)] * many]
        listed = tmp_path / "list"
        listed.write_text("\n".join(names))
        ran = tally("verify", "--list", listed, "--key", release.pub, "--json").failed(1)
        found = [each["verdict"] for each in json.loads(ran.out)]
        assert found == ["failed", "undecided", "undecided", *["passed"] * many]
        assert max(map(len, ran.err.splitlines())) < 500

    @pytest.mark.parametrize("many", [1, 60])
    def test_a_defect_of_ours(
        self,
        release: Signed,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        many: int,
    ) -> None:
        from orchestrator.cli import verify as command
        from orchestrator.stories import verification

        examine = verification.examine

        def failing(target: Path, *further: Any) -> verification.Examination:
            if target == Path("evil"):
                raise RecursionError("too deep")
            return examine(target, *further)

        monkeypatch.setattr(verification, "examine", failing)
        targets = [release.folder, Path("evil"), *[release.folder] * many]
        assert command.verify(list(map(str, targets)), key=[release.pub], json=True) == 2
        found = json.loads(capsys.readouterr().out)
        assert [each["verdict"] for each in found] == ["passed", "undecided", *["passed"] * many]
        assert "defect of Tallystick" in found[1]["message"]
        assert {name: found[1][name] for name in ("target", "error", "hint", "code")} == {
            "target": "evil",
            "error": "defect",
            "hint": None,
            "code": 2,
        }

    def test_a_list_without_end(self, tally: Tally, release: Signed, tmp_path: Path) -> None:
        ran = tally("verify", "--list", "/dev/zero", "--key", release.pub).failed(2)
        assert "cannot read the list /dev/zero: it is a device" in ran.err
        long = tmp_path / "long"
        with long.open("wb") as stream:
            stream.truncate(65 << 20)
        assert (
            f"the list {long} is longer than"
            in tally("verify", "--list", long, "--key", release.pub).failed(2).err
        )
        long.write_bytes(b"a\n" * 100_001)
        assert "more than 100000 lines" in tally("verify", "--list", long, "--key", release.pub).failed(2).err


def test_evidence_has_one_limit(tally: Tally, release: Signed, tmp_path: Path) -> None:
    folder = tmp_path / "evidence"
    folder.mkdir()
    for number in range(3):
        with (folder / f"{number}.json").open("wb") as stream:
            stream.truncate(30 << 20)
    ran = tally("verify", release.folder, "--key", release.pub, "--evidence", folder).failed(2)
    assert "of evidence" in ran.err

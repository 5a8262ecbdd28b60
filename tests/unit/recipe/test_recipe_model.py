"""The recipe's model: what it takes, what it refuses, and what it says then."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.ground.errors import TallyError
from orchestrator.recipe.recipe import Recipe, UrlSource, load

GOOD = """\
name = "hello"
version = "2.10"
summary = "The GNU greeting program"
homepage = "https://www.gnu.org/software/hello/"
license = "GPL-3.0-or-later"

[source]
url = "mirror://gnu/hello/hello-2.10.tar.gz"
sha256 = "31e066137a962676e89f69d1b65382de95a7ef7d914b8cb956f41ea72e0f516b"

[toolchain]
from = "debian"
packages = ["gcc", "make"]

[build]
env = { CFLAGS = "-O2" }
script = '''
sumary = "not a key: this is a line of the script"
make install
'''
"""


def _load(tmp_path: Path, text: str | bytes) -> Recipe:
    file = tmp_path / "hello.toml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return load(file)


def _refused(tmp_path: Path, text: str | bytes) -> TallyError:
    with pytest.raises(TallyError) as caught:
        _load(tmp_path, text)
    assert str(tmp_path / "hello.toml") in caught.value.message
    return caught.value


def test_a_recipe_as_the_design_has_it(repository: Path) -> None:
    recipe = load(repository / "recipes/hello.toml")
    assert (recipe.name, recipe.version, recipe.outputs) == ("hello", "2.10", ("out",))
    assert isinstance(recipe.source, UrlSource)
    assert recipe.toolchain.from_ == "debian"


COPY = "copy the whole of it, as `sha256sum FILE` prints it of the file, or from who publishes that"


FORMATS = (
    'take one of these; for a file of another kind let the script make it: format = "file", and its `path`'
)


def test_one_url_is_a_list_of_one(tmp_path: Path) -> None:
    source = _load(tmp_path, GOOD).source
    assert isinstance(source, UrlSource)
    assert source.url == ("mirror://gnu/hello/hello-2.10.tar.gz",)


@pytest.mark.parametrize(
    ("old", "new", "line", "says", "hint"),
    [
        ('summary = "The', 'sumary = "The', 3, "unknown key `sumary`", "did you mean `summary`?"),
        ("[toolchain]", "[toolchains]", 11, "unknown key `toolchains`", "did you mean `toolchain`?"),
        ("packages =", "package =", 13, "unknown key `toolchain.package`", "did you mean `packages`?"),
        ("env = {", "environ = {", 16, "unknown key `build.environ`", "did you mean `env`?"),
        ('version = "2.10"', "version = 2.10", 2, "`version`: expected a string, got a number", None),
        ('packages = ["gcc", "make"]', 'packages = "gcc"', 13, "expected a list, got a string", None),
        ('"make"]', "7]", 13, "`toolchain.packages`: expected a string, got a number", None),
        ('"debian"\n', '"debian"\nsuite = "stable"\n', 13, "names another release after a while", None),
        ('"debian"\n', '"debian"\nsuite = "buster"\n', 13, "'buster' has ended; there are bookworm", None),
        ('"debian"\n', '"debian"\nsuite = "trixie-updates"\n', 13, "is a part of 'trixie'", None),
        ('"debian"\n', '"debian"\nsuite = "12"\n', 13, "expected the name of a Debian release", None),
        ('"debian"\n', '"debian"\nsuite = "trixie-security"\n', 13, "with security = true", None),
        ('"debian"\n', '"debian"\nsecurity = true\n', 11, "security is of a suite that is named", None),
        ('"debian"\n', '"debian"\nsuite = "trixie"\nsnapshot = "20261301T000000Z"\n', 14, "time of a", None),
        ('"debian"\n', '"debian"\nsuite = "trixie"\nsnapshot = "2026-11-01"\n', 14, "time of a", None),
        ('"debian"\n', '"containers"\n', 11, 'needs image, as "HOST/NAME@sha256:', None),
        ('"debian"\n', '"debian"\nimage = "a.b/c:latest"\n', 13, "a tag can name another image", None),
        ('"debian"\n', f'"debian"\nimage = "a.b/c@sha256:{"0" * 64}"\n', 11, "image is for from", None),
        ('"debian"\n', '"files"\n', 11, "needs [[toolchain.files]], the archives", None),
        ('"debian"\n', '"nixpkgs"\nsuite = "trixie"\n', 11, 'suite is for from = "debian"', None),
        (
            '"debian"',
            '"debain"',
            12,
            "expected 'containers', 'debian', 'files' or 'nixpkgs'",
            "did you mean 'debian'?",
        ),
        ("516b", "516", 9, "got 63 digits", COPY),
        ("31e066137a962676e89f69d1b65382de95a7ef7d914b8cb956f41ea72e0f516b", "a" * 40, 9, "of a sha1", COPY),
        (
            "31e066137a962676e89f69d1b65382de95a7ef7d914b8cb956f41ea72e0f516b",
            "a" * 128,
            9,
            "of a sha512",
            COPY,
        ),
        ("31e066137a962676", "31x066137a962676", 9, "lower-case hexadecimal", COPY),
        ("31e066137a962676", "sha512:31e066137a962676", 9, "got a sha512", COPY),
        ("sha256 =", "sha512 =", 9, "unknown key `source.sha512`", "did you mean `sha256`?"),
        ("mirror://gnu", "ftp://gnu", 8, "expected an address with mirror://", None),
        ("mirror://gnu", "https://me:secret@gnu", 8, "would end in the published evidence", None),
        ("mirror://gnu/hello", "mirror://gnu/hel lo", 8, "without spaces", None),
        ("mirror://gnu/hello", "mirror://gnu/..?x=/hello", 8, "without '.' and '..'", None),
        ("mirror://gnu/hello", "mirror://gnu/%2e%2e/hello", 8, "without '.' and '..'", None),
        ("GPL-3.0-or-later", "GPL-3.0-or-latter", 5, "did you mean 'GPL-3.0-or-later'?", None),
        ("GPL-3.0-or-later", "GPL-3.0-or-later+", 5, "says itself which versions it means", None),
        ("GPL-3.0-or-later", "LLVM-exception+", 5, "is not an SPDX licence identifier", None),
        ("GPL-3.0-or-later", "LicenseRef-x+", 5, "is not an SPDX licence identifier", None),
        ("GPL-3.0-or-later", "MIT AND", 5, "expected an SPDX licence expression", None),
        ("GPL-3.0-or-later", "", 5, "`license`", None),
        ("CFLAGS", "PATH", 16, "'PATH' is set by the build itself", None),
        ("CFLAGS", "NIX_BUILD_CORES", 16, "is set by the build itself", None),
        ("CFLAGS", '"A B"', 16, "letters, digits and _", None),
        ("-O2", "-O2\\u0000", 16, "holds a NUL", None),
        ("make install", "make install\0", 0, "not TOML", None),
        ("[source]", "[sources.a]\npath = 'x'\n[source]", 0, "not both", None),
        ('url = "', 'npm = "x"\nurl = "', 7, "one of the keys url, git, path, pypi, npm", None),
        ("[build]", '[[dependencies]]\nlock = "Cargo.lock"\nmember = "x"\n[build]', 15, "of a Node.js", None),
        ("[build]", '[[dependencies]]\nlock = "yarn.lock"\nmember = "/x"\n[build]', 17, "begins with", None),
        ("[build]", '[[dependencies]]\nlock = "yarn.lock"\nmember = "../x"\n[build]', 17, "'..'", None),
        ("[build]", '[artifact]\nformat = "file"\n[build]', 15, 'needs path, e.g. path = "bin/hello"', None),
        ("[build]", '[artifact]\nformat = "zip"\n[build]', 16, "expected 'tar.gz'", FORMATS),
        ("[build]", '[artifact]\nformat = "file"\npath = "../x"\n[build]', 17, "without '..'", None),
        ("[build]", '[artifact]\nformat = "file"\npath = "bin/"\n[build]', 17, "at its end: 'bin'", None),
        ("[source]", 'outputs = ["out", "out"]\n[source]', 7, "'out' is listed twice", None),
        ("[source]", "outputs = []\n[source]", 7, "at least 1 of them; got 0", None),
        ("[source]", 'outputs = ["drv"]\n[source]', 7, "Nix's own word", None),
        ("[source]", 'systems = ["x86_64-darwin"]\n[source]', 7, "expected 'x86_64-linux'", None),
    ],
)
def test_what_is_wrong_is_named_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, says: str, hint: str | None
) -> None:
    assert old in GOOD
    error = _refused(tmp_path, GOOD.replace(old, new, 1))
    assert says in error.message
    if line:
        assert f"hello.toml:{line}: " in error.message
    if hint:
        assert error.hint == hint


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    assert _load(tmp_path, "\ufeff" + GOOD) == _load(tmp_path, GOOD)
    error = _refused(tmp_path, "\ufeff" + GOOD.replace('"hello"', "hello"))
    assert "hello.toml:1:8: " in error.message, "columns are counted without it"


@pytest.mark.parametrize(
    "name",
    ["a/b", "..", ".hidden", "a b", "", "a\\u0007b", "a\\nb", "x" * 300, "-dash", "ünïcode", "a${b}", "a?b"],
)
def test_names_that_no_store_path_may_have(tmp_path: Path, name: str) -> None:
    error = _refused(tmp_path, GOOD.replace('name = "hello"', f'name = "{name}"'))
    assert "hello.toml:1: `name`: expected" in error.message
    assert error.exit_code == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name = ", "hello.toml:1: not TOML: invalid value"),
        ('name = "a"\nname = "b"\n', "hello.toml:2:11: not TOML: cannot overwrite a value"),
        ("x = " + "[" * 5000, "nested too deeply"),
        ("x = " + "9" * 5000, "not TOML"),
        (b'name = "\xff"', "hello.toml:1: not UTF-8"),
        (b"\xff\xfen\x00a\x00", "hello.toml:1: not UTF-8"),
        ("", "`name` is missing"),
    ],
)
def test_files_that_are_no_toml(tmp_path: Path, text: str | bytes, says: str) -> None:
    assert says in _refused(tmp_path, text).message


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path, says in (
        (tmp_path / "none.toml", "none.toml: No such file"),
        (tmp_path, "Is a directory"),
        (Path("a\0b"), "cannot name"),
    ):
        with pytest.raises(TallyError, match=says):
            load(path)


def test_every_problem_is_listed_in_the_files_order(tmp_path: Path) -> None:
    text = GOOD.replace('version = "2.10"', "version = 1").replace("516b", "516").replace("CFLAGS", "HOME")
    lines = _refused(tmp_path, text).message.splitlines()
    assert [line.split(":")[1] for line in lines] == ["2", "9", "16"]


def test_metacharacters_are_data(tmp_path: Path) -> None:
    hostile = "${x} $(reboot) `id` '' \" \\ \n\t\r ''${ ]] ; & | < > * ? ~ # ! \x01\x1b[31m é 🙂"
    escaped = "".join(f"\\U{ord(c):08X}" for c in hostile)
    text = GOOD.replace("The GNU greeting program", escaped).replace("-O2", escaped)
    text = text[: text.index("script = ")] + f'script = "{escaped}"\n[check]\nscript = "{escaped}"\n'
    recipe = _load(tmp_path, text)
    assert recipe.check is not None
    assert {recipe.summary, recipe.build.env["CFLAGS"], recipe.build.script, recipe.check.script} == {hostile}


def test_licences_are_spelled_as_spdx_has_them(tmp_path: Path) -> None:
    for given, kept in (
        ("mit or apache-2.0", "MIT OR Apache-2.0"),
        ("GPL-2.0-or-later WITH Classpath-exception-2.0", "GPL-2.0-or-later WITH Classpath-exception-2.0"),
        ("LicenseRef-public-domain", "LicenseRef-public-domain"),
        ("apache-2.0+", "Apache-2.0+"),
        ("MPL-2.0+ OR (EPL-1.0+ AND GPL-2.0+)", "MPL-2.0+ OR (EPL-1.0+ AND GPL-2.0-or-later)"),
        ("Apache-2.0+ WITH LLVM-exception", "Apache-2.0+ WITH LLVM-exception"),
        ("LicenseRef-Apache-2.0-or-later", "Apache-2.0+"),
    ):
        assert _load(tmp_path, GOOD.replace("GPL-3.0-or-later", given)).license == kept


def test_every_kind_of_source(tmp_path: Path) -> None:
    digest = "0" * 64
    text = (
        GOOD[: GOOD.index("[source]")]
        + f"""
[sources.file]
url = ["mirror://debian/pool/x.tar.gz", "https://example.org/x.tar.gz"]
sha256 = "{digest}"
[sources.tree]
git = "https://example.org/x.git"
rev = "{"1" * 40}"
nar_sha256 = "{digest}"
[sources.own]
path = "lib/own"
[sources.sdist]
pypi = "Flit_Core"
version = "3.9.0"
sha256 = "{digest}"
[sources.tarball]
npm = "@scope/left-pad"
version = "1.3.0"
sha256 = "{digest}"
"""
        + GOOD[GOOD.index("[toolchain]") :]
    )
    kinds = {name: type(source).__name__ for name, source in _load(tmp_path, text).named_sources.items()}
    assert kinds == {
        "file": "UrlSource",
        "tree": "GitSource",
        "own": "PathSource",
        "sdist": "PypiSource",
        "tarball": "NpmSource",
    }


def test_a_revision_is_a_whole_commit_id(tmp_path: Path) -> None:
    text = GOOD.replace(
        'url = "mirror://gnu/hello/hello-2.10.tar.gz"', 'git = "https://example.org/x"\nrev = "main"'
    )
    assert (
        "expected a whole commit id" in _refused(tmp_path, text.replace("sha256 =", "nar_sha256 =")).message
    )


@pytest.mark.parametrize("text", ["", "\n# to be written\n"])
def test_an_empty_recipe_says_what_one_has(tmp_path: Path, text: str) -> None:
    with pytest.raises(TallyError, match="`name` is missing") as caught:
        _load(tmp_path, text)
    assert caught.value.hint is not None
    assert "[build] with `script`; `tally schema`" in caught.value.hint

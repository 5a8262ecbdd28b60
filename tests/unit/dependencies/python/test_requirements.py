"""requirements.txt: what pip reads is read, and what is not pinned is refused."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from python_locks import asked, hashed, wheel

from orchestrator.dependencies.dependency import BadLock, Dependency
from orchestrator.dependencies.python import requirements

A, B = wheel("a", "1.0"), wheel("b", "2.0")


def lines(text: str, files: Mapping[str, str] | None = None) -> requirements.Requirements:
    beside = {path: text.encode() for path, text in (files or {}).items()}
    return requirements.lines(
        text.encode(), "deps/requirements.txt", "deps/requirements.txt", asked(), beside.get
    )


def read(text: str, *known: str) -> dict[str, Dependency]:
    place = "requirements.txt"
    found = requirements.read(text.encode(), place, place, asked(files=known), lambda _: None)
    return {each.name: each for each in found.dependencies}


def test_the_files_are_those_that_an_index_named() -> None:
    found = read(hashed("a==1.0", A, "a-1.0.tar.gz") + hashed("B==2.0", B), A, B)
    assert (found["a"].file, found["a"].line, found["b"].line) == (A, 1, 4)
    assert found["b"].urls == (f"mirror://pypi/b/{B}",)
    with pytest.raises(
        BadLock, match=r"line 1: nobody has looked up which file of a 1\.0 has which digest"
    ) as no:
        read(hashed("a==1.0", A))
    assert no.value.hint == "run `tally lock`"


def test_edges_are_what_the_comments_say() -> None:
    text = hashed("a==1.0", A, via="-r requirements.in") + hashed("b==2.0", B, via="a")
    found = read(text, A, B)
    assert (found["a"].direct, found["b"].direct) == (True, False)
    assert found["a"].needs == ("b@2.0",)
    several = hashed("a==1.0", A) + hashed("b==2.0", B) + "    # via\n    #   -c other.txt\n    #   A[x]\n"
    found = read(several, A, B)
    assert (found["a"].needs, found["b"].direct) == (("b@2.0",), False)


def test_comments_continuations_markers_and_options_are_as_pip_has_them() -> None:
    text = (
        "# a comment \\\n--require-hashes\n--only-binary :all:\n--no-binary=c\n-i https://index.test/simple/\n"
        "--extra-index-url=https://more.test/simple\n"
        f"a == 1.0 ; python_version >= '3.8' \\\n  --hash=sha256:{'1' * 64} \\\n"
        f"  --hash=sha256:{'2' * 64}  # why\n\n"
        f"b==2.0; sys_platform == 'win32' --hash=sha256:{'3' * 64}\n"
        f"c[x,y]===3.0+local --hash sha256:{'4' * 64}\n"
    )
    said = lines(text)
    assert [(each.name, each.version, each.line) for each in said.lines] == [
        ("a", "1.0", 7),
        ("c", "3.0+local", 12),
    ]
    assert [len(each.digests) for each in said.lines] == [2, 1]
    assert [(each.binary, each.source) for each in said.lines] == [(True, False), (False, True)]
    assert said.registries == ("https://index.test/simple/", "https://more.test/simple")


def test_files_of_the_repository_are_included() -> None:
    included = {
        "base.txt": hashed("b==2.0", B) + "-r deps/more/x.txt\n",
        "deps/more/x.txt": hashed("c==1", A),
    }
    said = lines("-r ../base.txt\n" + hashed("a==1.0", A), included)
    assert [(each.name, each.place, each.line) for each in said.lines] == [
        ("b", "base.txt", 1),
        ("c", "deps/more/x.txt", 1),
        ("a", "deps/requirements.txt", 2),
    ]


def test_a_file_by_its_address_is_its_own_registry() -> None:
    found = read(f"a @ https://files.test/{A} --hash=sha256:{'1' * 64}\n")
    assert found["a"].urls == (f"https://files.test/{A}",) == (found["a"].registry,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a==1.0\n", "line 1: a has no `--hash`"),
        ("\n\na>=1.0 --hash=sha256:" + "1" * 64, "line 3: a is not pinned: >=1.0"),
        ("a --hash=sha256:" + "1" * 64, "line 1: a is not pinned: any version"),
        ("a==1.* --hash=sha256:" + "1" * 64, r"line 1: a is not pinned: ==1\.\*"),
        ("a==1.0 --hash=md5:" + "1" * 32, "line 1: a has no sha256 or sha512: 'md5:"),
        ("a==1.0 --hash=sha256:123", "line 1: a has no sha256 or sha512: 'sha256:123'"),
        ("-e .\n", "line 1: `-e .` is a folder without a digest"),
        ("-e git+https://git.test/x#egg=x\n", "line 1: `-e git"),
        (
            "git+https://git.test/x@main\n",
            "line 1: a repository's tree has no digest here, and a branch can move",
        ),
        ("x @ git+https://git.test/x@main --hash=sha256:" + "1" * 64, "line 1: x comes from a repository"),
        ("./x-1.0-py3-none-any.whl\n", "line 1: .* is a file or a folder of a machine"),
        ("-r ../../etc/passwd\n", "line 1: `-r ../../etc/passwd` leads out of the repository"),
        ("-r https://x.test/r.txt\n", "line 1: `-r https://x.test/r.txt` leads out of the repository"),
        ("-r more.txt\n", r"line 1: `-r more\.txt`: the source has no deps/more\.txt"),
        ("-r requirements.txt\n", "it includes itself"),
        (
            "--index-url https://me:secret@index.test/simple\n",
            "line 1: an address with a user, a password or a token",
        ),
        (
            "--index-url https://$USER:$TOKEN@index.test/simple\n",
            "line 1: an address with a user, a password or a token",
        ),
        (
            "-i https://index.test/simple?token=secret\n",
            "line 1: an address with a user, a password or a token",
        ),
        (
            "x @ https://files.test/x-1.tar.gz#subdirectory=y --hash=sha256:" + "1" * 64,
            "line 1: it is a part of an archive: subdirectory=y",
        ),
        ("-i file:///srv/simple\n", "line 1: 'file:///srv/simple' is no https address"),
        ("--find-links /srv/wheels\n", "line 1: the option --find-links is not read here"),
        ("-c constraints.txt\n", "line 1: the option -c is not read here"),
        (
            "a==1.0 --global-option=x --hash=sha256:" + "1" * 64,
            "line 1: the option --global-option of one package",
        ),
        ("a==1.0; python_version === \n", "line 1: .* is no requirement"),
        ("a b c\n", "line 1: 'a b c' is no requirement"),
        (
            hashed("a==1.0", A) + hashed("a==1.1", B),
            "line 3: a is pinned twice: also at deps/requirements.txt, line 1",
        ),
        ("", "it pins nothing for Python 3.11.2"),
    ],
)
def test_what_is_not_pinned_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(BadLock, match=f"^deps/requirements.txt.*{message}") as caught:
        lines(text, {"deps/requirements.txt": text})
    assert "secret" not in str(caught.value)
    assert caught.value.hint


def test_what_is_no_text_or_too_large_is_refused() -> None:
    large = b"#" * ((16 << 20) + 1)
    for data, message in ((b"\n\xff", "line 2: not UTF-8"), (large, "larger than 16,777,216 bytes")):
        with pytest.raises(BadLock, match=message):
            requirements.lines(data, "r.txt", "r.txt", asked(), lambda _: None)

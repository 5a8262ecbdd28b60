"""Builds in a root of Debian packages, on real Nix: what a build gets, sees, and cannot reach."""

from __future__ import annotations

import json
import lzma
import os
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from archives import lzip, lzw
from lab import Built, Lab

from orchestrator.ground.state import State
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.command import Nix, NixFailed
from orchestrator.nix.evaluation import evaluate

HOSTILE = "a b\n'\"\\ ${x} $(touch /build/harm) `touch /build/harm` *;&|<> ''${y} \t% é #\u2028 \x01"

VIEW = r"""
mkdir $out
id -u > $out/uid
id -g > $out/gid
id -un > $out/user
pwd > $out/pwd
ls -A / > $out/entries
ls -A /build > $out/build
find /tmp /mnt /run /dev/shm -mindepth 1 > $out/found
env -0 | sort -z | tr '\0\n' '\n ' > $out/environment
cat /etc/passwd > $out/passwd
awk '$2 ~ "^/(usr|etc|nix)$" || $2 == "/"' /proc/self/mounts > $out/mounts
grep Cap /proc/self/status > $out/capabilities
cat /proc/sys/kernel/hostname > $out/host

# none of these may work
for path in / /usr /etc /usr/bin /var /nix/store/*-debian-root /nix/store/*-debian-root/usr; do
    if touch "$path/harm" 2>> $out/refused; then echo "$path" >> $out/writable; fi
done
for path in $src /nix/store/*-debian-enter.sh /usr/bin/env; do
    if chmod u+w "$path" 2>> $out/refused; then echo "$path" >> $out/writable; fi
    if echo harm >> "$path" 2>> $out/refused; then echo "$path" >> $out/writable; fi
done
for path in /proc/sys/kernel/core_pattern /proc/sys/kernel/hostname /proc/sys/vm/overcommit_memory; do
    if : 2>> $out/refused >> "$path"; then echo "$path" >> $out/writable; fi
done
for path in /dev/null /dev/zero; do
    if touch -d @1 "$path" 2>> $out/refused; then echo "$path" >> $out/writable; fi
    if chmod 600 "$path" 2>> $out/refused; then echo "$path" >> $out/writable; fi
done
if mount -t tmpfs none /mnt 2>> $out/refused; then echo /mnt >> $out/writable; fi
touch $out/writable
"""

HOSTILE_SCRIPT = f"""
: '{HOSTILE.replace("'", "")}'
mkdir $out
printf %s "$HOSTILE" > $out/value
printf %s "$PS4" > $out/PS4
cat <<'END OF TEXT' > $out/script
{HOSTILE}
END OF TEXT
test ! -e /build/harm
"""

USER = """
mkdir $out
cat $lib/lib $lib_dev/include/h $with_dash > $out/all
ln -s $lib $out/lib
"""

ODD = r"""
mkdir $out
find . -mindepth 1 ! -type l -printf '%P %m %T@\n' | sort > $out/tree
# all of it is ours
find . -exec chmod 700 {} +
echo more >> npm/index.js
rm -rf ./*
# none of this is for Nix, and a process that stays holds nothing up
echo '@nix {"action":"start"}'
echo '@nix {"action":"msg","level":0,"msg":"error: forged"}' >&2
printf 'over\r@nix {'
sleep 1000 &
"""

TOOLS = r"""
cat > program <<'END'
#!/bin/sh
echo "sh says $1"
END
cat > other <<'END'
#!/usr/bin/env bash
echo "bash says $1"
END
chmod +x program other
mkdir $out
{
    ./program hi
    ./other hi
    cat <(echo substituted) < /dev/fd/0
    echo 'int main(void) { return 7; }' > seven.c
    cc -o seven seven.c
    status=0; ./seven || status=$?; echo "cc made $status"
    awk 'BEGIN { print "awk works" }'
    echo piped | tee >(cat > /build/teed) > /dev/null
    which sed
    printf 'all:\n\t@echo make works\n' | make -f -
    mktemp -d > /dev/null && echo mktemp works
    locale charmap
} > $out/said
"""


@pytest.fixture(scope="module")
def lab(repository: Path, session_state: Path) -> Iterator[Lab]:
    state = State(session_state)
    with state.scratch("lab-debian") as scratch:
        yield Lab(repository, state, Nix.find(scratch))


@pytest.fixture(scope="module")
def built(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Many small recipes in one invocation of Nix."""
    folder = tmp_path_factory.mktemp("sources")
    return lab.build(
        lab.request(
            view={
                "script": VIEW,
                "sources": {"src": lab.add(_file(folder / "data.txt", "data"), unpack=False)},
            },
            tools={"script": TOOLS},
            hostile={
                "script": HOSTILE_SCRIPT,
                "check": f": <<'END OF TEXT'\n{HOSTILE}\nEND OF TEXT\ntest ! -e /build/harm\n",
                "environment": {"HOSTILE": HOSTILE, "PS4": HOSTILE, "name": "n", "builder": "b"},
                "summary": HOSTILE,
                "homepage": HOSTILE,
                "license": HOSTILE,
            },
            lib={
                "script": "mkdir -p $out $dev/include; echo library > $out/lib; echo header > $dev/include/h",
                "outputs": ["out", "dev"],
            },
            **{  # type: ignore[arg-type]  # mypy thinks of the other parameters, which have names
                "with-dash": {"script": "echo dashed > $out"},
                "user": {
                    "script": USER,
                    "inputs": ["lib", "with-dash"],
                },
            },
            several={
                "script": 'ls | tr "\\n" " " > $out; cat tar/inside zipped/inside folder/inside >> $out;'
                "test ! -e kept; cat $src_kept >> $out; stat -c %a folder/inside >> $out",
                "sources": _sources(lab, folder),
            },
            top={
                "script": 'pwd > $out; cat inside >> $out; cmp "$src" "$src"',
                "sources": {"src": lab.add(_tar(folder / "top.tar.xz", "only-1.0", "top"))},
            },
            flat={
                "script": "pwd > $out; ls >> $out",
                "sources": {"src": lab.add(_tar(folder / "flat.tar.gz", "a", "x", "b"))},
            },
            odd={"script": ODD, "sources": _odd_sources(lab, folder)},
        )
        | {"targets": ["view", "tools", "hostile", "lib", "user", "several", "top", "flat", "odd"]}
    )


def test_a_build_is_user_1000_without_rights(built: Built) -> None:
    seen = built.output("view")
    assert [_text(seen / name) for name in ("uid", "gid", "user")] == ["1000", "100", "builder"]
    capabilities = dict(line.split(":\t") for line in _text(seen / "capabilities").splitlines())
    assert {int(capabilities[kind], 16) for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}


def test_a_build_sees_no_host_file(built: Built) -> None:
    seen = built.output("view")
    entries = "bin build dev etc lib lib32 lib64 libx32 mnt nix proc run sbin tmp usr var"
    assert " ".join(_text(seen / "entries").split()) == entries
    assert set(_text(seen / "build").split()) - {"home", "work", "stages", "env-vars"} == {
        name for name in _text(seen / "build").split() if name.startswith(".attr-")
    }
    assert _text(seen / "found") == ""
    assert _text(seen / "host") == "localhost"
    assert [line.split(":")[0] for line in _text(seen / "passwd").splitlines()] == [
        "root",
        "builder",
        "nobody",
    ]
    assert _text(seen / "pwd") == "/build/work"


def test_a_build_cannot_change_its_tools_inputs_or_the_machine(built: Built) -> None:
    seen = built.output("view")
    assert _text(seen / "writable") == ""
    assert "Read-only file system" in _text(seen / "refused")
    mounts = [line.split() for line in _text(seen / "mounts").splitlines()]
    [options] = {options for _, place, _, options, *_ in mounts if place == "/"}
    assert "ro" in options.split(",")


def test_the_environment_is_fixed(built: Built) -> None:
    lines = _text(built.output("view") / "environment").splitlines()
    environment = dict(line.split("=", 1) for line in lines)
    assert environment.pop("NIX_BUILD_CORES").isdigit()
    assert environment.pop("src").startswith("/nix/store/")
    assert environment.pop("out").startswith("/nix/store/")
    for set_by_bash in ("PWD", "OLDPWD", "SHLVL", "_"):
        environment.pop(set_by_bash, None)
    assert environment == {
        "GOCACHE": "/build/home/.cache/go-build",
        "GOPATH": "/build/home/go",
        "GOPROXY": "off",
        "GOSUMDB": "off",
        "GOTOOLCHAIN": "local",
        "HOME": "/build/home",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "LOGNAME": "builder",
        "PATH": "/usr/bin:/usr/sbin",
        "PERL_HASH_SEED": "0",
        "PYTHONHASHSEED": "0",
        "SHELL": "/bin/bash",
        "SOURCE_DATE_EPOCH": "315532800",
        "TERM": "dumb",
        "TZ": "UTC",
        "USER": "builder",
    }


def test_shebangs_pipes_and_compilers_work(built: Built) -> None:
    assert _text(built.output("tools") / "said").splitlines() == [
        "sh says hi",
        "bash says hi",
        "substituted",
        "cc made 7",
        "awk works",
        "/usr/bin/sed",
        "make works",
        "mktemp works",
        "UTF-8",
    ]


def test_data_arrives_byte_for_byte(built: Built) -> None:
    seen = built.output("hostile")
    assert (seen / "value").read_text() == HOSTILE
    assert (seen / "PS4").read_text() == HOSTILE
    assert (seen / "script").read_text() == f"{HOSTILE}\n"
    derivation = built.store.derivation(built.evaluated["hostile"].package)
    assert {derivation.env[f"tally{field}"] for field in ("Summary", "Homepage", "License")} == {HOSTILE}


def test_inputs_and_outputs_have_their_variables(built: Built) -> None:
    assert _text(built.output("user") / "all").splitlines() == ["library", "header", "dashed"]
    [path] = [path for path in built.evaluated["lib"].outputs.values() if not path.endswith("-dev")]
    information = built.store.information([built.evaluated["user"].outputs["out"]])
    assert [each.references for each in information.values()] == [(path,)]


def test_sources_are_unpacked_where_the_contract_says(built: Built) -> None:
    assert _text(built.output("top")).splitlines() == ["/build/work/only-1.0", "top"]
    assert _text(built.output("flat")).splitlines() == ["/build/work", "a", "b"]
    assert _text(built.output("several")).splitlines() == [
        "folder tar zipped from a tar",
        "from a zip",
        "from a folder",
        "kept as it is",
        "644",
    ]


def test_odd_archives_are_whole_trees_of_the_builds_own(built: Built) -> None:
    lines = [line.rsplit(" ", 2) for line in _text(built.output("odd") / "tree").splitlines()]
    modes = {name: mode for name, mode, _ in lines}
    times = {name: int(float(time)) for name, _, time in lines}
    assert all(int(mode[0]) & 6 == 6 for mode in modes.values()), "read and written by the build"
    assert {name for name in modes if name.startswith("windows")} == {
        *("windows", "windows/a", "windows/a/b.txt", "windows/c.txt", "windows/empty"),
    }
    assert {"compressed/inside", "lzipped/inside", "npm/index.js", "keyboard/lib/keyboard.js"} <= modes.keys()
    assert modes["unix/run"] == "755", "without its setuid bit"
    epoch = 315532800
    dated = {name for name in times if name.startswith(("folder", "unix", "windows"))}
    assert {times[name] for name in dated} == {epoch}
    assert times["npm"] == epoch
    assert times["npm/index.js"] == 1582019454, "as the archive has it"


def test_one_root_serves_all_and_is_the_same_in_two_stores(lab: Lab, built: Built) -> None:
    graph = built.store.graph([each.artifact for each in built.evaluated.values()])
    [root] = [drv for drv in graph.derivations.values() if drv.env.get("tallyKind") == "toolchain-root"]
    request = lab.request(again={"script": "echo again > $out", "artifact": {"format": "nar", "path": None}})
    lab.build(request, "b")
    path = root.outputs["out"]
    ours, theirs = (lab.store(name).nar_hash(path) for name in "ab")
    assert ours == theirs
    assert lab.store("a").information([path])[path].references == ()


def derivations_worked_out(lab: Lab, folder: Path, recipes: int) -> int:
    """How often Nix works a derivation out, for so many recipes that all use the same packages."""
    statistics = folder / f"statistics-{recipes}.json"
    said = {"NIX_SHOW_STATS": "1", "NIX_COUNT_CALLS": "1", "NIX_SHOW_STATS_PATH": str(statistics)}
    store = ChrootStore(replace(lab.nix, extra=said), lab.store("orchestrator").root)
    evaluate(store, lab.request(**{f"alike{number}": {} for number in range(recipes)}))
    counted: int = json.loads(statistics.read_text())["primops"]["derivationStrict"]
    return counted


def test_what_recipes_share_is_evaluated_once(lab: Lab, tmp_path: Path) -> None:
    few, many = (derivations_worked_out(lab, tmp_path, recipes) for recipes in (1, 21))
    assert many - few == 2 * 20, "a package and an artifact each"


def test_the_root_keeps_licences_and_sets_up_alternatives(lab: Lab, built: Built) -> None:
    graph = built.store.graph([built.evaluated["tools"].package])
    [root] = [drv for drv in graph.derivations.values() if drv.env.get("tallyKind") == "toolchain-root"]
    folder = built.store.physical(root.outputs["out"])
    assert (folder / "usr/share/doc/bash/copyright").is_file()
    assert (folder / "usr/share/doc/gcc-12" / "copyright").exists(), "a link between documentation folders"
    left = [path.name for path in (folder / "usr/share/doc").rglob("*") if not path.is_dir()]
    assert set(left) == {"copyright"}
    assert not (folder / "usr/share/man").exists()
    links = {
        path.name: str(path.readlink())
        for path in (folder / "etc/alternatives").iterdir()
        if path.is_symlink()
    }
    assert links["cc"] == "/usr/bin/gcc"
    assert links["awk"] == links["nawk"] == "/usr/bin/gawk"
    assert str((folder / "usr/bin/cc").readlink()) == "/etc/alternatives/cc"
    assert str((folder / "usr/lib/cpp").readlink()) == "/etc/alternatives/cpp", "/lib is /usr/lib"
    assert [path.name for path in folder.iterdir() if path.is_symlink()].count("lib") == 1


@pytest.mark.parametrize(
    ("recipe", "stage", "status"),
    [
        ({"script": "echo in the script; exit 9"}, "script", 9),
        ({"script": "false | cat; mkdir $out"}, "script", 1),
        ({"script": "echo $unset; mkdir $out"}, "script", 1),
        ({"script": "mkdir $out", "check": "echo in the check; exit 8"}, "check", 8),
    ],
)
def test_a_failure_names_its_stage(lab: Lab, recipe: dict[str, str], stage: str, status: int) -> None:
    with pytest.raises(NixFailed) as failure:
        lab.build(lab.request(broken=recipe))
    assert f'tally: the stage "{stage}" failed with exit status {status}' in failure.value.message


def test_a_damaged_archive_fails_in_unpack(lab: Lab, tmp_path: Path) -> None:
    source = lab.add(_file(tmp_path / "damaged.tar.gz", "no archive"))
    with pytest.raises(NixFailed, match='the stage "unpack" failed'):
        lab.build(lab.request(damaged={"sources": {"src": source}}))


def test_an_absent_source_says_so(lab: Lab) -> None:
    absent: dict[str, Any] = {
        "name": "never-fetched.tar.gz",
        "sha256": "0" * 63 + "1",
        "mode": "flat",
        "urls": [],
        "purl": None,
        "kind": "source",
    }
    evaluated = lab.evaluate(lab.request(lost={"sources": {"src": absent}}))
    orchestrator, target = lab.store("orchestrator"), lab.store("a")
    target.copy_from(orchestrator, [evaluated["lost"].package])
    with pytest.raises(NixFailed, match="this-source-was-not-put-into-the-store"):
        lab.realise(target, [evaluated["lost"].package])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"environment": {"src": "x"}}, "sets the variable src twice"),
        ({"environment": {"a b": "x"}}, "which no variable may be called"),
        ({"environment": {"tallyX": "x"}}, "which no variable may be called"),
        ({"environment": {"PATH": "x"}}, "which no variable may be called"),
        ({"environment": {"out": "x"}}, "which no variable may be called"),
        ({"outputs": ["builder"]}, "cannot call an output builder"),
        ({"outputs": ["out", "$(x)"]}, "cannot call an output"),
        ({"inputs": ["nowhere"]}, "the request does not hold it"),
    ],
)
def test_names_are_checked_again_by_the_library(lab: Lab, change: dict[str, object], said: str) -> None:
    source = {"name": "s", "sha256": "0" * 64, "mode": "flat", "purl": None, "kind": "source"}
    with pytest.raises(NixFailed) as failure:
        lab.evaluate(lab.request(bad={"sources": {"src": {**source, "urls": []}}, **change}))
    assert said in failure.value.message


def test_an_ordinary_user_builds_the_same(lab: Lab, built: Built) -> None:
    """In a store of that user's own, without a daemon."""
    ours = lab.store("a")
    drv, output = built.evaluated["tools"].package, built.evaluated["tools"].outputs["out"]
    inputs = [path for each in ours.graph([drv]).derivations.values() for path in each.outputs.values()]
    needed = set(inputs) - ours.invalid(inputs) - {output}
    with tempfile.TemporaryDirectory(dir="/var/tmp") as home:
        theirs = ChrootStore(lab.nix, Path(home) / "store")
        theirs.copy_from(ours, [drv, *sorted(path for path in needed if not path.endswith(".deb"))])
        user = []
        if os.geteuid() == 0:  # else these tests run as an ordinary user already
            subprocess.run(["chown", "-R", "games:games", home], check=True)
            user = ["setpriv", "--reuid=games", "--regid=games", "--clear-groups"]
        said: list[str] = []
        command = [
            *user,
            "env",
            f"HOME={home}",
            f"TMPDIR={home}",
            *theirs.command("nix-store", "--realise", drv),
        ]
        assert lab.nix.follow(command, said.append) == 0, "\n".join(said)
        assert theirs.nar_hash(output) == ours.nar_hash(output)


def _text(path: Path) -> str:
    return path.read_text().strip()


def _file(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def _tar(path: Path, top: str, text: str, *others: str) -> Path:
    mode: Any = f"w:{path.suffix[1:]}"
    with tarfile.open(path, mode) as archive:
        for name in (top, *others):
            folder = path.parent / f"{path.name}.d" / name
            folder.mkdir(parents=True)
            _file(folder / "inside", text)
            archive.add(folder, name)
    return path


def _odd_sources(lab: Lab, folder: Path) -> dict[str, object]:
    plain = _tar(folder / "plain.tar.xz", "top", "odd\n")
    content = lzma.decompress(plain.read_bytes())
    (folder / "compressed").write_bytes(lzw(content))
    (folder / "lzipped.TAR.LZ").write_bytes(lzip(content))
    with zipfile.ZipFile(folder / "windows", "w") as archive:
        for name in ("top\\", "top\\a\\b.txt", "top\\c.txt", "top\\empty\\"):
            member = zipfile.ZipInfo("x")
            member.filename, member.create_system = name, 0
            archive.writestr(member, "" if name.endswith("\\") else name)
    with zipfile.ZipFile(folder / "unix", "w") as archive:
        member = zipfile.ZipInfo("top/run")
        member.create_system, member.external_attr = 3, 0o104755 << 16
        archive.writestr(member, "run")
    (folder / "dated").mkdir()
    for name in ("configure", "configure.ac"):
        _file(folder / "dated" / name, name)
    return {
        "compressed": lab.add(folder / "compressed"),
        "lzipped": lab.add(folder / "lzipped.TAR.LZ"),
        "windows": lab.add(folder / "windows"),
        "unix": lab.add(folder / "unix"),
        "folder": lab.add(folder / "dated"),
        # folders in there lack x
        "npm": _npm(
            "char-regex", "1.0.2", "366fc94c4f6087985192b94fc7134601ddfc08ab5b7066c992c34956aa21ede1"
        ),
        "keyboard": _npm(
            "keyboardjs", "2.5.1", "e54892dd708107ace87e0b137f0b0a4dc032eb37d97df1e95463de58e35984f9"
        ),
    }


def _npm(name: str, version: str, sha256: str) -> dict[str, object]:
    file = f"{name}-{version}.tgz"
    urls = [f"mirror://npm/{name}/-/{file}"]
    return {"name": file, "sha256": sha256, "mode": "flat", "urls": urls, "purl": None, "kind": "source"}


def _sources(lab: Lab, folder: Path) -> dict[str, object]:
    with zipfile.ZipFile(folder / "zipped.zip", "w") as archive:
        archive.writestr("whatever/inside", "from a zip\n")
    (folder / "tree").mkdir()
    _file(folder / "tree/inside", "from a folder\n")
    return {
        "tar": lab.add(_tar(folder / "several.tar.gz", "top", "from a tar\n")),
        "zipped": lab.add(folder / "zipped.zip"),
        "folder": lab.add(folder / "tree"),
        "kept": lab.add(_file(folder / "kept.tar.gz", "kept as it is\n"), unpack=False),
    }

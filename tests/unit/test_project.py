"""What the project's own files promise: hashed lock files, no addresses, one list of dependencies."""

from __future__ import annotations

import ast
import gzip
import hashlib
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

# Distributions whose module has another name.
MODULES = {
    "cel-expr-python": "cel_expr_python",
    "license-expression": "license_expression",
    "packageurl-python": "packageurl",
    "pyelftools": "elftools",
    "pyyaml": "yaml",
    "python-pkcs11": "pkcs11",
    "rfc3161-client": "rfc3161_client",
    "in-toto": "in_toto",
    "spdx-python-model": "spdx_python_model",
    "spdx-tools": "spdx_tools",
    "tomli-w": "tomli_w",
    "zlib-ng": "zlib_ng",
}


@pytest.fixture(scope="module")
def project(repository: Path) -> Any:
    return tomllib.loads((repository / "pyproject.toml").read_text())["project"]


def names(requirements: list[str]) -> set[str]:
    return {re.match(r"[A-Za-z0-9_-]+", each)[0] for each in requirements}  # type: ignore[index]


def extras(project: Any) -> dict[str, list[str]]:
    """What a user may add, by the name of it."""
    return {name: each for name, each in project["optional-dependencies"].items() if name != "dev"}


@pytest.mark.parametrize("name", ["runtime.txt", "dev.txt"])
def test_lock_files_pin_by_hash_and_name_no_address(repository: Path, name: str) -> None:
    text = (repository / "requirements" / name).read_text()
    assert "://" not in text
    assert not re.search(r"^-", text, re.MULTILINE), "an option such as --index-url"
    entries = re.findall(r"^[a-z0-9-]+.*(?:\n .*)*", text, re.MULTILINE)
    assert len(entries) >= 20
    for entry in entries:
        assert re.match(r"[a-z0-9-]+==[^ ]+ \\\n    --hash=sha256:[0-9a-f]{64}", entry), entry


def test_lock_files_hold_what_the_project_asks_for(repository: Path, project: Any) -> None:
    locked = {
        name: set(
            re.findall(r"^([a-z0-9-]+)==", (repository / "requirements" / name).read_text(), re.MULTILINE)
        )
        for name in ("runtime.txt", "dev.txt")
    }
    asked = {name.replace("_", "-") for name in names(project["dependencies"])}
    assert asked <= locked["runtime.txt"] < locked["dev.txt"]
    assert {each.replace("_", "-") for each in names(project["optional-dependencies"]["dev"])} <= locked[
        "dev.txt"
    ]


@pytest.fixture(scope="module")
def imported_names(repository: Path) -> frozenset[str]:
    """Whatever our modules import from others, with the names that they take out of a module."""
    found = set()
    for file in (repository / "orchestrator").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def test_what_is_imported_is_asked_for_and_the_other_way_round(
    imported_names: frozenset[str], project: Any
) -> None:
    imported = {name.partition(".")[0] for name in imported_names}
    wanted = names(project["dependencies"]).union(*map(names, extras(project).values()))
    asked = {MODULES.get(name, name) for name in wanted}
    assert imported - set(sys.stdlib_module_names) - {"orchestrator"} == asked


def test_whose_private_names_are_used_cannot_change_unseen(
    imported_names: frozenset[str], project: Any
) -> None:
    """A new minor version may move them, and break a verifier: it is taken when the tests passed with it."""
    private = {name.partition(".")[0] for name in imported_names if re.search(r"\._[a-z]", name)}
    private -= {"orchestrator"}
    assert "sigstore" in private, "no name is found any more: leave this test out, and the bound"
    asked = {MODULES.get(each.name, each.name): each for each in map(Requirement, project["dependencies"])}
    for module in sorted(private):
        locked = Version(metadata.version(asked[module].name))
        following = f"{locked.major}.{locked.minor + 1}"
        assert locked in asked[module].specifier
        assert following not in asked[module].specifier, f"{module} may become {following} unseen"


def test_each_dependency_has_its_reason(repository: Path, project: Any) -> None:
    page = (repository / "docs/explanation/dependencies.md").read_text()
    told = set(re.findall(r"^\| `([A-Za-z0-9_-]+)` \|", page, re.MULTILINE))
    assert told == names(project["dependencies"]) | names(project["optional-dependencies"]["dev"])
    told = set(re.findall(r"^\| `tallystick\[([a-z0-9]+)\]` \|", page, re.MULTILINE))
    assert told == set(extras(project))


def test_the_flake_takes_the_locked_wheels(repository: Path) -> None:
    locked = (repository / "requirements/dev.txt").read_text()
    wheels = re.findall(
        r'pname = "([^"]+)";\s+version = "([^"]+)";\s+sha256 = "([0-9a-f]{64})"',
        (repository / "flake.nix").read_text(),
    )
    expected = ["cel_expr_python", "in_toto", "spdx_python_model", "typer", "univers"]
    assert [name for name, _, _ in wheels] == expected
    for name, version, digest in wheels:
        entry = re.search(
            rf"^{name.replace('_', '-')}=={re.escape(version)} .*(?:\n .*)*", locked, re.MULTILINE
        )
        assert entry and digest in entry[0]


def test_the_recipe_by_which_tally_builds_itself_fits_the_project(repository: Path, project: Any) -> None:
    from orchestrator import __version__
    from orchestrator.recipe.recipe import load

    recipe = load(repository / "package/recipes/tallystick.toml")
    said = (recipe.name, recipe.version, recipe.license, recipe.summary)
    assert said == (project["name"], __version__, project["license"], project["description"])
    assert recipe.artifact.path == f"tally-{__version__}-cp311.pyz"
    makefile = (repository / "Makefile").read_text()
    assert f"dist/tally-{__version__}-cp311.pyz" in makefile
    package = load(repository / "package/recipes/tallystick-deb.toml")
    said = (package.name, package.version, package.license, package.summary)
    assert said == ("tallystick-deb", __version__, project["license"], project["description"])
    assert package.toolchain == recipe.toolchain
    assert f"tally-{__version__}-cp311.pyz" in package.build.script
    assert package.artifact.path == f"tallystick_{__version__}_amd64.deb"
    assert f"dist/tallystick_{__version__}_amd64.deb" in makefile


def test_the_debian_package_is_laid_out_the_same_whatever_the_folder(
    repository: Path, tmp_path: Path
) -> None:
    file = tmp_path / "tally-9.8-cp311.pyz"
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("__main__.py", "orchestrator/__init__.py", "other/a.py"):
            archive.writestr(name, f"# {name}\n")
        program = (
            "import os, sys\ndef run() -> None: print('\\n' + os.environ['_TALLY_COMPLETE'], sys.argv)\n"
        )
        archive.writestr("orchestrator/cli/main.py", program)
    script = repository / "package/debian.py"
    subprocess.run([sys.executable, script, file, tmp_path / "root"], cwd=repository, check=True)
    root = tmp_path / "root"
    found = sorted(str(each.relative_to(root)) for each in root.rglob("*") if each.is_file())
    assert found == [
        *(f"DEBIAN/{name}" for name in ("control", "md5sums", "postinst", "prerm")),
        "usr/bin/tally",
        "usr/lib/tallystick/orchestrator/__init__.py",
        "usr/lib/tallystick/orchestrator/cli/main.py",
        "usr/lib/tallystick/other/a.py",
        "usr/share/bash-completion/completions/tally",
        "usr/share/doc/tallystick/copyright",
        "usr/share/fish/vendor_completions.d/tally.fish",
        "usr/share/man/man1/tally.1.gz",
        "usr/share/zsh/vendor-completions/_tally",
    ]
    assert (root / found[-1]).read_text() == "source_zsh ['tally']\n", "the program itself was asked"
    manual = gzip.decompress((root / "usr/share/man/man1/tally.1.gz").read_bytes()).decode()
    assert '"tallystick 9.8"' in manual
    assert "\n.SH TALLY LEDGER VOTES\n.nf\nUsage: tally ledger votes [OPTIONS]" in manual
    assert manual.count("\n.nf\n") == manual.count("\n.fi\n") == manual.count("\n.SH TALLY")
    control = (root / "DEBIAN/control").read_text()
    assert "\nVersion: 9.8\n" in control
    assert "Depends: python3 (>= 3.11~), python3 (<< 3.12)" in control
    programs = [name for name in found if (root / name).stat().st_mode & 0o111]
    assert programs == ["DEBIAN/postinst", "DEBIAN/prerm", "usr/bin/tally"]
    lines = (line.split("  ") for line in (root / "DEBIAN/md5sums").read_text().splitlines())
    sums = {name: digest for digest, name in lines}
    assert sums == {
        name: hashlib.md5((root / name).read_bytes()).hexdigest()
        for name in found
        if not name.startswith("DEBIAN")
    }

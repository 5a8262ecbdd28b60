"""The recipes build, agree and run; recipes that are non-deterministic on purpose are never signed.

All but hello: the tutorial builds, signs and runs that one, and shows its digest (tests/docs/test_pages.py).
"""

from __future__ import annotations

import bz2
import ctypes
import gzip
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import images
import pytest
from lab import unpacked

from orchestrator.recipe.recipe import load

if TYPE_CHECKING:
    from tests.conftest import Tally, TallyIn

ROOT = Path(__file__).resolve().parents[2]
RECIPES = sorted((ROOT / "recipes").glob("*.toml"))
NON_DETERMINISTIC = sorted((ROOT / "tests/assets/nondeterministic").glob("*.toml"))
BUILT = [path for path in RECIPES if path.stem != "hello"]


def test_the_recipes_cover_what_people_build() -> None:
    recipes = {path.stem: load(path) for path in RECIPES}
    assert len(recipes) >= 8
    assert any("cmake" in each.toolchain.packages for each in recipes.values())
    assert any("golang-go" in each.toolchain.packages for each in recipes.values())
    assert any(len(each.outputs) > 1 for each in recipes.values())
    assert "zlib" in recipes["pigz"].inputs
    kinds = {
        kind for path in RECIPES for kind in ("url", "pypi", "npm") if f"\n{kind} = " in path.read_text()
    }
    assert kinds == {"url", "pypi", "npm"}
    assert {each.ecosystem for recipe in recipes.values() for each in recipe.dependencies} >= {"npm"}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_runs_what_it_built(path: Path) -> None:
    recipe = load(path)
    assert recipe.check is not None, "a smoke check"
    assert "$out" in recipe.check.script


@pytest.fixture(scope="session")
def outcomes(tally_in: TallyIn) -> Mapping[str, Any]:
    """What these recipes came to, built in one run."""
    ran = tally_in(ROOT)("build", *BUILT, "--no-sign", "--json").succeeded()
    return {each["target"]: each for each in json.loads(ran.out)["outcomes"]}


@pytest.mark.parametrize("name", [path.stem for path in BUILT])
def test_two_builders_agree_and_the_artifact_runs(
    name: str, outcomes: Mapping[str, Any], tmp_path: Path
) -> None:
    assert outcomes[name]["outcome"] == "agreed"
    SMOKE[name](Path(outcomes[name]["artifact"]), tmp_path / "unpacked")


def test_builders_never_agree_on_what_is_not_deterministic(tally: Tally, tmp_path: Path) -> None:
    tally("keys", "generate", tmp_path / "release").succeeded()
    out = tmp_path / "releases"
    words = ("build", *NON_DETERMINISTIC, "--key", tmp_path / "release.key", "--out", out, "--json")
    found = {each["target"]: each for each in json.loads(tally(*words).failed(1).out)["outcomes"]}
    assert {name: each["outcome"] for name, each in found.items()} == {
        path.stem: "disagreed" for path in NON_DETERMINISTIC
    }
    assert not out.exists() or not list(out.iterdir()), "nothing is signed, and there is no release"
    causes = {name: {Path(cause).name[33:] for cause in each["rootCauses"]} for name, each in found.items()}
    assert causes.pop("inherited") == {"random-1.drv"}, "the input is to blame, not its user"
    assert causes == {name: {f"{name}-1.drv"} for name in causes}


def _says(*command: str | Path, stdin: bytes = b"") -> bytes:
    return subprocess.run(list(map(str, command)), input=stdin, capture_output=True, check=True).stdout


def _top(artifact: Path, folder: Path) -> Path:
    [top] = unpacked(artifact, folder).iterdir()
    return top


def _bzip2(artifact: Path, folder: Path) -> None:
    packed = _says(_top(artifact, folder) / "bin/bzip2", stdin=b"a tally stick")
    assert bz2.decompress(packed) == b"a tally stick"


def _lua(artifact: Path, folder: Path) -> None:
    assert _says(_top(artifact, folder) / "bin/lua", "-e", "print(6 * 7)") == b"42\n"


def _zlib(artifact: Path, folder: Path) -> None:
    library = ctypes.CDLL(str(_top(artifact, folder) / "lib/libz.so.1.2.13"))
    library.zlibVersion.restype = ctypes.c_char_p
    assert library.zlibVersion() == b"1.2.13"


def _pigz(artifact: Path, folder: Path) -> None:
    packed = _says(_top(artifact, folder) / "bin/pigz", "-n", stdin=b"a tally stick")
    assert gzip.decompress(packed) == b"a tally stick"


def _cjson(artifact: Path, folder: Path) -> None:
    library = ctypes.CDLL(str(_top(artifact, folder) / "lib/libcjson.so.1"))
    library.cJSON_Version.restype = ctypes.c_char_p
    assert library.cJSON_Version() == b"1.7.15"


def _six(artifact: Path, folder: Path) -> None:
    assert artifact.name.endswith("-six-1.16.0-py2.py3-none-any.whl")
    with zipfile.ZipFile(artifact) as wheel:
        assert {"six.py", "six-1.16.0.dist-info/RECORD"} <= set(wheel.namelist())
    wheel_of_that_name = folder.with_name("six-1.16.0-py2.py3-none-any.whl")
    shutil.copy(artifact, wheel_of_that_name)
    program = f"import sys; sys.path.insert(0, {str(wheel_of_that_name)!r}); import six; print(six.__file__)"
    assert _says(sys.executable, "-c", program).decode().startswith(str(wheel_of_that_name))


def _copier(artifact: Path, folder: Path) -> None:
    top = _top(artifact, folder)
    assert len(list((top / "lib").glob("*.dist-info"))) == 21
    assert not list(top.rglob("*.pyc"))
    if sys.version_info[:2] == (3, 11):  # the toolchain's: some of its wheels are for that alone
        assert b"9.19.1" in _says(sys.executable, top / "bin/copier", "--version")


def _copier_image(artifact: Path, folder: Path) -> None:
    """It runs with nothing but what is in it."""
    assert b"9.19.1" in images.says(artifact, folder, "--version")


def _go_md2man(artifact: Path, folder: Path) -> None:
    program = shutil.copy(artifact, folder)
    Path(program).chmod(0o755)
    assert b".SH NAME" in _says(program, stdin=b'# tally 1 "now"\n## NAME\ntally\n')


def _normalize_css(artifact: Path, folder: Path) -> None:
    top = _top(artifact, folder)
    assert "line-height: 1.15" in (top / "normalize.min.css").read_text()
    assert (top / "normalize.min.css").stat().st_size < (top / "normalize.css").stat().st_size


def _ui5_cli(artifact: Path, folder: Path) -> None:
    top = _top(artifact, folder)
    modules = top / "lib/ui5-cli/node_modules"
    packages = [*modules.glob("*/package.json"), *modules.glob("@*/*/package.json")]
    assert len(packages) > 100
    assert (top / "bin/ui5").resolve().is_file()
    if node := shutil.which("node"):
        assert _says(node, top / "bin/ui5", "--version").startswith(b"3.11.14")


SMOKE: Mapping[str, Callable[[Path, Path], None]] = {
    "bzip2": _bzip2,
    "cjson": _cjson,
    "copier": _copier,
    "copier-image": _copier_image,
    "go-md2man": _go_md2man,
    "lua": _lua,
    "normalize-css": _normalize_css,
    "pigz": _pigz,
    "six": _six,
    "ui5-cli": _ui5_cli,
    "zlib": _zlib,
}

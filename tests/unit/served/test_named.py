"""Names in registries as people write them."""

from __future__ import annotations

import pytest

from orchestrator.ground.errors import TallyError
from orchestrator.served.named import DebName, NpmName, PypiName, is_named, meant, parse


def test_names() -> None:
    assert parse("pypi:Ruamel_Yaml==1.0") == PypiName("ruamel-yaml", "1.0")
    assert parse("deb:python3-six=1.16.0-4") == DebName("python3-six", "1.16.0-4")
    assert parse("deb:libstdc++6=1:2.0~rc1+b1") == DebName("libstdc++6", "1:2.0~rc1+b1")
    assert str(parse("deb:a1=2")) == "deb:a1=2"
    assert not is_named("rpm:bash=5")
    assert not is_named("deb")


@pytest.mark.parametrize(
    "text", ["deb:six", "deb:=1", "deb:Six=1", "deb:six==1", "deb:six=v1", "deb:six=1 2"]
)
def test_what_names_nothing(text: str) -> None:
    with pytest.raises(TallyError) as caught:
        parse(text)
    assert "deb:" in (caught.value.hint or "")


def test_names_of_npm() -> None:
    assert parse("npm:left-pad@1.3.0") == NpmName("left-pad", "1.3.0")
    assert parse("npm:@types/node@20.1.0-rc.1") == NpmName("@types/node", "20.1.0-rc.1")
    for text in ("npm:left-pad", "npm:@1.0", "npm:../x@1.0", "npm:a@latest", "npm:@Scope/a@1.0"):
        with pytest.raises(TallyError):
            parse(text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("six==1.17.0", "pypi:six==1.17.0"),
        ("pip:six==1.17.0", "pypi:six==1.17.0"),
        ("PyPI:six=1.17.0", "pypi:six==1.17.0"),
        ("pypi:six@1.17.0", "pypi:six==1.17.0"),
        ("python3-six=1.16.0-4", "deb:python3-six=1.16.0-4"),
        ("debian:a1==2", "deb:a1=2"),
        ("left-pad@1.3.0", "npm:left-pad@1.3.0"),
        ("releases/six", None),
        ("six", None),
        ("pypi:six", None),
        ("rpm:bash=5", None),
    ],
)
def test_what_was_meant(text: str, wanted: str | None) -> None:
    assert (found := meant(text)) is None or str(found) == wanted
    assert (found is None) == (wanted is None)

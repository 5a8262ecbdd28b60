"""SPDX expressions mean what their operators say."""

from __future__ import annotations

import pytest
from work import steps

from orchestrator.policy.evidence import Component
from orchestrator.policy.rules.licences import Licences, _called, licence
from orchestrator.policy.verdict import Code

GPL, MIT, APACHE = "GPL-3.0-or-later", "MIT", "Apache-2.0"
GCC = "GPL-3.0-or-later WITH GCC-exception-3.1"


def allowed(expression: str | None, *licences: str, denied: tuple[str, ...] = (), **more: str) -> bool:
    rule = Licences(frozenset(licences) if licences else None, frozenset(denied), **more)  # type: ignore[arg-type]
    reason = rule._against(expression, ["x 1"])
    assert reason is None or reason.code is Code.LICENCE_DENIED
    return reason is None


@pytest.mark.parametrize(
    ("expression", "licences", "holds"),
    [
        ("MIT", (MIT,), True),
        ("MIT", (APACHE,), False),
        ("MIT OR GPL-3.0-or-later", (MIT,), True),
        ("MIT AND GPL-3.0-or-later", (MIT,), False),
        ("MIT AND Apache-2.0", (MIT, APACHE), True),
        ("(MIT OR GPL-3.0-or-later) AND Apache-2.0", (MIT, APACHE), True),
        ("MIT OR (GPL-3.0-or-later AND Apache-2.0)", (GPL,), False),
        ("mit", (MIT,), True),
        (GCC, (GPL,), False),
        (GCC, (GCC,), True),
        (GPL, (GCC,), False),
        (f"{GCC} AND MIT", (GCC, MIT), True),
        ("Zlib AND LicenseRef-pigz-notice", ("Zlib",), False),
        ("Zlib AND LicenseRef-pigz-notice", ("Zlib", "LicenseRef-pigz-notice"), True),
        ("GPL-3.0-only", (GPL,), False),
        ("Apache-2.0+", ("Apache-2.0+",), True),
        ("LicenseRef-Apache-2.0-or-later", ("Apache-2.0+",), True),
        ("LicenseRef-Apache-2.0-or-later WITH LLVM-exception", ("Apache-2.0+",), False),
        ("Apache-2.0+", (APACHE,), False),
        (APACHE, ("Apache-2.0+",), False),
        ("LicenseRef-Apache-or-later", ("Apache-2.0+",), False),
    ],
)
def test_what_is_allowed(expression: str, licences: tuple[str, ...], holds: bool) -> None:
    assert allowed(expression, *licences) is holds


def test_what_is_denied() -> None:
    assert allowed("MIT", denied=(GPL,))
    assert allowed("MIT OR GPL-3.0-or-later", denied=(GPL,)), "the other one can be chosen"
    assert not allowed("MIT AND GPL-3.0-or-later", denied=(GPL,))
    assert not allowed(GPL, denied=(GPL,))
    assert not allowed(GPL, GPL, MIT, denied=(GPL,)), "denied outweighs allowed"
    assert allowed(GCC, denied=(GPL,)), "WITH is a licence of its own"


@pytest.mark.parametrize(
    "expression",
    ["", "MIT OR", "Not-A-Licence", "GPL3", "MIT AND", "(" * 5000, "MIT " * 500, "\u039cIT", None],
)
def test_what_nobody_knows_is_refused(expression: str | None) -> None:
    assert not allowed(expression, MIT)
    assert not allowed(expression, denied=(GPL,))


def test_unknown_can_be_allowed_and_rubbish_cannot() -> None:
    assert allowed(None, MIT, unknown="allow")
    assert not allowed("GPL3", MIT, unknown="allow")


def test_deep_and_wide() -> None:
    assert allowed("(" * 90 + "MIT" + ")" * 90, MIT)
    assert not allowed(" OR ".join([GPL] * 40), MIT)
    assert steps(lambda: allowed("(" * 90 + "MIT" + ")" * 90, MIT)) < 500_000
    assert steps(lambda: allowed(" OR ".join([GPL] * 40), MIT)) < 500_000


@pytest.mark.parametrize(
    "text", ["MIT OR Apache-2.0", "Not-A-Licence", "", "MIT AND MIT AND Zlib", "()OR MIT+Zlib"]
)
def test_a_list_holds_licences_and_no_expressions(text: str) -> None:
    with pytest.raises(ValueError, match=r"licence|expression"):
        licence(text)
    assert licence("mit") == "MIT"
    assert licence(GCC) == GCC


def said(expression: str | None, *names: str) -> str:
    reason = Licences(frozenset({MIT}), frozenset())._against(expression, list(names))
    assert reason is not None
    return reason.sentence


def test_a_no_names_packages_by_their_versions_and_not_all_of_many() -> None:
    many = [f"x {version}" for version in range(7)]
    assert said(GPL, "x 0") == f"x 0 is {GPL}, which the policy does not allow"
    assert said(GPL, *many).startswith(f"x 0, x 1, x 2, x 3, x 4 and 2 more are {GPL}, which")
    assert said(None, *many) == "the licence of x 0, x 1, x 2, x 3, x 4 and 2 more is not known"
    assert said("GPL3", "x 0") == "the licence of x 0 is no SPDX expression: 'GPL3'"


def test_the_way_out_of_an_unknown_licence_is_its_own() -> None:
    rule = Licences(frozenset({MIT}), frozenset())
    hints = [reason.hint for each in (None, GPL) if (reason := rule._against(each, ["x 1"]))]
    assert ['`unknown = "allow"`' in hint for hint in hints] == [True, False]
    assert "NOASSERTION" in hints[0]


@pytest.mark.parametrize(
    ("purl", "called"),
    [
        ("pkg:npm/%40own/x@1.0", "@own/x 1.0"),
        ("pkg:npm/x@1.0?vcs_url=git%2Bhttps://example.org/y@2", "x 1.0"),
        ("pkg:golang/example.org/way/x@1.0#sub/folder", "example.org/way/x 1.0"),
        ("pkg:deb/debian/x@1.0?arch=amd64", "x 1.0"),
    ],
)
def test_a_package_is_called_by_its_whole_name(purl: str, called: str) -> None:
    assert _called(Component("SPDXRef-x", "x", MIT, (purl,), "1.0")) == called


def test_one_without_a_version_is_called_by_its_name() -> None:
    assert _called(Component("SPDXRef-x", "x", None, ())) == "x"

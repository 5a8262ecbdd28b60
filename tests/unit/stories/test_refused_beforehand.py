"""A release that is there and is another's costs its own target, and no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import releases

from orchestrator.builders.configuration import Configuration
from orchestrator.cli.outcomes import document, show
from orchestrator.evidence.terms import BUILD_TYPE, TARGET_KINDS
from orchestrator.ground.errors import TallyError
from orchestrator.keys.key import SigningKey
from orchestrator.repositories.repository import Unversioned
from orchestrator.repositories.revision import Revision
from orchestrator.run.outcome import Unpublished, exit_code
from orchestrator.run.plan import Plan
from orchestrator.run.signatories import Signatories
from orchestrator.stories.beforehand import refused_beforehand, tell_of_commit


class Asked:
    """A published release, and plans that would make it again, and others."""

    def __init__(self, folder: Path) -> None:
        self.out = folder / "out"
        self.key = SigningKey.generate()
        made = releases.observed(folder / "made")
        self.there = releases.published(self.out, made, self.key, releases.builder_keys(made)).path
        self.facts = made.facts

    def signatories(self, key: SigningKey | None = None) -> Signatories:
        return cast("Signatories", SimpleNamespace(key=key or self.key))

    def target(
        self, name: str | None = None, derivation: str | None = None, build_type: str = BUILD_TYPE
    ) -> Any:
        package = self.facts.package
        evaluated = SimpleNamespace(
            package=derivation or self.facts.package_derivation, artifact=self.facts.artifact_derivation
        )
        named = replace(package, name=name or package.name).release_name
        return SimpleNamespace(
            asked=name or package.name,
            release_name=named,
            evaluated=evaluated,
            revision=self.facts.revision,
            build_type=build_type,
        )

    def plan(self, *targets: Any, dirty: tuple[str, ...] = ()) -> Plan:
        named = {each.asked: each for each in targets}
        plan = object.__new__(Plan)
        for name, value in {"targets": named, "dirty": dirty}.items():
            object.__setattr__(plan, name, value)
        for name in ("lock", "lock_file", "graph", "request"):
            object.__setattr__(plan, name, None)
        return plan


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    return Asked(tmp_path)


def test_the_others_are_built(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    plan = asked.plan(asked.target(derivation=releases.store_path("other.drv")), asked.target("new"))
    refused = refused_beforehand(asked.out, plan, asked.signatories())
    name = asked.facts.package.name
    assert list(refused) == [name]
    assert list(plan.without(refused).targets) == ["new"]
    outcome = refused[name]
    assert exit_code((outcome,)) == 2
    show(outcome, quiet=False)
    said = capsys.readouterr()
    assert f"{name}: not built: {asked.there} is there already and is not this release" in said.err
    assert "hint: releases are never overwritten" in said.err
    assert said.out == ""
    told = document(outcome)
    assert (told["target"], told["outcome"], told["agreement"]) == (name, "unpublished", None)


def test_another_key_costs_its_own_target_too(asked: Asked) -> None:
    plan = asked.plan(asked.target("new"), asked.target())
    assert refused_beforehand(asked.out, plan, asked.signatories()) == {}
    refused = refused_beforehand(asked.out, plan, asked.signatories(SigningKey.generate()))
    (outcome,) = refused.values()
    assert isinstance(outcome, Unpublished)
    assert "signed by another key" in outcome.error.message


def test_one_alone_is_an_error(asked: Asked) -> None:
    other = asked.target(derivation=releases.store_path("other.drv"))
    with pytest.raises(TallyError, match="is not this release"):
        refused_beforehand(asked.out, asked.plan(other), asked.signatories())
    assert refused_beforehand(asked.out, asked.plan(asked.target()), asked.signatories()) == {}


@pytest.mark.parametrize("kind", TARGET_KINDS)
def test_the_way_out_fits_the_kind_of_target(asked: Asked, kind: str) -> None:
    other = asked.target(derivation=releases.store_path("other.drv"), build_type=TARGET_KINDS[kind])
    with pytest.raises(TallyError) as told:
        refused_beforehand(asked.out, asked.plan(other), asked.signatories())
    hint = str(told.value.hint)
    assert "move that one away" in hint
    assert ("recipe" in hint) == (kind == "recipe")
    assert ("version" in hint) == (kind != "derivation"), "a derivation has the name that it has"


def test_what_is_not_to_be_signed_is_built_whatever_is_there(asked: Asked) -> None:
    plan = asked.plan(asked.target(derivation=releases.store_path("other.drv")))
    assert refused_beforehand(asked.out, plan, None) == {}
    assert refused_beforehand(asked.out, replace(plan, dirty=("src",)), asked.signatories()) == {}


def test_a_required_commit_that_the_release_does_not_name(asked: Asked) -> None:
    target, there = asked.target(), asked.facts.revision
    assert there is not None

    def refused(**changed: Any) -> None:
        target.revision = replace(there, **changed)
        plan = asked.plan(target)
        assert refused_beforehand(asked.out, plan, asked.signatories()) == {}
        assert refused_beforehand(asked.out, plan, asked.signatories(), require_commit=True) == {}

    refused()
    refused(uncommitted=("tally.lock",))  # the run itself is refused for that, in better words
    said = f"it names the commit {'c' * 12} .*this run the commit dddd"
    with pytest.raises(TallyError, match=said) as told:
        refused(commit="d" * 40)
    assert str(told.value).startswith(f"{asked.there} is there already, and tally.toml has `require-commit")
    target.revision = None
    assert refused_beforehand(asked.out, asked.plan(target), asked.signatories(), require_commit=True) == {}


def test_a_commit_that_is_required_and_lacking_has_its_own_way_out() -> None:
    plan = object.__new__(Plan)
    lacking = Unversioned("git is not installed", "install git")
    object.__setattr__(plan, "targets", {"any": SimpleNamespace(unversioned=lacking)})
    said: list[str] = []
    tell_of_commit(plan, Configuration(), said.append)
    assert " ".join(said) == (
        "the provenance names no commit, since git is not installed. A policy with `require.commit` refuses "
        "what is released of it"
    )
    with pytest.raises(TallyError, match=r"since git is not installed, and tally\.toml has") as told:
        tell_of_commit(plan, Configuration.model_validate({"require-commit": True}), said.append)
    assert str(told.value.hint).startswith("install git; with --no-sign")
    assert len(said) == 1


def test_what_a_commit_lacks_and_what_differs_from_it_are_told_apart() -> None:
    plan = object.__new__(Plan)
    changed = ("a.nix", "b.nix", "keys/a.pub")
    revision = Revision("c" * 40, None, "a.nix", changed, frozenset({"keys/a.pub"}))
    target = SimpleNamespace(unversioned=None, revision=revision)
    object.__setattr__(plan, "targets", {"any": target})
    assert plan.lacking_commit == (
        "a.nix, b.nix are uncommitted: they differ from the commit cccccccccccc; "
        "keys/a.pub is uncommitted: it is not in the commit cccccccccccc"
    )
    target.revision = replace(revision, uncommitted=("b", "a"), absent=frozenset({"a", "b"}))
    assert plan.lacking_commit == "a, b are uncommitted: they are not in the commit cccccccccccc"
    many = frozenset({"k.pub", *(f"rel/x/{number}" for number in range(100))})
    target.revision = replace(revision, uncommitted=tuple(many), absent=many)
    assert str(plan.lacking_commit).startswith("k.pub, rel/ (100 files) are uncommitted")
    target.revision = replace(revision, uncommitted=(), absent=frozenset())
    assert plan.lacking_commit is None

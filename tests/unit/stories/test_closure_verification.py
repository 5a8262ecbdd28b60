"""A policy's `[closure]`: what rebuilders' exported ledgers have of all that a release was made with."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import policies
import pytest
import releases
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.evidence import builds
from orchestrator.evidence.canonical import render
from orchestrator.evidence.terms import IN_TOTO_PAYLOAD
from orchestrator.ground.digest import NarHash, OtherDigest
from orchestrator.ground.errors import TallyError
from orchestrator.keys import dsse
from orchestrator.keys.key import SigningKey
from orchestrator.ledger.entries import Entry, How, Known, Made
from orchestrator.nix.derivation import FixedOutput
from orchestrator.nix.outputpath import fixed_hash
from orchestrator.policy.policy import Policy
from orchestrator.policy.verdict import Code, Failed, Passed, Verdict
from orchestrator.stories.verification import examine

KEYS = {name: SigningKey.generate() for name in ("alice", "bob", "carol", "release")}
WORLD = releases.World()
STEPS = {"root": WORLD.root, "zlib": WORLD.zlib, "pigz": WORLD.pigz, "artifact": WORLD.artifact}


class Release:
    """A release of pigz by its builders, and what others say of all that it was made with."""

    def __init__(self, folder: Path, names: str = "ab") -> None:
        each = [
            releases.identity(name, operator=f"{name} org", machine_id=name * 64, boot_id=name * 64)
            for name in names
        ]
        self.made = releases.observed(folder / "in", builders=each)
        self.builders = releases.builder_keys(self.made)
        self.folder = releases.published(folder / "out", self.made, KEYS["release"], self.builders).path
        agreed = self.made.facts.agreed
        hashes = {each.path: each.nar_hash for each in agreed.inputs.values()}
        hashes |= {each.path: each.nar_hash for some in agreed.outputs.values() for each in some.values()}
        self.hashes = hashes

    def ledger(
        self,
        key: str | SigningKey = "alice",
        steps: Iterable[str] = tuple(STEPS),
        other: Mapping[str, str] | None = None,
        machine: str | None = None,
        boot: str | None = None,
    ) -> bytes:
        """What somebody exports: of `other` steps something else than the release has."""
        known = Known("x", "signed", machine_id=machine or f"machine of {key}", boot_id=boot, proven=True)
        entries = [self._entry(known, step, (other or {}).get(step)) for step in steps]
        signer = KEYS[key] if isinstance(key, str) else key
        envelope = dsse.sign(IN_TOTO_PAYLOAD, builds.payload_of(entries), signer, keyid=signer.public.keyid)
        return render(envelope.document())

    def _entry(self, builder: Known, step: str, content: str | None) -> Entry:
        drv = STEPS[step]
        made = {
            name: Made(path, self.hashes[path] if content is None else NarHash.of(content.encode()), 1, ())
            for name, path in drv.outputs.items()
        }
        return Entry("1", builder, drv.path, How.BUILT, made)

    def judged(self, policy: Policy, *ledgers: bytes) -> Verdict:
        further = {f"{number}.dsse": each for number, each in enumerate(ledgers)}
        return examine(self.folder, policy, releases.NOW, further=further).verdict


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return Release(tmp_path_factory.mktemp("release"))


def policy(folder: Path, operators: int = 2, more: str = "", *parts: str, **operator: str) -> Policy:
    named = [
        f'[[rebuilder]]\nname = "{name}"\nkey = {policies.pem(KEYS[name])}\n'
        f'operator = "{operator.get(name, name)}"\n'
        for name in ("alice", "bob", "carol")
    ]
    asked = f"[closure]\noperators = {operators}\n{more}"
    return policies.policy(
        folder, asked, "[rebuilders]\nquorum = 0", *named, policies.signer(KEYS["release"]), *parts
    )


def refused(verdict: Verdict) -> list[tuple[Code, str]]:
    assert isinstance(verdict, Failed)
    return [(each.code, each.sentence) for each in verdict.reasons]


def test_one_who_made_all_of_it_is_the_second_operator(release: Release, tmp_path: Path) -> None:
    asked = policy(tmp_path)
    ((code, said),) = refused(release.judged(asked))
    assert code is Code.CLOSURE_NOT_AGREED
    assert "2 operators have to have made each derivation the same: " in said
    who = "a org, b org and the release's own: one operator, by a shared machine or key, or since the policy"
    assert f"zlib-1.3 too few votes ({who} has no key of theirs)" in said
    assert isinstance(release.judged(asked, release.ledger()), Passed)
    ((code, said),) = refused(release.judged(policy(tmp_path, 3), release.ledger()))
    assert code is Code.CLOSURE_NOT_AGREED
    assert isinstance(release.judged(policy(tmp_path, 3), release.ledger(), release.ledger("bob")), Passed)


def test_without_the_table_a_ledger_is_set_aside(release: Release, tmp_path: Path) -> None:
    verdict = release.judged(policies.policy(tmp_path, policies.signer(KEYS["release"])), release.ledger())
    assert isinstance(verdict, Passed)
    assert (
        "0.dsse was set aside: it is an exported ledger, and the policy has no [closure]" in verdict.notices
    )


@pytest.mark.parametrize("lacking", list(STEPS))
def test_each_derivation_needs_its_votes(release: Release, tmp_path: Path, lacking: str) -> None:
    ledger = release.ledger(steps=[each for each in STEPS if each != lacking])
    ((code, said),) = refused(release.judged(policy(tmp_path), ledger))
    assert code is Code.CLOSURE_NOT_AGREED
    if lacking != "artifact":
        assert "alice (nobody knows what from)" in said


def test_one_operator_is_one_vote_by_whatever_it_shows(release: Release, tmp_path: Path) -> None:
    both = release.ledger(), release.ledger("bob")
    assert isinstance(release.judged(policy(tmp_path, 3), *both), Passed)
    assert refused(release.judged(policy(tmp_path, 3, bob=" ALICE "), *both)), "two keys of one name"
    same = release.ledger(machine="m"), release.ledger("bob", machine="m")
    assert refused(release.judged(policy(tmp_path, 3), *same)), "two names on one machine"
    same = release.ledger(boot="b"), release.ledger("bob", boot="b")
    assert refused(release.judged(policy(tmp_path, 3), *same)), "two names on one running host"
    twice = release.ledger(), release.ledger()
    assert refused(release.judged(policy(tmp_path, 3), *twice)), "the same twice"
    report = release.made.facts.agreed.reports[0]
    assert refused(release.judged(policy(tmp_path), release.ledger(machine=report.identity.machine_id)))


def test_the_releases_own_operator_counts_once(release: Release, tmp_path: Path) -> None:
    operator = release.made.facts.agreed.reports[0].identity.operator
    assert operator is not None
    own = policy(tmp_path, alice=f" {operator.upper()}")
    assert refused(release.judged(own, release.ledger()))
    by_release_key = policies.policy(
        tmp_path,
        "[closure]\noperators = 2\n[rebuilders]\nquorum = 0",
        f'[[rebuilder]]\nname = "x"\nkey = {policies.pem(release.builders["a"])}',
        policies.signer(KEYS["release"]),
    )
    KEYS["a"] = release.builders["a"]
    assert refused(release.judged(by_release_key, release.ledger("a", machine="elsewhere")))
    del KEYS["a"]


def test_a_builder_of_the_release_that_does_not_count_is_its_own_all_the_same(tmp_path: Path) -> None:
    """The policy counts two of three, and a rebuilder has the third one's key, or its machine."""
    release = Release(tmp_path, "abc")
    counted = [f"[[builder]]\nkey = {policies.pem(release.builders[name])}" for name in "ab"]

    def judged(key: SigningKey, machine: str) -> Verdict:
        asked = policies.policy(
            tmp_path,
            '[closure]\noperators = 2\n[rebuilders]\nquorum = 0\n[builders]\nper = "builder"',
            f'[[rebuilder]]\nname = "x"\nkey = {policies.pem(key)}',
            *counted,
            policies.signer(KEYS["release"]),
        )
        return release.judged(asked, release.ledger(key, machine=machine))

    assert isinstance(judged(KEYS["alice"], "elsewhere"), Passed)
    for key, machine in ((KEYS["alice"], "c" * 64), (release.builders["c"], "elsewhere")):
        ((code, _),) = refused(judged(key, machine))
        assert code is Code.CLOSURE_NOT_AGREED


def test_builders_of_a_release_are_as_many_operators_as_the_policy_says(
    release: Release, tmp_path: Path
) -> None:
    """What a release says of who runs its builders makes no second vote."""
    by_policy = [
        f'[[builder]]\nkey = {policies.pem(key)}\noperator = "{name} org"\n'
        for name, key in release.builders.items()
    ]
    assert isinstance(release.judged(policy(tmp_path, 2, "", *by_policy)), Passed)
    assert refused(release.judged(policy(tmp_path, 2))), "by its own word alone it is one"
    by_name = [f'[[builder]]\nname = "{name}"\noperator = "{name} org"\n' for name in release.builders]
    assert refused(release.judged(policy(tmp_path, 2, "", *by_name))), "the layout's signer named them"


def test_another_result_is_a_no_where_it_comes_to_another_artifact(release: Release, tmp_path: Path) -> None:
    other = {"zlib": "x", "pigz": "x", "artifact": "x"}
    ledgers = release.ledger(), release.ledger("bob", other=other)
    said = refused(release.judged(policy(tmp_path), *ledgers))
    assert {code for code, _ in said} == {Code.BUILDERS_DISAGREE}
    assert "bob made another zlib-1.3" in {told for _, told in said}
    assert isinstance(release.judged(policy(tmp_path, 2, 'dissent = "tell"'), *ledgers), Passed)
    both = release.ledger(other=other), release.ledger("bob", other=other)
    for more in ("", 'dissent = "tell"'):
        codes = {code for code, _ in refused(release.judged(policy(tmp_path, 2, more), *both))}
        assert Code.CLOSURE_NOT_AGREED in codes, "two agree on what is not the release"


def test_what_differs_and_converges_below_the_artifact_spoils_nothing(
    release: Release, tmp_path: Path
) -> None:
    assert isinstance(release.judged(policy(tmp_path), release.ledger(other={"root": "x"})), Passed)
    assert isinstance(
        release.judged(policy(tmp_path), release.ledger(other={"root": "x", "zlib": "y"})), Passed
    )
    apart = release.ledger(other={"root": "x"}), release.ledger("bob", steps=("root", "zlib"))
    assert isinstance(release.judged(policy(tmp_path), *apart), Passed)
    assert refused(release.judged(policy(tmp_path, 3), *apart)), "bob carries it to zlib and no further"


def test_who_counts_for_nothing(release: Release, tmp_path: Path) -> None:
    revoked = policy(tmp_path)
    text = (tmp_path / "policy.toml").read_text()
    (tmp_path / "policy.toml").write_text(
        text.replace(
            'operator = "alice"', 'operator = "alice"\nrevoked = { at = 2026-01-01, reason = "lost" }'
        )
    )
    from orchestrator.stories.policy_file import load

    revoked = load(tmp_path / "policy.toml")
    ((code, said),) = refused(release.judged(revoked, release.ledger()))
    assert code is Code.CLOSURE_NOT_AGREED
    assert "lost" in said
    codes = {code for code, _ in refused(release.judged(revoked, release.ledger(other={"artifact": "x"})))}
    assert Code.BUILDERS_DISAGREE in codes, "a no needs no time to be proven"

    KEYS["mallory"] = SigningKey.generate()
    assert refused(release.judged(policy(tmp_path), release.ledger("mallory")))
    del KEYS["mallory"]
    exported = b64decode(str(_document(release.ledger())["payload"]))
    nobodys = exported.replace(b'"builder":"x"', b'"builder":"y"')
    malformed = dsse.sign(IN_TOTO_PAYLOAD, nobodys, KEYS["alice"], keyid=KEYS["alice"].public.keyid)
    ((_, said),) = refused(release.judged(policy(tmp_path), render(malformed.document())))
    assert "0.dsse was set aside: 0.dsse has a build by 'y', and no such builder" in said, "told why"
    whole = release.ledger()
    broken = whole.replace(b'"payload":"ey', b'"payload":"eX')
    assert broken != whole
    assert refused(release.judged(policy(tmp_path), broken))
    altered = release.ledger(other={"zlib": "x"})
    mixed = render({**_document(whole), "payload": _document(altered)["payload"]})
    assert refused(release.judged(policy(tmp_path), mixed)), "another's signature"


def _document(data: bytes) -> dict[str, object]:
    import json

    return dict(json.loads(data))


def test_a_release_with_something_that_nobody_built_has_no_closure(tmp_path: Path) -> None:
    made = releases.believing(releases.observed(tmp_path / "in"))
    folder = releases.published(tmp_path / "out", made, KEYS["release"], releases.builder_keys(made)).path
    verdict = examine(folder, policy(tmp_path), releases.NOW).verdict
    ((code, said),) = refused(verdict)
    assert code is Code.CLOSURE_NOT_AGREED
    assert "came from a cache, and nobody's builders made" in said


@pytest.mark.parametrize("nar", [True, False])
def test_a_fixed_output_by_sha512_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nar: bool) -> None:
    """Of somebody's own derivation, of which evidence has the NAR hash."""
    busybox, promised = WORLD.busybox, OtherDigest("sha512", "ab" * 64, nar=nar)
    path = busybox.outputs["out"]
    monkeypatch.setitem(releases.HASHES, busybox.path, fixed_hash(path, promised))
    assert busybox.fixed is not None
    fixed = FixedOutput(path, busybox.fixed.digest, promised)
    world = replace(WORLD, busybox=replace(busybox, fixed=fixed))
    monkeypatch.setattr(releases, "World", lambda: world)
    ((code, said),) = refused(Release(tmp_path).judged(policy(tmp_path)))
    assert code is Code.CLOSURE_NOT_AGREED
    assert "2 operators have to have made each derivation the same: " in said, (
        "all that is asked for is votes"
    )


def test_rebuilders_that_nothing_is_asked_of_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(TallyError, match="rebuilders would say nothing"):
        policies.policy(tmp_path, policies.signer(KEYS["release"]), "[rebuilders]\nquorum = 0")


MADE = st.dictionaries(st.sampled_from(list(STEPS)), st.sampled_from(["same", "x", "y"]), max_size=4)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.dictionaries(st.sampled_from(["alice", "bob", "carol"]), st.tuples(MADE, st.sampled_from("mn"))),
    st.integers(2, 4),
    st.booleans(),
    st.booleans(),
)
def test_a_yes_has_operators_who_made_all_of_it(
    release: Release,
    tmp_path: Path,
    said: dict[str, tuple[dict[str, str], str]],
    needed: int,
    tells: bool,
    related: bool,
) -> None:
    """Each of enough distinct operators made the artifact from what somebody made all the way down."""
    more = 'dissent = "tell"' if tells else ""
    asked = policy(tmp_path, needed, more, **({"bob": "Alice"} if related else {}))
    ledgers = []
    for name, (made, machine) in said.items():
        if not any(made.values()):
            continue
        other = {step: content for step, content in made.items() if content != "same"}
        ledgers.append(release.ledger(name, made, other, machine))
    if not isinstance(release.judged(asked, *ledgers), Passed):
        return
    parties: list[set[str]] = []
    for name in said:
        mine = {f"machine {said[name][1]}", "name alice" if related and name == "bob" else f"name {name}"}
        apart = [each for each in parties if each.isdisjoint(mine)]
        parties = [*apart, mine.union(*(each for each in parties if each not in apart))]
    for step in STEPS:
        makers = {
            number
            for number, marks in enumerate(parties)
            for name, (made, machine) in said.items()
            if f"machine {machine}" in marks and step in made
        }
        assert len(makers) + 1 >= needed, "the release's own operator is the other one"
    top = [name for name, (made, _) in said.items() if made.get("artifact") == "same"]
    assert len(top) + 1 >= needed
    if not tells:
        whole = [name for name, (made, _) in said.items() if set(made.values()) == {"same"}]
        assert all(name in whole or said[name][0].get("artifact") in ("same", None) for name in said)

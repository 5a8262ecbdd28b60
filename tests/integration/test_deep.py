"""Deep runs with real Nix: every derivation an agreement of its own, remembered, gone on with when killed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from targets import with_busybox
from waiting import wait_for
from warm import WARM

from orchestrator.evidence import canonical
from orchestrator.evidence.terms import IN_TOTO_PAYLOAD
from orchestrator.ground.state import State
from orchestrator.keys import dsse
from orchestrator.keys.key import SigningKey
from orchestrator.ledger.entries import How, Verdict
from orchestrator.ledger.reading import Ledger, read
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.command import Nix

if TYPE_CHECKING:
    from tests.conftest import TallyIn

UUID = "read line < /proc/sys/kernel/random/uuid; echo $line > $out"
LEAF = re.compile(r"-(d\d+-1\.0)\.drv$")


class Chain:
    """The chain of tests/assets/deep, of which no other run has a derivation; on the shared state folder."""

    def __init__(self, folder: Path, tally: Any, state: State) -> None:
        self.folder, self.tally, self.state = with_busybox(folder, "deep"), tally, state
        self.mark = uuid.uuid4().hex

    def words(self, *attributes: str, script: str = "echo middle > $out", **more: str) -> list[str]:
        wait = f"# {self.mark}\n{more.pop('wait', ':')}"
        said = [*attributes, "--no-sign", "--json", "--argstr", "script", script, "--argstr", "wait", wait]
        for name, value in more.items():
            said += ["--arg", name, value]
        return ["build", "-f", "default.nix", *said]

    def as_elsewhere(self, ledger: Path, name: str, signer: str, change: Mapping[str, str]) -> Path:
        """What was built here, as builders on another machine would have exported it, to `name`.json."""
        payload = json.loads(dsse.read(ledger.read_bytes(), "mine").payload)
        for builder in payload["predicate"]["builders"]:
            machine = hashlib.sha256(f"{name} {self.mark}".encode()).hexdigest()
            builder["machineIdSha256"] = builder["bootIdSha256"] = machine
        for build in payload["predicate"]["builds"]:
            for part, content in change.items():
                told = {build["derivation"]: build["outputs"], **build.get("inputs", {})}
                for derivation, outputs in told.items():
                    if derivation.endswith(f"-{part}.drv"):
                        outputs["out"]["narSha256"] = content * 64
        key = SigningKey.load(self.folder / f"{signer}.key", lambda _: b"")
        envelope = dsse.sign(IN_TOTO_PAYLOAD, canonical.render(payload), key, keyid="")
        made = self.folder / f"{name}.json"
        made.write_bytes(canonical.render(envelope.document()))
        return made

    def build(self, *attributes: str, more: tuple[str, ...] = ("--deep",), **how: str) -> Any:
        return self.tally(*self.words(*attributes, **how), *more)


@pytest.fixture
def chain(tmp_path: Path, tally_in: TallyIn, session_state: Path) -> Chain:
    return Chain(tmp_path / "project", tally_in(tmp_path / "project"), State(session_state))


def outcome(ran: Any) -> Any:
    (found,) = json.loads(ran.out)["outcomes"]
    return found


def names(ran: Any, word: str) -> set[str]:
    """What builder `a` started, or started `again`."""
    lines = [
        line.removeprefix("a: started ") for line in ran.err.splitlines() if line.startswith("a: started")
    ]
    again = {line.removesuffix(" again") for line in lines if line.endswith(" again")}
    return again if word == "again" else {line for line in lines if not line.endswith(" again")}


def test_what_agreed_once_is_not_built_again(chain: Chain) -> None:
    first = chain.build("top").succeeded()
    assert {"base-1.0", "middle-1.0", "top-1.0"} <= names(first, "first")
    assert outcome(first)["depth"]["held"] == 0

    second = chain.build("top").succeeded()
    assert not names(second, "first")
    assert names(second, "again") == {"top-1.0", "top-1.0-x86_64-linux.nar"}, "what was asked for always is"
    depth = outcome(second)["depth"]
    assert (depth["known"], depth["held"], depth["believed"]) == (depth["derivations"] - 2, 0, 0)

    shallow = chain.build("top", more=()).succeeded()
    assert outcome(shallow)["depth"]["held"] == depth["known"]

    again = chain.build("top", more=("--depth", "2", "--again")).succeeded()
    assert {"base-1.0", "middle-1.0"} <= names(again, "again"), "what stores hold is built again too"
    assert outcome(again)["depth"]["held"] == 0


def test_the_first_to_diverge_is_named_and_what_is_above_is_not_spoiled(chain: Chain) -> None:
    scan = chain.folder / "scan.sarif"
    ran = chain.build("top", script=UUID, more=("--deep", "--sarif", str(scan)))
    assert ran.code == 1
    found = outcome(ran)
    (alert,) = json.loads(scan.read_text())["runs"][0]["results"]
    assert [alert["properties"]["derivation"]] == found["rootCauses"]
    assert [each.rpartition("-middle-1.0")[2] for each in found["rootCauses"]] == [".drv"]
    assert [one["inherited"] for one in found["differing"]] == [False, True, True]
    with read(chain.state) as ledger:
        result = next(each for each in ledger.latest() if each.package == found["differing"][1]["derivation"])
        verdicts = ledger.verdicts(result.run)
        entries = [each for each in ledger.entries_of(result.run) if each.derivation in found["rootCauses"]]
    assert result.verdict is Verdict.DIFFERS
    assert list(result.culprits) == found["rootCauses"]
    (base,) = [each for path, each in verdicts.items() if path.endswith("-base-1.0.drv")]
    assert base.verdict in (Verdict.AGREED, Verdict.VARIED)
    assert {each.builder.name for each in entries} == {"a", "b"}
    assert all(each.how is How.BUILT and each.builder.proven for each in entries)
    assert len({each.outputs["out"].nar_hash for each in entries}) == 2

    told = json.loads(chain.tally("history", result.package, "--json").succeeded().out)
    (target,) = told["targets"]
    assert (target["verdict"], target["results"][-1]["culprits"]) == ("differs", found["rootCauses"])

    # a derivation that disagreed is built again, though nothing of it changed
    assert "middle-1.0" in names(chain.build("top", script=UUID), "again")


def test_an_input_that_differs_is_told_where_the_difference_ends(chain: Chain) -> None:
    """Its release is signed and verifies; in-toto's own client has read the links before."""
    chain.tally("keys", "generate", "release").succeeded()
    words = [word for word in chain.words("absorbing", script=UUID) if word != "--no-sign"]
    found = outcome(chain.tally(*words, "--deep", "--key", "release.key").succeeded())
    (converged,) = found["agreement"]["converged"]
    assert converged["path"].endswith("-middle-1.0")
    assert found["depth"]["held"] == 0
    release = chain.folder / found["release"]
    chain.tally("verify", release, "--key", "release.pub").succeeded()
    said = json.loads((release / "release.json").read_text())["agreement"]
    assert [each["path"] for each in said["converged"]] == [converged["path"]]
    assert not said["depth"]["deep"], "not every one of them is an agreement"


def test_what_was_cleaned_away_and_is_known_is_evidence_still(chain: Chain) -> None:
    """The library's output is gone from both stores, and nothing that is built needs it."""
    chain.tally("keys", "generate", "release").succeeded()
    first = outcome(chain.build("top", more=()).succeeded())
    nix = Nix.find(chain.folder)
    with read(chain.state) as ledger:
        (latest,) = [
            each
            for each in ledger.latest()
            if set(ledger.outputs_of([each.package])) & set(first["agreement"]["outputs"])
        ]
        (base,) = [each for each in ledger.inputs(latest.package) if each.endswith("-base-1.0.drv")]
        gone = list(ledger.outputs_of([base]))
    for name in "ab":
        assert ChrootStore(nix, chain.state.store(name)).drop(gone) == tuple(gone)
    words = [word for word in chain.words("top") if word != "--no-sign"]
    ran = chain.tally(*words, "--key", "release.key").succeeded()
    assert "base-1.0" not in names(ran, "first")
    found = outcome(ran)
    assert found["depth"]["known"] == 1
    chain.tally("verify", chain.folder / found["release"], "--key", "release.pub").succeeded()


def test_a_run_of_some_takes_the_oldest(chain: Chain) -> None:
    scan = chain.folder / "scan.sarif"

    def taken() -> str:
        more = ("--oldest", "1", "--sarif", str(scan))
        ran = chain.build("base", "middle", more=more).succeeded()
        assert "building 1 of 2 targets" in ran.err
        return str(outcome(ran)["target"])

    first, second, third = taken(), taken(), taken()
    assert {first, second} == {"default.nix base", "default.nix middle"}
    assert third == first
    assert json.loads(scan.read_text())["runs"][0]["results"] == []


def test_a_flaky_one_is_told_as_flaky_also_above_one_that_differs(chain: Chain) -> None:
    """Nix checks nothing above what differs in one invocation; and what is above differs anyhow."""
    ran = chain.build("second", script=UUID, more=("--depth", "1", "--repeat", "1"))
    assert ran.code == 1
    found = outcome(ran)
    culprits = sorted(each.rpartition("-1.0.drv")[0].rpartition("-")[2] for each in found["rootCauses"])
    assert culprits == ["middle", "second"]
    assert found["flaky"] == sorted(found["rootCauses"])
    with read(chain.state) as ledger:
        assert next(each for each in ledger.latest() if each.name == "second").verdict is Verdict.FLAKY


def test_a_killed_deep_run_goes_on_where_it_stopped(chain: Chain, session_state: Path) -> None:
    """Killed as a power cut does, once some of both builders' leaves were looked at."""
    words = [*chain.words("wide", width="14", wait='"$b" sleep 2'), "--deep"]
    running = WARM.start(words, chain.folder, {**os.environ, "TALLY_STATE": str(session_state)})
    assert running is not None

    def written() -> set[str]:
        """The leaves that count, of both builders, by what the ledger has of this run."""
        if not chain.state.ledger.exists():
            return set()
        with read(chain.state) as ledger:
            runs = [each for each in ledger.runs() if each.endswith(f"-{running.pid}")]
            every = [entry for run in runs for entry in ledger.entries_of(run)]
        built = [
            {e.derivation for e in every if e.builder.name == name and e.builder.proven} for name in "ab"
        ]
        return {each for each in set.intersection(*built) if LEAF.search(each)}

    wait_for(lambda: len(written()) >= 2 or running.poll() is not None, running.said)
    assert running.poll() is None, running.said()
    running.kill()
    assert running.wait() == -signal.SIGKILL
    done = {found[1] for each in written() if (found := LEAF.search(each))}
    gone_on = chain.tally(*words).succeeded()
    assert done.isdisjoint(names(gone_on, "first") | names(gone_on, "again")), (
        "what both ended is not built again"
    )
    depth = outcome(gone_on)["depth"]
    assert depth["held"] == 0
    assert depth["known"] >= len(done)
    assert depth["known"] + depth["built"] == depth["derivations"]
    with read(chain.state) as ledger:
        assert next(each for each in ledger.latest() if each.name == "wide").verdict is not Verdict.UNDECIDED


def test_what_a_killed_run_made_of_something_altered_is_made_anew(chain: Chain, session_state: Path) -> None:
    """The same harm in both stores, gone again before the next run: nothing but the look would tell."""
    script, wait = 'read line < $inputs; echo "middle of $line" > $out', '"$b" sleep 2'
    chain.build("base", script=script, wait=wait).succeeded()
    with read(chain.state) as ledger:
        package = next(e.package for e in reversed(list(ledger.results(whole=False))) if e.name == "base")
        (path,) = {made.path for e in ledger.entries([package]) for made in e.outputs.values()}
    places = [chain.state.store(name) / path.removeprefix("/") for name in "ab"]

    def write(text: str) -> None:
        for place in places:
            place.chmod(0o644)
            place.write_text(text)
            place.chmod(0o444)
            os.utime(place, (1, 1))

    write("harm\n")
    running = WARM.start(
        [*chain.words("top", script=script, wait=wait), "--deep"],
        chain.folder,
        {**os.environ, "TALLY_STATE": str(session_state)},
    )
    assert running is not None

    def made() -> dict[str, str]:
        """What the ledger has of `middle` in that run, by builder."""
        with read(chain.state) as ledger:
            runs = [each for each in ledger.runs() if each.endswith(f"-{running.pid}")]
            every = [entry for run in runs for entry in ledger.entries_of(run)]
        found = [e for e in every if e.derivation.endswith("-middle-1.0.drv")]
        assert not any(e.builder.proven for e in found)
        return {e.builder.name: e.derivation for e in found}

    wait_for(lambda: len(made()) == 2 or running.poll() is not None, running.said)
    assert running.poll() is None, running.said()
    running.kill()
    running.wait()
    write("base\n")

    ran = chain.build("top", script=script, wait=wait).succeeded()
    assert "that a killed run left, to build them anew" in ran.err
    assert "middle-1.0" in names(ran, "first")
    made_of = Path(outcome(ran)["artifact"]).read_bytes()
    assert b"top of middle of base" in made_of


def test_what_other_operators_signed_counts_one_vote_each(chain: Chain, tmp_path: Path) -> None:
    # the state folder is shared with other runs of this test, and a name is one operator
    elsewhere, example, another = (
        f"{name} {chain.mark}" for name in ("Elsewhere", "Example Org", "More Org")
    )
    # and whoever else was taken in and shows this machine
    here = rf"[^;|]*{elsewhere}[^;|]*\bhere\b[^;|]*"
    chain.build("absorbing").succeeded()
    with read(chain.state) as ledger:
        results = list(ledger.results(whole=False))
    top = next(each.package for each in reversed(results) if each.package.endswith("-absorbing-1.0.drv"))
    for name in ("mine", "theirs", "third"):
        chain.tally("keys", "generate", name).succeeded()
    votes = ("ledger", "votes", top)
    assert chain.tally(*votes).code == 2, "two builders of one operator have one vote"

    chain.tally("ledger", "export", top, "--key", "mine.key", "--out", "mine.json").succeeded()
    merge = ("ledger", "merge", "mine.json", "--operator", elsewhere, "--key")
    refused = chain.tally(*merge, "theirs.pub")
    assert refused.code == 2
    assert "nothing in mine.json is signed by the key that was given" in refused.err
    chain.tally(*merge, "mine.pub").succeeded()
    assert chain.tally(*votes).code == 2, "what was built on this machine is no vote of another operator"

    def signed(name: str, change: dict[str, str], operator: str, signer: str) -> None:
        chain.as_elsewhere(chain.folder / "mine.json", name, signer, change)
        merged = chain.tally(
            "ledger", "merge", f"{name}.json", "--operator", operator, "--key", f"{signer}.pub", "--json"
        ).succeeded()
        assert len(json.loads(merged.out)["unlike"]) == len(change)

    signed("e", {"middle-1.0": "0"}, example, "theirs")
    ran = chain.tally(*votes).succeeded()
    assert re.search(rf"AGREED all the way down, by ({here}; {example}|{example}; {here})", ran.out)
    sides = rf"({here} \| {example}|{example} \| {here})"
    assert re.search(f"middle-1.0: differs, and converges above: {sides}", ran.out)

    changed = {"middle-1.0": "0", "absorbing-1.0": "1", "absorbing-1.0-x86_64-linux.nar": "2"}
    again = ("ledger", "merge", "e.json", "--operator", another, "--key", "theirs.pub")
    assert f"is that of the operator {example}" in chain.tally(*again).failed(2).err
    signed("f", changed, another, "third")
    ran = chain.tally(*votes, "--json")
    assert ran.code == 1
    told = json.loads(ran.out)
    assert [each.rpartition("-")[0][44:] for each in told["culprits"]] == ["middle"]
    ran = chain.tally(*votes, "--quorum", "2").succeeded()
    assert f"absorbing-1.0: agreed, and not by {another}" in ran.out

    ours = [each for each in chain.state.others.iterdir() if another in each.read_text()]
    place = max(ours, key=lambda each: each.stat().st_mtime_ns)
    whole = place.read_bytes()
    place.write_bytes(whole.replace(b'"ledger":"ey', b'"ledger":"eX'))
    damaged = chain.tally(*votes)
    assert damaged.code == 2
    assert f"{place} is not as it was taken in" in damaged.err
    place.write_bytes(whole)


def test_a_release_counts_by_the_links_of_its_builders(chain: Chain) -> None:
    chain.tally("keys", "generate", "release").succeeded()
    words = [word for word in chain.words("top") if word != "--no-sign"]
    found = outcome(chain.tally(*words, "--key", "release.key", "--deep").succeeded())
    merge = ("ledger", "merge", found["release"], "--operator", "Example Org")
    _others_have_made_the_closure(chain, Path(found["release"]))
    keys = [chain.state.keys / f"builder-{name}.pub" for name in ("a", "b")]
    told = chain.tally(*merge, "--key", keys[0], "--key", keys[1], "--json").succeeded()
    assert json.loads(told.out) == {
        "operator": "Example Org",
        "derivations": 2,
        "builders": ["a", "b"],
        "new": True,
        "unlike": [],
    }
    record = chain.folder / found["release"] / "builds" / "a" / "build.json"
    record.write_bytes(record.read_bytes().replace(b'"narSize":', b'"narSize":1'))
    refused = chain.tally(*merge, "--key", keys[0])
    assert refused.code == 2
    assert "is not the one of which its builder's link has the digest" in refused.err


def test_nothing_is_signed_that_too_few_operators_made(chain: Chain) -> None:
    """`[closure]` of tally.toml: refused before a build, refused after one, signed, and verified alike."""
    beyond = f"Beyond {chain.mark}"  # the state folder is shared, and a name is one operator
    for name in ("release", "theirs"):
        chain.tally("keys", "generate", name).succeeded()
    (chain.folder / "tally.toml").write_text(
        f'[closure]\noperators = 2\n[[rebuilder]]\nname = "{beyond}"\nkey = "theirs.pub"\n'
    )
    words = ("--key", "release.key", "--deep")
    signing = [*(word for word in chain.words("top") if word != "--no-sign"), *words]
    early = chain.tally(*signing).failed(2)
    assert re.search(
        r"\[closure\] in tally\.toml wants 2 operators, and of \S+ there can be 1: .*here", early.err
    )
    assert "started base-1.0" not in early.err, "nothing is built that cannot be signed"
    # the one when nobody else was taken in yet, the other when other tests' operators show this machine
    assert re.search(r"hint: (take in what another operator signed|what is built on one machine)", early.err)

    chain.build("top").succeeded()  # without a signature nobody is asked
    with read(chain.state) as ledger:
        package = _last(ledger, "top-1.0")
    chain.tally("ledger", "export", package, "--key", "theirs.key", "--out", "mine.json").succeeded()
    mine = chain.folder / "mine.json"
    same = chain.tally(*signing, "--evidence", "mine.json").failed(2)
    assert "there can be 1: " in same.err, "what was built on this machine is no vote of another operator"

    there = chain.as_elsewhere(mine, "there", "theirs", {"middle-1.0": "0"})
    plan = [word for word in chain.words("top") if word not in ("build", "--no-sign")]
    (told,) = json.loads(chain.tally("plan", *plan, "--evidence", there).succeeded().out)[
        "derivations"
    ].values()
    assert (told["votes"]["operators"], told["votes"]["lacking"]) == (2, [])
    other = chain.as_elsewhere(mine, "other", "theirs", {"top-1.0": "0", "top-1.0-x86_64-linux.nar": "1"})
    ran = chain.tally(*signing, "--evidence", other)
    assert ran.code == 1, ran.err
    assert re.search(r"top-1\.0 has 1 of 2 votes \(.* \| .*\)", ran.err)

    found = outcome(chain.tally(*signing, "--evidence", there).succeeded())
    release = chain.folder / found["release"]
    closure = json.loads((release / "release.json").read_text())["agreement"]["closure"]
    assert closure["operators"] == 2
    assert beyond in closure["by"]
    assert [each["operators"] for each in closure["unlike"]] == [[beyond]], "middle-1.0 differs, and top not"
    digest = hashlib.sha256(there.read_bytes()).hexdigest()
    assert {"digest": {"sha256": digest}} in closure["evidence"]
    (chain.folder / "policy.toml").write_text(
        '[[signer]]\nname = "us"\nkey = "release.pub"\n'
        '[[rebuilder]]\nname = "Elsewhere"\nkey = "theirs.pub"\n'
        "[rebuilders]\nquorum = 0\n[closure]\noperators = 2\n"
    )
    verify = ("verify", str(release), "--policy", "policy.toml")
    chain.tally(*verify, "--evidence", there).succeeded()
    chain.tally(*verify).failed(1)


def _last(ledger: Ledger, name: str) -> str:
    """The derivation of that name that came to a result last."""
    every = [each.package for each in ledger.results(whole=False)]
    return next(path for path in reversed(every) if path.endswith(f"-{name}.drv"))


def _others_have_made_the_closure(chain: Chain, release: Path) -> None:
    """A policy's `[closure]`, with what an operator elsewhere exports."""
    chain.tally("keys", "generate", "theirs").succeeded()
    with read(chain.state) as ledger:
        package = next(
            each.package for each in ledger.latest() if each.release == str(chain.folder / release)
        )
    exporting = ("ledger", "export", package, "--key", "theirs.key", "--out")
    chain.tally(*exporting, "same-machine.json").succeeded()
    (chain.folder / "policy.toml").write_text(
        '[[signer]]\nname = "us"\nkey = "release.pub"\n'
        '[[rebuilder]]\nname = "elsewhere"\nkey = "theirs.pub"\n'
        "[rebuilders]\nquorum = 0\n[closure]\noperators = 2\n"
    )
    verify = ("verify", str(release), "--policy", "policy.toml")
    assert "closure-not-agreed: 2 operators have to have made" in chain.tally(*verify).failed(1).out
    refused = chain.tally(*verify, "--evidence", "same-machine.json").failed(1)
    assert "elsewhere and the release's own: one operator" in refused.out, (
        "what was built on one machine is one vote"
    )
    ours = chain.folder / "same-machine.json"
    there = chain.as_elsewhere(ours, "there", "theirs", {})
    chain.tally(*verify, "--evidence", there).succeeded()
    below = chain.as_elsewhere(ours, "below", "theirs", {"base-1.0": "0"})
    chain.tally(*verify, "--evidence", below).succeeded()
    other = {"top-1.0": "0", "top-1.0-x86_64-linux.nar": "1"}
    no = chain.tally(*verify, "--evidence", chain.as_elsewhere(ours, "other", "theirs", other)).failed(1)
    assert "builders-disagree: elsewhere made another top-1.0" in no.out

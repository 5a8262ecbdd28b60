"""`[closure]` of tally.toml: who has to have made what a release is made with, before it is signed."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import policies
import pytest
import releases
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.agreement.agreement import Agreed, DifferingOutput
from orchestrator.builders.build import BuiltPath, Identity
from orchestrator.builders.closure_table import ClosureTable, RebuilderTable
from orchestrator.builders.configuration import BuilderTable, Configuration
from orchestrator.builders.host import machine_id
from orchestrator.evidence import builds
from orchestrator.evidence.canonical import encoded, render
from orchestrator.evidence.facts import Carried
from orchestrator.evidence.terms import IN_TOTO_PAYLOAD
from orchestrator.ground.digest import NarHash, Sha256
from orchestrator.ground.errors import ExitCode, TallyError
from orchestrator.ground.state import State
from orchestrator.keys import dsse
from orchestrator.keys.key import SigningKey
from orchestrator.ledger.entries import Entry, How, Known, Made
from orchestrator.ledger.writing import Pen, Row
from orchestrator.nix.derivation import Derivation, DerivationGraph, FixedOutput
from orchestrator.policy.verdict import Passed
from orchestrator.stories import exchange
from orchestrator.stories.closure_check import look
from orchestrator.stories.doctor import Status
from orchestrator.stories.exchange import merge
from orchestrator.stories.others import Said
from orchestrator.stories.polling import votes
from orchestrator.stories.verification import examine
from orchestrator.stories.voting import Asked, NotCarriedError, asked_of, unlike

WORLD = releases.World()
STEPS = {"root": WORLD.root, "zlib": WORLD.zlib, "pigz": WORLD.pigz, "artifact": WORLD.artifact}
KEYS = {name: SigningKey.generate() for name in ("alice", "bob", "carol", "release")}


def host(name: str, operator: str = "us", **more: str) -> Identity:
    """A builder on a host of its own."""
    return releases.identity(name, operator=operator, **{"store": f"ssh-ng://{name}", **more})


def hosts(names: str) -> list[Identity]:
    return [host(name, f"{name} org", machine_id=name * 64) for name in names]


OURS = (host("a"), host("b"))


class Project:
    """A state folder in which two builders made pigz, and what others say of all that it was made with."""

    def __init__(self, folder: Path, builders: Iterable[Identity] = OURS, *tables: BuilderTable) -> None:
        self.folder, self.state = folder, State(folder / "state")
        self.state.folder("keys")
        self.made = releases.observed(folder / "in", builders=tuple(builders))
        self.tables = tables or tuple(
            BuilderTable(name=each.name, operator=each.operator, store=each.store) for each in builders
        )
        agreed = self.made.facts.agreed
        outputs = [each for made in agreed.outputs.values() for each in made.values()]
        self.hashes = {each.path: each.nar_hash for each in (*agreed.inputs.values(), *outputs)}

    def built(
        self,
        builders: Iterable[Identity] = OURS,
        how: How = How.BUILT,
        steps: Iterable[str] = tuple(STEPS),
        other: Mapping[str, str] | None = None,
        run: str = "1",
        *,
        looked: bool = True,
    ) -> Project:
        """So these builders made it, in a run of theirs that is over."""
        pen = Pen(self.state, run)
        pen.begin(2, "same-host")
        pen.graph(WORLD.graph)
        sandbox = self.made.facts.agreed.reports[0].sandbox
        for each in builders:
            pen.builder(each, sandbox, None)
            rows = [Row(STEPS[step].path, how, self._made(step, (other or {}).get(step))) for step in steps]
            pen.builds(each.name, rows)
            if looked:
                pen.looked(each.name)
        pen.end()
        return self

    def ledger(
        self,
        key: str = "alice",
        steps: Iterable[str] = tuple(STEPS),
        other: Mapping[str, str] | None = None,
        machine: str | None = None,
    ) -> bytes:
        """What somebody exports: of `other` steps something else."""
        known = Known("x", "signed", machine_id=machine or f"machine of {key}", proven=True)
        entries = [
            Entry("1", known, STEPS[step].path, How.BUILT, self._made(step, (other or {}).get(step)))
            for step in steps
        ]
        signer = KEYS[key]
        envelope = dsse.sign(IN_TOTO_PAYLOAD, builds.payload_of(entries), signer, keyid=signer.public.keyid)
        return render(envelope.document())

    def merge(self, data: bytes, key: str = "alice", operator: str | None = None) -> Sha256:
        place = self.folder / f"{key}.json"
        place.write_bytes(data)
        merge(self.state, place, operator or key, [KEYS[key].public])
        return Sha256.of(data)

    def asked(self, operators: int = 2, dissent: str = "refuse", *evidence: Path, **names: str) -> Asked:
        rebuilders = []
        for key, operator in names.items():
            public = self.folder / f"{key}.pub"
            public.write_text(KEYS[key].public.pem)
            rebuilders.append(RebuilderTable(name=key, key=public, operator=operator))
        configuration = Configuration.model_construct(
            builder=self.tables,
            closure=ClosureTable.model_validate({"operators": operators, "dissent": dissent}),
            rebuilder=tuple(rebuilders),
        )
        found = asked_of(self.state, configuration, evidence, [KEYS["release"].public.keyid])
        assert found is not None
        return found

    def carried(self, *asked: object, **names: str) -> Carried:
        return self.asked(*asked, **names).carried("pigz", WORLD.graph, self.made.facts.agreed)  # type: ignore[arg-type]

    def _made(self, step: str, content: str | None) -> dict[str, Made]:
        return {
            name: Made(path, self.hashes[path] if content is None else NarHash.of(content.encode()), 1, ())
            for name, path in STEPS[step].outputs.items()
            if path in self.hashes
        }


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def refused(project: Project, *asked: object, **names: str) -> NotCarriedError:
    with pytest.raises(NotCarriedError) as caught:
        project.carried(*asked, **names)
    assert caught.value.hint
    return caught.value


def test_one_operator_is_too_few_and_the_first_derivation_is_named(project: Project) -> None:
    error = refused(project.built())
    assert error.message == (
        "pigz: 2 operators have to have made all of it the same, as [closure] in tally.toml says: "
        "debian-root has 1 of 2 votes (us); 3 more derivations lack some"
    )
    assert error.hint is not None
    assert "tally ledger merge FILE" in error.hint
    assert error.exit_code is ExitCode.UNDECIDED


def test_evidence_that_was_given_is_not_asked_for_again(project: Project) -> None:
    project.built().merge(project.ledger(steps=["root", "zlib"]))
    hint = str(refused(project).hint)
    assert hint.startswith("what others signed has no vote on pigz-2.8 that counts: ask for a ledger")
    assert "--evidence" not in hint


def test_another_operator_who_made_all_of_it_carries_it_too(project: Project) -> None:
    digest = project.built().merge(project.ledger())
    elsewhere = Entry("1", Known("x", "signed", proven=True), f"/nix/store/{'0' * 32}-other.drv", How.BUILT, {
        "out": Made(f"/nix/store/{'1' * 32}-other", NarHash.of(b"it"), 1, ())
    })  # fmt: skip
    signer = KEYS["carol"]
    payload = builds.payload_of([elsewhere])
    other = render(dsse.sign(IN_TOTO_PAYLOAD, payload, signer, keyid=signer.public.keyid).document())
    project.merge(other, "carol")
    assert project.carried() == Carried(2, ("alice", "us"), (digest,)), "what is about it, and nothing else"
    assert "1 of 3" not in refused(project, 3).message
    project.merge(project.ledger("bob"), "bob")
    assert project.carried(3).by == ("alice", "bob", "us")


@pytest.mark.parametrize("lacking", list(STEPS))
def test_each_derivation_needs_its_votes(project: Project, lacking: str) -> None:
    steps = [each for each in STEPS if each != lacking]
    project.built().merge(project.ledger(steps=steps))
    error = refused(project)
    assert f"{STEPS[lacking].name.removesuffix('.drv')} has 1 of 2 votes (us)" in error.message


def test_what_a_store_merely_held_is_no_vote_of_ours(project: Project) -> None:
    project.built(steps=("pigz", "artifact")).built(how=How.HELD, steps=("root", "zlib"), run="2")
    project.merge(project.ledger())
    error = refused(project)
    assert "debian-root has 1 of 2 votes (alice)" in error.message
    assert error.hint == "builders here have no vote on debian-root: build with --deep"
    assert project.built(run="3").carried().by == ("alice", "us"), "an earlier run's builds count"


def test_builders_of_one_machine_are_one_operator(tmp_path: Path) -> None:
    assert Project(tmp_path / "apart", hosts("ab")).built(hosts("ab")).carried().by == ("a org", "b org")
    machines = [host(name, f"{name} org", machine_id=name * 64, store="vm") for name in "ab"]
    here = Project(tmp_path / "here", machines).built(machines)
    error = refused(here)
    who = "(a org and b org: one operator, by a shared machine or key)"
    assert who in error.message, "machines on one host are the host's operator's"
    assert "the other operator has to build on a machine of their own" in str(error.hint)


def test_a_builder_that_tally_toml_no_longer_has_is_no_vote(tmp_path: Path) -> None:
    project = Project(tmp_path, hosts("ab")).built(hosts("abc"))
    assert refused(project, 3)
    assert project.carried().by == ("a org", "b org")


def test_what_counts_for_nothing_is_against_nothing_either(project: Project) -> None:
    """Also where the builder is gone whose store nobody looked at after its run."""
    project.built().merge(project.ledger())
    gone = [host("c"), host("a", store="ssh-ng://older")]
    project.built(gone, other={"zlib": "x"}, run="2", looked=False)
    assert project.carried().by == ("alice", "us")
    project.built(gone, other={"zlib": "x"}, run="3")
    assert "zlib-1.3 has 1 of 2 votes (alice | us (more than one result))" in refused(project).message


def test_what_was_built_under_a_name_that_is_anothers_now_is_no_vote(tmp_path: Path) -> None:
    """The builder `b` was a store here, and is a host of somebody's now: that host has built nothing."""
    here = [releases.identity(name, store="local") for name in "ab"]
    tables = [BuilderTable(name="a"), BuilderTable(name="b", operator="b org", store="ssh-ng://b")]
    project = Project(tmp_path, here, *tables).built(here)
    assert "1 of 2 votes (here)" in refused(project).message
    unseen = [releases.identity("b", store="ssh-ng://b", operator="old name", machine_id=None, boot_id=None)]
    project.built(unseen, run="2")
    assert "old name" not in str(project.carried().by), "whose it is, tally.toml says"


def test_who_cannot_be_told_apart_is_one(project: Project) -> None:
    project.built().merge(project.ledger(), operator=" US ")
    assert refused(project), "one name"
    mine = releases.identity("a").machine_id
    project.merge(project.ledger("bob", machine=mine), "bob")
    assert refused(project), "one machine"
    project.merge(project.ledger("release"), "release", operator="somebody")
    who = "(US, bob and somebody: one operator, by a shared machine or key)"
    assert who in refused(project).message, "the key that signs the release"


def test_another_result_is_a_no_where_it_comes_to_another_artifact(project: Project) -> None:
    other = dict.fromkeys(("zlib", "pigz", "artifact"), "x")
    project.built().merge(project.ledger())
    project.merge(project.ledger("bob", other=other), "bob")
    error = refused(project)
    assert error.message.startswith("pigz: bob made another ")
    assert error.exit_code is ExitCode.NO
    assert project.carried(2, "tell").by == ("alice", "us")
    project.merge(project.ledger("carol", other=other), "carol")
    error = refused(project, 2, "tell")
    assert error.exit_code is ExitCode.NO, "two are for another artifact, so nothing is agreed"


def test_an_output_at_another_path_is_another_result(project: Project) -> None:
    """As `tally verify` has it."""
    project.built().merge(project.ledger())
    elsewhere = Made(f"/nix/store/{'1' * 32}-zlib-1.3", NarHash.of(b"x"), 1, ())
    entry = Entry("1", Known("x", "signed", proven=True), WORLD.zlib.path, How.BUILT, {"out": elsewhere})
    root = replace(entry, derivation=WORLD.root.path, outputs=project._made("root", None))
    signer = KEYS["carol"]
    payload = builds.payload_of([entry, root])
    signed = dsse.sign(IN_TOTO_PAYLOAD, payload, signer, keyid=signer.public.keyid)
    project.merge(render(signed.document()), "carol")
    assert refused(project).message.startswith("pigz: carol made another zlib-1.3")


def test_what_converges_below_the_artifact_spoils_nothing(project: Project) -> None:
    project.built().merge(project.ledger(other={"root": "x"}))
    carried = project.carried()
    assert carried.by == ("alice", "us")
    assert carried.unlike == ((WORLD.root.path, ("alice",)),)
    assert list(unlike(carried)) == [
        "alice made another debian-root, and enough operators carry what is released"
    ]


def test_what_differs_among_own_builders_and_converges_spoils_nothing(tmp_path: Path) -> None:
    two = hosts("ab")
    project = Project(tmp_path, two).built(two[:1]).built(two[1:], run="2", other={"zlib": "x"})
    project.merge(project.ledger())
    agreed = project.made.facts.agreed
    outputs = {path: name for name, path in WORLD.zlib.outputs.items() if path in agreed.inputs}
    differing = [
        DifferingOutput(WORLD.zlib.path, name, path, {}, inherited=False) for path, name in outputs.items()
    ]
    inputs = {path: each for path, each in agreed.inputs.items() if path not in outputs}
    converged = replace(agreed, inputs=inputs, converged=tuple(differing))
    carried = project.asked().carried("pigz", WORLD.graph, converged)
    assert carried.by == ("a org", "alice", "b org")


def test_another_result_is_a_no_where_own_builders_have_no_vote(project: Project) -> None:
    project.built(steps=("pigz", "artifact")).built(how=How.HELD, steps=("root", "zlib"), run="2")
    for name in ("alice", "bob"):
        project.merge(project.ledger(name), name)
    assert project.carried().by == ("alice", "bob", "us")
    project.merge(project.ledger("carol", ("root", "zlib"), {"zlib": "x"}), "carol")
    assert refused(project).message.startswith("pigz: carol made another zlib-1.3")
    assert project.carried(2, "tell").by == ("alice", "bob", "us")


def test_who_has_more_outputs_than_the_release_tells_of_made_the_same(project: Project) -> None:
    """A host that others build for has what it asked for; who builds deep has all outputs."""
    agreed = project.made.facts.agreed
    dev = WORLD.zlib.outputs["dev"]
    inputs = {path: each for path, each in agreed.inputs.items() if path != dev}
    fewer = replace(agreed, inputs=inputs)
    project.built(steps=("root", "pigz", "artifact"))
    project.hashes.pop(dev)
    project.built(steps=("zlib",), run="2")
    project.hashes[dev] = agreed.inputs[dev].nar_hash
    project.merge(project.ledger())
    assert project.asked().carried("pigz", WORLD.graph, fewer).by == ("alice", "us")


def test_files_count_by_the_rebuilder_whose_key_signed_them(project: Project) -> None:
    project.built()
    file = project.folder / "theirs.json"
    file.write_bytes(project.ledger())
    assert project.carried(2, "refuse", file, bob="Bob", alice="Alice").by == ("Alice", "us")
    with pytest.raises(TallyError, match=r"nothing in .*theirs.json is signed by a \[\[rebuilder\]\]"):
        project.asked(2, "refuse", file, bob="Bob")
    with pytest.raises(TallyError) as caught:
        project.asked(2, "refuse", file)
    assert caught.value.hint == "add a [[rebuilder]] with a `name` and the `key` of whoever signed it"
    with pytest.raises(TallyError, match="--evidence is for"):
        asked_of(project.state, Configuration(), [file])


def test_what_no_run_can_bring_together_is_refused_before_it_begins(project: Project) -> None:
    with pytest.raises(NotCarriedError) as caught:
        project.asked().refuse_hopeless("pigz", WORLD.graph)
    assert caught.value.message == (
        "pigz: [closure] in tally.toml wants 2 operators, and of debian-root there can be 1: us"
    )
    project.merge(project.ledger(steps=("root", "pigz", "artifact")))
    with pytest.raises(NotCarriedError, match=r"of zlib-1\.3 there can be 1: us"):
        project.asked().refuse_hopeless("pigz", WORLD.graph)
    project.merge(project.ledger("bob"), "bob")
    project.asked().refuse_hopeless("pigz", WORLD.graph)


def test_believed_inputs_are_refused(project: Project) -> None:
    project.asked().refuse_believed("pigz", 0)
    with pytest.raises(NotCarriedError, match="nobody's builders make 2 inputs that would be believed"):
        project.asked().refuse_believed("pigz", 2)


def test_evidence_that_was_altered_since_is_told(project: Project) -> None:
    project.built().merge(project.ledger())
    (place,) = project.state.others.iterdir()
    place.write_bytes(place.read_bytes().replace(b'"ledger":"ey', b'"ledger":"eX'))
    with pytest.raises(TallyError, match="is not as it was taken in"):
        project.asked()


MADE = st.dictionaries(st.sampled_from(list(STEPS)), st.sampled_from(["same", "x", "y"]), max_size=4)
SAID = st.dictionaries(st.sampled_from(["alice", "bob", "carol"]), st.tuples(MADE, st.sampled_from("mn")))
SETTINGS = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Path]:
    """A project that built it, and the release that came of it."""
    project = Project(tmp_path_factory.mktemp("whole")).built()
    keys = releases.builder_keys(project.made)
    return project, releases.published(project.folder / "out", project.made, KEYS["release"], keys).path


@SETTINGS
@given(said=SAID, needed=st.integers(2, 4), tells=st.booleans())
def test_who_signs_and_who_verifies_count_alike(
    whole: tuple[Project, Path],
    tmp_path: Path,
    said: dict[str, tuple[dict[str, str], str]],
    needed: int,
    tells: bool,
) -> None:
    """The same evidence under the same number: `tally build` signs just what `tally verify` then accepts."""
    project, release = whole
    dissent = "tell" if tells else "refuse"
    files, further = [], {}
    for name, (made, machine) in said.items():
        if made:
            other = {step: content for step, content in made.items() if content != "same"}
            data = project.ledger(name, made, other, machine)
            further[name], place = data, project.folder / f"{name}.dsse"
            place.write_bytes(data)
            files.append(place)
    asked = project.asked(needed, dissent, *files, **{name: name for name in KEYS})
    try:
        carried: Carried | None = asked.carried("pigz", WORLD.graph, project.made.facts.agreed)
    except NotCarriedError:
        carried = None
    named = [f'[[rebuilder]]\nname = "{name}"\nkey = {policies.pem(KEYS[name])}\n' for name in KEYS]
    policy = policies.policy(
        tmp_path,
        f'[closure]\noperators = {needed}\ndissent = "{dissent}"',
        "[rebuilders]\nquorum = 0",
        *(each for each in named if KEYS["release"].public.pem.splitlines()[1] not in each),
        policies.signer(KEYS["release"]),
    )
    verdict = examine(release, policy, releases.NOW, further=further).verdict
    assert (carried is not None) == isinstance(verdict, Passed)
    if carried is not None:
        asked.refuse_hopeless("pigz", WORLD.graph)
        assert len(carried.by) >= needed
        assert len(carried.evidence) == len(files)


def derivation(number: int, below: Iterable[int], *, fixed: bool) -> Derivation:
    digits = str(number).zfill(32)
    path = f"/nix/store/{digits}-part-{number}"
    output = FixedOutput(path, NarHash.of(b"fixed")) if fixed else None
    inputs = {f"/nix/store/{str(each).zfill(32)}-part-{each}.drv": ("out",) for each in below}
    return Derivation(
        f"{path}.drv", "x86_64-linux", "/bin/sh", (), {}, {"out": path}, output, {} if fixed else inputs, ()
    )


@st.composite
def graphs(draw: st.DrawFn) -> DerivationGraph:
    """Up to six derivations, some of them with fixed outputs, below one that has none."""
    count = draw(st.integers(1, 6))
    made = [
        derivation(
            number, draw(st.sets(st.integers(0, number - 1))) if number else (), fixed=draw(st.booleans())
        )
        for number in range(count - 1)
    ]
    below = draw(st.sets(st.integers(0, count - 2))) if count > 1 else set()
    root = derivation(count - 1, below, fixed=False)
    whole = DerivationGraph({each.path: each for each in (*made, root)}, (root.path,))
    return whole.below(root.path)


@SETTINGS
@given(graph=graphs(), data=st.data())
def test_everybody_is_asked_down_every_path_to_fixed_outputs(
    tmp_path: Path, graph: DerivationGraph, data: st.DataObject
) -> None:
    """Of each derivation that a path leads to another operator is asked, and of no other."""
    (root,) = graph.roots
    asked = [each for each in graph.in_build_order() if each.fixed is None]
    lacking = data.draw(st.sets(st.sampled_from([each.path for each in asked])))
    made = {each.path: {"out": Made(each.outputs["out"], NarHash.of(b"it"), 1, ())} for each in asked}
    state = State(tmp_path / uuid.uuid4().hex)
    state.folder("keys")
    pen = Pen(state, "1")
    pen.begin(2, "same-host")
    pen.graph(graph)
    pen.builder(host("a"), releases.PROOF, None)
    pen.builds("a", [Row(path, How.BUILT, of) for path, of in made.items()])
    pen.looked("a")
    known = Known("x", "signed", machine_id="alice's", proven=True)
    theirs = [Entry("1", known, path, How.BUILT, of) for path, of in made.items() if path not in lacking]
    signer, others = KEYS["alice"], []
    if theirs:
        payload = builds.payload_of(theirs)
        data_ = render(dsse.sign(IN_TOTO_PAYLOAD, payload, signer, keyid=signer.public.keyid).document())
        others.append(Said("alice", (signer.public,), {"ledger": encoded(data_)}, "alice.json"))
    tables = tuple(BuilderTable(name=name, operator="us", store=f"ssh-ng://{name}") for name in "ab")
    rule = Asked(2, True, tables, tuple(others), state)
    built = {path: BuiltPath(of["out"].path, of["out"].nar_hash, 1, ()) for path, of in made.items()}
    inputs = {each.path: each for path, each in built.items() if path != root}
    agreed = Agreed((), {root: {"out": built[root]}}, inputs)
    if not lacking:
        assert rule.carried("it", graph, agreed).by == ("alice", "us")
        return
    with pytest.raises(NotCarriedError) as caught:
        rule.carried("it", graph, agreed)
    short = [each for each in asked if {each.path, *each.input_derivations} & lacking]
    who = "us" if short[0].path in lacking else "us | alice (nobody knows what from)"
    assert f": {short[0].name} has 1 of 2 votes ({who})" in caught.value.message


def test_what_is_exported_can_be_read(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else its operator learns from others that nobody can."""
    signed = exchange.export(project.built().state, [], KEYS["alice"])
    assert signed.derivations == len(STEPS)
    monkeypatch.setattr(exchange, "MOST_MARKS", 100)
    with pytest.raises(TallyError, match="has of 8 builds is more than is read of one file") as caught:
        exchange.export(project.state, [], KEYS["alice"])
    assert caught.value.hint


def test_tally_ledger_votes_counts_the_same(project: Project) -> None:
    from orchestrator.ledger.entries import Depth, Result, Verdict

    project.built().merge(project.ledger())
    pen = Pen(project.state, "2")
    pen.begin(2, "same-host")
    pen.result(
        Result("2", "pigz", WORLD.pigz.path, WORLD.artifact.path, "pigz", "2.8", "x86_64-linux",
               Verdict.AGREED, releases.NOW, Depth(4))
    )  # fmt: skip
    configuration = Configuration.model_construct(builder=project.tables)
    _, found = votes(project.state, "pigz", 2, configuration)
    assert found.whole
    assert found.root.voters == project.carried().by


def test_doctor_says_whether_enough_operators_are_known(project: Project) -> None:
    assert list(look(project.state, project.folder)) == [], "nobody is asked for"
    toml = project.folder / "tally.toml"
    toml.write_text("[closure]\noperators = 2\n")
    (check,) = look(project.state, project.folder)
    assert check.status is Status.WARNING
    assert check.found == "2 operators wanted for every derivation; 1 known: here. Nothing can be signed"
    project.merge(project.ledger(machine=machine_id()))
    (check,) = look(project.state, project.folder)
    assert check.status is Status.WARNING, "what was built on this machine is no other operator's"
    assert "; 1 known: alice and here: one operator, by a shared machine or key. Nothing can" in check.found
    for key in ("alice", "bob"):
        (project.folder / f"{key}.pub").write_text(KEYS[key].public.pem)
    more = '[[rebuilder]]\nname = "{}"\nkey = "{}.pub"\n'
    toml.write_text("[closure]\noperators = 2\n" + more.format("ALICE", "alice"))
    assert "Nothing can be signed" in next(look(project.state, project.folder)).found, "that is who is known"
    toml.write_text("[closure]\noperators = 2\n" + more.format("bob", "bob"))
    (check,) = look(project.state, project.folder)
    assert check.status is Status.WARNING
    assert check.found.endswith(
        ". What bob signed is not here: only a build that it is given to can be signed"
    )
    assert "tally build --evidence FILE" in str(check.hint)
    toml.write_text("[closure]\noperators = 2\n")
    project.merge(project.ledger("bob"), "bob")
    (check,) = look(project.state, project.folder)
    assert check.status is Status.OK
    toml.write_text(
        '[closure]\noperators = 2\nevidence = ["none.json"]\n[[rebuilder]]\nname = "x"\nkey = "x"\n'
    )
    (check,) = look(project.state, project.folder)
    assert check.status is Status.FAILED

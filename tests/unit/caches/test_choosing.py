"""What is rebuilt and what is believed, on graphs of a few derivations."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from releases import derivation, fixed, nar

from orchestrator.caches.believed import Beliefs, Believed
from orchestrator.caches.choosing import Choice, Reach, choose
from orchestrator.ground.errors import TallyError
from orchestrator.nix.derivation import Derivation, DerivationGraph
from orchestrator.nix.signature import PublicKey

KEY = PublicKey("cache-1", bytes(32))
OUT = ("out",)

source = fixed("hello.tar.gz")
libc = derivation("libc")
bash = derivation("bash", [(libc, OUT)])
setup = "/nix/store/" + "0" * 32 + "-setup.sh"
compiler = derivation("compiler", [(libc, OUT), (bash, OUT)], sources=[setup])
library = derivation("library", [(compiler, OUT), (bash, OUT)], ("out", "dev"))
hello = derivation("hello", [(compiler, OUT), (library, ("dev",)), (source, OUT), (bash, OUT)])
artifact = derivation("hello.zip", [(hello, OUT), (bash, OUT)])
EVERYTHING = (source, libc, bash, compiler, library, hello, artifact)


def has(*derivations: Derivation, **references: Sequence[str]) -> dict[str, Believed]:
    """A cache that has all outputs of these; an output refers to the libc, to its `out`, and so on."""
    found = {}
    for each in derivations:
        for output, path in each.outputs.items():
            named = references.get(each.name.replace("-", "_"), [libc.outputs["out"]])
            also = [each.outputs["out"]] if output == "dev" else []
            all_of_them = tuple(sorted({*named, *also}))
            found[path] = Believed(path, nar(path), 1, all_of_them, "http://cache", KEY, "cache-1:x")
    return found


def chosen(cache: dict[str, Believed], levels: int = 0, *patterns: str) -> Choice:
    graph = DerivationGraph({each.path: each for each in EVERYTHING}, (artifact.path,))
    asked: list[str] = []

    def ask(paths: Sequence[str]) -> dict[str, Believed]:
        asked.extend(paths)
        return {path: cache[path] for path in paths if path in cache}

    found = choose(graph, (hello.path, artifact.path), Reach(levels, patterns), ask)
    assert len(asked) == len(set(asked)), "a path is asked for once"
    never = {path for drv in found.beliefs.rebuilt for path in EVERY[drv].outputs.values()}
    assert never.isdisjoint(found.beliefs.paths), "what is rebuilt is taken from nowhere"
    assert {hello.path, artifact.path} <= found.beliefs.rebuilt
    return found


EVERY = {each.path: each for each in EVERYTHING}


def names(choice: Choice) -> tuple[str, str]:
    """What is rebuilt, and what is believed."""
    rebuilt = sorted(EVERY[path].name for path in choice.beliefs.rebuilt)
    return " ".join(rebuilt), " ".join(sorted(path[44:] for path in choice.beliefs.paths))


@pytest.mark.parametrize(
    ("levels", "patterns", "rebuilt"),
    [
        (0, (), "hello hello.zip"),
        # a level has what stands on it rebuilt, too: the library is built by the compiler
        (1, (), "bash compiler hello hello.zip library"),
        (2, (), "bash compiler hello hello.zip libc library"),
        (99, (), "bash compiler hello hello.zip libc library"),
        (0, ("lib*y",), "hello hello.zip library"),
        (0, ("compiler",), "compiler hello hello.zip library"),
        (0, ("libc",), "bash compiler hello hello.zip libc library"),
    ],
)
def test_what_was_asked_for_is_rebuilt_with_all_that_stands_on_it(
    levels: int, patterns: tuple[str, ...], rebuilt: str
) -> None:
    found = chosen(has(libc, bash, compiler, library, hello, artifact), levels, *patterns)
    assert names(found)[0] == rebuilt


def test_believed_is_what_is_used_and_what_that_refers_to() -> None:
    everything = has(libc, bash, compiler, library, hello, artifact, libc=[])
    assert names(chosen(everything))[1] == "bash compiler libc library library-dev"
    assert chosen(everything).fixed == {source.outputs["out"]}
    # with the compiler rebuilt, what was used of the library alone is no longer needed
    assert names(chosen(everything, 0, "library"))[1] == "bash compiler libc"


def test_what_no_cache_has_is_rebuilt_and_its_inputs_are_asked_for() -> None:
    assert names(chosen({})) == ("bash compiler hello hello.zip libc library", "")
    found = chosen(has(libc, bash, compiler, libc=[]))
    assert names(found) == ("hello hello.zip library", "bash compiler libc")
    lacking = has(libc, bash, compiler, library, libc=[])
    del lacking[library.outputs["dev"]]
    assert "library" in names(chosen(lacking))[0]


def test_what_refers_to_something_rebuilt_is_rebuilt_too() -> None:
    # no cache has bash, which hello uses, and the library refers to it
    cache = has(libc, compiler, library, libc=[], library=[bash.outputs["out"]])
    assert names(chosen(cache)) == ("bash hello hello.zip library", "compiler libc")


def test_input_sources_and_fixed_outputs_are_believed_of_nobody() -> None:
    referred = [*compiler.input_sources, source.outputs["out"]]
    found = chosen(has(libc, bash, compiler, library, libc=[], compiler=referred))
    assert not set(referred) & set(found.beliefs.paths)
    assert source.outputs["out"] in found.fixed


@pytest.mark.parametrize("missing", [libc.outputs["out"], "/nix/store/" + "1" * 32 + "-of-no-graph"])
def test_a_cache_that_is_not_whole_is_refused(missing: str) -> None:
    cache = has(bash, compiler, library, bash=[missing], compiler=[], library=[])
    with pytest.raises(TallyError) as error:
        chosen(cache)
    assert error.value.message == (
        f"{bash.outputs['out']} cannot be taken from the cache http://cache: "
        f"it refers to {missing}, which no cache has"
    )
    assert "--rebuild bash" in str(error.value.hint)


def test_a_pattern_that_names_nothing_is_an_error() -> None:
    with pytest.raises(TallyError, match="no input has a name like 'opensll"):
        chosen({}, 0, "opensll-*")


def test_a_target_has_its_own_share() -> None:
    whole = chosen(has(libc, bash, compiler, library, libc=[])).beliefs
    graph = DerivationGraph(EVERY, (artifact.path,)).below(compiler.path)
    assert not whole.of(graph)
    assert whole.of(DerivationGraph(EVERY, (artifact.path,)).below(artifact.path)) == whole
    # what another target has rebuilt below something that this one believes is not this one's
    further = Beliefs(whole.paths, whole.rebuilt | {libc.path})
    assert further.of(DerivationGraph(EVERY, (artifact.path,)).below(artifact.path)) == whole

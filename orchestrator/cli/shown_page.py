"""A release on one screen: a line a fact, in plain words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from orchestrator.cli.text import believed, size
from orchestrator.evidence.shown import Builder, Material, Shown, ShownBundle, Signature
from orchestrator.evidence.terms import CYCLONEDX, PROVENANCE, REPRODUCTION, SPDX, SPDX3
from orchestrator.ground.wording import counted, some

_UNCHECKED: Final = "nothing of this is verified, neither signatures nor digests"
_LONGEST: Final = 240
"""Characters of a line; `--json` has all."""
_LINES: Final = 4
"""Of one kind, as builders: a screen has some 24."""
_LEVELS: Final = {
    "same-host": "one machine, or none is shown to be another: whoever controls it controls every build",
    "separate-hosts": "on machines of their own, which one operator may run",
    "separate-operators": "on machines of different operators",
}
_TITLES: Final = {
    PROVENANCE: "provenance",
    REPRODUCTION: "reproduction",
    SPDX: "SPDX 2.3",
    SPDX3: "SPDX 3.0.1",
    CYCLONEDX: "CycloneDX",
}


def page(of: Shown) -> list[str]:
    """The release's screen."""
    return [_cut(line) for line in _page(of)]


def bundle_lines(of: ShownBundle) -> list[str]:
    """A bundle's screen."""
    about = [f"{name} {digest}" for name, digest in of.subjects.items()]
    kind = of.signature.predicate_type
    title = f"{_TITLES[kind]} ({kind})" if kind in _TITLES else kind or "a signature over the file itself"
    lines = [
        f"{of.target}: a Sigstore bundle v{of.bundle_version}",
        _line(
            "NOT CHECKED", f"{_UNCHECKED}: `tally verify FILE --bundle` with --key or --identity does that"
        ),
        _line("states", title),
        *_listed("about", about, len(about)),
        _line("signed by", _who(of.signature)),
        _line("witnesses", _witnesses([of.signature])),
    ]
    return [_cut(line) for line in lines]


def _page(of: Shown) -> Iterator[str]:
    yield " ".join(filter(None, (of.name, of.version, f"for {of.system}")))
    yield from _verdict(of)
    yield _line("artifact", f"{of.artifact.path}, {size(of.artifact.size)}")
    yield _line("sha256", of.artifact.sha256)
    yield _line("derivation", of.derivations.package)
    yield _line("made from", _origin(of))
    yield from _listed("sources", [_source(each) for each in of.sources], len(of.sources))
    if of.origin.toolchains:
        yield _line("toolchain", some([" ".join(each.values()) for each in of.origin.toolchains]))
    kinds = ", ".join(f"{number} {kind}" for kind, number in of.materials.items())
    yield _line("materials", f"{sum(of.materials.values())}{f': {kinds}' if kinds else ''}")
    if of.origin.licence:
        yield _line("licence", of.origin.licence)
    yield from _agreement(of)
    if of.believed:
        yield _line("believed", believed([each.store_path for each in of.believed]))
    if of.origin.started:
        yield _line("built", _when(of))
    yield from _signed(of.signatures)
    yield from _listed("unreadable", list(of.unreadable), len(of.unreadable))


def _verdict(of: Shown) -> Iterator[str]:
    found = of.verification
    if found is None:
        yield _line("NOT CHECKED", f"{_UNCHECKED}: `tally verify` with --key or --policy does that")
        return
    if found.verdict == "passed":
        rebuilt = f"; rebuilt by {some(list(found.rebuilders))}" if found.rebuilders else ""
        yield _line("VERIFIED", f"signed by {some(list(found.signers))}{rebuilt}")
        yield from _listed("notice", list(found.notices), len(found.notices))
        return
    yield _line(
        "FAILED", "this does not verify; what follows is what the release says, and is to be used for nothing"
    )
    reasons = [f"{each.code}: {each.sentence}" for each in found.reasons]
    yield from _listed("reason", reasons, len(reasons))


def _origin(of: Shown) -> str:
    origin = of.origin
    kind = origin.kind or "a kind that is not known here"
    parts = [f"{kind} {origin.recipe or origin.target}" + (f" with {origin.lock}" if origin.lock else "")]
    if origin.repository is not None:
        commit = f"commit {origin.repository.commit[:12]}"
        where = f" of {origin.repository.uri}" if origin.repository.uri else ""
        parts.append(commit + where.replace(f"@{origin.repository.commit}", ""))
        if origin.repository.uncommitted:
            parts.append(f"not as committed: {some(list(origin.repository.uncommitted), 3)}")
    elif origin.kind == "recipe":
        parts.append("no commit is told")
    return ", ".join(parts)


def _source(of: Material) -> str:
    return " ".join(filter(None, (of.name, of.digest, of.uri)))


def _agreement(of: Shown) -> Iterator[str]:
    agreement = of.agreement
    level, names = str(agreement["independence"]), [str(each) for each in agreement["builders"]]
    quorum = f"{agreement['quorum']} had to agree"
    yield _line("builders", f"{some(names, 10)} agree ({level}); {quorum}")
    yield _line("independent", _LEVELS.get(level, level))
    yield from _listed("builder", [_builder(each) for each in of.builders], len(of.builders))
    if isinstance(varied := agreement.get("varied"), list):
        yield _line("varied", some([str(each) for each in varied], 12))
    if isinstance(dissent := agreement.get("dissent"), list):
        yield _line("dissent", f"{counted(len(dissent), 'builder')} made something else")
    yield _line("inputs", _reached(agreement))
    if isinstance(depth := agreement.get("depth"), dict):
        yield _line("depth", _depth(depth))
    if isinstance(closure := agreement.get("closure"), dict) and isinstance(by := closure.get("by"), list):
        yield _line("carried", f"by {some([str(each) for each in by])}; {closure.get('operators')} had to")


def _builder(of: Builder) -> str:
    operator = f"operator {of.operator}" if of.operator else "no operator named"
    nix = f"Nix {of.nix_version}" if of.nix_version else None
    emulated = "emulated" if of.emulated else None
    return f"{of.name}: " + ", ".join(
        filter(None, (of.store, operator, nix, of.kernel, of.cpu_model, emulated))
    )


def _reached(agreement: dict[str, Any]) -> str:
    from orchestrator.policy.reached import EVERY, recorded

    found = recorded(agreement)
    return EVERY if found is None else str(found)


def _depth(of: dict[str, Any]) -> str:
    whole, built, known, held, believed_ = (
        of.get(name, 0) for name in ("derivations", "built", "known", "held", "believed")
    )
    others = ((known, "known as agreed"), (held, "held from earlier builds"), (believed_, "believed"))
    more = "".join(f", {number} {how}" for number, how in others if number)
    deep = "; every one was an agreement of its own" if of.get("deep") is True else ""
    return f"{built} of {whole} derivations built in that run{more}{deep}"


def _when(of: Shown) -> str:
    origin = of.origin
    until = f" to {origin.finished}" if origin.finished else ""
    by = f", by Tallystick {origin.tallystick}" if origin.tallystick else ""
    return f"{origin.started}{until}{by}"


def _signed(signatures: Sequence[Signature]) -> Iterator[str]:
    statements = [each for each in signatures if each.kind == "statement"]
    by: dict[str, list[str]] = {}
    for each in statements:
        kind = each.predicate_type or "?"
        by.setdefault(_who(each), []).append(_TITLES.get(kind, kind))
    yield from _listed("signed by", [f"{who}: {some(what, 8)}" for who, what in by.items()], len(by))
    if not statements:
        yield _line("signed by", "nobody")
    links = [f"{each.builder} (key {(each.key or '?')[:16]})" for each in signatures if each.kind == "link"]
    yield _line("links", some(links, 8))
    yield _line("witnesses", _witnesses(statements))


def _who(of: Signature) -> str:
    if of.identity is not None:
        return f"{of.identity} ({of.issuer})"
    return f"key {of.key}" if of.key else "a key that it does not name"


def _witnesses(of: Sequence[Signature]) -> str:
    logged, timed = (sum(bool(number) for number in numbers) for numbers in (
        [each.log_entries for each in of], [each.timestamps for each in of]
    ))  # fmt: skip
    return f"{logged} of {counted(len(of), 'statement')} with a log entry, {timed} with a timestamp"


def _listed(label: str, values: Sequence[str], number: int) -> Iterator[str]:
    """A line each, of which the screen has room for a few."""
    shown = values if number <= _LINES else values[: _LINES - 1]
    for place, each in enumerate(shown):
        yield _line("" if place else label, each)
    if len(shown) < number:
        yield _line("", f"… and {number - len(shown)} more; --json has all of them")


def _line(label: str, text: str) -> str:
    return f"  {label:<11} {text}"


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"

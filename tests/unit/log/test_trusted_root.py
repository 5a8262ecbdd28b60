"""Trusted roots: sigstore's own are read, ours are read by it, and nothing half understood is accepted."""

from __future__ import annotations

import base64
import contextlib
import copy
import json
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

import pytest
from work import steps

from orchestrator.evidence.canonical import MalformedError
from orchestrator.log import trusted_root
from orchestrator.log.trusted_root import Authority, LogInstance, TrustedRoot, Window

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
END = START + timedelta(days=365)
YEAR = Window(START, END)
LOG = LogInstance("https://log.example.com", b"a key", "PKIX_ED25519", b"an id", Window(START))
ROOT = TrustedRoot(
    tlogs=(LOG,),
    certificate_authorities=(
        Authority("https://ca.example.com", "Org", "CA", (b"1", b"2"), Window(START, END)),
    ),
    ctlogs=(
        LogInstance("https://ct.example.com", b"b", "PKIX_ECDSA_P256_SHA_256", b"c", Window(START, END)),
    ),
    timestamp_authorities=(Authority("https://tsa.example.com", "Org", "TSA", (b"3",), Window(START, END)),),
)


def test_a_root_is_written_and_read_back() -> None:
    assert trusted_root.parse(ROOT.render(), "it") == ROOT
    assert trusted_root.parse(TrustedRoot().render(), "it") == TrustedRoot()


def test_sigstore_reads_ours() -> None:
    from sigstore_models.trustroot.v1 import TrustedRoot as Model

    found = Model.from_json(ROOT.render())
    assert found.tlogs[0].base_url == LOG.base_url
    assert found.tlogs[0].public_key.raw_bytes == LOG.spki


def test_the_roots_of_the_public_instances_are_read() -> None:
    found = [path for path in _below(files("sigstore")) if path.name == "trusted_root.json"]
    assert found
    for path in found:
        root = trusted_root.parse(path.read_bytes(), "it")
        assert root.tlogs
        assert root.certificate_authorities
        assert all(log.origin and log.key.key_id for log in root.tlogs if "RSA" not in log.key_details)


def _below(folder: Any) -> list[Any]:
    return [found for each in folder.iterdir() for found in (_below(each) if each.is_dir() else [each])]


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://log.example.com", "log.example.com"),
        ("https://log.example.com/", "log.example.com"),
        ("https://user@log.example.com:8080/path?x#y", "log.example.com"),
        ("log.example.com/log42", "log.example.com"),
        ("http://Log.Example.com", "Log.Example.com"),
        ("", ""),
        ("https://[broken", ""),
    ],
)
def test_a_log_signs_under_the_host_of_its_address(address: str, origin: str) -> None:
    assert LogInstance(address, b"", "", b"").origin == origin


@pytest.mark.parametrize(
    ("window", "held"),
    [
        (YEAR, [False, True, True, False]),
        (Window(START), [False, True, True, True]),
        (Window(None, END), [True, True, True, False]),
    ],
)
def test_windows_include_their_ends(window: Window, held: list[bool]) -> None:
    second = timedelta(seconds=1)
    moments = (START - second, START, END, END + second)
    assert [window.holds(each) for each in moments] == held


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("2026-01-02T03:04:05Z", 0),
        ("2026-01-02T03:04:05.9Z", 900_000),
        ("2026-01-02T03:04:05.123456789Z", 123_456),
        ("2026-01-02T05:04:05+02:00", 0),
    ],
)
def test_times(text: str, micros: int) -> None:
    document = json.loads(ROOT.render())
    document["tlogs"][0]["publicKey"]["validFor"]["start"] = text
    found = trusted_root.parse(json.dumps(document).encode(), "it")
    assert found.tlogs[0].window.start == START + timedelta(microseconds=micros)
    assert trusted_root.parse(found.render(), "it") == found


def test_what_is_null_is_not_there() -> None:
    document = json.loads(ROOT.render()) | {"certificateAuthorities": None}
    document["tlogs"][0] |= {"operator": None, "checkpointKeyId": None}
    document["tlogs"][0]["publicKey"]["validFor"]["end"] = None
    found = trusted_root.parse(json.dumps(document).encode(), "it")
    assert found.tlogs[0].window.end is None
    assert found.certificate_authorities == ()


def test_members_that_we_do_not_know_are_ignored() -> None:
    document = json.loads(ROOT.render()) | {"more": 1}
    document["tlogs"][0] |= {"operator": "example.com", "checkpointKeyId": {"keyId": "AAAA"}}
    assert trusted_root.parse(json.dumps(document).encode(), "it") == ROOT


BAD: dict[str, tuple[list[Any], Any]] = {
    "another media type": (["mediaType"], "application/json"),
    "no list": (["tlogs"], {}),
    "no log": (["tlogs", 0], "log"),
    "another hash": (["tlogs", 0, "hashAlgorithm"], "SHA2_512"),
    "no address": (["tlogs", 0, "baseUrl"], 5),
    "a key not in base64": (["tlogs", 0, "publicKey", "rawBytes"], "%"),
    "no key": (["tlogs", 0, "publicKey"], []),
    "no id": (["tlogs", 0, "logId"], {}),
    "a window that is a text": (["tlogs", 0, "publicKey", "validFor"], "always"),
    "a key that is valid since no time": (["tlogs", 0, "publicKey", "validFor"], {}),
    "a time that is none": (["tlogs", 0, "publicKey", "validFor", "start"], "2026"),
    "a day that is none": (["tlogs", 0, "publicKey", "validFor", "start"], "2026-02-30T00:00:00Z"),
    "the first moment, further east": (
        ["tlogs", 0, "publicKey", "validFor", "start"],
        "0001-01-01T00:00:00+23:00",
    ),
    "a null start": (["tlogs", 0, "publicKey", "validFor", "start"], None),
    "a null in a list": (["tlogs", 0], None),
    "the .proto's spelling": (["tlogs", 0, "publicKey", "valid_for"], {"end": "2026-01-02T03:04:05Z"}),
    "the .proto's spelling, of a list": (["timestamp_authorities"], []),
    "an authority without certificates": (["certificateAuthorities", 0, "certChain"], {"certificates": []}),
    "a certificate without bytes": (["certificateAuthorities", 0, "certChain"], {"certificates": [{}]}),
    "a subject that is a list": (["certificateAuthorities", 0, "subject"], []),
    "an authority whose address is a number": (["certificateAuthorities", 0, "uri"], 5),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_trusted_root(name: str) -> None:
    path, value = BAD[name]
    document = copy.deepcopy(json.loads(ROOT.render()))
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(MalformedError, match="the root"):
        trusted_root.parse(json.dumps(document).encode(), "the root")


def test_two_logs_of_one_id_are_refused() -> None:
    root = TrustedRoot(tlogs=(LOG, LogInstance("https://x", b"other", "PKIX_ED25519", LOG.log_id, YEAR)))
    with pytest.raises(MalformedError, match="two logs with one id"):
        trusted_root.parse(root.render(), "the root")


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000])
def test_rubbish(data: bytes) -> None:
    with pytest.raises(MalformedError, match="the root"):
        trusted_root.parse(data, "the root")


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("tlog", "tlogs"),
        ("tLogs", "tlogs"),
        ("tlgos", "tlogs"),
        ("logs", "tlogs"),
        ("ct_logs", "ctlogs"),
        ("ctLogs", "ctlogs"),
        ("certificateAuthority", "certificateAuthorities"),
        ("certAuthorities", "certificateAuthorities"),
        ("timeStampAuthorities", "timestampAuthorities"),
        ("timestampAuthorites", "timestampAuthorities"),
    ],
)
def test_what_is_misspelt_is_not_taken_for_nothing(said: str, meant: str) -> None:
    document = json.loads(ROOT.render())
    document[said] = document.pop(meant)
    with pytest.raises(MalformedError, match=said):
        trusted_root.parse(json.dumps(document).encode(), "it")


LISTS = ["tlogs", "ctlogs", "certificateAuthorities", "timestampAuthorities"]


def _holder(document: Any, part: str) -> Any:
    """What of a part's first entry has its `validFor`."""
    found = document[part][0]
    return found.get("publicKey", found)


@pytest.mark.parametrize("part", LISTS)
@pytest.mark.parametrize("said", ["End", "END", "ends", "end ", "notAfter", "until", "expires"])
def test_an_end_is_never_left_out_for_its_spelling(part: str, said: str) -> None:
    document = json.loads(ROOT.render())
    window = _holder(document, part)["validFor"]
    window.pop("end", None)
    window[said] = "2026-01-02T03:04:06Z"
    with pytest.raises(MalformedError, match=rf"{part}, validFor has '{said}'"):
        trusted_root.parse(json.dumps(document).encode(), "it")


@pytest.mark.parametrize("part", LISTS)
@pytest.mark.parametrize("said", ["validfor", "ValidFor", "validFrom", "valid-for", "valid"])
def test_nor_is_a_window(part: str, said: str) -> None:
    document = json.loads(ROOT.render())
    holder = _holder(document, part)
    for beside in (False, True):
        holder[said] = holder["validFor"] if beside else holder.pop("validFor")
        with pytest.raises(MalformedError, match=rf"has '{said}', where 'validFor' must be meant"):
            trusted_root.parse(json.dumps(document).encode(), "it")
        holder["validFor"] = holder.pop(said)


@pytest.mark.parametrize("part", ["tlogs", "ctlogs"])
def test_a_log_is_valid_for_as_long_as_its_key(part: str) -> None:
    document = json.loads(ROOT.render())
    document[part][0]["validFor"] = {"end": "2026-01-02T03:04:06Z"}
    with pytest.raises(MalformedError, match="'validFor', which bounds nothing there"):
        trusted_root.parse(json.dumps(document).encode(), "it")


@pytest.mark.parametrize(
    ("part", "said", "meant"),
    [("tlogs", "baseURL", "baseUrl"), ("ctlogs", "hashAlgoritm", "hashAlgorithm"),
     ("tlogs", "logid", "logId"), ("certificateAuthorities", "certchain", "certChain"),
     ("timestampAuthorities", "Uri", "uri")],
)  # fmt: skip
def test_other_members_are_spelt_as_well(part: str, said: str, meant: str) -> None:
    document = json.loads(ROOT.render())
    document[part][0][said] = document[part][0].pop(meant)
    with pytest.raises(MalformedError, match=f"{part} has '{said}', where '{meant}' must be meant"):
        trusted_root.parse(json.dumps(document).encode(), "it")


@pytest.mark.parametrize("name", ["witnesses", "operators", "rekorInstances", "comment", "x"])
def test_what_newer_roots_may_have_is_ignored(name: str) -> None:
    document = {**json.loads(ROOT.render()), name: [{"of": "whatever"}]}
    assert trusted_root.parse(json.dumps(document).encode(), "it") == ROOT


@pytest.mark.parametrize(
    "names", [[f"seitirohtuaetacifitrec{number}" for number in range(45_000)], ["certiuhors" * 400_000]]
)
def test_names_are_compared_in_few_steps(names: list[str]) -> None:
    document = json.loads(ROOT.render()) | dict.fromkeys(names, 0)
    data = json.dumps(document).encode()

    def parse() -> None:
        with contextlib.suppress(MalformedError):
            trusted_root.parse(data, "it")

    assert steps(parse) < 500_000


def test_nor_are_those_of_many_logs_and_authorities() -> None:
    document = json.loads(ROOT.render())
    for part in LISTS:
        entry = document[part][0]
        holders = [entry, *([entry["publicKey"]] if "publicKey" in entry else [])]
        for holder in holders:
            holder |= {"seitirohtuaetacifitrec" + "abcdefghij"[n] * 70: 0 for n in range(10)}
            holder |= {f"rofdilavx{'abcdefghij'[n]}": 0 for n in range(10)}
        document[part] = [copy.deepcopy(entry) for _ in range(32)]
    for number, log in enumerate(document["tlogs"]):
        log["logId"]["keyId"] = base64.b64encode(b"%d" % number).decode()
    data = json.dumps(document).encode()
    assert len(trusted_root.parse(data, "it").tlogs) == 32
    assert steps(lambda: trusted_root.parse(data, "it")) < 20_000_000


@pytest.mark.parametrize("depth", [700, 50_000])
def test_what_is_nested_without_end_is_refused(depth: int) -> None:
    """Also by those who go through what the reader of JSON still takes."""
    with pytest.raises(MalformedError, match="the root is nested too deeply"):
        trusted_root.parse(b'{"a":' * depth + b"1" + b"}" * depth, "the root")

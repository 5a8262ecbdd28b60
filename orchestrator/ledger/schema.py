"""The ledger's tables. A change here raises VERSION, and says in `UPGRADES` how an older file becomes it."""

from __future__ import annotations

from typing import Final

APPLICATION: Final = 0x74616C79
"""`taly`: what SQLite's header has for `application_id`, so that another program's file is told from ours."""

VERSION: Final = 2

SCHEMA: Final = """
create table runs (
    id integer primary key,
    name text not null unique,            -- that of its folder in logs/; sorts by time
    started text not null,                -- times are UTC, as 2026-11-30T04:00:00.000Z
    ended text,                           -- null: it goes on, or was killed
    quorum integer not null,              -- votes that had to agree; 0: all that there were
    vote text not null                    -- what made one: same-host, separate-hosts, separate-operators
);
create table builders (
    id integer primary key,
    run integer not null references runs on delete cascade,
    name text not null,
    store text not null,                  -- the store's address as configured
    operator text,
    nix_version text,
    machine_id text,                      -- sha256
    boot_id text,                         -- sha256
    kernel text,
    cpu_model text,
    system text,
    sandbox text,                         -- JSON; null: not proven, and its builds count for nothing
    surroundings text,                    -- JSON
    unique (run, name)
);
create table derivations (
    id integer primary key,
    path text not null unique,
    name text not null,
    system text not null,
    fixed text                            -- the digest that fixes its output; null: none
);
create table inputs (
    derivation integer not null references derivations on delete cascade,
    input integer not null references derivations,
    primary key (derivation, input)
) without rowid;
create table builds (
    id integer primary key,
    builder integer not null references builders on delete cascade,
    derivation integer not null references derivations,
    outcome text not null check (outcome in ('built', 'checked', 'held', 'failed')),
    started text,
    finished text,
    log text,                             -- below the state folder
    reason text,                          -- of a failure
    looked integer not null default 0,    -- 1: nothing that it was made from was altered, by a look after it
    unique (builder, derivation)
);
create index builds_of_derivation on builds (derivation, builder);
create table outputs (
    build integer not null references builds on delete cascade,
    name text not null,
    path text not null,
    nar_sha256 text not null,
    nar_size integer not null,
    refs text not null,                   -- JSON: sorted store paths, itself left out
    second_sha256 text,                   -- of what it made when it built again and got something else
    primary key (build, name)
) without rowid;
create table verdicts (
    run integer not null references runs on delete cascade,
    derivation integer not null references derivations,
    verdict text not null,
    culprit integer not null default 0,   -- its inputs agree and its outputs do not
    primary key (run, derivation)
) without rowid;
create index verdicts_of_derivation on verdicts (derivation, run);
create table results (
    id integer primary key,
    run integer not null references runs on delete cascade,
    target text not null,                 -- as evidence has it: a recipe's name, a flake's reference
    package integer not null references derivations,
    artifact integer not null references derivations,
    name text not null,
    version text,
    system text not null,
    verdict text not null,
    time text not null,
    derivations integer not null,         -- of its build-time closure, those with fixed outputs aside
    built integer not null,               -- of these, those that every builder built in this run
    known integer not null,               -- and those that the ledger knew as agreed
    believed integer not null,            -- and those that came from a cache
    release text,                         -- the folder
    kept text,                            -- the folder of a disagreement
    told text,                            -- why it is undecided, or was not published
    unique (run, target)
);
create index results_of_target on results (target, run);
"""

UPGRADES: Final[dict[int, str]] = {
    1: """
alter table builds add column looked integer not null default 0;
update builds set looked = 1 where builder in
    (select w.id from builders w join runs r on r.id = w.run where r.ended is not null);
"""
}
"""Version to the statements that make its file one of the next version."""

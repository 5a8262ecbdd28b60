"""The usual cure for each cause, in words. Pure."""

from __future__ import annotations

from typing import Final

from orchestrator.diagnosis.names import Name

CURES: Final = {
    Name.TIMESTAMP: "take the time from SOURCE_DATE_EPOCH, or leave it out; pack with fixed times "
    "(`tar --mtime=@$SOURCE_DATE_EPOCH`, `gzip -n`, `zip -X` after `touch -d @$SOURCE_DATE_EPOCH`)",
    Name.DURATION: "leave measured times out of what is installed: they belong into the log",
    Name.ORDERING: "sort before it is written: `sort`, `sorted(…)`, `tar --sort=name`, `LC_ALL=C`; for the "
    "order of hashes a fixed seed (PYTHONHASHSEED=0, PERL_HASH_SEED=0)",
    Name.RACE: "let each job write a file of its own and join these in a fixed order; or mend the rule's "
    "missing dependency, or use `make -j1` for that target",
    Name.RANDOMNESS: "use a fixed seed or a digest of the input in its place; make keys and ids when it is "
    "installed, not when it is built; give temporary files a fixed name",
    Name.CPU_COUNT: "let no content depend on the number of jobs: a fixed number of parts, and jobs from the "
    "command line",
    Name.CPU_MODEL: "build for a named CPU (`-march=x86-64-v2`, not `native`), and choose by CPU at run time",
    Name.KERNEL: "leave the kernel's name out: what is built is for every kernel that runs it",
    Name.MEMORY: "set sizes by configuration, not by the memory that the builder happens to have",
    Name.LOAD: "leave it out, and let no decision of the build depend on how busy the machine is",
    Name.UPTIME: "take the time from SOURCE_DATE_EPOCH, not from a clock that starts with the machine",
    Name.BOOT: "use a fixed id, or one derived from the input",
    Name.FILE_SYSTEM: "leave inode and device numbers, free space and the file system's type out of what is "
    "written",
    Name.BUILD_PATH: "map the path away (`-ffile-prefix-map=$PWD=.`), or write paths relative to the source",
    Name.HOST_NAME: "leave the host's name out",
    Name.USER: "leave the user out; pack with `--owner=0 --group=0 --numeric-owner`",
    Name.PROCESS: "leave process numbers out; use a counter or a fixed name",
    Name.LOCALE: "set `LC_ALL=C.UTF-8` for the whole build",
    Name.DERIVED: "mend what else differs first: this follows from it",
    Name.UNKNOWN: "look at both values, and at the source's lines that write that file",
}
"""By the cause's name."""

"""What a cause is called, one word of a documented list, and what it is in words. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from orchestrator.agreement.cause import Cause


class Name(StrEnum):
    """Why bytes differ, as `--json` and the report have it: docs/reference/causes.md."""

    TIMESTAMP = "timestamp"
    DURATION = "duration"
    ORDERING = "ordering"
    RACE = "race"
    RANDOMNESS = "randomness"
    CPU_COUNT = "cpu-count"
    CPU_MODEL = "cpu-model"
    KERNEL = "kernel"
    MEMORY = "memory"
    LOAD = "load"
    UPTIME = "uptime"
    BOOT = "boot"
    FILE_SYSTEM = "file-system"
    BUILD_PATH = "build-path"
    HOST_NAME = "host-name"
    USER = "user"
    PROCESS = "process"
    LOCALE = "locale"
    DERIVED = "derived"
    UNKNOWN = "unknown"


SENTENCES: Final = {
    Name.TIMESTAMP: "the time of the build, or of a file that it made",
    Name.DURATION: "how long something took",
    Name.ORDERING: "the order of parts that nothing puts in order",
    Name.RACE: "the order in which parallel jobs end",
    Name.RANDOMNESS: "a random value",
    Name.CPU_COUNT: "the number of CPUs, or of jobs",
    Name.CPU_MODEL: "the CPU's model, or what it can do",
    Name.KERNEL: "the kernel's release or version",
    Name.MEMORY: "the amount of memory",
    Name.LOAD: "what else the machine was doing",
    Name.UPTIME: "how long the machine was up",
    Name.BOOT: "which boot of the machine it was",
    Name.FILE_SYSTEM: "the file system that it was built on",
    Name.BUILD_PATH: "the path of the build directory",
    Name.HOST_NAME: "the host's name",
    Name.USER: "the user's name or number",
    Name.PROCESS: "the number of a process",
    Name.LOCALE: "the language that programs spoke",
    Name.DERIVED: "a digest or size of something else that differs",
    Name.UNKNOWN: "not known",
}
"""What each is, completing `cause: …`."""

OF_BYTES: Final = {
    Cause.TIMESTAMP: Name.TIMESTAMP,
    Cause.ORDERING: Name.ORDERING,
    Cause.RANDOM: Name.RANDOMNESS,
    Cause.IDENTIFIER: Name.RANDOMNESS,
    Cause.BUILD_PATH: Name.BUILD_PATH,
    Cause.HOST_NAME: Name.HOST_NAME,
    Cause.CPU_COUNT: Name.CPU_COUNT,
    Cause.CPU_MODEL: Name.CPU_MODEL,
    Cause.KERNEL: Name.KERNEL,
    Cause.USER: Name.USER,
    Cause.PROCESS: Name.PROCESS,
    Cause.UPTIME: Name.UPTIME,
    Cause.DURATION: Name.DURATION,
    Cause.LOAD: Name.LOAD,
    Cause.MEMORY: Name.MEMORY,
    Cause.UNKNOWN: Name.UNKNOWN,
}
"""What the bytes look like to what that is called."""

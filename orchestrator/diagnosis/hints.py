"""Lines of a source that could write what differs: what programs ask for, and by which words. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from orchestrator.diagnosis.names import Name


@dataclass(frozen=True, slots=True)
class Hint:
    """One line, and what it could put into an output."""

    file: str
    line: int
    """Counted from 1."""
    text: str
    name: Name
    by_chance: bool = False
    """Whether what it puts there is another one in each run, as the order of hashes is; a folder's is not."""
    same_words: bool = False
    """Whether it has the words that stand before the value."""

    def document(self) -> Mapping[str, Any]:
        """As `--json` has it."""
        return {"file": self.file, "line": self.line, "text": self.text, "name": str(self.name)}


_LONGEST = 160  # characters of a line that are shown
_TABLE: Final = tuple(
    (name, re.compile("|".join(words)))
    for name, words in {
        Name.BOOT: (r"boot_id", r"\bbtime\b"),
        Name.UPTIME: (r"/proc/uptime", r"\buptime\b", r"CLOCK_BOOTTIME", r"CLOCK_MONOTONIC"),
        Name.LOAD: (r"/proc/loadavg", r"getloadavg", r"\bloadavg\b"),
        Name.MEMORY: (r"/proc/meminfo", r"\bMemTotal\b", r"_SC_PHYS_PAGES", r"\bfree -", r"virtual_memory\("),
        Name.CPU_COUNT: (
            r"\bnproc\b",
            r"NIX_BUILD_CORES",
            r"cpu_count\(",
            r"_SC_NPROCESSORS",
            r"hardware_concurrency",
            r"\bNumCPU\b",
            r"availableProcessors",
            r"get_nprocs",
            r"sched_getaffinity",
            r"^processor",
        ),
        Name.CPU_MODEL: (
            r"/proc/cpuinfo",
            r"\blscpu\b",
            r"-march=native",
            r"-mtune=native",
            r"__builtin_cpu_",
            r"\bcpuid\b",
        ),
        Name.KERNEL: (r"\buname\b", r"/proc/version", r"osrelease", r"platform\.(release|version|uname)"),
        Name.HOST_NAME: (r"\bhostname\b", r"gethostname", r"platform\.node", r"\$HOSTNAME\b"),
        Name.USER: (r"\bwhoami\b", r"\$\(id\b", r"getpass\.getuser", r"\$USER\b", r"\$LOGNAME\b"),
        Name.PROCESS: (r"\$\$", r"\bgetpid\b", r"\bBASHPID\b"),
        Name.FILE_SYSTEM: (
            r"stat (-f|--file-system)",
            r"\bdf\b",
            r"statvfs",
            r"st_ino\b",
            r"st_dev\b",
            r"ls -\w*i",
            r"-c ?'?%[idD]\b",
            r"-c ?'?\"?%[ai]",
            r"\bf_type\b",
            r"\bdu -",
            r"\bcpio\b(?!.*--reproducible)",
        ),
        Name.RANDOMNESS: (
            r"/dev/u?random",
            r"\$RANDOM\b",
            r"\bSRANDOM\b",
            r"\buuid",
            r"mktemp",
            r"\brandom\b",
            r"\brand\(",
            r"secrets\.",
            r"tempfile",
            r"genrsa|genpkey|ssh-keygen|keytool",
            r"\bshuf\b",
            r"getrandom",
            r"openssl rand",
            r"openssl (req|genrsa|genpkey|ecparam)",
            r"-flto\b|--coverage\b|-ftest-coverage|-fprofile-arcs",
        ),
        Name.TIMESTAMP: (
            r"__DATE__|__TIME__|__TIMESTAMP__",
            r"(?<![\w.-])date\b(?!\s*=)",
            r"strftime|localtime|gmtime",
            r"\btime\.time\(|datetime\.(now|today|utcnow)|date\.today",
            r"time\.Now\(",
            r"EPOCHSECONDS|EPOCHREALTIME",
            r"\btime\(NULL\)|\btime\(0\)|gettimeofday|clock_gettime",
            r"\\today\b",
            r"LocalDate|new Date\(|Instant\.now|currentTimeMillis",
            r"os\.date|os\.time",
            r"\btimestamp\b",
            r"\bmtime|%[YyZz]\b.*stat|stat .*%[XYZxyz]",
            r"\bgzip\b(?! -[0-9]*n)",
            r"\btar c|\btar -c|\btar --create|\bzip -|\bjar c",
            r"\bsrand\(\s*\)|CURRENT_TIMESTAMP|zipapp|invalidation-mode timestamp|\bar \w*U|ARFLAGS.*U",
        ),
        Name.DURATION: (
            r"\bperf_counter\b|\bmonotonic\b|nanoTime|time\.Since\(",
            r"\b(elapsed|duration)\b|\$SECONDS\b|%[eES]\b.*\btime\b",
            r"- ?\$?(start|begin|began|t0)\w*",
        ),
        Name.RACE: (
            r"&\s*$",
            r"^\s*wait\b",
            r"xargs\b.*-P",
            r"\bparallel\b",
            r"make .*-j",
            r"&\s*\)?\s*done",
            r"as_completed|imap_unordered|ThreadPool|ProcessPool|\bPool\(|threading\.|parallelStream",
            r"\bgo func\b|std::thread|pthread_create",
        ),
        Name.ORDERING: (
            r"\bfind\b(?!.*\bsort\b)",
            r"\bls -\w*[Uf]",
            r"os\.listdir|os\.walk|os\.scandir|\bglob\(|iterdir\(|rglob\(",
            r"\breaddir\b|opendir",
            r"\$\(wildcard",
        ),
        Name.LOCALE: (r"\b(LC_ALL|LANG)\b(?!=C\b|=POSIX\b)|\blocale\b(?!/)|setlocale",),
        Name.BUILD_PATH: (r"__FILE__", r"\bpwd\b|\$PWD\b|getcwd", r"-g\b.*-o"),
    }.items()
)


_OF_HASHES: Final = tuple(
    re.compile(words)
    for words in (
        r"\bset\(|\bfrozenset\(|[=(]\s*\{\s*['\"][^:{}]*['\"]\s*\}?",  # a set of Python's
        r"\bkeys %|\beach %|\bvalues %|\bkeys \$|\bData::Dumper\b",
        r"\bpairs\(",
        r"HashMap|HashSet|unordered_|\b(Set|Map)\.of\(|\.keySet\(|\.entrySet\(",
        r":= range \w+ \{|\bmap\[",  # Go's maps
    )
)
"""Orders that each run of a program may draw anew."""
_COMMENT: Final = ("#!", "# ", "//", "/*", "-- ")
_BUILD: Final = "[build]"


def of_recipe(file: str, text: str) -> Iterator[Hint]:
    """Hints of what a recipe says of its build: its name and packages write nothing."""
    lines = text.splitlines()
    begins = next((number for number, line in enumerate(lines) if line.strip() == _BUILD), 0)
    for hint in hints(file, lines[begins:]):
        yield replace(hint, line=hint.line + begins)


def each_once(found: Iterable[Hint]) -> tuple[Hint, ...]:
    """Each place once, as it was found first."""
    places: dict[tuple[str, int], Hint] = {}
    for hint in found:
        places.setdefault((hint.file, hint.line), hint)
    return tuple(places.values())


def hints(file: str, lines: Iterable[str], wanted: Collection[Name] = tuple(Name)) -> Iterator[Hint]:
    """Every line that could put one of the `wanted` into what is built, once for each."""
    table = [(name, words) for name, words in _TABLE if name in wanted]
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith(_COMMENT):
            continue
        if Name.ORDERING in wanted and any(words.search(text) is not None for words in _OF_HASHES):
            yield Hint(file, number, text[:_LONGEST], Name.ORDERING, by_chance=True)
        for name, words in table:
            if words.search(text) is not None:
                yield Hint(file, number, text[:_LONGEST], name)

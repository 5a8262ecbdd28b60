"""Programs that differ in the build id and debug data alone, and those that differ in more, by real tools."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from deb_making import CONTROL, FILES, deb, tar

from orchestrator.served.deb_comparison import compare
from orchestrator.served.elf_comparison import alike_but_for_debug_data, compilers
from orchestrator.served.grade import Class, Different

ID = b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0"


@pytest.fixture
def program(tmp_path: Path) -> bytes:
    """A small library with a build id, and with debug data that is not loaded."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler here")
    (tmp_path / "one.c").write_text("int one(void) { return 1; }\n")
    command = [compiler, "-g", "-shared", "-nostdlib", "-Wl,--build-id=sha1", "-o", "one.so", "one.c"]
    subprocess.run(command, cwd=tmp_path, check=True)
    return (tmp_path / "one.so").read_bytes()


def changed(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_the_build_id(program: bytes) -> None:
    other = changed(program, program.index(ID) + len(ID) + 3)
    assert alike_but_for_debug_data(program, other)
    assert not alike_but_for_debug_data(program, changed(other, program.index(ID) + 4))
    assert not alike_but_for_debug_data(program, other + b"\0")
    assert not alike_but_for_debug_data(program, b"\x7fELF" + bytes(len(program) - 4))
    assert not alike_but_for_debug_data(b"text", b"Text")


def test_code_is_no_debug_data(program: bytes) -> None:
    import io

    from elftools.elf.elffile import ELFFile

    file = ELFFile(io.BytesIO(program))
    sections = {section.name: section for section in file.iter_sections()}
    text, debug = (sections[name]["sh_offset"] for name in (".text", ".debug_info"))
    assert alike_but_for_debug_data(program, changed(program, debug + 20))
    assert not alike_but_for_debug_data(program, changed(program, text + 5))
    # a section of debug data that claims the code's place hides nothing
    number = list(sections).index(".debug_info")
    header = file["e_shoff"] + number * file["e_shentsize"]
    size = sections[".text"]["sh_size"]
    claim = text.to_bytes(8, "little") + size.to_bytes(8, "little")
    lying = program[: header + 24] + claim + program[header + 40 :]
    assert not alike_but_for_debug_data(lying, changed(lying, text + 5))


def test_a_package_is_of_that_class_and_never_identical(program: bytes) -> None:
    other = changed(program, program.index(ID) + len(ID))
    packages = []
    for each, digit in ((program, "1"), (other, "2")):
        sums = f"{digit * 32}  usr/lib/one.so\n".encode()
        packages.append(deb(tar({**FILES, "usr/lib/one.so": each}), tar({**CONTROL, "md5sums": sums})))
    grade = compare(packages[0], packages[1])
    assert isinstance(grade, Different)
    assert grade.kind is Class.BUILD_ID
    more = compare(packages[0], deb(tar({**FILES, "usr/lib/one.so": other, "usr/one": b"1"})))
    assert isinstance(more, Different)
    assert more.kind is None


def test_another_compiler_by_its_word_alone(tmp_path: Path, program: bytes) -> None:
    """The same code with another `.comment`, which is longer: told, and of no class."""
    code = (tmp_path / "one.c").read_text()
    made = []
    for ident in ("GCC: (Debian 12.2.0-5) 12.2.0", "GCC: (Debian 12.2.0-14+deb12u1) 12.2.0", None):
        text = f'__asm__(".ident \\"{ident}\\"");\n' if ident else ""
        value = "1" if ident else "2"
        (tmp_path / "one.c").write_text(text + code.replace("return 1", f"return {value}"))
        command = ["cc", "-fno-ident", "-shared", "-nostdlib", "-Wl,--build-id=sha1", "-o", "one.so", "one.c"]
        subprocess.run(command, cwd=tmp_path, check=True)
        made.append((tmp_path / "one.so").read_bytes())
    one, other, another = made
    named = compilers(one, other)
    assert named == ("GCC: (Debian 12.2.0-5) 12.2.0", "GCC: (Debian 12.2.0-14+deb12u1) 12.2.0")
    assert not alike_but_for_debug_data(one, other)
    assert compilers(one, one) is None
    assert compilers(one, another) is None, "it is other code"
    assert compilers(one, b"\x7fELF\x02" + bytes(500)) is None
    first, second = (deb(tar({**FILES, "usr/lib/one.so": each})) for each in (one, other))
    grade = compare(first, second)
    assert isinstance(grade, Different)
    assert grade.kind is None
    (note,) = [each.note for each in grade.files]
    assert note is not None
    assert note.startswith("all that is loaded is the same; the compiler is GCC: (Debian 12.2.0-5) 12.2.0 in")

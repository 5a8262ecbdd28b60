"""PKCS#11 modules that are not what they should be: each is an error that names it, and none holds us."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HARMS = {
    "no functions": ("unsigned long C_GetFunctionList(void **p) { *p = 0; return 0; }", "has no functions"),
    "an error": ("unsigned long C_GetFunctionList(void **p) { return 0x30; }", "PKCS#11 module"),
    "no module": ("int x;", "PKCS#11 module"),
    "hangs": (
        "#include <unistd.h>\nunsigned long C_GetFunctionList(void **p) { for (;;) sleep(9); }",
        "does not begin",
    ),
}
SCRIPT = """
import sys
from orchestrator.ground.errors import TallyError
from orchestrator.ground.key_address import parse
from orchestrator.keys import token

token._LOADING = 0.5
try:
    token.public_half(parse(f"pkcs11:token=x;object=y?module-path={sys.argv[1]}"), lambda _: b"1234")
except TallyError as error:
    print(error.message)
"""


@pytest.mark.parametrize("name", HARMS)
def test_a_module_that_is_none(tmp_path: Path, name: str) -> None:
    source, says = HARMS[name]
    (tmp_path / "module.c").write_text(source)
    module = tmp_path / "module.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", module, tmp_path / "module.c"], check=True)
    command = [sys.executable, "-c", SCRIPT, str(module)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert says in done.stdout
    assert str(module) in done.stdout

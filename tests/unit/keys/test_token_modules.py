"""PKCS#11 modules that are not what they should be: each is an error that names it, and none holds us."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tokens import Shelf, softhsm

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


LEFT = """
import ctypes, ssl
library = ctypes.CDLL(ssl._ssl.__file__)
print("left:", library.ERR_peek_error())
"""


def test_openssl_s_errors_of_a_module_do_not_reach_the_next_tls_connection(tmp_path: Path) -> None:
    shelf = Shelf.made(tmp_path / "shelf")
    shelf.token("x")
    command = [sys.executable, "-c", SCRIPT + LEFT, str(softhsm())]
    done = subprocess.run(
        command,
        env={**os.environ, **shelf.environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert "the token 'x' is not opened by this PIN" in done.stdout
    assert "left: 0\n" in done.stdout

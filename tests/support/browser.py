"""Debian's Chromium without a window, driven over its DevTools protocol, by pipes: no port is opened.

https://chromedevtools.github.io/devtools-protocol/; each message is JSON with a NUL behind it.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_PATIENCE = 60.0
"""Seconds for one answer, on a machine that has much else to do."""
_OPTIONS = (
    "--headless",
    "--remote-debugging-pipe",
    "--no-sandbox",  # which Chromium needs as root; what it reads is made by the test
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--hide-scrollbars",
    "--no-default-browser-check",
    "--no-first-run",
    "--force-color-profile=srgb",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # no page may ask another address
)


class Browser:
    """One page of a browser. Made by `started`."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading, self._writing = reading, writing
        self._number, self._rest, self._session = 0, b"", ""
        self.said: list[str] = []
        """What pages wrote to the console, exceptions, and what they were refused."""
        self._events: list[str] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> Any:
        """The answer to one call; what happens until then is noted."""
        self._number += 1
        call: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            call["sessionId"] = self._session
        os.write(self._writing, json.dumps(call).encode() + b"\0")
        while True:
            message = self._message()
            if message.get("id") == self._number:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]

    def open(self, url: str) -> None:
        """Go to a page, until all of it is loaded."""
        self._events.clear()
        answer = self.send("Page.navigate", url=url)
        assert "errorText" not in answer, f"{url}: {answer['errorText']}"
        deadline = time.monotonic() + _PATIENCE
        while "Page.loadEventFired" not in self._events:
            assert time.monotonic() < deadline, f"{url} does not load"
            self._message()
        # the page before may have told late that it was loaded
        self.until(f"location.href === new URL({json.dumps(url)}).href && document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """What a script comes to in the page, once it is settled. The page's own policy does not stop it."""
        answer = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, script: str) -> Any:
        """What a script comes to, asked again until that is something."""
        deadline = time.monotonic() + _PATIENCE
        while not (found := self.run(script)):
            assert time.monotonic() < deadline, f"never: {script}"
            time.sleep(0.05)
        return found

    def type(self, text: str) -> None:
        """Write into what has the focus."""
        self.send("Input.insertText", text=text)

    def press(self, key: str) -> None:
        """Press a key, as `Tab`, `Enter` or `Escape`."""
        code = {"Tab": 9, "Enter": 13, "Escape": 27}[key]
        more = {"text": "\r"} if key == "Enter" else {}
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **more)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def dark(self, wanted: bool) -> None:
        """Prefer dark pages, or light ones."""
        value = "dark" if wanted else "light"
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": value}])

    def scripts(self, wanted: bool) -> None:
        """Whether pages may run scripts from now on."""
        self.send("Emulation.setScriptExecutionDisabled", value=not wanted)

    def size(self, width: int, height: int) -> None:
        """How large a page is."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def picture(self) -> bytes:
        """What is to be seen, as WebP, which is a quarter of a PNG."""
        answer = self.send("Page.captureScreenshot", format="webp", quality=80)
        return b64decode(answer["data"])

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._reading], [], [], _PATIENCE)
            assert ready, "the browser does not answer"
            data = os.read(self._reading, 1 << 20)
            assert data, "the browser has ended"
            self._rest += data
        text, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        self._note(message)
        return message

    def _note(self, message: dict[str, Any]) -> None:
        method, given = str(message.get("method", "")), message.get("params", {})
        self._events.append(method)
        match method:
            case "Runtime.consoleAPICalled":
                self.said.append(f"{given['type']}: {[each.get('value') for each in given['args']]}")
            case "Runtime.exceptionThrown":
                self.said.append(f"exception: {given['exceptionDetails']}")
            case "Log.entryAdded":
                self.said.append(f"{given['entry']['level']}: {given['entry']['text']}")
            case "Page.javascriptDialogOpening":
                self.said.append(f"dialog: {given['message']}")
            case "Network.requestWillBeSent":
                if not given["request"]["url"].startswith(("file:", "data:")):
                    self.said.append(f"asks {given['request']['url']}")
            case _:
                pass


@contextmanager
def started(folder: Path) -> Iterator[Browser]:
    """A browser whose profile is in `folder`; it ends with the block."""
    program = shutil.which("chromium")
    assert program, "there is no chromium: tools/test-needs installs it"
    to_browser, writing = os.pipe()
    reading, from_browser = os.pipe()
    words = [program, *_OPTIONS, f"--user-data-dir={folder}"]
    # Chromium reads from descriptor 3 and writes to 4; the shell puts them there
    script = f'exec 3<&{to_browser} 4>&{from_browser}; exec "$0" "$@"'
    process = subprocess.Popen(
        ["bash", "-c", script, *words],
        pass_fds=(to_browser, from_browser),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(to_browser)
    os.close(from_browser)
    try:
        yield Browser(reading, writing)
    finally:
        os.close(writing)  # at whose end it leaves
        os.close(reading)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()

"""A headless Chromium that is told what to do by its DevTools protocol, over the websocket that it offers.

https://chromedevtools.github.io/devtools-protocol/: a few calls of it need no library.
"""

import base64
import io
import json
import shutil
import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from PIL import Image
from websockets.sync.client import connect

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_MISSING = """There is no Chromium on the PATH, and the screenshots are made with one. It comes with:
    apt-get install chromium          Debian
    snap install chromium             Ubuntu
    brew install --cask chromium      macOS"""
_FLAGS = ("--headless", "--no-sandbox", "--hide-scrollbars", "--no-first-run", "--no-proxy-server")
_COLOURS = 128
# The same letters on every machine.
_FONTS = {
    weight: Path(__file__).parents[2] / "app" / "exports" / "fonts" / f"NotoSans-{name}.ttf"
    for weight, name in (("400", "Regular"), ("700 900", "Bold"))
}
_LETTERS = """
(async () => {
  const font = new FontFace("Noto Sans", "url(data:font/ttf;base64," + %s + ")", {weight: "%s"});
  document.fonts.add(await font.load());
  document.body.style.fontFamily = '"Noto Sans"';
})()
"""
# Of the elements, as they stand on the page: nothing of them is hidden by what scrolls.
_BOX = """
(() => {
  const boxes = [...document.querySelectorAll(%s)].map((each) => each.getBoundingClientRect());
  if (!boxes.length) return null;
  const [left, top] = [Math.min(...boxes.map((box) => box.left)), Math.min(...boxes.map((box) => box.top))];
  const [right, bottom] = [Math.max(...boxes.map((box) => box.right)), Math.max(...boxes.map((box) => box.bottom))];
  return {x: left, y: top, width: right - left, height: bottom - top};
})()
"""


class NoBrowser(Exception):
    """There is none here; the message says where to get one."""


class Browser:
    """One page, `width` pixels wide, drawn at twice the resolution; used as `with`. Raises NoBrowser."""

    def __init__(self, *, width: int, height: int = 1400) -> None:
        program = next(filter(None, map(shutil.which, _NAMES)), None)
        if program is None:
            raise NoBrowser(_MISSING)
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        port = Path(self._profile.name, "DevToolsActivePort")
        command = [program, *_FLAGS, "--remote-debugging-port=0", f"--user-data-dir={self._profile.name}"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
        self._numbers = count(1)
        self._socket = connect(_page_of(port, until=time.monotonic() + 30), max_size=None)
        self._call("Page.enable")
        # The pages of the sandbox take no letters from anywhere.
        self._call("Page.setBypassCSP", enabled=True)
        self._call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "light"}])
        self.resize(width, height)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()
        self._process.terminate()
        self._process.wait(10)
        self._profile.cleanup()

    def resize(self, width: int, height: int = 1400) -> None:
        """Let the page be so large."""
        size = {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", **size)

    def open(self, url: str) -> None:
        """Go there, and wait until all of it has loaded, letters included."""
        self._call("Page.navigate", url=url)
        self._until("Page.loadEventFired")
        for weight, font in _FONTS.items():
            self.run(_LETTERS % (json.dumps(base64.b64encode(font.read_bytes()).decode()), weight))

    def run(self, script: str) -> Any:
        """What the script comes to, on the page."""
        found = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise ValueError(found["exceptionDetails"]["text"])
        return found["result"].get("value")

    def type(self, selector: str, text: str) -> None:
        """Put the text into the first such input."""
        self.run(f"document.querySelector({json.dumps(selector)}).value = {json.dumps(text)}")

    def shoot(self, selector: str, file: Path, *, margin: int = 0) -> None:
        """Write what the elements cover, and so much around it, as PNG of few colours."""
        box = self.run(_BOX % json.dumps(selector))
        if box is None:
            raise LookupError(f"Nothing on the page is {selector!r}.")
        clip = {
            "x": box["x"] - margin,
            "y": box["y"] - margin,
            "width": box["width"] + 2 * margin,
            "height": box["height"] + 2 * margin,
            "scale": 1,
        }
        shot = self._call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        drawn = Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")
        drawn.quantize(_COLOURS).save(file, optimize=True)

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (answer := self._received()).get("id") != number:
            pass
        if "error" in answer:
            raise ValueError(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    def _until(self, event: str) -> None:
        while self._received().get("method") != event:
            pass

    def _received(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._socket.recv(timeout=30))
        return message


def _page_of(port: Path, *, until: float) -> str:
    """Where the first page is to be told, once the browser has written where it listens."""
    while time.monotonic() < until:
        if port.is_file() and (lines := port.read_text(encoding="utf-8").splitlines()):
            pages = httpx.get(f"http://127.0.0.1:{lines[0]}/json/list", trust_env=False).json()
            found = next((each["webSocketDebuggerUrl"] for each in pages if each["type"] == "page"), None)
            if found:
                return str(found)
        time.sleep(0.1)
    raise NoBrowser("Chromium did not start within 30 seconds.")

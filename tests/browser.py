"""A headless Chromium, spoken to over its own protocol: no driver has to match it, and any Chromium of the machine will do."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import httpx2 as httpx
import websocket

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
KEYS = {"Tab": 9, "Enter": 13, " ": 32, "Escape": 27, "ArrowRight": 39}
FAULTS = ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled", "Audits.issueAdded")


def found():
    """The Chromium of this machine, or None."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


class BetweenPagesError(AssertionError):
    """Asked while one page went and the next had not come."""


class Browser:
    """One page of one browser; what it complains of is kept in `faults`."""

    def __init__(self, folder: Path) -> None:
        words = [found(), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--lang=en-US"]
        words += ["--remote-debugging-port=0", f"--user-data-dir={folder}", "--no-first-run", "about:blank"]
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.faults, self._number = [], 0
        try:
            self._socket = websocket.create_connection(self._address(folder), timeout=30, suppress_origin=True)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def _address(self, folder):
        port = folder / "DevToolsActivePort"
        for _ in range(600):
            if port.exists() and "\n" in port.read_text():
                targets = httpx.get(f"http://127.0.0.1:{port.read_text().splitlines()[0]}/json/list").json()
                for target in targets:
                    if target["type"] == "page":
                        return target["webSocketDebuggerUrl"]
            time.sleep(0.05)
        raise AssertionError("the browser did not open")

    def call(self, method, **params):
        """Ask the browser for something, and note what it complains of meanwhile."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            said = json.loads(self._socket.recv())
            if said.get("method") in FAULTS:
                self._note(said)
            if said.get("id") == self._number:
                if "error" in said:
                    raise BetweenPagesError(said["error"])
                return said["result"]

    def _note(self, said):
        told = said["params"]
        if told.get("type", "error") in ("error", "warning", "assert") and told.get("entry", {}).get("level") != "info":
            self.faults.append(json.dumps(told)[:600])

    def value(self, script):
        """Say what a script makes of the page; a promise is waited for."""
        said = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    def wait(self, script, seconds=15.0):
        """Wait until a script says yes; give what it says."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with suppress(BetweenPagesError):
                if value := self.value(script):
                    return value
            time.sleep(0.02)
        raise AssertionError(f"never came true: {script}; the page complained of {self.faults}")

    def open(self, url):
        """Go to a page and wait until it has loaded."""
        self.call("Page.navigate", url=url)
        self.wait(f"location.href.startsWith({json.dumps(url)}) && document.readyState === 'complete'")

    def press(self, *keys):
        """Press keys, as a hand does: named ones by name, the rest as text."""
        for key in keys:
            text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
            facts = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": KEYS.get(key, 0)}
            self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **facts)
            self.call("Input.dispatchKeyEvent", type="keyUp", **facts)

    def click(self, selector):
        """Click in the middle of an element, as a mouse does."""
        # Two frames later what was scrolled is where a mouse finds it.
        script = f"""(async () => {{ const e = document.querySelector({json.dumps(selector)});
            e.scrollIntoView({{block: 'center', behavior: 'instant'}});
            for (const _ of [1, 2]) await new Promise(requestAnimationFrame);
            const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; }})()"""
        x, y = self.value(script)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def size(self, width, height):
        """Make the window as large as a screen or a phone."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def picture(self, path):
        """Take a screenshot."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def close(self):
        """End the browser that was started here."""
        self._socket.close()
        self.process.terminate()
        self.process.wait(20)

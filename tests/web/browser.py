"""Debian's Chromium, driven. What it complains of fails the test: an error of a script, or something that the policy refused."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

import debian

WIDTHS = (390, 1280)


@cache
def chromium() -> str:
    """Installed, where we may. Where it can't be had: skipped, and why."""
    with debian.turn():
        if shutil.which("chromium") is None and os.geteuid() == 0 and shutil.which("apt-get"):
            with suppress(subprocess.CalledProcessError):
                debian.install("chromium")
    found = shutil.which("chromium")
    if found is None:
        if os.environ.get("CI"):
            raise RuntimeError("no chromium can be had")
        pytest.skip("no chromium can be had here: apt-get install chromium")
    return found


@contextmanager
def running() -> Iterator[Browser]:
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium(), args=options)
        yield browser
        browser.close()


class Window:
    """A browser of its own, with what it complained of."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.complaints: list[str] = []
        #: A word in a complaint that is expected.
        self.expected: list[str] = []
        self.page: Page = context.new_page()
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        self.page.set_default_timeout(20_000)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def unexpected(self) -> list[str]:
        return [each for each in self.complaints if not any(word in each for word in self.expected)]

    def is_too_wide(self) -> bool:
        """Whether one has to scroll sideways."""
        return bool(
            self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        )


@contextmanager
def window(browser: Browser, width: int = 390, scheme: str = "light") -> Iterator[Window]:
    """Nothing that it complains of may be left at the end."""
    context = browser.new_context(
        viewport={"width": width, "height": 844},
        color_scheme=scheme,  # type: ignore[arg-type]
        reduced_motion="reduce",
        timezone_id="Asia/Tokyo",
    )
    opened = Window(context)
    try:
        yield opened
        assert not opened.unexpected(), opened.unexpected()
    finally:
        context.close()

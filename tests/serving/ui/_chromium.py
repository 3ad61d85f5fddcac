"""Debian's Chromium for tests, by Playwright."""

import shutil
from contextlib import contextmanager
from functools import wraps

import pytest

CHROMIUM = shutil.which("chromium")
LIMIT_MS = 120_000
"""How long anything may take to come before a test that hangs ends. A busy machine is slow, not wrong."""
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")


def _patient(make):
    """What makes pages or contexts, which then wait as long as `LIMIT_MS`."""

    @wraps(make)
    def made(**options):
        one = make(**options)
        one.set_default_timeout(LIMIT_MS)
        return one

    return made


@contextmanager
def chromium(**options):
    """A browser without pages."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"],
            **options,
        )
        for name in ("new_context", "new_page"):
            setattr(browser, name, _patient(getattr(browser, name)))
        try:
            yield browser
        finally:
            browser.close()

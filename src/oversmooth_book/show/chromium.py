"""The browser that prints: Chromium, started once, with one file open and everything in it drawn."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from oversmooth_book.book.errors import BookError


@contextlib.contextmanager
def opened(file: Path) -> Iterator:
    """A file in Chromium, once every formula, letter and image stands.

    Args:
        file: HTML.

    Yields:
        Playwright's page, which prints with ``pdf``.

    Raises:
        BookError: if there is no Chromium, or a formula cannot be drawn.
    """
    from playwright.sync_api import sync_playwright

    path = chromium()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, chromium_sandbox=not is_root())
        page = browser.new_page()
        page.set_default_timeout(300_000)
        page.goto(file.as_uri(), wait_until="load")
        page.evaluate("async () => { await window.MathJax?.startup?.promise; await document.fonts.ready }")
        wrong = page.locator("mjx-merror").count()
        if wrong:
            raise BookError(f"{wrong} formulas cannot be drawn in the PDF")
        yield page
        browser.close()


def is_root() -> bool:
    """Whether the user is root, for whom Chromium refuses to start in its sandbox."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def chromium() -> str:
    """The browser that prints: $CHROMIUM, else the one on the path.

    Returns:
        Its path.

    Raises:
        BookError: if there is none.
    """
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if not path:
        raise BookError("Chromium prints the PDF, and there is none here: install it, or name it in CHROMIUM")
    return path

"""Installs a Chromium where there is none: Playwright's, else the distribution's package."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from simpersona.adapters.storefronts.browser_path import find_browser
from simpersona.config import StoreConfig
from simpersona.errors import ConfigError

PACKAGES = ("chromium-headless-shell", "chromium")
TIMEOUT_SECONDS = 600


def install_browser(say: Callable[[str], None]) -> Path:
    """The path of a browser, which is installed first if it is missing and the machine allows it.

    Raises ConfigError that says what to do by hand if that does not work.
    """
    for attempt in (None, _playwright, _distribution):
        if attempt is not None:
            attempt(say)
        try:
            return find_browser(StoreConfig())
        except ConfigError as error:
            missing = error
    raise missing


def _playwright(say: Callable[[str], None]) -> None:
    say("no browser found; trying `playwright install chromium-headless-shell`")
    _try([sys.executable, "-m", "playwright", "install", "chromium-headless-shell"], say)


def _distribution(say: Callable[[str], None]) -> None:
    install_package(PACKAGES, say)


def install_package(names: Sequence[str], say: Callable[[str], None]) -> None:
    """Installs the first of these packages that the distribution has, where there is apt and the right to use it."""
    if shutil.which("apt-get") is None:
        return
    root = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
    if root and shutil.which("sudo") is None:
        return
    say("trying the distribution's package")
    _try([*root, "apt-get", "update", "--quiet"], say)
    for package in names:
        if _try([*root, "apt-get", "install", "--yes", "--quiet", "--no-install-recommends", package], say):
            return


def _try(command: list[str], say: Callable[[str], None]) -> bool:
    """Whether the command worked; its last line is said if not."""
    try:
        done = subprocess.run(  # noqa: S603 - fixed commands, no data in them
            command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, stdin=subprocess.DEVNULL, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        say(f"  {command[0]}: {error}")
        return False
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no message"]
        say(f"  {' '.join(command[:3])}: {last[0]}")
    return done.returncode == 0

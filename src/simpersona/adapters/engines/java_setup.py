"""Gets a Java where there is none: the distribution's package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from simpersona.adapters.engines.java_path import find_java
from simpersona.adapters.storefronts.browser_setup import install_package
from simpersona.errors import ConfigError

PACKAGES = ("openjdk-17-jre-headless", "default-jre-headless")


def install_java(say: Callable[[str], None]) -> Path:
    """The path of a Java that is there now; tries what this machine allows.

    Raises ConfigError with what to do by hand if nothing worked.
    """
    try:
        return find_java()
    except ConfigError:
        say("no Java found")
    install_package(PACKAGES, say)
    return find_java()

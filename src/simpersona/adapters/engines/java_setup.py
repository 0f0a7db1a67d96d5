"""Installs a Java where there is none, from the distribution's packages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from simpersona.adapters.engines.java_path import find_java
from simpersona.adapters.storefronts.browser_setup import install_package
from simpersona.errors import ConfigError

PACKAGES = ("openjdk-17-jre-headless", "default-jre-headless")


def install_java(say: Callable[[str], None]) -> Path:
    """The path of Java, which is installed first if it is missing and the machine allows it.

    Raises ConfigError that says what to do by hand if that does not work.
    """
    try:
        return find_java()
    except ConfigError:
        say("no Java found")
    install_package(PACKAGES, say)
    return find_java()

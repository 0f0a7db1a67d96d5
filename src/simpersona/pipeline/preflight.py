"""The pre-flight of a run: what is known of a store that is not the lab's, before its visits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from simpersona.config import Config, StoreConfig
from simpersona.config.address import address_problem
from simpersona.errors import ConfigError
from simpersona.ports import Progress
from simpersona.simulation.arms import Arm
from simpersona.simulation.preflight import Preflight, examine
from simpersona.simulation.visits import require_answer

FILE = "preflight.json"


def preflight(
    url: str,
    *,
    store: StoreConfig | None = None,
    drivers: Sequence[str] = ("http", "browser"),
    goals: Sequence[str] = (),
) -> Preflight:
    """What is known of the store at `url` before anybody visits it: findings, each with what to do.

    `store` holds the settings of [store], `drivers` what the visits are to be made with, and `goals` what visitors are to look
    for, such as "skirts". Raises ConfigError for an address that is none or holds a secret, a secret that is missing from the
    environment, or a store that does not answer.
    """
    settings = store or StoreConfig()
    problem = address_problem(url, login="store.access.login_env", query="store.access.query_env")
    if problem is not None:
        raise ConfigError(f"the address of the store: {problem}")
    require_answer(url, "the store", settings)
    return asyncio.run(examine(settings, url, goals, drivers, compare=True))


def require_usable_store(config: Config, arms: Sequence[Arm], progress: Progress) -> Preflight | None:
    """The findings on the store at `simulation.store_url`, before the visits of these arms; None for the lab's stores.

    Raises ConfigError if the store does not answer, or needs scripts and is to be visited without a browser.
    """
    url = config.simulation.store_url
    if url is None or not arms:
        return None
    progress(0, 1, f"reading {url} before the visits")
    require_answer(url, "simulation.store_url", config.store)
    settings = {arm.driver or config.store.driver: _driver_setting(arm) for arm in arms}
    wishes = [goal.wish for arm in arms for goal in arm.goals if goal.wish]
    found = asyncio.run(examine(config.store, url, wishes, list(settings)))
    for finding in found.findings:
        if finding.mark == "bad":  # the other findings are shown with the stage: visits may take hours
            logging.getLogger("simpersona").warning("before the visits: %s", finding.line())
    if "http" in settings:
        found.require_scripts_run(settings["http"])
    return found


def _driver_setting(arm: Arm) -> str:
    """The setting that names the driver of an arm."""
    return "store.driver" if arm.driver is None else "simulation.scorer.driver"

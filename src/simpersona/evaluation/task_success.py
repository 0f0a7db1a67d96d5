"""Are instructions followed? Success on tasks by kind, how often a policy says so itself, and how often it is right (Table 4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.metrics import cohen_kappa_score

from simpersona.contracts import Metrics
from simpersona.evaluation.metrics import KINDS, Findings
from simpersona.evaluation.rates import BUYER
from simpersona.evaluation.resampling import interval95, times_drawn

SESSION = [*BUYER, "session_id"]


def task_metrics(
    policy: str, tasks: pa.Table, episodes: pa.Table, judged: Mapping[str, Any], replicates: int, seed: int
) -> Metrics:
    """The keys tasks.POLICY.*, from TASKS, one policy's EPISODES of them (the store's verdict in `verified`), and a
    language model's verdicts by episode id, if there are any.

    The required action of a cart task is an addition to the cart, of a checkout or purchase task the checkout, as in the
    paper, whose stores allow no orders; `ordered` is the order itself. The intervals are over tasks drawn with
    replacement, since visits of one task are alike.
    """
    found, key = Findings(), f"tasks.{policy}"
    fields = [*SESSION, "episode_id", "ending", "steps", "verified"]
    counts = [f"{what}_count" for what in ("add_to_cart", "checkout_start", "purchase")]
    rows = episodes.select([*fields, *counts]).join(tasks.select([*SESSION, "kind", "task_id"]), SESSION)
    rows = rows.sort_by("episode_id")
    none = "" if rows.num_rows else "no visit was made"
    kind, task = (np.asarray(rows[name].to_pylist(), str) for name in ("kind", "task_id"))
    carted, checked, ordered = (rows[name].to_numpy() > 0 for name in counts)
    reached = np.where(kind == "cart", carted, checked | ordered)
    for name in KINDS:
        own = kind == name
        why = none or ("" if own.any() else f"no task of this kind among {tasks.num_rows}")
        found.put(f"{key}.{name}", reached[own].mean() if own.any() else None, why)
        interval = _over_tasks(task[own], reached[own], replicates, seed)
        found.put(f"{key}.{name}_ci95", interval, "" if interval else why or "needs two tasks of this kind")
    buying = kind == "purchase"
    why = none or ("" if buying.any() else f"no purchase task among {tasks.num_rows}")
    found.put(f"{key}.ordered", ordered[buying].mean() if buying.any() else None, why)
    verified, says_done = rows["verified"].to_numpy().astype(bool), np.asarray(rows["ending"]) == "goal_reached"
    found.put(f"{key}.verified", verified.mean() if len(verified) else None, none)
    found.put(f"{key}.self_reported", says_done.mean() if len(says_done) else None, none)
    silent = none or ("" if says_done.any() else "no visit was ended by the policy itself")
    found.put(f"{key}.kept_word", reached[says_done].mean() if says_done.any() else None, silent)
    found.put(f"{key}.steps_mean", rows["steps"].to_numpy().mean() if rows.num_rows else None, none)
    found.put(f"{key}.visits", rows.num_rows)
    _put_judges(found, key, rows["episode_id"].to_pylist(), verified, judged)
    return found.metrics()


def _over_tasks(task: np.ndarray, reached: np.ndarray, replicates: int, seed: int) -> list[float] | None:
    names, place = np.unique(task, return_inverse=True)
    if len(names) < 2:
        return None
    sums, visits = np.bincount(place, reached), np.bincount(place)
    drawn = times_drawn(len(names), replicates, seed)
    return interval95((drawn @ sums) / (drawn @ visits))


def _put_judges(
    found: Findings, key: str, episodes: list[str], verified: np.ndarray, judged: Mapping[str, Any]
) -> None:
    both = [place for place, name in enumerate(episodes) if name in judged]
    if not both:
        for name in ("verified_llm", "judges_agree", "judges_kappa"):
            found.put(f"{key}.{name}", None, 'no language model judged (setting tasks.judge = "llm")')
        return
    log, model = verified[both], np.array([judged[episodes[place]]["verified"] for place in both])
    found.put(f"{key}.verified_llm", model.mean())
    found.put(f"{key}.judges_agree", (log == model).mean())
    alike = len({*log.tolist(), *model.tolist()}) < 2
    kappa = None if alike else float(cohen_kappa_score(log, model))
    found.put(
        f"{key}.judges_kappa", kappa, "both always say the same: chance alone would make them agree" if alike else ""
    )

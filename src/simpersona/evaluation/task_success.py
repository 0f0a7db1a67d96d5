"""Are instructions followed? Success on tasks by kind, how often a policy reports it, and how often the report is true (Table 4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.metrics import cohen_kappa_score

from simpersona.contracts import Metrics
from simpersona.evaluation.metrics_file import MetricsBuilder
from simpersona.evaluation.metrics_table import KINDS
from simpersona.evaluation.rates import BUYER
from simpersona.evaluation.resampling import interval95, times_drawn

SESSION = [*BUYER, "session_id"]


def task_metrics(
    policy: str, tasks: pa.Table, episodes: pa.Table, judged: Mapping[str, Any], replicates: int, seed: int
) -> Metrics:
    """The keys tasks.POLICY.*, from TASKS, one policy's EPISODES of them (`verified` holds the verdict of the store's log), and a
    language model's verdicts by episode id, if there are any.

    The required action of a cart task is an add to cart. That of a checkout or purchase task is the checkout, as in the
    paper, whose stores allow no orders; `ordered` is the order itself. The bootstrap intervals are over tasks, since
    the visits of one task are alike.
    """
    builder, key = MetricsBuilder(), f"tasks.{policy}"
    fields = [*SESSION, "episode_id", "ending", "steps", "verified"]
    counts = [f"{what}_count" for what in ("add_to_cart", "checkout_start", "purchase")]
    rows = episodes.select([*fields, *counts]).join(tasks.select([*SESSION, "kind", "task_id"]), SESSION)
    rows = rows.sort_by("episode_id")
    none = "" if rows.num_rows else "no visit was made"
    kind, task = (np.asarray(rows[name].to_pylist(), str) for name in ("kind", "task_id"))
    carted, checked, ordered = (rows[name].to_numpy() > 0 for name in counts)
    reached = np.where(kind == "cart", carted, checked | ordered)
    for name in KINDS:
        of_kind = kind == name
        why = none or ("" if of_kind.any() else f"no task of this kind among {tasks.num_rows}")
        builder.put(f"{key}.{name}", reached[of_kind].mean() if of_kind.any() else None, why)
        interval = _over_tasks(task[of_kind], reached[of_kind], replicates, seed)
        builder.put(f"{key}.{name}_ci95", interval, "" if interval else why or "needs two tasks of this kind")
    buying = kind == "purchase"
    why = none or ("" if buying.any() else f"no purchase task among {tasks.num_rows}")
    builder.put(f"{key}.ordered", ordered[buying].mean() if buying.any() else None, why)
    verified, says_done = rows["verified"].to_numpy().astype(bool), np.asarray(rows["ending"]) == "goal_reached"
    builder.put(f"{key}.verified", verified.mean() if len(verified) else None, none)
    builder.put(f"{key}.self_reported", says_done.mean() if len(says_done) else None, none)
    silent = none or ("" if says_done.any() else "no visit was ended by the policy itself")
    builder.put(f"{key}.kept_word", reached[says_done].mean() if says_done.any() else None, silent)
    builder.put(f"{key}.steps_mean", rows["steps"].to_numpy().mean() if rows.num_rows else None, none)
    builder.put(f"{key}.visits", rows.num_rows)
    _put_judges(builder, key, rows["episode_id"].to_pylist(), verified, judged)
    return builder.metrics()


def _over_tasks(task: np.ndarray, reached: np.ndarray, replicates: int, seed: int) -> list[float] | None:
    names, index = np.unique(task, return_inverse=True)
    if len(names) < 2:
        return None
    sums, visits = np.bincount(index, reached), np.bincount(index)
    drawn = times_drawn(len(names), replicates, seed)
    return interval95((drawn @ sums) / (drawn @ visits))


def _put_judges(
    builder: MetricsBuilder, key: str, episodes: list[str], verified: np.ndarray, judged: Mapping[str, Any]
) -> None:
    judged_rows = [row for row, episode_id in enumerate(episodes) if episode_id in judged]
    if not judged_rows:
        for name in ("verified_llm", "judges_agree", "judges_kappa"):
            builder.put(f"{key}.{name}", None, 'no language model judged (setting tasks.judge = "llm")')
        return
    log, model = verified[judged_rows], np.array([judged[episodes[row]]["verified"] for row in judged_rows])
    builder.put(f"{key}.verified_llm", model.mean())
    builder.put(f"{key}.judges_agree", (log == model).mean())
    constant = len({*log.tolist(), *model.tolist()}) < 2
    kappa = None if constant else float(cohen_kappa_score(log, model))
    builder.put(
        f"{key}.judges_kappa",
        kappa,
        "both judges give one verdict to all visits, so that they agree by chance" if constant else "",
    )

"""WebShop replays: real human sessions (Yao et al. 2022) replayed in lab stores that sell the products they name.

The log is not part of the repository: $SIMPERSONA_REAL_DATA names the folder that holds webshop/human_sessions.zip.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.quiet import Quiet
from benchmarks.real import EXAMPLES, FOLDER, LOGS
from benchmarks.results import Section, Table
from simpersona.config import StoreConfig, TracesConfig
from simpersona.config.file import load_config
from simpersona.contracts import PRODUCTS, SESSIONS, RecordedSession
from simpersona.files import read_table
from simpersona.pipeline.run import run_pipeline
from simpersona.pipeline.run_folder import RunFolder
from simpersona.pipeline.stage import StageContext
from simpersona.pipeline.visits import visit_setup
from simpersona.shopper.goals import replay_goal
from simpersona.shopper.recorded import recorded_sessions
from simpersona.simulation.visits import Limits, visit_stores
from simpersona.traces.draw import estimated_actions
from simpersona.traces.judge import judge, replaced_titles
from simpersona.traces.outline import replayable
from simpersona.traces.replay import ReplayPolicy

MAX_ACTIONS = TracesConfig().max_actions
UNNAMED = re.compile(r" B[0-9A-Z]{9}$")
"""The end of the title that a product without one is given: its id."""


def section(data: Path | None = None, sessions: int = 150) -> Section:
    """How many of the real sessions can be replayed, how many of `sessions` drawn ones are verified, and why not.

    Without the log, the section says so and no more.
    """
    log = (data or Path(os.environ.get(FOLDER, ""))) / LOGS["webshop"]
    if not log.is_file():
        return Section(
            "webshop_replays", f"Skipped, because ${FOLDER} names no folder that holds {LOGS['webshop']}.", []
        )
    with tempfile.TemporaryDirectory() as scratch:
        config = load_config(EXAMPLES / "webshop.toml")
        source = config.source.model_copy(update={"path": log})
        config = config.model_copy(
            update={"source": source, "folder": Path(scratch), "store": StoreConfig(driver="http")}
        )
        run = run_pipeline(config, Quiet(), upto="events")
        recorded = _recorded(run)
        products = read_table(run / "events/products.parquet", PRODUCTS).to_pylist()
        usable = [session for session in recorded if _why_not(session) is None]
        rng = np.random.default_rng(config.seed)
        drawn = [usable[i] for i in rng.permutation(len(usable))[:sessions]]
        reasons = _replayed(StageContext(config, run, Quiet().progress, "traces", "webshop"), drawn)
    why_not = Counter(why for session in recorded if (why := _why_not(session)))
    good = reasons.pop("verified", 0)
    named = sum(not UNNAMED.search(row["title"]) for row in products)
    rows = [
        ["sessions in the log", f"{len(recorded):,}"],
        *([f"not tried: {reason}", f"{times:,}"] for reason, times in why_not.most_common()),
        ["can be tried", f"{len(usable):,}"],
        ["of them replayed, drawn at random", f"{len(drawn):,}"],
        ["verified by the stores' logs", f"{good:,} ({good / len(drawn):.1%})"],
        *([f"not verified: {reason.replace('|', '/')}", f"{times}"] for reason, times in reasons.most_common()),
    ]
    note = (
        f"The log names {named:,} of the {len(products):,} products it shows, those of the shoppers' tasks; the others are sold under their "
        "ids here, and a search for what the shopper typed does not find them: the teacher then types the id. A replay shows that the pages, searches and orders can be repeated in order, not that WebShop's search would have led there."
    )
    what = "Real data: WebShop's human sessions, five categories as five stores, each sold in a lab store with the products the log shows; over plain HTTP."
    return Section("webshop_replays", what, [(Table(("", "sessions"), rows), note)], ("django-oscar",))


def _recorded(run: RunFolder) -> list[RecordedSession]:
    """All sessions. Who the buyers are does not matter here: one stratum, one code."""
    table = read_table(run / "events/sessions.parquet", SESSIONS)
    keys = table.select(["shop_id", "buyer_id"])
    strata = keys.append_column("stratum", pa.array(["A"] * len(table)))
    return recorded_sessions(table, strata, keys.append_column("code", pa.array([0] * len(table))))


def _why_not(session: RecordedSession) -> str | None:
    if not replayable(session):
        return "holds something without a name, or nothing to do again"
    actions = estimated_actions(session)
    return f"takes more than {MAX_ACTIONS} actions" if actions > MAX_ACTIONS else None


def _replayed(run: StageContext, sessions: Sequence[RecordedSession]) -> Counter[str]:
    """The verdicts' reasons; of a replay that was not verified also what the teacher said last."""
    of = {session.session_id: session for session in sessions}
    episodes, events = visit_stores(
        visit_setup(run),
        [replay_goal(session) for session in sorted(sessions, key=lambda session: session.shop_id)],
        lambda goal, seed: ReplayPolicy(of[goal.session_id], seed),
        Limits(120, run.config.simulation.time_limit_seconds, 2),
        "webshop",
    )
    rows = events.to_pylist()
    reasons: Counter[str] = Counter()
    for episode in episodes:
        own = [row for row in rows if row["buyer_id"] == episode.episode_id]
        verdict = judge(of[episode.goal.session_id], own, replaced_titles(episode))
        said = [step.decision.reasoning for step in episode.steps if step.decision.reasoning][-1:]
        reasons["verified" if verdict.verified else f"{verdict.reason} ({episode.ending}: {' '.join(said)})"] += 1
    return reasons

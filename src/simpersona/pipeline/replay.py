"""Writes a page that steps through a run's visits: a list of all visits, or a single visit."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc

from simpersona.contracts import CARDS, EPISODES, STEPS
from simpersona.errors import ConfigError
from simpersona.files import read_table, write_text
from simpersona.report.replays import replays
from simpersona.report.viewer import render_viewer
from simpersona.shopper.screenshots import pictures_of

REPLAYED = Literal["simulation", "traces"]
"""The stages with visits: of simulated buyers, and of the teacher that replays recorded sessions."""
PICTURE_BYTES = 60_000_000
"""The limit on the screenshots in one page, which a browser can still open."""


def write_replays(run: Path, episode: str | None, stage: REPLAYED, out: Path | None) -> Path:
    """Writes the page and returns its path: `out`, else RUN/replays/STAGE.html, or EPISODE.html for a single visit.

    Raises ConfigError if the folder is not a run with such visits, or has no such episode.
    """
    if not (run / stage / "episodes.parquet").is_file():
        raise ConfigError(f"{run} has no {stage}/episodes.parquet: give a run's folder in which `{stage}` has finished")
    episodes = read_table(run / stage / "episodes.parquet", EPISODES)
    chosen = episodes if episode is None else _single(episodes, episode, run / stage)
    cards = run / "personas/cards.parquet"
    pages = replays(
        chosen,
        read_table(run / stage / "steps.parquet", STEPS),
        read_table(cards, CARDS) if cards.is_file() else CARDS.empty(),
        partial(pictures_of, run / stage),
        PICTURE_BYTES,
    )
    note = f"{pages.pictures_left_out} screenshots are left out for size" if pages.pictures_left_out else ""
    title = f"{run.resolve().name}: {episode or ('simulated visits' if stage == 'simulation' else 'replayed sessions')}"
    if out is None:
        out = run / "replays" / f"{quote(episode, safe='') if episode else stage}.html"
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, render_viewer(pages, title, note and f"{note}: ask for a single visit to see them."))
    return out


def _single(episodes: pa.Table, episode: str, folder: Path) -> pa.Table:
    """The row of one episode. Raises ConfigError if there is none."""
    row = episodes.filter(pc.equal(episodes["episode_id"], episode))
    if not row.num_rows:
        first = ", ".join(episodes["episode_id"].slice(0, 3).to_pylist()) or "none"
        raise ConfigError(f"{folder} has no episode {episode!r}; there are {episodes.num_rows:,}, the first: {first}")
    return row

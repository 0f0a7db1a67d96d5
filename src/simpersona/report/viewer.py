"""The replay viewer: one self-contained HTML page with a list of visits, or a single one, to step through."""

from __future__ import annotations

from simpersona.report.replays import Replays
from simpersona.report.templating import templates


def render_viewer(replays: Replays, title: str, note: str = "") -> str:
    """The page's HTML; `note` is a plain sentence above the list. The page loads nothing."""
    return templates().get_template("viewer.html.j2").render(replays=replays, title=title, note=note)

"""One self-contained HTML page: what a run found, beside the paper's figures, with what is weak and why."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from simpersona.contracts import ENDINGS, HEADS, SCALARS
from simpersona.report import agent_charts, persona_charts
from simpersona.report.chart_tables import chart_table
from simpersona.report.charts import Figure
from simpersona.report.inputs import ReportInputs
from simpersona.report.paper_figures import PAPER
from simpersona.report.quality_notes import quality_notes
from simpersona.report.replays import replays
from simpersona.report.wording import all_rows, cluster_rows, headline_rows, privacy_words, warnings

__all__ = ["ReportInputs", "render_report"]


def render_report(inputs: ReportInputs) -> str:
    """The page's HTML. It loads nothing from anywhere: styles, scripts, plotly.js and all data are inside.

    A part of `inputs` that is missing leaves its section out or says so; text of shops, buyers and pages is
    escaped.
    """
    # plotly imports in about a second, and only here is it needed
    from plotly.offline import get_plotlyjs  # noqa: PLC0415

    page = _templates().get_template("page.html.j2")
    figures = {name: chart for name, chart in _figures(inputs).items() if chart is not None}
    return page.render(
        inputs=inputs,
        figures=figures,
        chart_tables={name: chart_table(chart) for name, chart in figures.items()},
        figure_json=_script_json(figures),
        plotly_js=Markup(get_plotlyjs().replace("</script", "<\\/script")),  # noqa: S704 - the library's own file
        css=_asset("page.css"),
        js=_asset("page.js"),
        tiles=_tiles(inputs),
        warnings=warnings(inputs),
        headlines=headline_rows(inputs),
        groups=all_rows(inputs),
        clusters=cluster_rows(inputs),
        cards=_by_buyers(inputs.cards),
        scalars=SCALARS,
        privacy=privacy_words(inputs),
        quality=_flat(inputs.quality),
        quality_notes=quality_notes(inputs.quality),
        reasons=list(inputs.quality.get("reasons", {}).items()),
        coverage=list(inputs.quality.get("coverage", {}).items()),
        config=_flat(inputs.config),
        verdicts=_verdicts(inputs.trace_episodes),
        replays=replays(inputs),
    )


def _figures(inputs: ReportInputs) -> dict[str, Figure | None]:
    return {
        "persona_loss": persona_charts.persona_loss(inputs.persona_history),
        "persona_terms": persona_charts.persona_terms(inputs.persona_history),
        "codes_in_use": persona_charts.codes_in_use(inputs.persona_history),
        **{
            f"codebook_{by}": persona_charts.codebook_map(inputs.codebook, inputs.cards, by)
            for by in ("stratum", *HEADS)
        },
        "strata": persona_charts.strata_by_shop(inputs.strata_by_shop, inputs.held_out_shops),
        "mix": persona_charts.mix_heatmap(inputs.mix, inputs.cards),
        "strata_recovery": persona_charts.strata_recovery(inputs.strata_by_shop, inputs.predicted_strata),
        "scalar_recovery": persona_charts.scalar_recovery(inputs.metrics),
        "model_losses": agent_charts.model_losses(inputs.training),
        "conversion": agent_charts.conversion(inputs.metrics),
        "alignment": agent_charts.alignment(inputs.metrics),
        "endings": agent_charts.endings(_ending_shares(inputs.simulated_episodes)),
        "funnel": agent_charts.purchase_funnel(inputs.metrics),
    }


def _tiles(inputs: ReportInputs) -> list[tuple[str, str]]:
    """(value, what it is) of the sizes of this run."""
    buyers = sum(sum(counts.values()) for counts in inputs.strata_by_shop.values())
    traces, episodes = inputs.trace_episodes, inputs.simulated_episodes
    verified = pc.sum(traces["verified"]).as_py() or 0
    tiles = [
        (buyers, "buyers, each in one shop"),
        (len(inputs.strata_by_shop), f"shops, {len(inputs.held_out_shops)} held out"),
        (inputs.cards.num_rows, "personas with buyers"),
        (verified, f"of {traces.num_rows:,} replayed sessions verified"),
        (episodes.num_rows, "simulated visits"),
        (int(pc.sum(episodes["purchase_count"]).as_py() or 0), "orders placed by agents"),
    ]
    return [(f"{value:,}", name) for value, name in tiles]


def _ending_shares(episodes: pa.Table) -> dict[str, dict[str, float]]:
    """All visits, each shop's, and the paper's."""
    if not episodes.num_rows:
        return {}
    rows = list(zip(episodes["shop_id"].to_pylist(), episodes["ending"].to_pylist(), strict=True))
    shares = {"all visits": _shares([ending for _, ending in rows])}
    for shop in sorted({shop for shop, _ in rows}):
        shares[shop] = _shares([ending for name, ending in rows if name == shop])
    paper = {ending: PAPER[f"outcomes.two_stage.{ending}"].value for ending in ENDINGS}
    return shares | {"paper, 42 shops (Table 7)": paper}


def _shares(endings: list[str]) -> dict[str, float]:
    return {ending: count / len(endings) for ending, count in Counter(endings).items()}


def _verdicts(episodes: pa.Table) -> list[tuple[str, bool, int]]:
    """(reason, verified, count) of the judge's words, the most common first."""
    rows = episodes.filter(pc.is_valid(episodes["verified"])).select(["verdict", "verified"]).to_pylist()
    counts = Counter((row["verdict"] or "no reason given", row["verified"]) for row in rows)
    return [(reason, verified, count) for (reason, verified), count in counts.most_common()]


def _by_buyers(cards: pa.Table) -> list[dict[str, Any]]:
    return cards.sort_by([("buyers", "descending"), ("code", "ascending")]).to_pylist()


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested plain values as (dotted name, text)."""
    rows: list[tuple[str, str]] = []
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            rows += _flat(value, f"{name}.")
        else:
            rows.append((name, _text(value)))
    return rows


def _text(value: Any) -> str:
    match value:
        case None | "" | () | []:
            return "–"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.4g}"
        case list() | tuple():
            return ", ".join(_text(item) for item in value)
        case _:
            return str(value)


def _script_json(value: object) -> Markup:
    """JSON that can stand in a script element: it cannot close the element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704 - escaped


def _asset(name: str) -> Markup:
    return Markup(files("simpersona.report").joinpath("templates", name).read_text("utf-8"))  # noqa: S704 - our own file


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("simpersona.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["text"] = _text
    return environment

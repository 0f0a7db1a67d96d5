"""How figures are written, which of them lead the page, and the plain warnings above them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

from simpersona.contracts import HEADS
from simpersona.report.inputs import ReportInputs
from simpersona.report.paper_figures import PAPER

MISSING = "–"
_SHARES = ("purity", "incoherent", "overall", "funnel", "tasks", "outcomes", "crash", "add_to_cart", "checkout")
_NO_SHARES = ("steps_mean", "shop_error.cv", "r2", "actions", "pages", "products")
_FEW_EPISODES, _TOO_FEW = 200, 10


def written(key: str, value: Any) -> str:
    """A figure of metrics.json in words: a share as a percentage, a p value with two digits."""
    match value:
        case None:
            return MISSING
        case str():
            return value
        case list():
            return " to ".join(written(key, item) for item in value)
        case _:
            return _number(key, value)


def _number(key: str, value: float) -> str:
    if key.endswith("_p"):
        return f"{value:.2g}"
    if any(part in key for part in _SHARES) and not any(part in key for part in _NO_SHARES):
        return f"{100 * value:.1f} %"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.3f}"


@dataclass(frozen=True)
class Row:
    """One line of a table of figures; `why` is the reason where there is no value."""

    label: str
    here: str
    paper: str
    where: str
    why: str = ""
    hint: str = ""


HEADLINES = (
    ("clusters.vqvae.stratum_purity", "Stratum purity of the codes", "mean share of a code's most common stratum"),
    ("clusters.kmeans.stratum_purity", "… of k-means on the same vectors", "the baseline"),
    ("population.js_mean", "Strata recovered on held-out shops", "mean Jensen-Shannon divergence; 0 is perfect"),
    ("planted.adjusted_rand", "Planted types recovered", "adjusted Rand index; 1 is perfect, 0 is chance"),
    ("conversion.stratified.ara.correct", "Conversion alignment (ARA)", "matched token; 1 is perfect"),
    ("conversion.stratified.ara.correct_ci95", "… 95 % interval over shops", "bootstrap"),
    ("conversion.stratified.ara.all_mismatch", "… with all other tokens", "the gap to it is what the token gives"),
    ("conversion.stratified.ara.skill", "… skill", "0: no better than the shop's mean rate; 1: the noise ceiling"),
    ("separation.purchase.cohens_d", "Purchase separation, high against low", "Cohen's d over tokens"),
    ("separation.funnel.high.add_to_cart", "Carts of high-purchase tokens", "share of their episodes"),
    ("separation.funnel.low.add_to_cart", "… of low-purchase tokens", "share of their episodes"),
    ("outcomes.two_stage.goal_reached", "Visits that the agent ended itself", "the others hit a limit or broke"),
)


def headline_rows(inputs: ReportInputs) -> list[Row]:
    """The figures that lead the page, beside the paper's."""
    return [_row(inputs, key, label, hint) for key, label, hint in HEADLINES if key in inputs.metrics]


def all_rows(inputs: ReportInputs) -> dict[str, list[Row]]:
    """Every figure of metrics.json by its first word, in the file's order, with the reasons."""
    groups: dict[str, list[Row]] = {}
    for key in inputs.metrics:
        group, _, rest = key.partition(".")
        groups.setdefault(group if rest else "labels", []).append(_row(inputs, key, rest or key))
    return groups


def cluster_rows(inputs: ReportInputs) -> list[tuple[str, list[tuple[str, str]]]]:
    """Table 1: (label, [(here, paper) of the VQ-VAE, (here, paper) of k-means]) per figure."""
    names = {
        "stratum_purity": "stratum purity",
        "stratum_purity_weighted": "… weighted by buyers",
        "incompatible_codes": "codes with incompatible strata",
        **{f"incoherent_{head}": f"buyers in codes incoherent in {head}" for head in HEADS},
        "pairwise_cosine": "pairwise cosine",
        "calinski_harabasz": "Calinski-Harabasz",
        "codes_used": "codes in use",
    }
    rows: list[tuple[str, list[tuple[str, str]]]] = []
    for name, label in names.items():
        keys = [f"clusters.{method}.{name}" for method in ("vqvae", "kmeans")]
        if any(inputs.metrics.get(key) is not None for key in keys):
            rows.append((label, [(written(key, inputs.metrics.get(key)), _paper(key)) for key in keys]))
    return rows


def privacy_words(inputs: ReportInputs) -> str:
    """One sentence on whether the codes betray who was trained on, or nothing where it was not measured."""
    auc = inputs.metrics.get("privacy.membership_auc")
    if auc is None:
        return ""
    found = f"Telling training buyers from validation buyers by their distance to their code succeeds with an AUC of {auc:.3f}"
    return f"{found}; 0.5 is chance, 1 would betray everybody."


def warnings(inputs: ReportInputs) -> list[tuple[str, str]]:
    """(headline, explanation) of everything that weakens this run's figures, in plain words."""
    found = [*_data_warnings(inputs), *_training_warnings(inputs), *_sample_warnings(inputs)]
    missing = sum(value is None for value in inputs.metrics.values())
    if missing:
        text = f"{missing} of {len(inputs.metrics)} figures could not be computed; each has its reason under Figures."
        found.append(("Figures are missing.", text))
    return found


def _data_warnings(inputs: ReportInputs) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if inputs.source == "lab":
        text = (
            "The shops and buyers come from the lab's generator. The figures say how well the method finds what was "
            "planted there; they say nothing about real shops."
        )
        found.append(("Generated data.", text))
    rows_in, malformed = inputs.quality.get("rows_in") or 0, inputs.quality.get("rows_malformed") or 0
    if malformed:
        text = f"{malformed:,} of {rows_in:,} input rows ({malformed / rows_in:.2%}) could not be read; see Data."
        found.append(("Malformed rows.", text))
    if inputs.metrics and not inputs.held_out_shops:
        found.append(("No held-out shop.", "The simulated shop was also trained on: its figures are in-sample."))
    return found


def _training_warnings(inputs: ReportInputs) -> list[tuple[str, str]]:
    if inputs.metrics.get("policy") == "scorer":
        text = (
            "The simulated buyers are a small network that scores what a page offers. It has no language model, gives no reasons and "
            "follows no instruction: a stand-in that is cheap enough for thousands of visits."
        )
        return [("A surrogate acts, not a language model.", text)]
    if not inputs.training:
        return []
    agent = inputs.config.get("agent", {})
    verified = int(pc.sum(inputs.trace_episodes["verified"]).as_py() or 0)
    stages = "; ".join(
        f"{name.replace('stage', 'stage ')}: {summary.get('steps', 0):,} steps, {summary.get('examples', 0):,} examples"
        for name, summary in inputs.training.items()
    )
    text = (
        f"{agent.get('model', 'The model')} was trained on {verified:,} verified sessions ({stages}, repeats counted). The paper trained "
        "a 14 B model on about 3,600 sessions, 34,000 examples, about 530 steps of 64 per stage. Read how these agents "
        "behave as a test of the path, not of the method."
    )
    return [("Under-trained model.", text)]


def _sample_warnings(inputs: ReportInputs) -> list[tuple[str, str]]:
    episodes = inputs.simulated_episodes.num_rows
    if not 0 < episodes < _FEW_EPISODES:
        return []
    wide = 1.96 * (0.25 / episodes) ** 0.5
    text = f"{episodes} simulated visits: a share near 50 % is known to about ± {100 * wide:.0f} percentage points."
    if episodes < _TOO_FEW:
        text = f"{episodes} simulated visits are too few to tell any share."
    return [("Few visits.", text)]


def _row(inputs: ReportInputs, key: str, label: str, hint: str = "") -> Row:
    value = inputs.metrics[key]
    where = PAPER[key].where if key in PAPER else ""
    why = inputs.notes.get(key, "")
    return Row(label, written(key, value), _paper(key), where, why, hint)


def _paper(key: str) -> str:
    return written(key, PAPER[key].value) if key in PAPER else ""

"""How figures are written: numbers, intervals, and all of metrics.json in groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from simpersona.report.acting import policy_words
from simpersona.report.inputs import ReportInputs
from simpersona.report.paper_figures import PAPER

MISSING = "–"
_SHARES = ("purity", "incoherent", "overall", "funnel", "tasks", "outcomes", "crash", "add_to_cart", "checkout")
_NO_SHARES = ("steps_mean", "shop_error.cv", "r2", "actions", "pages", "products", "kappa")
_P_VALUES = ("_p", ".p", "_p_adjusted", ".p_adjusted")


def written(key: str, value: Any) -> str:
    """A figure of metrics.json in words: a share as a percentage, a p value with two digits, a count as it is."""
    match value:
        case None:
            return MISSING
        case str():
            return value
        case list() | tuple():
            return (" to " if len(value) == 2 else ", ").join(written(key, item) for item in value)
        case _:
            return _number(key, value)


def between(key: str, interval: tuple[float, float] | None) -> str:
    """An interval in the units of its figure, its unit said once: "8.8 – 19.7 %"; nothing where there is none."""
    if interval is None:
        return ""
    low, high = (written(key, end) for end in interval)
    return f"{low.removesuffix(' %')} – {high}"


def percent(share: float, digits: int = 0) -> str:
    """A share as a percentage; one that would read as nothing is told as less than one."""
    text = f"{100 * share:.{digits}f} %"
    return f"under {10**-digits:g} %" if share > 0 and float(text[:-2]) == 0 else text


def counted(number: int, name: str, several: str = "") -> str:
    """A number of things: "1 order", "12 orders"."""
    return f"{number:,} {name if number == 1 else several or name + 's'}"


def _number(key: str, value: float) -> str:
    if key.endswith(_P_VALUES):
        return f"{value:.2g}"
    if isinstance(value, int):
        return f"{value:,}"
    if any(part in key for part in _SHARES) and not any(part in key for part in _NO_SHARES):
        return f"{100 * value:.1f} %"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.3f}"


@dataclass(frozen=True)
class Row:
    """One line of a table of figures; `why` is a remark, or the reason where there is no value."""

    label: str
    here: str
    paper: str
    where: str
    why: str = ""


def all_rows(inputs: ReportInputs) -> dict[str, list[Row]]:
    """Every figure of metrics.json by its first word and policy, in the file's order, with the reasons."""
    groups: dict[str, list[Row]] = {}
    for key, value in inputs.metrics.items():
        bare, group = key, ""
        if key.startswith("policies."):
            _, policy, bare = key.split(".", 2)
            group = f" of the {policy_words(policy)}"
        first, _, rest = bare.partition(".")
        paper = PAPER.get(bare)
        row = Row(
            rest or key,
            written(bare, value),
            written(bare, paper.value) if paper else "",
            paper.where if paper else "",
            inputs.notes.get(key, ""),
        )
        groups.setdefault((first if rest else "labels") + group, []).append(row)
    return groups


def privacy_words(inputs: ReportInputs) -> str:
    """One sentence on whether the codes betray who was trained on, or nothing where it was not measured."""
    auc = inputs.metrics.get("privacy.membership_auc")
    if auc is None:
        return ""
    found = f"Telling training buyers from validation buyers by their distance to their code succeeds with an AUC of {auc:.3f}"
    return f"{found}; 0.5 is chance, 1 would betray everybody."

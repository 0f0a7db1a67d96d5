"""A pack's model card: its training data, its training, its figures, and its limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simpersona.evaluation.metric import Metric
from simpersona.evaluation.metric_lookup import metric
from simpersona.evaluation.metrics_table import CLOSE_TO_GOAL, FUNNEL, TRAINING

FIGURES: tuple[tuple[Metric, str], ...] = (
    (metric("clusters", "vqvae", "stratum_purity"), ""),
    (metric("clusters", "vqvae", "incompatible_codes"), ""),
    (metric("population", "js_mean"), ""),
    (metric("conversion", "pairs"), ""),
    *((metric("conversion", stratum, "ara", name), "") for stratum in FUNNEL for name in ("correct", "skill")),
    *(
        (metric("conversion", row, "ara", name), aim)
        for row, name, aim in (
            ("stratified", "correct", "≥ 0.85"),
            ("represented", "correct", "≥ 0.85"),
            ("represented", "all_mismatch", ""),
            ("represented", "gap", "≥ 0.25"),
            ("represented", "gap_ceiling", ""),
            ("represented", "shop_mean", ""),
            ("represented", "lead", "> 0"),
            ("represented", "token_mean", ""),
            ("represented", "noise_ceiling", ""),
            ("represented", "skill", "≥ 0.5"),
        )
    ),
    (metric("separation", "purchase", "cohens_d"), "≥ 2"),
    (metric("separation", "engagement", "cohens_d"), "≥ 0.8"),
    (metric("separation", "exploration", "cohens_d"), "≥ 0.8"),
    *(
        (metric("conversion", "overall", side, rate), "")
        for rate in ("add_to_cart", "purchase")
        for side in ("agent", "real")
    ),
    *(
        (
            metric("goal_following", side, share),
            f"within {CLOSE_TO_GOAL} of the real sessions" if side == "agent" else "",
        )
        for share in ("views", "additions")
        for side in ("agent", "real")
    ),
    *((metric("outcomes", training, "other"), "≤ 0.005") for training in TRAINING.labels),
)
"""The metrics on a card, each with its target."""

OTHERS = {"none": "no token", "mismatched": "a mismatched token"}
"""What the matched token is compared with, as a card says it."""
MOVES = {"leave": "leaving", "add": "adding to the cart"}

LIMITS = """
- **Lab data.** Its buyers are generated: 24 planted types of shoppers. The codes describe the differences of these types, not those
  of your customers. For your store, train on its log (`simpersona init`). The pack is an example, and works for new stores of the lab.
- The scorer is a **surrogate** for a language model: it gives no reasons and follows no instructions. It was trained on the lab's four
  storefront themes.
- A persona describes the average behaviour of its buyers. The outcome of a single visit varies within a persona and cannot be predicted.
- The pack contains no personal data: no ids and no sessions, only centroids, weights and summary figures of codes with at least 20
  training buyers.
"""

LANGUAGE_MODEL = """- The language model: the stage `agent` above shows its training, and its loss on test data with the matched, a mismatched and no token.
  If the interval of what the matched token gains includes 0, its influence is not shown; use the scorer for figures."""
COUNTERFACTUAL = """- The language model learned from **counterfactual personas** too: on each recorded page, what the scorer says that further personas
  would do there. So it has the scorer's faults besides its own. It was trained by decisions: only where a page leaves a choice."""


def model_card(about: dict[str, Any]) -> str:
    """The card as Markdown, from the content of pack.json."""
    lines = [
        f"# Pack `{about['name']}`",
        "",
        f"{about['codes']} buyer personas, with {_parts(about)}.",
        "Load it with `simpersona.load_pack()`, or set `pack` in a config. The licence is Apache-2.0. Tensors are safetensors; other files are JSON, TOML and parquet. No file is pickled.",
        "",
        "## Training data",
        "",
        *_data(about),
        "",
        "## Training",
        "",
        (
            f"Settings: `config.toml` in this folder, seed {about['seed']}. Hardware: {about['hardware']} "
            f"(peak memory {about['peak_memory_mb'] / 1024:.1f} GiB). Version: simpersona {about.get('simpersona') or _version(about)}."
        ),
        "",
        "| stage | seconds (wall time, on a shared machine) | |",
        "| --- | ---: | --- |",
        *(f"| {name} | {stage['seconds']:.0f} | {stage['summary']} |" for name, stage in about["stages"].items()),
        "",
        "## Figures",
        "",
        (
            f"{len(about['held_out'])} held-out stores ({about['source']} data), visits by the "
            f"{'scorer' if about['figures'].get('policy') == 'scorer' else 'language model'}:"
        ),
        "",
        "| figure | this pack | paper (42 real stores) | target |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {row.title} | {_number(about['figures'][row.key])} | {_number(row.paper.value if row.paper else None)} | {aim} |"
            for row, aim in FIGURES
            if row.key in about["figures"]
        ),
        *_intervals(about["figures"]),
        "",
        "The visits are distributed evenly over the stores and over the buyers of each store. Among the real sessions, frequent buyers count more.",
        "",
        *(_language_model(about["tested"], goes_on=about["earlier_training"]) if about.get("tested") else []),
        "## Limits",
        LIMITS.rstrip() if about["source"] == "lab" else "- A persona describes the average behaviour of its buyers.",
        *([LANGUAGE_MODEL] if "lm" in about["policies"] else []),
        *([COUNTERFACTUAL] if about.get("counterfactual") else []),
        "",
    ]
    return "\n".join(lines)


def _parts(about: dict[str, Any]) -> str:
    names = {
        "scorer": "the scorer (a small policy without a language model)",
        "lm": "the persona rows and the adapter of a language model",
    }
    return " and ".join(names[part] for part in about["policies"])


def _data(about: dict[str, Any]) -> list[str]:
    stores = f"{len(about['trained_on'])} training stores: {', '.join(about['trained_on'])}."
    if not about["lab"]:
        return [f"{about['source']} data, {stores}"]
    lab = about["lab"]
    return [
        (
            f"A generated world (`simpersona lab world --shops {lab['shops']} --buyers {lab['buyers']} --seed {lab['seed']}`) with "
            f"{stores} Held-out stores: {', '.join(about['held_out'])}."
        ),
        "",
        "The stores of the demo are different ones (another world, another seed), even if a name is the same.",
    ]


def _language_model(tested: dict[str, Any], *, goes_on: bool) -> list[str]:
    """The language model's test on decisions of other stores, and the same test on fewer decisions during its training."""
    gains = tested["gain"]
    start = " It goes on from the language model of an earlier pack." if goes_on else ""
    rows = [
        ("nats per decision, matched token", _number(tested["matched"])),
        *((f"… gained over {OTHERS[name]}", _interval(gains[name])) for name in OTHERS),
    ]
    if "leave" in tested:
        rows += [
            ("nats per decision, the scorer, with the persona", _number(tested["scorer_matched"])),
            ("nats per decision, the scorer, without a persona", _number(tested["scorer_none"])),
            *(
                (
                    f"log-odds of {words} against the scorer's, over all personas on {tested[move]['pages']} pages: correlation, slope",
                    f"{_number(tested[move]['correlation'])}, {_number(tested[move]['slope'])}",
                )
                for move, words in MOVES.items()
            ),
            *(
                (
                    f"probability of {words} there, mean of pages and personas: the model's, the scorer's",
                    f"{_number(tested[move]['share_model'])}, {_number(tested[move]['share_scorer'])}",
                )
                for move, words in MOVES.items()
                if tested[move].get("share_model") is not None
            ),
            ("divergence of the first choice from the scorer, nats", _number(tested["kl_first_choice"])),
            ("… of a perfect model that ignores the persona", _number(tested["kl_first_choice_alike"])),
        ]
    curve = tested["curve"]
    return [
        "## The language model on test decisions",
        "",
        f"Decisions of held-out stores, with 95 % intervals over visits.{start}",
        "",
        "| figure | |",
        "| --- | ---: |",
        *(f"| {label} | {value} |" for label, value in rows),
        "",
        *(
            [
                "During training, on fewer of these decisions:",
                "",
                "| situations read | nats per decision, matched token | gained over no token |",
                "| ---: | ---: | ---: |",
                *(
                    f"| {line['prefixes']:,} | {_number(line['matched'])} | {_interval(line['gain']['none'])} |"
                    for line in curve
                ),
                "",
            ]
            if curve
            else []
        ),
    ]


def _interval(value: Sequence[float]) -> str:
    estimate, low, high = value
    return f"{estimate:.3f} ({low:.3f} to {high:.3f})"


def _version(about: dict[str, Any]) -> str:
    return str(about["versions"].get("simpersona", ""))


def _number(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def _intervals(figures: dict[str, Any]) -> list[str]:
    labels = {"correct": "the ARA", "gap": "the gap", "lead": "the lead", "skill": "the skill"}
    bounds = {
        label: figures.get(metric("conversion", "represented", "ara", name).interval_key_of(None))
        for name, label in labels.items()
    }
    texts = [f"{label} {bound[0]:.3f} to {bound[1]:.3f}" for label, bound in bounds.items() if bound is not None]
    return ["", f"95 % intervals over stores, mean of strata with pairs: {', '.join(texts)}."] if texts else []

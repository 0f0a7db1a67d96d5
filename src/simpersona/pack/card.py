"""A pack's model card: what it was trained on, by which command, what it reaches, and what it cannot do."""

from __future__ import annotations

from typing import Any

from simpersona.evaluation.metric import Metric
from simpersona.evaluation.metric_lookup import metric
from simpersona.evaluation.metrics_table import FUNNEL, TRAINING

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
    *((metric("outcomes", training, "other"), "≤ 0.005") for training in TRAINING.labels),
)
"""The metrics on a card, each with the aim."""

LIMITS = """
- **Lab data.** Its buyers are generated: 24 kinds of shoppers, planted on purpose. The codes describe their differences, not those of
  your customers. For a store of your own, train on its log (`simpersona init`); the pack shows the way and serves new shops of the lab.
- The scorer is a **surrogate**: it writes no reasons, understands no instruction, and learned pages of the lab's four storefront themes.
- A persona tells how its buyers behave on average. One visit's outcome still varies within a persona, and cannot be foretold.
- Nothing personal is in it: no ids, no sessions; centroids, weights and summary figures of codes with at least 20 training buyers.
"""

LANGUAGE_MODEL = """- The language model: the stage `agent` above says how much it was trained, and its loss on held-out visits with the buyer's token, another's
  and none. Where these three are alike, the token does not steer it yet: take the scorer for figures."""


def model_card(about: dict[str, Any]) -> str:
    """The card as Markdown, from what pack.json says."""
    lines = [
        f"# Pack `{about['name']}`",
        "",
        f"{about['codes']} buyer personas and what acts as them ({_parts(about)}). Load it with `simpersona.load_pack()`,",
        "or set `pack` in a config. Apache-2.0. Tensors are safetensors, everything else JSON, TOML and parquet: nothing is pickled.",
        "",
        "## Trained on",
        "",
        *_data(about),
        "",
        "## Trained by",
        "",
        (
            f"`config.toml` in this folder, seed {about['seed']}, on {about['hardware']} "
            f"(peak {about['peak_memory_mb'] / 1024:.1f} GiB). simpersona {about.get('simpersona') or _own(about)}."
        ),
        "",
        "| stage | seconds (wall, beside other work) | |",
        "| --- | ---: | --- |",
        *(f"| {name} | {one['seconds']:.0f} | {one['summary']} |" for name, one in about["stages"].items()),
        "",
        "## Reaches",
        "",
        (
            f"On {len(about['held_out'])} shops that nothing was trained on ({about['source']} data), acting by the "
            f"{'scorer' if about['figures'].get('policy') == 'scorer' else 'language model'}:"
        ),
        "",
        "| figure | here | paper (42 real shops) | aim |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {row.title} | {_number(about['figures'][row.key])} | {_number(row.paper.value if row.paper else None)} | {aim} |"
            for row, aim in FIGURES
            if row.key in about["figures"]
        ),
        *_intervals(about["figures"]),
        "",
        "Visits are shared evenly by the shops and their buyers; among the real sessions those who come often weigh more.",
        "",
        "## Cannot do",
        LIMITS.rstrip() if about["source"] == "lab" else "- A persona tells how its buyers behave on average.",
        *([LANGUAGE_MODEL] if "lm" in about["policies"] else []),
        "",
    ]
    return "\n".join(lines)


def _parts(about: dict[str, Any]) -> str:
    words = {
        "scorer": "the scorer, a small policy without a language model",
        "lm": "a language model's persona rows and adapter",
    }
    return " and ".join(words[part] for part in about["policies"])


def _data(about: dict[str, Any]) -> list[str]:
    shops = f"{len(about['trained_on'])} shops: {', '.join(about['trained_on'])}."
    if not about["lab"]:
        return [f"{about['source']} data, {shops}"]
    lab = about["lab"]
    return [
        (
            f"A generated world (`simpersona lab world --shops {lab['shops']} --buyers {lab['buyers']} --seed {lab['seed']}`), of which "
            f"{shops} Held out: {', '.join(about['held_out'])}."
        ),
        "",
        "The demo's shops (another world, another seed) are none of these, even where a name is the same.",
    ]


def _own(about: dict[str, Any]) -> str:
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
    texts = [f"{label} {known[0]:.3f} to {known[1]:.3f}" for label, known in bounds.items() if known is not None]
    return ["", f"95 % intervals over stores, mean of strata with pairs: {', '.join(texts)}."] if texts else []

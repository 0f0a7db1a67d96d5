"""A pack's model card: what it was trained on, by which command, what it reaches, and what it cannot do."""

from __future__ import annotations

from typing import Any

FIGURES: tuple[tuple[str, str, float | None, str], ...] = (
    ("clusters.vqvae.stratum_purity", "stratum purity of the codes (validation buyers)", 0.845, ""),
    ("clusters.vqvae.incompatible_codes", "codes with incompatible strata", 0, ""),
    ("population.js_mean", "JS divergence of strata, held-out shops", 0.054, ""),
    ("conversion.pairs", "(shop, persona) pairs with enough sessions and visits", None, ""),
    *(
        (f"conversion.{one}.ara.{key}", f"{words}, personas of stratum {one}", paper if key == "correct" else None, "")
        for one, paper in zip("ABCD", (0.724, 0.748, 0.721, 0.954), strict=True)
        for key, words in (("correct", "conversion alignment (ARA)"), ("skill", "skill"))
    ),
    ("conversion.stratified.ara.correct", "conversion alignment (ARA), mean of the four strata", 0.787, "≥ 0.85"),
    ("conversion.represented.ara.correct", "…, mean of the strata that personas stand for", None, "≥ 0.85"),
    ("conversion.represented.ara.all_mismatch", "… … against the shop's other personas", None, ""),
    ("conversion.represented.ara.gap", "… … gap to these", None, "≥ 0.25"),
    ("conversion.represented.ara.gap_ceiling", "… … … of a perfect shopper in as many visits", None, ""),
    ("conversion.represented.ara.shop_mean", "… … of the shop's mean rate", None, ""),
    ("conversion.represented.ara.lead", "… … lead over it", None, "> 0"),
    ("conversion.represented.ara.token_mean", "… … of the persona's mean rate over the training shops", None, ""),
    ("conversion.represented.ara.noise_ceiling", "… … of a perfect shopper in as many visits", None, ""),
    ("conversion.represented.ara.skill", "… … skill", None, "≥ 0.5"),
    ("separation.purchase.cohens_d", "Cohen's d, purchase", 2.8, "≥ 2"),
    ("separation.engagement.cohens_d", "Cohen's d, engagement", 0.76, "≥ 0.8"),
    ("separation.exploration.cohens_d", "Cohen's d, exploration", 0.1, "≥ 0.8"),
    ("conversion.overall.agent.add_to_cart", "visits that add to cart", None, ""),
    ("conversion.overall.real.add_to_cart", "… real sessions of the same shops", None, ""),
    ("conversion.overall.agent.purchase", "visits that buy", None, ""),
    ("conversion.overall.real.purchase", "… real sessions of the same shops", None, ""),
    ("outcomes.two_stage.other", "visits broken (`other`)", 0.022, "≤ 0.005"),
)
"""The figures on a card: key, words, the paper's, the aim."""

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
            f"| {words} | {_number(about['figures'][key])} | {_number(paper)} | {aim} |"
            for key, words, paper, aim in FIGURES
            if key in about["figures"]
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
    words = {"correct": "the ARA", "gap": "the gap", "lead": "the lead", "skill": "the skill"}
    found = {name: figures.get(f"conversion.represented.ara.{key}_ci95") for key, name in words.items()}
    told = [f"{name} {known[0]:.3f} to {known[1]:.3f}" for name, known in found.items() if known is not None]
    return ["", f"95 % intervals over shops, of the strata that personas stand for: {', '.join(told)}."] if told else []

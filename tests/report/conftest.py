"""A whole sample of what a report is made of."""

import numpy as np
import pyarrow as pa
import pytest

from simpersona.contracts import CARDS, EPISODES, HEADS, LEVELS, MIX, SCALARS, STEPS, STRATA
from simpersona.report.inputs import ReportInputs
from simpersona.visits import ENDINGS

SHOPS = ("apparel", "auto", "electronics", "kids")
HELD_OUT = ("electronics", "kids")
CODES = 16
WORDS = "Window shoppers who view many products and leave quickly; rarely cart. Per buyer: 2.0 sessions, 9.0 views."


def make_inputs(seed=0, episodes=16):
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, 3, (CODES, 3))
    strata = {
        shop: dict(zip(STRATA, (rng.dirichlet([2, 1, 2, 8, 3]) * 1500).astype(int).tolist(), strict=True))
        for shop in SHOPS
    }
    return ReportInputs(
        metrics=make_metrics(rng),
        notes={"tasks.lm.cart": "the benchmark of shopping tasks was not run"},
        config={"name": "demo", "seed": 0, "agent": {"model": "smollm2-135m", "stage1": {"steps": 16}}},
        stages=[
            {
                "stage": name,
                "rows_in": 1200 * place,
                "rows_out": 1100 * place,
                "rejected": place,
                "seconds": 3.2 * place,
                "peak_memory_mb": 400.0,
                "summary": f"What {name} did, in one plain sentence of a usual length for such a table",
            }
            for place, name in enumerate(("world", "events", "buyers", "personas", "traces", "agent", "simulation"))
        ],
        quality={
            "rows_in": 72000,
            "rows_kept": 71000,
            "rows_rejected": 1000,
            "rows_malformed": 3,
            "reasons": {"exact duplicate": 997, "line is not JSON": 3},
            "coverage": {"session_id": 0.0, "product_id": 0.82, "query": 0.05, "price": 0.8},
            "unknown": ["session"],
        },
        strata_by_shop=strata,
        predicted_strata={
            shop: dict(zip(STRATA[:4], rng.dirichlet([2, 1, 2, 8]).tolist(), strict=True)) for shop in HELD_OUT
        },
        cards=make_cards(rng, levels),
        mix=make_mix(rng),
        persona_history=make_history(rng),
        codebook=rng.normal(size=(CODES, 8)),
        trace_episodes=make_episodes(24, rng, prefix="trace", verified=[place % 4 > 0 for place in range(24)]),
        simulated_episodes=make_episodes(episodes, rng),
        steps=make_steps(episodes),
        training={
            f"stage{stage}": {
                "steps": 24,
                "examples": 48,
                "losses": (1.2 * np.exp(-np.arange(24) / 9) + rng.random(24) / 9).tolist(),
            }
            for stage in (1, 2)
        },
        held_out_shops=HELD_OUT,
    )


def make_metrics(rng):
    metrics = {"source": "lab", "policy": "lm"}
    for method in ("vqvae", "kmeans"):
        names = (
            "stratum_purity",
            *(f"incoherent_{head}" for head in HEADS),
            "pairwise_cosine",
        )
        metrics |= {f"clusters.{method}.{name}": float(rng.random()) for name in names}
        metrics[f"clusters.{method}.codes_used"] = 16
    metrics |= {"population.js_mean": 0.021, "planted.adjusted_rand": 0.71}
    metrics |= {f"population.r2.{name}": float(rng.uniform(-0.2, 1)) for name in SCALARS}
    for place in (*STRATA[:4], "stratified"):
        metrics |= {f"conversion.{place}.ara.{arm}": float(rng.uniform(0.5, 1)) for arm in ("correct", "all_mismatch")}
    for side in ("real", "agent"):
        for rate, value in (("add_to_cart", 0.31), ("checkout", 0.2), ("purchase", 0.12)):
            metrics |= {
                f"conversion.overall.{side}.{rate}": value,
                f"conversion.overall.{side}.{rate}_ci95": [value - 0.05, value + 0.09],
            }
    for level, share in zip(LEVELS, (0.05, 0.2, 0.6), strict=True):
        metrics |= {
            f"separation.funnel.{level}.add_to_cart": share,
            f"separation.funnel.{level}.checkout": share / 2,
        }
    return metrics | {"outcomes.two_stage.goal_reached": 0.56, "tasks.lm.cart": None}


def make_cards(rng, levels):
    names = [[LEVELS[level] for level in column] for column in levels.T]
    return CARDS.sample(
        CODES,
        code=list(range(CODES)),
        buyers=rng.integers(5, 900, CODES),
        stratum=rng.choice(STRATA[:4], CODES).tolist(),
        summary=[WORDS] * CODES,
        **dict(zip(HEADS, names, strict=True)),
    )


def make_mix(rng):
    rows = [
        {"shop_id": shop, "code": code, "share": float(share), "buyers": int(share * 1000)}
        for shop in SHOPS
        for code, share in enumerate(rng.dirichlet(np.full(CODES, 0.5)))
    ]
    return pa.Table.from_pylist(rows, MIX.schema)


def make_history(rng):
    def part(epoch):
        names = ("reconstruction", "commitment", "contrastive", "heads", "loss")
        return {name: float(2 * np.exp(-epoch / 12) + 0.3 + rng.random() / 20) for name in names} | {"codes_used": 14}

    return [
        {"epoch": epoch, "train": part(epoch) | {"dead_resets": int(epoch % 9 == 0)}, "validation": part(epoch)}
        for epoch in range(1, 41)
    ]


def make_episodes(count, rng, prefix="sim", **columns):
    small = {
        f"{what}_count": rng.integers(0, 3, count)
        for what in ("product_view", "collection_view", "search", "add_to_cart", "checkout_start", "purchase")
    }
    return EPISODES.sample(
        count,
        episode_id=[f"{prefix}-{place}" for place in range(count)],
        shop_id=[SHOPS[place % len(SHOPS)] for place in range(count)],
        code=rng.integers(0, CODES, count),
        goal=["You are here to buy skirts."] * count,
        policy=["lm"] * count,
        steps=[3] * count,
        ending=[ENDINGS[place % 4] for place in range(count)],
        seconds=rng.uniform(5, 60, count),
        **({"verdict": ["the store's log agrees"] * count, **small} | columns),
    )


def make_steps(episodes, each=3):
    keys = [(f"sim-{episode}", step) for episode in range(episodes) for step in range(each)]
    tree = "\n".join(f"[0-{node}] link: Product number {node}" for node in range(30))
    return STEPS.sample(
        len(keys),
        episode_id=[episode for episode, _ in keys],
        step=[step for _, step in keys],
        url=["http://127.0.0.1:8000/catalogue/"] * len(keys),
        title=["All products"] * len(keys),
        tree=[tree] * len(keys),
        should_end=[step == each - 1 for _, step in keys],
        method=["click"] * len(keys),
        node=["0-7"] * len(keys),
        description=["Clicking on the Shop all Skirts link"] * len(keys),
        reasoning=["I want to browse the skirts collection to see what is available."] * len(keys),
        result=["Action performed successfully"] * len(keys),
    )


@pytest.fixture
def inputs():
    return make_inputs()

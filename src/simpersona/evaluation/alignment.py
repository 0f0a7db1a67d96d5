"""Do simulated buyers convert at the rate of the real ones they stand for? (3.2, Table 2)

    ATC alignment = 1 − |ATC_real − ATC_agent|,  purchase alignment = 1 − |PUR_real − PUR_agent|,
    ARA = the mean of both,

over (store, token) pairs, averaged within a stratum, and then over the four strata ("stratified") or over the strata that have
pairs ("represented"). The agent's rate is compared with the real rate of its matched token (`correct`). The baselines are the
real rates of the store's other tokens (`all_mismatch`, `one_random`), visits without a token (`no_token`), and predictions that
need no simulation (`shop_mean`, `token_mean`). REFERENCE 17.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float
from scipy import stats

from simpersona.config import EvaluationConfig
from simpersona.contracts import Metrics
from simpersona.evaluation.measurable import (
    AS_CHECKOUT,
    NO_CHECKOUTS,
    happened,
    has_checkouts,
    joined,
    left_out,
    purchase_is,
    untold,
)
from simpersona.evaluation.metrics_file import MetricsBuilder
from simpersona.evaluation.metrics_table import ALIGNMENT_SIZES, ARMS, FUNNEL, OUTCOME, RATES, ROW
from simpersona.evaluation.rates import (
    Rates,
    agent_rates,
    blind_rates,
    pooled,
    real_rates,
    token_strata,
)
from simpersona.evaluation.resampling import interval95, times_drawn

FEW = 10
"""Below this number of pairs of a row, a note warns."""
CEILINGS = ("noise_ceiling", "ceiling_mismatch")
"""The arms of a perfect agent."""
_UNKNOWN = np.full(2, np.nan)


@dataclass(frozen=True)
class Pair:
    """One (store, token) pair with enough real sessions and enough episodes.

    `scores` maps an arm to its (ATC, purchase) alignment, nan where the arm has no rate. "noise_ceiling" is the expected
    score of a perfect agent with as many episodes, "ceiling_mismatch" its score against the store's other tokens.
    """

    shop: str
    code: int
    stratum: str
    real: Rates
    played: Rates
    scores: dict[str, Float[np.ndarray, " 2"]]


def conversion_metrics(
    pairs: list[Pair],
    episodes: pa.Table,
    sessions: pa.Table,
    train_shops: Collection[str],
    config: EvaluationConfig,
    seed: int,
) -> Metrics:
    """The keys conversion.*: alignment of every arm by stratum, with its interval over stores, ceiling, skill and sample
    sizes, and the plain rates of real sessions and episodes with 95 % Wilson intervals.

    `pairs` come from `eligible_pairs`, `episodes` are simulated (EPISODES), `sessions` are the real ones of the simulated
    stores without bouncers'. What cannot be computed is None with the reason.
    """
    builder, purchase = MetricsBuilder(), purchase_is(episodes)
    builder.put("conversion.pairs", len(pairs))
    builder.put("conversion.episodes", int(pc.sum(pc.is_valid(episodes["code"])).as_py() or 0))
    shortage = _shortage(episodes, pairs, train_shops, config)
    meaning = "" if purchase == "order" else AS_CHECKOUT if has_checkouts(sessions) else NO_CHECKOUTS
    _put_arms(builder, pairs, shortage, meaning)
    for stratum in ROW.labels:
        for name, count in _sizes(pairs, stratum).items():
            builder.put(f"conversion.{stratum}.{name}", count, _few(name, count))
    _put_overall(builder, episodes, sessions)
    headline = MetricsBuilder()
    _put_headline(headline, pairs, config, seed, meaning)
    figures = headline.metrics()
    notes = {key: joined(figures.notes.get(key, ""), meaning) for key in figures.values} if meaning else figures.notes
    return builder.metrics() | Metrics(figures.values, notes)


def eligible_pairs(
    episodes: pa.Table,
    sessions: pa.Table,
    buyers: pa.Table,
    assignments: pa.Table,
    train_shops: Collection[str],
    config: EvaluationConfig,
    seed: int,
) -> list[Pair]:
    """The pairs of held-out stores with at least `min_sessions` real sessions and `min_episodes` episodes, each with the scores
    of all arms. The token must have a stratum, that is, buyers in the training stores.

    Where nothing may be ordered, a purchase is a checkout reached, on both sides; its alignment is nan if the log of the real
    sessions has no checkout starts.
    """
    purchase = purchase_is(episodes)
    real, agent = real_rates(sessions, buyers, assignments, purchase), agent_rates(episodes)
    blind = blind_rates(episodes, assignments)
    strata = token_strata(buyers, assignments, train_shops)
    by_shop = pooled({cell: rates for cell, rates in real.items() if cell[0] not in train_shops}, by=0)
    by_token = pooled({cell: rates for cell, rates in real.items() if cell[0] in train_shops}, by=1)
    cells = [
        cell
        for cell, rates in real.items()
        if cell[0] not in train_shops
        and cell[1] in strata
        and rates.trials >= config.min_sessions
        and cell in agent
        and agent[cell].trials >= config.min_episodes
    ]
    rng = np.random.default_rng(seed)
    comparable = np.array([1.0, 1.0 if purchase == "order" or has_checkouts(sessions) else np.nan])
    pairs: list[Pair] = []
    for shop, code in cells:
        target, played = real[shop, code], agent[shop, code]
        others = [real[cell].shares for cell in cells if cell[0] == shop and cell[1] != code] or [_UNKNOWN]
        mismatches = np.array([aligned(played.shares, other) for other in others])
        scores = {
            "correct": aligned(played.shares, target.shares),
            "all_mismatch": mismatches.mean(axis=0),
            "one_random": mismatches[rng.integers(len(mismatches))],
            "shop_mean": aligned(by_shop[shop].shares, target.shares),
            "token_mean": aligned(by_token[code].shares, target.shares) if code in by_token else _UNKNOWN,
            "no_token": _blind_score(blind.get((shop, code)), target, config),
            "noise_ceiling": expected_alignment(target.shares, played.trials, target.shares),
            "ceiling_mismatch": np.mean(
                [expected_alignment(target.shares, played.trials, other) for other in others], axis=0
            ),
        }
        scores = {arm: score * comparable for arm, score in scores.items()}
        pairs.append(Pair(shop, code, strata[code], target, played, scores))
    return pairs


def aligned(agent: Float[np.ndarray, " 2"], real: Float[np.ndarray, " 2"]) -> Float[np.ndarray, " 2"]:
    """(ATC alignment, purchase alignment) of 3.2, each in 0..1."""
    return 1 - np.abs(real - agent)


def expected_alignment(
    agent: Float[np.ndarray, " 2"], episodes: int, real: Float[np.ndarray, " 2"]
) -> Float[np.ndarray, " 2"]:
    """Expected alignment with the `real` rates of an agent that converts at the rates `agent` in `episodes` episodes.

    It is one minus the mean absolute deviation of a binomial share, computed exactly.
    """
    counts = np.arange(episodes + 1)
    chances = stats.binom.pmf(counts[:, None], episodes, agent[None])
    return 1 - (chances * np.abs(counts[:, None] / episodes - real[None])).sum(axis=0)


def stratum_means(pairs: list[Pair], arm: str) -> dict[str, Float[np.ndarray, " 2"]]:
    """Mean (ATC, purchase) alignment of an arm by row: over the pairs of each stratum, the mean of the four ("stratified"), and the
    mean of those that have pairs ("represented"). nan where no pair has a score; a mean with a nan is nan.
    """
    means: dict[str, np.ndarray] = {}
    for stratum in FUNNEL:
        scores = np.array([pair.scores[arm] for pair in pairs if pair.stratum == stratum]).reshape(-1, 2)
        known = scores[~np.isnan(scores).all(axis=1)]
        means[stratum] = known.mean(axis=0) if len(known) else _UNKNOWN
    represented = [means[FUNNEL[index]] for index in _represented(pairs)] or [_UNKNOWN]
    return means | {"stratified": np.mean(list(means.values()), axis=0), "represented": np.mean(represented, axis=0)}


def _represented(pairs: list[Pair]) -> list[int]:
    """The strata that have a pair, as indices into FUNNEL."""
    return sorted({FUNNEL.index(pair.stratum) for pair in pairs})


def resampled_ara(pairs: list[Pair], replicates: int, seed: int) -> dict[str, Float[np.ndarray, "replicates 6"]]:
    """Each arm's mean ARA by ROW in bootstrap samples of stores.

    All arms share the samples, so that differences between arms can be taken. nan where a sample has no pair of the stratum
    with a score.
    """
    shops = sorted({pair.shop for pair in pairs})
    drawn = times_drawn(max(len(shops), 1), replicates, seed)
    represented = _represented(pairs) or list(range(len(FUNNEL)))
    means: dict[str, np.ndarray] = {}
    for arm in (*ARMS, *CEILINGS):
        sums, counts = np.zeros((2, max(len(shops), 1), len(FUNNEL)))
        for pair in pairs:
            if np.isfinite(score := pair.scores[arm].mean()):
                cell = shops.index(pair.shop), FUNNEL.index(pair.stratum)
                sums[cell] += score
                counts[cell] += 1
        total = drawn @ counts
        strata = np.divide(drawn @ sums, total, out=np.full(total.shape, np.nan), where=total > 0)
        means[arm] = np.column_stack([strata, strata.mean(axis=1), strata[:, represented].mean(axis=1)])
    return means


def _blind_score(blind: Rates | None, target: Rates, config: EvaluationConfig) -> Float[np.ndarray, " 2"]:
    if blind is None or blind.trials < config.min_episodes:
        return _UNKNOWN
    return aligned(blind.shares, target.shares)


def _put_arms(builder: MetricsBuilder, pairs: list[Pair], shortage: str, meaning: str) -> None:
    for arm in ARMS:
        for stratum, means in stratum_means(pairs, arm).items():
            why = (
                _why_missing(pairs, arm, stratum, shortage)
                if np.isnan(means).all()
                else _represented_by(pairs, stratum)
            )
            for outcome, value in zip(OUTCOME.labels, (*means, means.mean()), strict=True):
                remark = "" if outcome == "atc" else meaning
                builder.put(f"conversion.{stratum}.{outcome}.{arm}", float(value), joined(why, remark))


def _represented_by(pairs: list[Pair], stratum: str) -> str:
    """A note on a mean of fewer than four strata."""
    represented = _represented(pairs)
    if stratum != "represented" or len(represented) == len(FUNNEL):
        return ""
    return f"the mean of {', '.join(FUNNEL[index] for index in represented)}: no pair has a token of another stratum"


def _why_missing(pairs: list[Pair], arm: str, stratum: str, shortage: str) -> str:
    if not pairs:
        return shortage
    known = {pair.stratum for pair in pairs if not np.isnan(pair.scores[arm]).all()}
    wanted = [FUNNEL[index] for index in _represented(pairs)] if stratum == "represented" else FUNNEL
    missing = [name for name in wanted if name not in known]
    if stratum in FUNNEL:
        if all(pair.stratum != stratum for pair in pairs):
            return f"no pair has a token of stratum {stratum} ({len(pairs)} pairs in all)"
        return _ARM_NEEDS[arm]
    return f"the mean of {', '.join(wanted)}, and {', '.join(missing)} have none: {_ARM_NEEDS[arm]}"


_ARM_NEEDS = {
    "correct": "a pair of that stratum with enough sessions and episodes is needed",
    "all_mismatch": "a second token of the same store with enough sessions and episodes is needed",
    "one_random": "a second token of the same store with enough sessions and episodes is needed",
    "shop_mean": "a pair of that stratum with enough sessions and episodes is needed",
    "token_mean": "sessions of the token in the training stores are needed",
    "no_token": "enough episodes without a token of buyers of the same code are needed "
    "(setting simulation.no_token_episodes)",
}


def _shortage(episodes: pa.Table, pairs: list[Pair], train_shops: Collection[str], config: EvaluationConfig) -> str:
    if not train_shops:
        return "there is no training store, so that tokens have no stratum"
    cells = agent_rates(episodes)
    most = max((rates.trials for rates in cells.values()), default=0)
    return (
        f"{len(pairs)} of {len(cells)} simulated (store, token) pairs have at least {config.min_sessions} real "
        f"sessions and {config.min_episodes} episodes; the most episodes of one pair: {most}"
    )


def _sizes(pairs: list[Pair], stratum: str) -> dict[str, int]:
    in_row = [pair for pair in pairs if stratum == pair.stratum or stratum not in FUNNEL]
    episodes, sessions = sum(pair.played.trials for pair in in_row), sum(pair.real.trials for pair in in_row)
    shops = len({pair.shop for pair in in_row})
    return dict(zip(ALIGNMENT_SIZES.names, (len(in_row), shops, episodes, sessions), strict=True))


def _few(name: str, count: int) -> str:
    return (
        f"only {count} pairs: the figures of this row may differ much in another run"
        if name == "pairs" and 0 < count < FEW
        else ""
    )


def _put_headline(
    builder: MetricsBuilder, pairs: list[Pair], config: EvaluationConfig, seed: int, meaning: str
) -> None:
    drawn = resampled_ara(pairs, config.bootstrap, seed)
    points = {arm: stratum_means(pairs, arm) for arm in drawn}
    for column, stratum in enumerate(ROW.labels):
        key = f"conversion.{stratum}.ara"
        samples = {arm: means[:, column] for arm, means in drawn.items()}
        ara = {arm: float(means[stratum].mean()) for arm, means in points.items()}
        several = _sizes(pairs, stratum)["shops"] > 1
        whole = NO_CHECKOUTS if meaning == NO_CHECKOUTS else _NEEDS.get(stratum, f"needs pairs of stratum {stratum}")
        for arm in ARMS:
            interval = interval95(samples[arm]) if several and np.isfinite(ara[arm]) else None
            builder.put(f"{key}.{arm}_ci95", interval, "" if interval else f"{whole}, of two stores or more")
        builder.put(f"{key}.noise_ceiling", ara["noise_ceiling"], "" if np.isfinite(ara["noise_ceiling"]) else whole)
        _put_skill(builder, key, ara, whole)
        _put_differences(builder, key, ara, samples, whole, several=several)


_NEEDS = {"stratified": "needs pairs of all four strata", "represented": "needs pairs"}


def _put_skill(builder: MetricsBuilder, key: str, ara: dict[str, float], missing: str) -> None:
    room = ara["noise_ceiling"] - ara["shop_mean"]
    if not np.isfinite(room):
        builder.put(f"{key}.skill", None, missing)
    elif room > 0:
        builder.put(f"{key}.skill", (ara["correct"] - ara["shop_mean"]) / room)
    else:
        why = f"the noise ceiling ({ara['noise_ceiling']:.3f}) does not exceed the store's mean ({ara['shop_mean']:.3f}): too few episodes"
        builder.put(f"{key}.skill", None, why)


def _put_differences(
    builder: MetricsBuilder, key: str, ara: dict[str, float], drawn: dict[str, np.ndarray], whole: str, *, several: bool
) -> None:
    """The gap to mismatched tokens, that of a perfect agent, the lead over the store's mean, and the interval of the skill.

    Both sides of a difference use the same bootstrap samples of stores.
    """
    for name, ours, other in (
        ("gap", "correct", "all_mismatch"),
        ("gap_ceiling", "noise_ceiling", "ceiling_mismatch"),
        ("lead", "correct", "shop_mean"),
    ):
        value = ara[ours] - ara[other]
        builder.put(f"{key}.{name}", value, "" if np.isfinite(value) else f"{whole}, with a rate for {other}")
        interval = interval95(drawn[ours] - drawn[other]) if several and np.isfinite(value) else None
        builder.put(f"{key}.{name}_ci95", interval, "" if interval else f"{whole}, of two stores or more")
    room = drawn["noise_ceiling"] - drawn["shop_mean"]
    skill = np.divide(drawn["correct"] - drawn["shop_mean"], room, out=np.full(room.shape, np.nan), where=room > 0)
    has_skill = several and ara["noise_ceiling"] > ara["shop_mean"]
    interval = interval95(skill) if has_skill else None
    builder.put(f"{key}.skill_ci95", interval, "" if interval else "there is no skill, or only one store")


def _put_overall(builder: MetricsBuilder, episodes: pa.Table, sessions: pa.Table) -> None:
    sides = {"real": sessions, "agent": episodes.filter(pc.is_valid(episodes["code"]))}
    for side, table in sides.items():
        for rate in RATES:
            key, hits = f"conversion.overall.{side}.{rate}", happened(table, rate)
            known = hits.drop_null()
            if not len(known):
                none = "no session" if side == "real" else "no visit with a persona token"
                why = untold(table, f"{rate}_count") if table.num_rows else none
                builder.put(key, None, why)
                builder.put(f"{key}_ci95", None, why)
                continue
            count = int(pc.sum(known.cast(pa.int64())).as_py())
            interval = stats.binomtest(count, len(known)).proportion_ci(0.95, method="wilson")
            builder.put(key, count / len(known), left_out(hits.null_count, len(hits)))
            builder.put(f"{key}_ci95", [float(interval.low), float(interval.high)])

"""Do simulated buyers convert at the rate of the real ones they stand for? (3.2, Table 2)

    ATC alignment = 1 − |ATC_real − ATC_agent|,  purchase alignment = 1 − |PUR_real − PUR_agent|,
    ARA = the mean of both,

over (shop, token) pairs, averaged within a stratum and then over the four strata. The agent's rate is
compared with the real rate of its own token (`correct`), and with what stands against it: the other
tokens of the shop (`all_mismatch`, `one_random`), and answers that need no simulation (`shop_mean`,
`token_mean`, `no_token`). REFERENCE 17.
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
from simpersona.contracts import STRATA, Metrics
from simpersona.evaluation.metrics import ARMS, OUTCOMES, RATES, Findings
from simpersona.evaluation.rates import (
    Rates,
    agent_rates,
    blind_rates,
    pooled,
    real_rates,
    shopper_sessions,
    token_strata,
)

FUNNEL = STRATA[:4]
_UNKNOWN = np.full(2, np.nan)


@dataclass(frozen=True)
class Pair:
    """One (shop, token) pair with enough real sessions and enough episodes.

    `scores` maps an arm to its (ATC, purchase) alignment, nan where the arm has no rate to offer;
    "noise_ceiling" is what a perfect agent would score with as many episodes.
    """

    shop: str
    code: int
    stratum: str
    scores: dict[str, Float[np.ndarray, " 2"]]


def conversion_metrics(
    episodes: pa.Table,
    sessions: pa.Table,
    buyers: pa.Table,
    assignments: pa.Table,
    train_shops: Collection[str],
    config: EvaluationConfig,
    seed: int,
) -> Metrics:
    """The keys conversion.*: alignment of every arm by stratum, its interval, ceiling and skill, and the
    plain rates of real sessions and episodes with 95 % Wilson intervals.

    `episodes` are simulated (shape of EPISODES), the other tables hold the real buyers of all shops.
    Shops in `train_shops` give the tokens their strata and mean rates and are not scored. What cannot be
    computed is None with the reason.
    """
    pairs = eligible_pairs(episodes, sessions, buyers, assignments, train_shops, config, seed)
    found = Findings()
    found.put("conversion.pairs", len(pairs))
    found.put("conversion.episodes", int(pc.sum(pc.is_valid(episodes["code"])).as_py() or 0))
    _put_arms(found, pairs, _shortage(episodes, pairs, train_shops, config))
    _put_headline(found, pairs, config, seed)
    _put_overall(found, episodes, shopper_sessions(sessions, buyers, set(episodes["shop_id"].to_pylist())))
    return found.metrics()


def eligible_pairs(
    episodes: pa.Table,
    sessions: pa.Table,
    buyers: pa.Table,
    assignments: pa.Table,
    train_shops: Collection[str],
    config: EvaluationConfig,
    seed: int,
) -> list[Pair]:
    """The pairs of held-out shops with at least `min_sessions` real sessions and `min_episodes` episodes,
    whose token has a stratum (buyers in the training shops), each with the scores of all arms.
    """
    real, agent = real_rates(sessions, buyers, assignments), agent_rates(episodes)
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
    pairs: list[Pair] = []
    for shop, code in cells:
        target, played = real[shop, code], agent[shop, code]
        others = [real[cell].shares for cell in cells if cell[0] == shop and cell[1] != code]
        mismatches = np.array([aligned(played.shares, other) for other in others]) if others else _UNKNOWN[None]
        scores = {
            "correct": aligned(played.shares, target.shares),
            "all_mismatch": mismatches.mean(axis=0),
            "one_random": mismatches[rng.integers(len(mismatches))],
            "shop_mean": aligned(by_shop[shop].shares, target.shares),
            "token_mean": aligned(by_token[code].shares, target.shares) if code in by_token else _UNKNOWN,
            "no_token": _blind_score(blind.get((shop, code)), target, config),
            "noise_ceiling": noise_ceiling(target.shares, played.trials),
        }
        pairs.append(Pair(shop, code, strata[code], scores))
    return pairs


def aligned(agent: Float[np.ndarray, " 2"], real: Float[np.ndarray, " 2"]) -> Float[np.ndarray, " 2"]:
    """(ATC alignment, purchase alignment) of 3.2, each in 0..1."""
    return 1 - np.abs(real - agent)


def noise_ceiling(real: Float[np.ndarray, " 2"], episodes: int) -> Float[np.ndarray, " 2"]:
    """Expected alignment of an agent that has the real rates and plays `episodes` episodes: one minus
    the mean absolute deviation of a binomial share, exactly.
    """
    counts = np.arange(episodes + 1)
    chances = stats.binom.pmf(counts[:, None], episodes, real[None])
    return 1 - (chances * np.abs(counts[:, None] / episodes - real[None])).sum(axis=0)


def stratum_means(pairs: list[Pair], arm: str) -> dict[str, Float[np.ndarray, " 2"]]:
    """Mean (ATC, purchase) alignment of an arm over the pairs of each stratum, and "stratified": the mean of
    the four. nan where no pair has a score, and for "stratified" when one of the four is nan.
    """
    means: dict[str, np.ndarray] = {}
    for stratum in FUNNEL:
        scores = np.array([pair.scores[arm] for pair in pairs if pair.stratum == stratum]).reshape(-1, 2)
        known = scores[~np.isnan(scores).any(axis=1)]
        means[stratum] = known.mean(axis=0) if len(known) else _UNKNOWN
    return means | {"stratified": np.mean(list(means.values()), axis=0)}


def bootstrap_interval(pairs: list[Pair], replicates: int, seed: int) -> list[float] | None:
    """95 % interval of the stratified ARA (`correct`) over shops drawn with replacement.

    Replicates in which a stratum has no pair are left out; None with fewer than two shops or a stratum
    without a pair.
    """
    shops = sorted({pair.shop for pair in pairs})
    if len(shops) < 2 or {pair.stratum for pair in pairs} != set(FUNNEL):
        return None
    sums, counts = np.zeros((2, len(shops), len(FUNNEL)))
    for pair in pairs:
        place = shops.index(pair.shop), FUNNEL.index(pair.stratum)
        sums[place] += pair.scores["correct"].mean()
        counts[place] += 1
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(len(shops), np.full(len(shops), 1 / len(shops)), size=replicates)
    totals = weights @ counts
    whole = (totals > 0).all(axis=1)
    if not whole.any():
        return None
    means = ((weights @ sums)[whole] / totals[whole]).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return [float(low), float(high)]


def _blind_score(blind: Rates | None, target: Rates, config: EvaluationConfig) -> Float[np.ndarray, " 2"]:
    if blind is None or blind.trials < config.min_episodes:
        return _UNKNOWN
    return aligned(blind.shares, target.shares)


def _put_arms(found: Findings, pairs: list[Pair], shortage: str) -> None:
    for arm in ARMS:
        for stratum, means in stratum_means(pairs, arm).items():
            why = _why_missing(pairs, arm, stratum, shortage) if np.isnan(means).any() else ""
            for outcome, value in zip(OUTCOMES, (*means, means.mean()), strict=True):
                found.put(f"conversion.{stratum}.{outcome}.{arm}", float(value), why)


def _why_missing(pairs: list[Pair], arm: str, stratum: str, shortage: str) -> str:
    if not pairs:
        return shortage
    known = {pair.stratum for pair in pairs if not np.isnan(pair.scores[arm]).any()}
    missing = [name for name in FUNNEL if name not in known]
    if stratum != "stratified":
        if all(pair.stratum != stratum for pair in pairs):
            return f"no pair has a token of stratum {stratum} ({len(pairs)} pairs in all)"
        return _ARM_NEEDS[arm]
    return f"the mean of four strata, and {', '.join(missing)} have none: {_ARM_NEEDS[arm]}"


_ARM_NEEDS = {
    "correct": "a pair of that stratum with enough sessions and episodes is needed",
    "all_mismatch": "a second token of the same shop with enough sessions and episodes is needed",
    "one_random": "a second token of the same shop with enough sessions and episodes is needed",
    "shop_mean": "a pair of that stratum with enough sessions and episodes is needed",
    "token_mean": "sessions of the token in the training shops are needed",
    "no_token": "enough episodes without a token of buyers of the same code are needed "
    "(setting simulation.no_token_episodes)",
}


def _shortage(episodes: pa.Table, pairs: list[Pair], train_shops: Collection[str], config: EvaluationConfig) -> str:
    if not train_shops:
        return "there is no training shop to give the tokens their strata"
    cells = agent_rates(episodes)
    most = max((rates.trials for rates in cells.values()), default=0)
    return (
        f"{len(pairs)} of {len(cells)} simulated (shop, token) pairs have at least {config.min_sessions} real "
        f"sessions and {config.min_episodes} episodes; the most episodes of one pair: {most}"
    )


def _put_headline(found: Findings, pairs: list[Pair], config: EvaluationConfig, seed: int) -> None:
    key = "conversion.stratified.ara"
    interval = bootstrap_interval(pairs, config.bootstrap, seed)
    found.put(f"{key}.correct_ci95", interval, "" if interval else "needs pairs of all four strata in two shops")
    correct, ceiling, shop_mean = (
        float(stratum_means(pairs, arm)["stratified"].mean()) for arm in ("correct", "noise_ceiling", "shop_mean")
    )
    missing = "" if np.isfinite(ceiling) else "needs pairs of all four strata"
    found.put(f"{key}.noise_ceiling", ceiling, missing)
    room = ceiling - shop_mean
    if missing or room > 0:
        found.put(f"{key}.skill", (correct - shop_mean) / room if not missing else None, missing)
    else:
        why = f"the noise ceiling ({ceiling:.3f}) does not exceed the shop's mean ({shop_mean:.3f}): too few episodes"
        found.put(f"{key}.skill", None, why)


def _put_overall(found: Findings, episodes: pa.Table, sessions: pa.Table) -> None:
    sides = {"real": sessions, "agent": episodes.filter(pc.is_valid(episodes["code"]))}
    for side, table in sides.items():
        for rate in RATES:
            key, hits = f"conversion.overall.{side}.{rate}", _happened(table, rate)
            if not table.num_rows:
                why = "no session" if side == "real" else "no episode with a token"
                found.put(key, None, why)
                found.put(f"{key}_ci95", None, why)
                continue
            count = int(pc.sum(hits.cast(pa.int64())).as_py())
            interval = stats.binomtest(count, table.num_rows).proportion_ci(0.95, method="wilson")
            found.put(key, count / table.num_rows)
            found.put(f"{key}_ci95", [float(interval.low), float(interval.high)])


def _happened(table: pa.Table, rate: str) -> pa.ChunkedArray:
    if rate == "add_to_cart":
        return pc.greater(table["add_to_cart_count"], 0)
    bought = pc.greater(table["purchase_count"], 0)
    if rate == "purchase":
        return bought
    return pc.or_(bought, pc.greater(table["checkout_start_count"], 0))  # a source may not tell checkout starts

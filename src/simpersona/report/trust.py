"""How far a reader may rely on a run, point by point, from its own figures: what holds, what is weak, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

import pyarrow.compute as pc

from simpersona.report.acting import Acting, policy_words
from simpersona.report.inputs import ReportInputs
from simpersona.report.summary import same_rate
from simpersona.report.wording import counted, percent, written

Mark = Literal["good", "weak", "bad", "unknown"]

ENOUGH_PURITY = 0.8
"""The paper has 0.845 (Table 1)."""
CLOSE_STRATA = 0.10
"""The divergence under which the paper counts a shop's strata as recovered (App. B)."""
FEW_EPISODES, TOO_FEW = 200, 10
FEW_BROKEN = 0.01
FEW_SHOPS = 10


class Check(NamedTuple):
    """A point, how it stands, and why: a short sentence that can stand alone, then more. `policy` is named where several act."""

    matter: str
    mark: Mark
    text: str
    policy: str = ""

    @property
    def short(self) -> str:
        """Its first sentence."""
        return self.text.partition(". ")[0].rstrip(".") + "."


def checks(inputs: ReportInputs, policies: list[Acting]) -> list[Check]:
    """Every point that this run's figures can tell of, in the order in which one builds on the other."""
    found = [*_data(inputs), *_personas(inputs.metrics), *_mix(inputs.metrics), *_visits(inputs)]
    for policy in policies:
        own = [*_model(inputs, policy), *_conversion(policy), *_steering(inputs, policy)]
        found += [check._replace(policy=policy.words) for check in own] if len(policies) > 1 else own
    return [*found, *_missing(inputs)]


def verdict(inputs: ReportInputs, found: list[Check]) -> str:
    """One sentence: what this run may be used for."""
    bad = [check for check in found if check.mark == "bad"]
    if inputs.source == "lab":
        return "A rehearsal on generated shops: it shows how well the method works here, and says nothing about a real shop."
    if not inputs.simulated_episodes.num_rows:
        return "Personas and mixes of real buyers; nobody was simulated."
    if bad:
        return "Use the personas and the mixes; do not rest a decision on the simulated visits yet."
    if any(check.mark in ("weak", "unknown") for check in found):
        return "Good enough to look for ideas; test what you find on real buyers before you rely on it."
    return "The simulated buyers match the real ones on every point that was measured."


def _data(inputs: ReportInputs) -> Iterator[Check]:
    if inputs.source == "lab":
        yield Check(
            "data", "weak", "Generated data. The shops and buyers come from the lab's generator, with known truth."
        )
    elif inputs.metrics:
        yield Check("data", "good", f"A real log: {inputs.source}.")
    rows_in, malformed = inputs.quality.get("rows_in") or 0, inputs.quality.get("rows_malformed") or 0
    if malformed:
        text = f"Malformed rows. {malformed:,} of {rows_in:,} input rows ({malformed / rows_in:.2%}) could not be read."
        yield Check("input rows", "weak", text)
    if inputs.metrics and not inputs.held_out_shops:
        text = "No held-out shop. The simulated shop was also trained on: its figures are in-sample."
        yield Check("unseen shops", "bad", text)


def _personas(metrics: Mapping[str, Any]) -> Iterator[Check]:
    ours, baseline = (metrics.get(f"clusters.{method}.stratum_purity") for method in ("vqvae", "kmeans"))
    if ours is None:
        return
    words = f"On average {percent(ours)} of a persona's buyers go equally far towards a purchase (paper: 84 %)"
    if baseline is None:
        yield Check("personas", "good" if ours >= ENOUGH_PURITY else "weak", words + ".")
        return
    short = "Personas mix different kinds of buyers. " if ours < ENOUGH_PURITY else ""
    short = short or ("Personas are no purer than those of plain k-means. " if ours <= baseline else "")
    yield Check("personas", "weak" if short else "good", f"{short}{words}; plain k-means reaches {percent(baseline)}.")


def _mix(metrics: Mapping[str, Any]) -> Iterator[Check]:
    mean, shops = metrics.get("population.js_mean"), metrics.get("population.shops")
    if mean is None:
        return
    short = "Mixes do not tell a shop's kinds of buyers. " if mean > CLOSE_STRATA else ""
    short = short or ("Few shops to check the mixes on. " if shops is not None and shops < FEW_SHOPS else "")
    over = "" if shops is None else f"; over {counted(shops, 'shop')}"
    text = f"{short}From its mix alone, the kinds of buyers of a shop kept from training are told to a divergence of {mean:.3f} (0 is perfect; paper 0.054{over})."
    yield Check("store mixes", "weak" if short else "good", text)


def _visits(inputs: ReportInputs) -> Iterator[Check]:
    policies: dict[str, int] = {}
    for policy in inputs.simulated_episodes["policy"].to_pylist():
        policies[policy] = policies.get(policy, 0) + 1
    for policy, episodes in policies.items():
        words = policy_words(policy) if len(policies) > 1 else ""
        wide = 100 * 1.96 * (0.25 / episodes) ** 0.5
        if episodes < TOO_FEW:
            text = f"Few visits. {episodes} simulated visits are too few to tell any share."
            yield Check("number of visits", "bad", text, words)
        else:
            few = "Few visits. " if episodes < FEW_EPISODES else ""
            text = f"{few}{episodes:,} simulated visits: a share near 50 % is known to about ± {wide:.0f} percentage points."
            yield Check("number of visits", "weak" if few else "good", text, words)
    if episodes := inputs.simulated_episodes.num_rows:
        broken = (pc.sum(pc.equal(inputs.simulated_episodes["ending"], "other")).as_py() or 0) / episodes
        text = f"{percent(broken, 1) if broken else 'None'} of the visits broke off (paper: 2.2 %)."
        yield Check("broken visits", "good" if broken <= FEW_BROKEN else "weak", text)


def _model(inputs: ReportInputs, policy: Acting) -> Iterator[Check]:
    if policy.name == "scorer":
        text = (
            "A surrogate acts, not a language model. It is a small network that scores what a page offers. It gives no "
            "reasons and follows no instruction; it is cheap enough for thousands of visits."
        )
        yield Check("who acts", "weak", text)
        return
    if not inputs.training:
        return
    verified = int(pc.sum(inputs.trace_episodes["verified"]).as_py() or 0)
    stages = "; ".join(
        f"{name.replace('stage', 'stage ')}: {summary.get('steps', 0):,} steps, {summary.get('examples', 0):,} examples"
        for name, summary in inputs.training.items()
    )
    model = inputs.config.get("agent", {}).get("model", "The model")
    text = (
        f"Under-trained model. {model} learned from {counted(verified, 'verified session')} ({stages}, repeats counted); the "
        "paper's 14 B model from about 3,600 sessions, 34,000 examples, about 530 steps of 64 per stage."
    )
    yield Check("who acts", "weak", text)


def _conversion(policy: Acting) -> Iterator[Check]:
    same = {rate: same_rate(policy, rate) for rate in ("add_to_cart", "checkout", "purchase")}
    known = {rate: found for rate, found in same.items() if found is not None}
    if not known:
        return
    off = [rate.replace("_", " ") for rate, found in known.items() if not found]
    if not off:
        text = "Simulated carts, checkouts and orders are as frequent as real ones, as far as these visits can tell."
        yield Check("conversion", "good", text)
    else:
        text = f"Simulated {' and '.join(off)} rates differ from the real ones by more than chance. The funnel is in the summary."
        yield Check("conversion", "weak" if len(off) == 1 else "bad", text)


_QUESTIONS = {
    "gap": "whether a visit's own persona matters",
    "lead": "whether simulating tells more than the shop's mean rate",
}
_OPPOSITES = {
    "gap": "Other personas match reality better than a visit's own",
    "lead": "The shop's mean rate, which needs no simulation, matches reality better",
}


def _steering(inputs: ReportInputs, policy: Acting) -> Iterator[Check]:
    yield _compared(
        inputs,
        policy,
        "gap",
        "do personas matter",
        "Visits with a shop's own personas match reality better than visits with other personas",
    )
    yield _compared(
        inputs,
        policy,
        "lead",
        "worth simulating",
        "Simulating matches reality better than the shop's mean rate, which needs no simulation",
    )


def _compared(inputs: ReportInputs, policy: Acting, name: str, matter: str, claim: str) -> Check:
    """Whether a difference of alignments is above 0, by its interval over shops."""
    key = f"conversion.represented.ara.{name}"
    value, interval = policy.figures.get(key), policy.interval(key)
    if value is None:
        against = {"gap": "all_mismatch", "lead": "shop_mean"}[name]
        correct, other = (policy.figures.get(f"conversion.represented.ara.{arm}") for arm in ("correct", against))
        if correct is None or other is None:
            why = inputs.notes.get(f"{policy.prefix}conversion.represented.ara.correct") or "it was not computed"
            return Check(matter, "unknown", f"Not known: {_QUESTIONS[name]}. The reason: {why}.")
        value = correct - other
    spread = f", 95 % interval {written(key, list(interval))}" if interval else ""
    most = policy.figures.get(f"{key}_ceiling")
    bound = "" if most is None else f" (a perfect agent: by {most:+.3f})"
    figure = f"by {value:+.3f} of alignment{spread}{bound}"
    if interval is None:
        return Check(
            matter,
            "unknown",
            f"Not known: {_QUESTIONS[name]}. {claim} {figure}, without an interval: it may be chance.",
        )
    if interval[0] > 0:
        return Check(matter, "good", f"{claim} {figure}.")
    if interval[1] < 0:
        return Check(matter, "bad", f"{_OPPOSITES[name]}. Matching differs {figure}.")
    return Check(matter, "weak", f"Not shown: {_QUESTIONS[name]}. Matching differs {figure}, which includes 0.")


def _missing(inputs: ReportInputs) -> Iterator[Check]:
    missing = sum(value is None for value in inputs.metrics.values())
    if missing:
        text = f"Figures are missing. {missing} of {len(inputs.metrics)} could not be computed; each has its reason under All figures."
        yield Check("missing figures", "unknown", text)

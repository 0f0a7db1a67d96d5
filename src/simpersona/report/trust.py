"""How far a reader may rely on a run: each point with its mark and reason, from the run's own figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import pyarrow.compute as pc

from simpersona.evaluation.enough_data import TOO_FEW_BUYERS, buyers_with_behaviour, few_buyers
from simpersona.evaluation.metric import Metric
from simpersona.evaluation.metric_lookup import measured_training, metric
from simpersona.evaluation.metrics_table import CLOSE_TO_GOAL, GOAL_FOLLOWING, RATES
from simpersona.report.formatting import MISSING, counted, first_sentence, formatted, percent
from simpersona.report.inputs import ReportInputs
from simpersona.report.policies import PolicyFigures, policy_label
from simpersona.report.summary import inferred_sentence, same_rate

Mark = Literal["good", "weak", "bad", "unknown"]

_PURITY = metric("clusters", "vqvae", "stratum_purity")
_KMEANS_PURITY = metric("clusters", "kmeans", "stratum_purity")
_JS = metric("population", "js_mean")
_STORES = metric("population", "shops")

BUYERS = "number of buyers"
ENOUGH_PURITY = 0.8
"""The paper has 0.845 (Table 1)."""
CLOSE_STRATA = 0.10
"""The divergence below which the paper counts a store's strata as recovered (App. B)."""
FEW_EPISODES, TOO_FEW = 200, 10
FEW_BROKEN = 0.01
FEW_SHOPS = 10


class Check(NamedTuple):
    """A point, its mark, and the reason: a short sentence that can stand alone, then details. `policy` is named where several act."""

    subject: str
    mark: Mark
    text: str
    policy: str = ""

    @property
    def short(self) -> str:
        """Its first sentence."""
        return first_sentence(self.text)


def checks(inputs: ReportInputs, policies: list[PolicyFigures]) -> list[Check]:
    """Every point that this run's figures allow; each builds on the ones before it."""
    points = [*_data(inputs), *_personas(inputs.metrics), *_mix(inputs.metrics), *_visits(inputs)]
    for policy in policies:
        of_policy = [*_model(inputs, policy), *_conversion(policy), *_goals(policy), *_steering(policy)]
        points += [check._replace(policy=policy.label) for check in of_policy] if len(policies) > 1 else of_policy
    return [*points, *_missing(inputs)]


def verdict(inputs: ReportInputs, points: list[Check]) -> str:
    """One sentence on the uses of this run."""
    bad = [check for check in points if check.mark == "bad"]
    if inputs.source == "lab":
        return (
            "A trial on generated stores: it shows how well the method works here, and says nothing about a real store."
        )
    if any(check.subject == BUYERS for check in bad):
        return "Too little for personas: use the counts of the log, and nothing else, until there are more buyers."
    if not inputs.simulated_episodes.num_rows:
        return "Personas and mixes of real buyers; no visit was simulated."
    if bad:
        return "Use the personas and the mixes; do not base a decision on the simulated visits yet."
    if any(check.mark in ("weak", "unknown") for check in points):
        return "Good enough to look for ideas; test them on real buyers before you rely on them."
    return "The simulated buyers match the real ones on every point that was measured."


def _data(inputs: ReportInputs) -> Iterator[Check]:
    if inputs.source == "lab":
        yield Check(
            "data",
            "weak",
            "Generated data. The stores and buyers come from the lab's generator, so that the truth is known.",
        )
    elif inputs.metrics:
        yield Check("data", "good", f"A real log: {inputs.source}.")
    rows_in, malformed = inputs.quality.get("rows_in") or 0, inputs.quality.get("rows_malformed") or 0
    if malformed:
        text = f"Malformed rows. {malformed:,} of {rows_in:,} input rows ({malformed / rows_in:.2%}) could not be read."
        yield Check("input rows", "weak", text)
    yield from _sizes(inputs)
    if inputs.metrics and not inputs.held_out_shops:
        text = "No held-out store. The simulated store was also trained on: its figures are in-sample."
        yield Check("unseen stores", "bad", text)


def _sizes(inputs: ReportInputs) -> Iterator[Check]:
    """Whether there are enough buyers for personas at all."""
    if not inputs.strata_by_shop:
        return
    buyers = sum(map(buyers_with_behaviour, inputs.strata_by_shop.values()))
    if text := few_buyers(buyers):
        yield Check(BUYERS, "bad" if buyers < TOO_FEW_BUYERS else "weak", text)
    if inputs.cards.num_rows == 1:
        text = "One persona. All buyers are on one code, so there are no personas to compare and every store has the same mix."
        yield Check(BUYERS, "bad", text)


def _personas(metrics: Mapping[str, Any]) -> Iterator[Check]:
    ours, baseline = (metrics.get(purity.key) for purity in (_PURITY, _KMEANS_PURITY))
    if ours is None:
        return
    text = f"On average, {percent(ours)} of a persona's buyers are of one stratum (paper: {_paper(_PURITY)})"
    if baseline is None:
        yield Check("personas", "good" if ours >= ENOUGH_PURITY else "weak", text + ".")
        return
    short = "Personas mix different kinds of buyers. " if ours < ENOUGH_PURITY else ""
    short = short or ("Personas are no purer than those of plain k-means. " if ours <= baseline else "")
    yield Check("personas", "weak" if short else "good", f"{short}{text}; plain k-means reaches {percent(baseline)}.")


def _mix(metrics: Mapping[str, Any]) -> Iterator[Check]:
    mean, shops = metrics.get(_JS.key), metrics.get(_STORES.key)
    if mean is None:
        return
    short = "Mixes do not predict a store's strata. " if mean > CLOSE_STRATA else ""
    short = short or ("Few stores to check the mixes on. " if shops is not None and shops < FEW_SHOPS else "")
    over = "" if shops is None else f"; over {counted(shops, 'store')}"
    text = f"{short}The mix alone predicts the strata of a held-out store with a divergence of {mean:.3f} (0 is perfect; paper {_paper(_JS)}{over})."
    yield Check("store mixes", "weak" if short else "good", text)


def _visits(inputs: ReportInputs) -> Iterator[Check]:
    policies: dict[str, int] = {}
    for policy in inputs.simulated_episodes["policy"].to_pylist():
        policies[policy] = policies.get(policy, 0) + 1
    for policy, episodes in policies.items():
        label = policy_label(policy) if len(policies) > 1 else ""
        wide = 100 * 1.96 * (0.25 / episodes) ** 0.5
        if episodes < TOO_FEW:
            text = f"Few visits. {episodes} simulated visits are too few to estimate a share."
            yield Check("number of visits", "bad", text, label)
        else:
            few = "Few visits. " if episodes < FEW_EPISODES else ""
            text = f"{few}{episodes:,} simulated visits: a share near 50 % has a 95 % interval of about ± {wide:.0f} percentage points."
            yield Check("number of visits", "weak" if few else "good", text, label)
    if episodes := inputs.simulated_episodes.num_rows:
        broken = (pc.sum(pc.equal(inputs.simulated_episodes["ending"], "other")).as_py() or 0) / episodes
        text = f"{percent(broken, 1) if broken else 'None'} of the visits broke off (paper: {_paper(metric('outcomes', measured_training(inputs.metrics), 'other'))})."
        yield Check("broken visits", "good" if broken <= FEW_BROKEN else "weak", text)
    if sentence := inferred_sentence(inputs.simulated_episodes):
        yield Check("events of the visits", "weak", f"Inferred events. {sentence}")


def _model(inputs: ReportInputs, policy: PolicyFigures) -> Iterator[Check]:
    if policy.name == "scorer":
        text = (
            "A surrogate acts, not a language model. It is a small network that scores the actions of a page. It gives no "
            "reasons and follows no instructions; it is cheap enough for thousands of visits."
        )
        yield Check("who acts", "weak", text)
        return
    if not inputs.training:
        return
    verified = int(pc.sum(inputs.trace_episodes["verified"]).as_py() or 0)
    stages = "; ".join(
        f"{name.replace('stage', 'phase ')}: {summary.get('steps', 0):,} steps, {summary.get('examples', 0):,} examples"
        for name, summary in inputs.training.items()
    )
    model = inputs.config.get("agent", {}).get("model", "The model")
    text = (
        f"Under-trained model. {model} learned from {counted(verified, 'verified session')} ({stages}, repeats included); the "
        "paper's 14 B model learned from about 3,600 sessions, 34,000 examples, in about 530 steps of 64 per phase."
    )
    yield Check("who acts", "weak", text)


def _conversion(policy: PolicyFigures) -> Iterator[Check]:
    same = {rate: same_rate(policy, rate) for rate in RATES}
    known = {rate: overlap for rate, overlap in same.items() if overlap is not None}
    if not known:
        return
    off = [rate.replace("_", " ") for rate, overlap in known.items() if not overlap]
    if not off:
        names = {"add_to_cart": "carts", "checkout": "checkouts", "purchase": "orders"}
        text = f"Simulated and real rates of {_joined([names[rate] for rate in known])} do not differ significantly."
        yield Check("conversion", "good", text)
    else:
        text = f"Simulated {_joined(off)} rates differ from the real ones by more than chance. See the funnel in the summary."
        yield Check("conversion", "weak" if len(off) == 1 else "bad", text)


def _goals(policy: PolicyFigures) -> Iterator[Check]:
    """Whether views and additions to the cart are as often of the product type in the goal as in the sessions that gave it."""
    shares = [
        (label, *(policy.value(metric("goal_following", side, name)) for side in ("agent", "real")))
        for name, label in GOAL_FOLLOWING.labels(["views", "additions"]).items()
    ]
    known = [(label, agent, real) for label, agent, real in shares if agent is not None and real is not None]
    if not known:
        return
    off = [label for label, agent, real in known if abs(agent - real) > CLOSE_TO_GOAL]
    short = "Simulated buyers keep to the goal of their visit as real ones do. "
    if off:
        short = "Simulated buyers do not keep to the goal of their visit as real ones do. "
    figures = "; ".join(f"{label}: {percent(agent)} (real sessions: {percent(real)})" for label, agent, real in known)
    mark: Mark = "good" if not off else "weak" if len(off) == 1 else "bad"
    yield Check("goal", mark, f"{short}{figures[0].upper()}{figures[1:]}.")


_QUESTIONS = {
    "gap": "whether the matched persona matters",
    "lead": "whether simulation is better than the store's mean rate",
}
_OPPOSITES = {
    "gap": "Other personas match reality better than the matched one",
    "lead": "The store's mean rate (no simulation) matches reality better",
}


def _steering(policy: PolicyFigures) -> Iterator[Check]:
    yield _compared(
        policy, "gap", "do personas matter", "Visits with the matched persona match reality better than others"
    )
    yield _compared(
        policy,
        "lead",
        "worth simulating",
        "Simulation matches reality better than the store's mean rate (no simulation)",
    )


_AGAINST = {"gap": "all_mismatch", "lead": "shop_mean"}


def _compared(policy: PolicyFigures, name: Literal["gap", "lead"], subject: str, claim: str) -> Check:
    """Whether a difference of alignments is above 0, by its interval over stores."""
    difference, matched, other = (
        metric("conversion", "represented", "ara", part) for part in (name, "correct", _AGAINST[name])
    )
    value, interval = policy.value(difference), policy.interval(difference)
    if value is None:
        alignment, baseline = policy.value(matched), policy.value(other)
        if alignment is None or baseline is None:
            reason = policy.note(matched) or "it was not computed"
            return Check(subject, "unknown", f"Not known: {_QUESTIONS[name]}. The reason: {reason}.")
        value = alignment - baseline
    spread = f", 95 % interval {formatted(list(interval), difference.unit)}" if interval else ""
    ceiling = policy.value(metric("conversion", "represented", "ara", "gap_ceiling")) if name == "gap" else None
    bound = "" if ceiling is None else f" (a perfect agent: by {ceiling:+.3f})"
    figure = f"by {value:+.3f} of alignment{spread}{bound}"
    if interval is None:
        text = f"Not known: {_QUESTIONS[name]}. {claim} {figure}, without an interval: it may be chance."
        return Check(subject, "unknown", text)
    if interval[0] > 0:
        return Check(subject, "good", f"{claim} {figure}.")
    if interval[1] < 0:
        return Check(subject, "bad", f"{_OPPOSITES[name]}. The difference is {value:+.3f} of alignment{spread}{bound}.")
    text = (
        f"Not shown: {_QUESTIONS[name]}. The difference is {value:+.3f} of alignment{spread}{bound}, which includes 0."
    )
    return Check(subject, "weak", text)


def _joined(names: Sequence[str]) -> str:
    """Names as a list in a sentence: "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _paper(shown: Metric) -> str:
    """The paper's figure as text."""
    return formatted(shown.paper.value, shown.unit) if shown.paper else MISSING


def _missing(inputs: ReportInputs) -> Iterator[Check]:
    missing = sum(value is None for value in inputs.metrics.values())
    if missing:
        text = f"Figures are missing. {missing} of {len(inputs.metrics)} could not be computed; each has its reason under All figures."
        yield Check("missing figures", "unknown", text)

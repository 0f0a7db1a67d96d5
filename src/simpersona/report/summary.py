"""The top of the page in sentences: who shops here, and what the simulated buyers did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from simpersona.contracts import STRATA
from simpersona.evaluation.measurable import INFERRED, NO_ORDERS, is_inferred, purchase_is
from simpersona.evaluation.metric_lookup import metric
from simpersona.report.formatting import counted, first_sentence, formatted, formatted_interval, percent
from simpersona.report.inputs import ReportInputs
from simpersona.report.policies import PolicyFigures, policy_label


class Tile(NamedTuple):
    """A number and its label."""

    value: str
    name: str


def tiles(inputs: ReportInputs) -> list[Tile]:
    """The sizes of the run; zeros are left out."""
    buyers = sum(sum(counts.values()) for counts in inputs.strata_by_shop.values())
    shops, episodes = len(inputs.strata_by_shop), inputs.simulated_episodes
    sizes = [
        (buyers, "real buyers in the log"),
        (shops, f"stores, {len(inputs.held_out_shops)} of them held out from training"),
        (inputs.cards.num_rows, "personas"),
        (episodes.num_rows, "simulated visits"),
    ]
    shown = [Tile(f"{value:,}", name) for value, name in sizes if value]
    if not episodes.num_rows:
        return shown
    if purchase_is(episodes) == "checkout":
        checkouts = pc.sum(pc.greater(episodes["checkout_start_count"], 0)).as_py() or 0
        return [
            *shown,
            Tile(f"{checkouts:,}", "visits that reached the checkout (inferred); orders cannot be measured"),
        ]
    orders = int(pc.sum(episodes["purchase_count"]).as_py() or 0)
    return [*shown, Tile(f"{orders:,}", "orders placed by simulated buyers")]


def who_shops_here(inputs: ReportInputs) -> list[str]:
    """Sentences on the real buyers and their personas; none without buyers."""
    strata = inputs.strata_by_shop
    total = sum(sum(counts.values()) for counts in strata.values())
    if not total:
        return []
    share = {stratum: sum(counts.get(stratum, 0) for counts in strata.values()) / total for stratum in STRATA}
    days = (inputs.quality.get("clock") or {}).get("days")
    period = f" in {counted(days, 'day')}" if days else ""
    first = (
        f"The log shows {counted(total, 'buyer')} in {counted(len(strata), 'store')}{period}. "
        f"{percent(share['D'])} only look around, {percent(share['B'] + share['C'])} fill a cart or start a checkout but do not buy, "
        f"{percent(share['A'])} buy, and {percent(share['E'])} leave without looking at a product."
    )
    return [first, *_largest_personas(inputs)]


def _largest_personas(inputs: ReportInputs) -> Iterator[str]:
    cards = inputs.cards.sort_by([("buyers", "descending"), ("code", "ascending")]).to_pylist()
    if not cards:
        return
    total = sum(card["buyers"] for card in cards)
    first = cards[0]
    yield (
        f"Their behaviour falls into {len(cards)} personas. The most common, persona {first['code']} "
        f"({percent(first['buyers'] / total)} of all): {_lower(first_sentence(first['summary']))}"
    )
    buyers = [card for card in cards if card["stratum"] == "A"]
    if buyers:
        together = sum(card["buyers"] for card in buyers)
        best = buyers[0]
        yield (
            f"{counted(len(buyers), 'persona consists', 'personas consist')} mostly of buyers ({percent(together / total)} of all). "
            f"The largest of them, persona {best['code']}: {_lower(first_sentence(best['summary']))}"
        )


def what_they_did(inputs: ReportInputs, policies: list[PolicyFigures]) -> list[str]:
    """Sentences on the simulated visits beside the real sessions; none without visits."""
    episodes = inputs.simulated_episodes
    if not episodes.num_rows:
        return []
    shops = pc.unique(episodes["shop_id"]).to_pylist()
    unseen = bool(inputs.held_out_shops) and set(shops) <= set(inputs.held_out_shops)
    sentences = [
        f"{counted(episodes.num_rows, 'simulated visit')} to {counted(len(shops), 'store')}"
        + (" held out from training" if unseen else "")
        + f"{_ordered(episodes)}. "
        + _who_acted(episodes)
    ]
    if is_inferred(episodes):
        sentences.append(inferred_sentence(episodes))
    sentences += [sentence for policy in policies for sentence in _conversion(policy, several=len(policies) > 1)]
    by_itself = pc.sum(pc.equal(episodes["ending"], "goal_reached")).as_py() or 0
    broken = pc.sum(pc.equal(episodes["ending"], "other")).as_py() or 0
    sentences.append(
        f"{percent(by_itself / episodes.num_rows)} of the visits ended because the shopper chose to leave; "
        + (f"{counted(broken, 'visit')} broke off." if broken else "none broke off.")
    )
    return sentences


def _ordered(episodes: pa.Table) -> str:
    """The orders of the visits; none where they cannot be measured."""
    if purchase_is(episodes) == "checkout":
        return ""
    return f", with {counted(int(pc.sum(episodes['purchase_count']).as_py() or 0), 'order')}"


def inferred_sentence(episodes: pa.Table) -> str:
    """What is inferred of the visits, and what cannot be measured; empty where the stores recorded everything."""
    if not is_inferred(episodes):
        return ""
    orders = f" Orders: {NO_ORDERS}." if purchase_is(episodes) == "checkout" else ""
    unknown = sum(
        episodes[f"{what}_count"].null_count > 0 for what in ("product_view", "collection_view", "add_to_cart")
    )
    gaps = " Where nothing tells what happened, a count is unknown, not zero." if unknown else ""
    return f"What the simulated buyers did is {INFERRED}.{orders}{gaps}"


def _who_acted(episodes: pa.Table) -> str:
    """The policies that made the visits, and their personas."""
    names = Counter(episodes["policy"].to_pylist())
    by_policy = ""
    if len(names) > 1:
        by_policy = " and ".join(f"{count:,} by the {policy_label(name)}" for name, count in names.items()) + ". "
    blind = episodes["code"].null_count
    except_blind = f", except {blind:,} without a persona, for comparison" if blind else ""
    return f"{by_policy}The persona of each visit is drawn from the store's real mix{except_blind}."


def _conversion(policy: PolicyFigures, *, several: bool) -> Iterator[str]:
    parts = []
    has_orders = policy.value(metric("conversion", "overall", "agent", "purchase")) is not None
    last = ("purchase", "placed an order") if has_orders else ("checkout", "reached the checkout")
    for rate, label in (("add_to_cart", "added to the cart"), last):
        agent, real = (metric("conversion", "overall", side, rate) for side in ("agent", "real"))
        simulated_rate, real_rate = policy.value(agent), policy.value(real)
        if simulated_rate is None or real_rate is None:
            continue
        interval = policy.interval(agent)
        spread = f" ({formatted_interval(interval, agent.unit)})" if interval else ""
        parts.append(
            f"{formatted(simulated_rate, agent.unit)}{spread} {label}, against {formatted(real_rate, real.unit)} of real "
            f"sessions: {_difference(policy, rate)}"
        )
    if parts:
        yield (f"With the {policy.label}, " if several else "Of them, ") + "; ".join(parts) + "."


def _difference(policy: PolicyFigures, rate: str) -> str:
    """The direction of a difference that is larger than chance, judged by the two 95 % intervals."""
    same = same_rate(policy, rate)
    if same is None:
        return "no interval"
    if same:
        return "no significant difference"
    agent, real = (policy.value(metric("conversion", "overall", side, rate)) for side in ("agent", "real"))
    return "fewer than in reality" if agent < real else "more than in reality"


def same_rate(policy: PolicyFigures, rate: str) -> bool | None:
    """Whether the 95 % intervals of the real and the simulated rate overlap; None where one is unknown."""
    agent, real = (policy.interval(metric("conversion", "overall", side, rate)) for side in ("agent", "real"))
    if agent is None or real is None:
        return None
    return max(agent[0], real[0]) <= min(agent[1], real[1])


def privacy_sentence(inputs: ReportInputs) -> str:
    """One sentence on whether the codes reveal their training buyers; empty where it was not measured."""
    auc = inputs.metrics.get(metric("privacy", "membership_auc").key)
    if auc is None:
        return ""
    return (
        f"Privacy: an attack that separates training from validation buyers by the distance to their code has an AUC of {auc:.3f}; "
        "0.5 is chance, 1 would identify every training buyer."
    )


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]

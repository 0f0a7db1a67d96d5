"""The top of the page in plain words: who shops here, and what the simulated buyers did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from simpersona.contracts import STRATA
from simpersona.report.acting import Acting, policy_words
from simpersona.report.inputs import ReportInputs
from simpersona.report.wording import between, counted, percent, written


class Tile(NamedTuple):
    """A number and what it is."""

    value: str
    name: str


def tiles(inputs: ReportInputs) -> list[Tile]:
    """The sizes of the run; what there is none of is left out."""
    buyers = sum(sum(counts.values()) for counts in inputs.strata_by_shop.values())
    shops, episodes = len(inputs.strata_by_shop), inputs.simulated_episodes
    orders = int(pc.sum(episodes["purchase_count"]).as_py() or 0)
    found = [
        (buyers, "real buyers in the log"),
        (shops, f"shops, {len(inputs.held_out_shops)} of them kept from training"),
        (inputs.cards.num_rows, "personas found"),
        (episodes.num_rows, "simulated visits"),
        (orders, "orders placed by simulated buyers"),
    ]
    return [
        Tile(f"{value:,}", name) for value, name in found if value or (name.startswith("orders") and episodes.num_rows)
    ]


def who_shops_here(inputs: ReportInputs) -> list[str]:
    """Sentences on the real buyers and their personas; none without buyers."""
    strata = inputs.strata_by_shop
    total = sum(sum(counts.values()) for counts in strata.values())
    if not total:
        return []
    share = {stratum: sum(counts.get(stratum, 0) for counts in strata.values()) / total for stratum in STRATA}
    days = (inputs.quality.get("clock") or {}).get("days")
    seen = f" in {counted(days, 'day')}" if days else ""
    first = (
        f"The log shows {counted(total, 'buyer')} of {counted(len(strata), 'shop')}{seen}. "
        f"{percent(share['D'])} only look around, {percent(share['B'] + share['C'])} fill a cart or begin a checkout but do not buy, "
        f"{percent(share['A'])} buy, and {percent(share['E'])} leave at once."
    )
    return [first, *_largest_personas(inputs)]


def _largest_personas(inputs: ReportInputs) -> Iterator[str]:
    cards = inputs.cards.sort_by([("buyers", "descending"), ("code", "ascending")]).to_pylist()
    if not cards:
        return
    total = sum(card["buyers"] for card in cards)
    first = cards[0]
    yield (
        f"They behave in {len(cards)} ways that can be told apart, the personas. The most common, persona {first['code']} "
        f"({percent(first['buyers'] / total)} of all): {_lower(_first_sentence(first['summary']))}"
    )
    buyers = [card for card in cards if card["stratum"] == "A"]
    if buyers:
        together = sum(card["buyers"] for card in buyers)
        best = buyers[0]
        yield (
            f"{counted(len(buyers), 'persona consists', 'personas consist')} mostly of buyers ({percent(together / total)} of all). "
            f"The largest of them, persona {best['code']}: {_lower(_first_sentence(best['summary']))}"
        )


def what_they_did(inputs: ReportInputs, policies: list[Acting]) -> list[str]:
    """Sentences on the simulated visits beside the real sessions; none without visits."""
    episodes = inputs.simulated_episodes
    if not episodes.num_rows:
        return []
    shops = len(pc.unique(episodes["shop_id"]))
    known = pc.unique(episodes["shop_id"]).to_pylist()
    unseen = bool(inputs.held_out_shops) and set(known) <= set(inputs.held_out_shops)
    sentences = [
        f"{counted(episodes.num_rows, 'simulated visit')} to {counted(shops, 'shop')}"
        + (" that nothing was trained on" if unseen else "")
        + f", placing {counted(int(pc.sum(episodes['purchase_count']).as_py() or 0), 'order')}. "
        + _who_acted(episodes)
    ]
    sentences += [sentence for policy in policies for sentence in _conversion(policy, several=len(policies) > 1)]
    by_itself = pc.sum(pc.equal(episodes["ending"], "goal_reached")).as_py() or 0
    broken = pc.sum(pc.equal(episodes["ending"], "other")).as_py() or 0
    sentences.append(
        f"{percent(by_itself / episodes.num_rows)} of the visits ended because the shopper chose to leave; "
        + (f"{counted(broken, 'visit')} broke off." if broken else "none broke off.")
    )
    return sentences


def _who_acted(episodes: pa.Table) -> str:
    """By which policies, and with which personas."""
    names = Counter(episodes["policy"].to_pylist())
    acted = ""
    if len(names) > 1:
        acted = " and ".join(f"{count:,} by the {policy_words(name)}" for name, count in names.items()) + ". "
    blind = episodes["code"].null_count
    but = f", but for {blind:,} without a persona, for comparison" if blind else ""
    return f"{acted}Each visit drew its persona from the shop's real mix{but}."


def _conversion(policy: Acting, *, several: bool) -> Iterator[str]:
    parts = []
    for rate, words in (("add_to_cart", "put something in the cart"), ("purchase", "ordered")):
        agent, real = (f"conversion.overall.{side}.{rate}" for side in ("agent", "real"))
        ours, theirs = policy.figures.get(agent), policy.figures.get(real)
        if ours is None or theirs is None:
            continue
        interval = policy.interval(agent)
        spread = f" ({between(agent, interval)})" if interval else ""
        parts.append(
            f"{written(agent, ours)}{spread} {words}, in real sessions {written(real, theirs)}: {_verdict(policy, rate)}"
        )
    if parts:
        yield (f"With the {policy.words}, " if several else "Of them, ") + "; ".join(parts) + "."


def _verdict(policy: Acting, rate: str) -> str:
    """Whether the difference is more than chance, by the two 95 % intervals."""
    found = same_rate(policy, rate)
    if found is None:
        return "no interval"
    if found:
        return "no difference to be seen"
    agent, real = (policy.figures[f"conversion.overall.{side}.{rate}"] for side in ("agent", "real"))
    return "fewer than in reality" if agent < real else "more than in reality"


def same_rate(policy: Acting, rate: str) -> bool | None:
    """The 95 % intervals of the real and the simulated rate overlap; None where one is not known."""
    sides: list[Any] = [policy.interval(f"conversion.overall.{side}.{rate}") for side in ("agent", "real")]
    if None in sides:
        return None
    return max(side[0] for side in sides) <= min(side[1] for side in sides)


def _first_sentence(summary: str) -> str:
    return summary.partition(". ")[0].rstrip(".") + "."


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]

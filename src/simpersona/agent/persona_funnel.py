"""The funnel of each persona's real buyers in the training stores.

It gives features of a persona besides the code, and weights of the replayed visits, whose sessions were not drawn in
proportion. The scorer and the language model use both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float, Int

from simpersona.shopper.goals import BUYING_STRATA
from simpersona.shopper.moves import Move, move_of
from simpersona.traces.examples import TrainingStep

DEPTHS = 4
"""The depths of a session: only views, the cart, the checkout, an order."""
INTENTS = 2
"""The intents to browse and to buy."""
MOST_WEIGHT = 4.0
"""The largest weight of a replayed session relative to the mean of its persona; the smallest is its inverse."""
_DEEP = ("purchase_count", "checkout_start_count", "add_to_cart_count")
_LOOKS = ("product_view_count", "search_count", "collection_view_count", "event_count")
SESSION_COLUMNS = ["shop_id", "buyer_id", *_DEEP, *_LOOKS]


@dataclass(frozen=True)
class PersonaFunnel:
    """Counts of the sessions of the training stores' buyers, without bouncers."""

    counts: Int[np.ndarray, "k 2 4"]
    """Number of sessions by code, intent (buying strata last) and depth."""
    looks: Float[np.ndarray, "k 4"]
    """Mean log(1 + n) of product views, searches, collection views and events per session."""

    @property
    def facts(self) -> Float[np.ndarray, "k 8"]:
        """Smoothed log-odds of buying intent, cart, checkout and order, and `looks`."""
        total = self.counts.sum(axis=(1, 2))
        deep = self.counts.sum(axis=1)[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
        reached = np.column_stack([self.counts[:, 1].sum(axis=1), deep])
        odds = np.log((reached + 0.5) / (total[:, None] - reached + 0.5))
        return np.column_stack([odds, self.looks])

    @property
    def scale(self) -> tuple[Float[np.ndarray, " 8"], Float[np.ndarray, " 8"]]:
        """Mean and standard deviation of each fact over the codes that have sessions; 1 for a fact that is the same in all."""
        table = self.facts[self._used]
        spread = table.std(axis=0)
        return table.mean(axis=0), np.where(spread > 0, spread, 1)

    @property
    def known(self) -> Float[np.ndarray, "k 8"]:
        """The features of each persona: its facts, standardised; zeros for a code without sessions."""
        mean, spread = self.scale
        return np.where(self._used[:, None], (self.facts - mean) / spread, 0)

    @property
    def _used(self) -> Bool[np.ndarray, " k"]:
        return self.counts.sum(axis=(1, 2)) > 0

    def weights(
        self, code: Int[np.ndarray, " v"], buys: Int[np.ndarray, " v"], depth: Int[np.ndarray, " v"]
    ) -> Float[np.ndarray, " v"]:
        """The weights of v replayed visits, so that a code's visits have the distribution of its sessions over intent and depth.

        The weights of a code sum to its number of visits.
        """
        drawn = np.zeros_like(self.counts)
        np.add.at(drawn, (code, buys, depth), 1)
        real = self.counts / np.maximum(self.counts.sum(axis=(1, 2), keepdims=True), 1)
        ours = drawn / np.maximum(drawn.sum(axis=(1, 2), keepdims=True), 1)
        ratio = np.clip(real / np.where(drawn > 0, ours, 1), 1 / MOST_WEIGHT, MOST_WEIGHT)[code, buys, depth]
        scale = np.bincount(code) / np.maximum(np.bincount(code, ratio), 1e-9)
        return ratio * scale[code]


def visit_weights(steps: Sequence[TrainingStep], funnel: PersonaFunnel) -> dict[str, float]:
    """The weight of each visit, by its id, from the depth that it reached and its intent; see PersonaFunnel.weights.

    The steps may hold a visit with several goals; its intent is that of the goal that names one.
    """
    depth_of: dict[Move, int] = {"add": 1, "checkout": 2, "order": 3}
    depth, code, buys = Counter[str](), dict[str, int](), dict[str, int]()
    for step in steps:
        action, name = step.decision.action, step.visit_id
        move = "leave" if action is None else move_of(step.observation.page.node(action.node), action.method)
        depth[name] = max(depth[name], depth_of.get(move, 0))
        code[name] = step.goal.code or 0
        buys[name] = max(buys.get(name, 0), int(step.goal.intent == "buy"))
    names = sorted(code)
    weights = funnel.weights(
        np.array([code[name] for name in names], np.int64),
        np.array([buys[name] for name in names], np.int64),
        np.array([depth[name] for name in names], np.int64),
    )
    return dict(zip(names, weights.tolist(), strict=True))


def persona_funnel(
    sessions: pa.Table, buyers: pa.Table, assignments: pa.Table, codes: int, shops: Sequence[str]
) -> PersonaFunnel:
    """The funnel of each of `codes` personas over the sessions of `shops`: `sessions` has at least SESSION_COLUMNS, `buyers`
    and `assignments` are BUYERS and ASSIGNMENTS.
    """
    keys = ["shop_id", "buyer_id"]
    sessions = sessions.select(SESSION_COLUMNS).filter(
        pc.is_in(sessions["shop_id"], pa.array(list(shops), pa.string()))
    )
    buyers = buyers.select([*keys, "stratum"])
    buyers = buyers.filter(pc.not_equal(buyers["stratum"], "E"))
    joined = sessions.join(buyers, keys, join_type="inner").join(assignments, keys, join_type="inner")
    code = joined["code"].to_numpy()
    purchase, start, cart = (joined[name].to_numpy() > 0 for name in _DEEP)
    depth = np.select([purchase, start, cart], [3, 2, 1], 0)
    buys = pc.is_in(joined["stratum"], pa.array(sorted(BUYING_STRATA))).to_numpy(zero_copy_only=False).astype(int)
    counts = np.zeros((codes, INTENTS, DEPTHS), np.int64)
    np.add.at(counts, (code, buys, depth), 1)
    size = np.maximum(np.bincount(code, minlength=codes), 1)
    looks = [np.bincount(code, np.log1p(joined[name].to_numpy()), codes) / size for name in _LOOKS]
    return PersonaFunnel(counts, np.column_stack(looks))

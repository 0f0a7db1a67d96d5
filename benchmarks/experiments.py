"""Experiments: are verdicts, intervals and sizes what they claim to be, on visits of planted buyers whose lifts are known?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy import stats

from benchmarks.results import Section, Table, number
from simpersona.evaluation.tables import OUTCOMES, PAIRS
from simpersona.lab.axes import INTENTS
from simpersona.lab.clientele import draw_mix
from simpersona.lab.shopper_types import ShopperType, make_types
from simpersona.lab.variants import PLAIN, Variant
from simpersona.simulation.experiment import Comparison, compare
from simpersona.simulation.paired_lift import pairs_needed

CHANGES = {
    "free shipping notice": Variant(free_shipping_notice=True),
    "one-page checkout": Variant(one_page_checkout=True),
    "hidden search": Variant(hidden_search=True),
    "prices × 0.8": Variant(price_factor=0.8),
    "prices × 1.02": Variant(price_factor=1.02),
    "prices × 1.1": Variant(price_factor=1.1),
    "prices × 1.25": Variant(price_factor=1.25),
}
"""Of each store, weak and strong ones."""
LEVEL, POWER = 0.05, 0.8
MOST_PAIRS = 6000
"""Lifts that need more pairs are not tried for their power."""
SHARED_LUCK = 0.5
"""Of the pairs of visits: both come as far as one and the same draw takes them; in the others luck is independent."""


@dataclass(frozen=True)
class Planted:
    """One store's buyers and what one change does to them."""

    shop: int
    change: str
    shares: np.ndarray
    """Of the m kinds of visits (a type with an intent): a buyer of the store makes one of that kind."""
    code: np.ndarray
    """The type of each kind: here its persona is known."""
    rates: tuple[np.ndarray, np.ndarray]
    """(m, 3) shares of visits that reach each outcome, plain and changed."""

    @property
    def lift(self) -> np.ndarray:
        """The true differences in the three outcomes."""
        return self.shares @ (self.rates[1] - self.rates[0])

    def pairs(self, count: int, rng: np.random.Generator) -> pa.Table:
        """PAIRS of so many buyers drawn from the mix."""
        kind = rng.choice(len(self.shares), count, p=self.shares)
        luck_a, other = rng.random((2, count))
        luck_b = np.where(rng.random(count) < SHARED_LUCK, luck_a, other)
        codes, share = self.code[kind], np.bincount(self.code, self.shares)
        drawn = np.bincount(codes, minlength=len(share))
        weight = (share / share[drawn > 0].sum() * count / np.maximum(drawn, 1))[codes]
        columns = {"shop_id": [str(self.shop)] * count, "buyer_id": [""] * count, "weight": weight}
        for arm, luck, rates in zip("ab", (luck_a, luck_b), self.rates, strict=True):
            reached = luck[:, None] < rates[kind]
            columns |= {f"{outcome}_{arm}": reached[:, place] for place, outcome in enumerate(OUTCOMES)}
        return pa.table(columns | {name: pa.nulls(count) for name in set(PAIRS.columns) - set(columns)})


@dataclass(frozen=True)
class Trial:
    """One experiment that was made, and the truth."""

    test: Planted
    found: Comparison

    @property
    def called(self) -> bool:
        return self.found.verdict != "cannot tell"

    @property
    def right(self) -> bool:
        """Every outcome that is called has its true lift on that side."""
        sides = {"A wins": -1, "B wins": 1}
        called = [(place, sides[winner]) for place, winner in enumerate(self.found.winners.values()) if winner in sides]
        return all(np.sign(self.test.lift[place]) == side for place, side in called)

    @property
    def covered(self) -> list[bool]:
        """Whether each outcome's interval has the true lift in it."""
        lifts = zip(self.found.outcomes.values(), self.test.lift, strict=True)
        return [lift.low <= true <= lift.high for lift, true in lifts]


def section(
    shops: int = 12, sizes: Sequence[int] = (300, 1000, 3000), repeats: int = 2, plain_repeats: int = 40
) -> Section:
    """Every change in every store `repeats` times at each size, a store against itself `plain_repeats` times per store."""
    types = make_types(24, np.random.default_rng(0))
    tests = [test for shop in range(shops) for test in planted_tests(shop, types)]
    against_itself = [
        Planted(one.shop, "itself", one.shares, one.code, (one.rates[0],) * 2) for one in tests[:: len(CHANGES)]
    ]
    called, by_change = [], []
    for size in sizes:
        trials = list(_trials(tests, size, repeats, 1))
        nothing = list(_trials(against_itself, size, plain_repeats, 2))
        called.append(_row(size, trials, nothing))
        if size == sizes[-1]:
            by_change = [_by_change(name, [one for one in trials if one.test.change == name]) for name in CHANGES]
    powered = _powered(tests, repeats)
    judged = (
        f"Level {LEVEL:g} over the three outcomes (Holm). Right: every outcome that is called has its true lift on that side. "
        "Brackets: 95 % intervals. Aim: at least 90 % right, A/A called in at most 5 %."
    )
    what = (
        f"Generated buyers of {shops} stores and {len(types)} types, whose probabilities of each outcome are planted, so every lift is known exactly; {len(CHANGES)} changes of each store ({len(tests)} A/B tests, {repeats} times each) and each store "
        f"against itself ({plain_repeats} times). The buyers react as planted, so this measures the statistics only."
    )
    return Section(
        "experiments",
        what,
        [
            (
                Table(
                    ("buyers", "A/B called", "of these right", "A/A called", "95 % intervals that hold the truth"),
                    called,
                ),
                judged,
            ),
            (
                Table(("change", "true lift in purchases", "called", "of these right"), by_change),
                f"{sizes[-1]:,} buyers; the true relative lift as its least, median and most over the stores.",
            ),
            powered,
        ],
        ("scipy",),
    )


def planted_tests(shop: int, types: Sequence[ShopperType]) -> list[Planted]:
    """The store's mix against each change; bouncers are not simulated."""
    mix = draw_mix(shop, types, np.random.default_rng([15, shop]))[:-1]
    kinds = [(one, intent) for one in types for intent in INTENTS]
    shares = np.array([mix[one.number] * one.intent_shares[intent] for one, intent in kinds])
    code = np.array([one.number for one, _ in kinds])
    plain = _rates(kinds, PLAIN)
    return [
        Planted(shop, name, shares / shares.sum(), code, (plain, _rates(kinds, change)))
        for name, change in CHANGES.items()
    ]


def _rates(kinds: Sequence[tuple[ShopperType, str]], variant: Variant) -> np.ndarray:
    found = [one.rates(intent, variant) for one, intent in kinds]  # pyright: ignore[reportArgumentType]
    return np.array([[one.add_to_cart, one.checkout_start, one.purchase] for one in found])


def _trials(tests: Sequence[Planted], size: int, repeats: int, stream: int) -> Iterator[Trial]:
    for place, test in enumerate(tests):
        rng = np.random.default_rng([stream, size, place])
        for _ in range(repeats):
            yield Trial(test, compare(test.pairs(size, rng), LEVEL))


def _row(size: int, trials: Sequence[Trial], nothing: Sequence[Trial]) -> list[str]:
    called = [one for one in trials if one.called]
    return [
        f"{size:,}",
        _share(len(called), len(trials)),
        _share(sum(one.right for one in called), len(called)),
        _share(sum(one.called for one in nothing), len(nothing)),
        _share(*_counted([held for one in (*trials, *nothing) for held in one.covered])),
    ]


def _by_change(name: str, trials: Sequence[Trial]) -> list[str]:
    called = [one for one in trials if one.called]
    relative = [one.test.lift[-1] / (one.test.shares @ one.test.rates[0][:, -1]) for one in trials]
    least, middle, most = (f"{value:+.1%}" for value in np.quantile(relative, (0, 0.5, 1)))
    return [
        name,
        f"{least}, {middle}, {most}",
        _share(len(called), len(trials)),
        _share(sum(one.right for one in called), len(called)),
    ]


def _powered(tests: Sequence[Planted], repeats: int) -> tuple[Table, str]:
    """Tests whose true lift in purchases is looked for with as many pairs as a pilot of 1,000 says it takes."""
    sizes, found = [], []
    for place, test in enumerate(tests):
        rng = np.random.default_rng([3, place])
        pilot = compare(test.pairs(1000, rng), LEVEL).outcomes["purchase"]
        if not pilot.rate_a:
            continue
        count = pairs_needed(
            pilot.rate_a, pilot.discordance, test.lift[-1] / pilot.rate_a, LEVEL / len(OUTCOMES), POWER
        )
        if count is None or count > MOST_PAIRS:
            continue
        sizes.append(count)
        found += [
            compare(test.pairs(count, rng), LEVEL).outcomes["purchase"].p_value <= LEVEL / len(OUTCOMES)
            for _ in range(repeats)
        ]
    needed = f"{number(float(np.median(sizes)))} ({min(sizes):,} to {max(sizes):,})" if sizes else "–"
    head = ("tests", "pairs, median (least to most)", "power asked", "found")
    row = [f"{len(sizes)} of {len(tests)}", needed, f"{POWER:.0%}", _share(*_counted(found))]
    table = Table(head, [row])
    return table, (
        "Tests for the true difference in purchases, with as many buyers as the power calculator asks for after a pilot of 1,000 "
        f"(rate and discordance are the pilot's); tests that need more than {MOST_PAIRS:,} are left out."
    )


def _counted(flags: Sequence[bool]) -> tuple[int, int]:
    return sum(map(bool, flags)), len(flags)


def _share(hits: int, of: int) -> str:
    """A share with its 95 % Wilson interval."""
    if not of:
        return "–"
    low, high = stats.binomtest(hits, of).proportion_ci(method="wilson")
    return f"{hits / of:.1%} of {of:,} [{100 * low:.1f}, {100 * high:.1f}]"

from dataclasses import dataclass, fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simpersona.lab.axes import DRIVES, PRICE_LEVELS
from simpersona.lab.catalogue import make_catalogue
from simpersona.lab.clientele import draw_clientele, plan_visits
from simpersona.lab.effects import apply_variant
from simpersona.lab.funnel import CART_LINES, MAX_EVENTS, Action, Habits, counts, entry, lengths, moves, rates, reached
from simpersona.lab.product_choice import ProductLists
from simpersona.lab.shopper_types import ShopperType, make_types
from simpersona.lab.variants import PLAIN, Variant
from simpersona.lab.visits import TransitionTables, draw_visits, product_of

share = st.floats(0.01, 0.3)
variants = st.builds(Variant, st.booleans(), st.booleans(), st.booleans(), st.floats(0.3, 3))
drives, levels = st.sampled_from(DRIVES), st.sampled_from(PRICE_LEVELS)


@st.composite
def any_habits(draw):
    look = draw(st.lists(st.floats(0.05, 1), min_size=3, max_size=3))
    search, collection, product = (x / sum(look) for x in look)
    return Habits(
        look=(search, collection, product), home=draw(share), leave_home=draw(share),
        leave_list=draw(st.floats(0.35, 0.9)), leave=draw(st.floats(0.35, 0.9)), add=draw(share),
        cart_after_add=draw(share), leave_after_add=draw(share), cart_after_view=draw(share), start=draw(share),
        remove=draw(share), leave_cart=draw(share), complete=draw(share), back=draw(share),
    )  # fmt: skip


@given(any_habits())
def test_probabilities_are_probabilities_and_only_legal_moves_are_possible(habits):
    table = moves(habits)
    assert (table >= 0).all()
    assert entry(habits).sum() == pytest.approx(1)
    possible = table.sum(-1)
    assert possible[possible > 0] == pytest.approx(1)
    for did in Action:
        assert did in (Action.ADD, Action.CART, Action.START) or (possible[did] > 0).all()
    into_add = table[:, :, Action.ADD].copy()
    into_add[Action.VIEW, :CART_LINES] = 0
    into_start = table[:, :, Action.START].copy()
    into_start[[Action.CART, Action.REMOVE], 1:] = 0
    into_remove = table[:, :, Action.REMOVE].copy()
    into_remove[[Action.CART, Action.REMOVE], 1:] = 0
    into_complete = table[:, :, Action.COMPLETE].copy()
    into_complete[Action.START, 1:] = 0
    for forbidden in (into_add, into_start, into_remove, into_complete, table[:, 0, Action.CART]):
        assert not forbidden.any()


@given(a=st.floats(0.05, 0.5), leave=st.floats(0.4, 0.9), c=share, s=share, complete=share)
def test_rates_of_a_straight_funnel_by_hand(a, leave, c, s, complete):
    habits = Habits(
        look=(0, 0, 1), home=0, leave_home=0, leave_list=0, leave=leave, add=a, cart_after_add=c, leave_after_add=1 - c, cart_after_view=0,
        start=s, remove=0, leave_cart=1 - s, complete=complete, back=0,
    )  # fmt: skip
    found = rates(habits)
    added = a / (a + (1 - a) * leave)  # of each view: added, left, or on to the next view
    views = 1 / (a + (1 - a) * leave)
    assert found.add_to_cart == pytest.approx(added, abs=1e-6)
    assert found.checkout_start == pytest.approx(added * c * s, abs=1e-6)
    assert found.purchase == pytest.approx(added * c * s * complete, abs=1e-6)
    assert found.events == pytest.approx(views + added * (1 + c * (1 + s * (1 + complete))), abs=1e-5)


@given(habits=any_habits(), variant=variants, drive=drives, level=levels)
def test_every_variant_leaves_probabilities(habits, variant, drive, level):
    table = moves(apply_variant(habits, variant, drive, level))
    possible = table.sum(-1)
    assert (table >= -1e-12).all()
    assert possible[possible > 0] == pytest.approx(1)
    assert apply_variant(habits, PLAIN, drive, level) is habits


@dataclass(frozen=True)
class Anyone(ShopperType):
    """A type with the habits given."""

    given: Habits

    def habits(self, intent, variant=PLAIN):
        return apply_variant(self.given, variant, self.drive, self.price_level)


@pytest.fixture(scope="module")
def product_lists():
    return ProductLists(make_catalogue(0, 20, np.random.default_rng(0)))


@given(habits=any_habits(), variant=variants, drive=drives, level=levels, seed=st.integers(0, 99))
def test_every_session_obeys_the_funnel_whatever_the_habits(product_lists, habits, variant, drive, level, seed):
    rng = np.random.default_rng(seed)
    named = {field.name: getattr(make_types(1, rng)[0], field.name) for field in fields(ShopperType)}
    someone = Anyone(**{**named, "drive": drive, "price_level": level}, given=habits)
    plan = plan_visits(draw_clientele(np.array([0.9, 0.1]), 30, rng), product_lists.catalogue, [someone], 120, rng)
    visit_events = draw_visits(product_lists, TransitionTables([someone], variant), plan, rng)
    for visit in range(len(plan)):
        rows = np.flatnonzero(visit_events.visit == visit)
        assert visit_events.seq[rows].tolist() == list(range(len(rows)))
        assert 1 <= len(rows) <= MAX_EVENTS
        before, cart, viewed = None, [], -1
        for did, item in zip(visit_events.action[rows].tolist(), visit_events.item[rows].tolist(), strict=True):
            assert before != Action.COMPLETE
            if did == Action.VIEW:
                viewed = product_of(item)
                assert viewed not in [product_of(line) for line in cart]
            elif did == Action.ADD:
                assert before == Action.VIEW
                assert product_of(item) == viewed
                cart.append(item)
                assert len(cart) <= CART_LINES
            elif did == Action.REMOVE:
                assert before in (Action.CART, Action.REMOVE)
                cart.remove(item)
            elif did == Action.CART:
                assert cart
            elif did == Action.START:
                assert cart
                assert before in (Action.CART, Action.REMOVE)
            elif did == Action.COMPLETE:
                assert before == Action.START
            before = did


@given(any_habits())
def test_lengths_are_a_distribution_that_agrees_with_counts_and_reach(habits):
    for kinds in (
        (Action.VIEW,),
        (Action.VIEW, Action.ADD, Action.COMPLETE),
        tuple(did for did in Action if did != Action.LEAVE),
    ):
        found = lengths(habits, kinds)
        assert found.sum() == pytest.approx(1)
        assert found @ np.arange(MAX_EVENTS + 1) == pytest.approx(counts(habits)[list(kinds)].sum())
        assert 1 - found[0] == pytest.approx(reached(habits, kinds))


@given(any_habits())
def test_rates_agree_with_the_equations_of_an_absorbing_chain(habits):
    """h = 1 at the target, 0 after leaving, else the mean of h over the next state."""
    table, first = moves(habits), entry(habits)
    states = [(did, lines) for did in Action if did != Action.LEAVE for lines in range(CART_LINES + 1)]
    place = {state: i for i, state in enumerate(states)}
    step = np.zeros((len(states), len(states)))
    for (did, lines), row in place.items():
        for after in Action:
            left = lines + {Action.ADD: 1, Action.REMOVE: -1}.get(after, 0)
            if after != Action.LEAVE and 0 <= left <= CART_LINES:
                step[row, place[after, left]] = table[did, lines, after]
    found = rates(habits)
    for target, rate in (
        (Action.ADD, found.add_to_cart),
        (Action.START, found.checkout_start),
        (Action.COMPLETE, found.purchase),
    ):
        there = np.array([did == target for did, _ in states])
        reach = np.linalg.solve(np.eye(len(states)) - np.where(there[:, None], 0, step), there.astype(float))
        expected = sum(first[did] * reach[place[did, 0]] for did in Action if did != Action.LEAVE)
        assert rate == pytest.approx(expected, abs=2e-4)  # the equations know no longest visit
    length = np.linalg.solve(np.eye(len(states)) - step, np.ones(len(states)))
    expected = sum(first[did] * length[place[did, 0]] for did in Action if did != Action.LEAVE)
    assert found.events == pytest.approx(expected, abs=3e-2)  # 1.3e-2 where visits are longest

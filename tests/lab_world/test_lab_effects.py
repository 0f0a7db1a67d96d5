from dataclasses import asdict, replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from simpersona.config import LabConfig, VariantConfig
from simpersona.lab.axes import PRICE_LEVELS
from simpersona.lab.clientele import draw_mix, mean_visits
from simpersona.lab.effects import NAMED_VARIANTS, apply_variant
from simpersona.lab.expected_rates import BOUNCE, shop_rates, true_lift, visit_shares
from simpersona.lab.funnel import Habits, rates
from simpersona.lab.shopper_types import make_types
from simpersona.lab.variants import PLAIN, Variant
from simpersona.lab.world import generate_world

STRAIGHT = Habits(
    look=(0, 0, 1), home=0, leave_home=0, leave_list=0, leave=0.5, add=0.2, cart_after_add=1, leave_after_add=0,
    cart_after_view=0, start=0.5, remove=0, leave_cart=0.5, complete=0.4, back=0,
)  # fmt: skip
"""Products only, straight to the cart after an addition; from the cart to the checkout or away."""
TYPES = make_types(24, np.random.default_rng(0))


def test_the_straight_funnel_in_each_variant_by_hand():
    plain = rates(STRAIGHT)  # each view: added with 0.2, left with 0.4, else on to the next view
    assert plain.add_to_cart == pytest.approx(1 / 3)
    assert plain.checkout_start == pytest.approx(1 / 6)
    assert plain.purchase == pytest.approx(1 / 15)

    notice = rates(apply_variant(STRAIGHT, NAMED_VARIANTS["free_shipping_notice"], "buyer", "budget"))  # odds × 1.7
    start, complete = 1.7 / 2.7, 0.68 / 1.28  # of 1/1 and of 2/3
    assert notice.add_to_cart == pytest.approx(1 / 3)
    assert notice.checkout_start == pytest.approx(start / 3)
    assert notice.purchase == pytest.approx(start * complete / 3)

    one_page = rates(apply_variant(STRAIGHT, NAMED_VARIANTS["one_page_checkout"], "hesitant", "middle"))  # odds × 4
    assert one_page.checkout_start == pytest.approx(1 / 6)
    assert one_page.purchase == pytest.approx((8 / 11) / 6)  # 4 × 2/3 = 8/3

    dearer = rates(apply_variant(STRAIGHT, Variant(price_factor=1.1), "buyer", "budget"))  # odds / 1.21
    add, complete = 0.25 / 1.21, (2 / 3) / 1.21
    added = add / (1 + add)
    assert dearer.add_to_cart == pytest.approx(added / (added + (1 - added) / 2))
    assert dearer.purchase == pytest.approx(dearer.add_to_cart * complete / (1 + complete) / 2)


def test_hidden_search_by_hand():
    """A searcher finds nothing to add in a list: of 4 looks 0.8 × 3 were searches, 30 % of which end the visit."""
    searcher = replace(STRAIGHT, look=(0.75, 0, 0.25), leave=0.0, add=0.5)
    hidden = apply_variant(searcher, Variant(hidden_search=True), "buyer", "middle")
    assert hidden.look == pytest.approx((0.15, 0, 0.85))
    assert hidden.leave == pytest.approx(0.3 * 0.6)
    assert rates(searcher).add_to_cart == pytest.approx(1, abs=1e-3)
    assert rates(hidden).add_to_cart == pytest.approx(0.5 / (0.5 + 0.5 * 0.18), abs=1e-3)
    direct = replace(STRAIGHT, look=(0, 0.4, 0.6))
    assert apply_variant(direct, Variant(hidden_search=True), "buyer", "middle") == direct


def test_an_a_a_test_has_no_lift_at_all():
    for shop in range(3):
        shares = draw_mix(shop, TYPES, np.random.default_rng(shop))
        for variant in NAMED_VARIANTS.values():
            assert asdict(true_lift(shares, TYPES, variant, variant)) == asdict(BOUNCE * 0)


def test_which_variant_wins_depends_on_who_shops():
    """Signs as planted, for every type; searchers and hesitant and budget buyers feel theirs most."""
    for one in TYPES:
        plain = one.rates()
        lift = {name: one.rates(None, variant).purchase - plain.purchase for name, variant in NAMED_VARIANTS.items()}
        assert lift["plain"] == 0
        assert lift["free_shipping_notice"] > 0
        assert lift["one_page_checkout"] > 0
        assert lift["hidden_search"] < 0
        assert lift["prices_up_10"] < 0
        if one.drive == "hesitant":
            assert one.rates(None, NAMED_VARIANTS["one_page_checkout"]).purchase > 2.5 * plain.purchase
        dearer = [
            replace(one, price_level=level).rates(None, NAMED_VARIANTS["prices_up_10"]).purchase
            for level in PRICE_LEVELS
        ]
        assert dearer == sorted(dearer)
        assert dearer[0] < dearer[-1] < plain.purchase


def test_the_lift_of_a_shop_is_that_of_its_visits():
    """A mix of one type and the bouncer, whose visits are counted by hand: 1 and the type's mean."""
    one = TYPES[1]
    shares = np.zeros(len(TYPES) + 1)
    shares[one.number], shares[-1] = 0.8, 0.2
    variant = Variant(free_shipping_notice=True, price_factor=0.9)
    own = 0.8 * one.visits / (0.8 * one.visits + 0.2)
    lift = true_lift(shares, TYPES, PLAIN, variant)
    assert lift.purchase == pytest.approx(own * (one.rates(None, variant).purchase - one.rates().purchase))
    assert shop_rates(shares, TYPES).events == pytest.approx(own * one.rates().events + 1 - own)


def test_visit_shares_of_two_types_by_hand():
    """Of buyers of the first type one in ten × 0.4 is at times the second, for 3/8 of the visits; and the reverse."""
    shares = np.zeros(len(TYPES) + 1)
    shares[[0, 1]] = 0.6, 0.4
    visits = mean_visits(TYPES, 120)[:2] * [0.6, 0.4]
    lent = visits * 0.1 * 0.375 * [0.4, 0.6]
    found = visit_shares(shares, TYPES)
    assert found[:2] * visits.sum() == pytest.approx(visits - lent + lent[::-1])
    assert found[2:] == pytest.approx(0)


def test_a_world_of_a_variant_sells_dearer_and_says_so_in_its_truth(tmp_path):
    small = LabConfig(shops=1, buyers=40, products_per_shop=12, types=4, days=30)
    changed = small.model_copy(update={"variant": VariantConfig(price_factor=1.5, one_page_checkout=True)})
    tables = {}
    for name, config in (("plain", small), ("changed", changed)):
        generate_world(tmp_path / name, config, lambda *_: None)
        tables[name] = {path.stem: pq.read_table(path).to_pandas() for path in (tmp_path / name).glob("*/*.parquet")}
    plain, other = tables["plain"], tables["changed"]
    assert other["products"]["price"].to_numpy() == pytest.approx(1.5 * plain["products"]["price"], abs=0.006)
    for same in ("types", "effects", "mixes"):
        assert plain[same].equals(other[same])
    variant = Variant(one_page_checkout=True, price_factor=1.5)
    types = make_types(4, np.random.default_rng(0))  # their departments play no part
    for row in other["rates"].query("intent == 'buy'").itertuples():
        assert row.purchase_rate == types[row.type].rates("buy", variant).purchase
    effects = plain["effects"]
    assert (effects.query("variant == 'plain'").filter(like="_lift") == 0).all(axis=None)
    assert set(plain["lifts"]["variant"]) == set(effects["variant"]) == set(NAMED_VARIANTS)


def test_the_settings_name_the_same_changes_as_the_variant():
    assert VariantConfig().model_dump() == asdict(Variant())


def test_the_shops_of_a_varied_world_take_turns(tmp_path):
    """Six shops, five variants; a shop's mix and catalogue are those of the plain world but for its prices."""
    plain = LabConfig(shops=6, buyers=60, products_per_shop=12, types=4, days=30)
    varied = plain.model_copy(update={"variants": "varied"})
    tables = {}
    for config in (plain, varied):
        folder = tmp_path / config.variants
        generate_world(folder, config, lambda *_: None)
        tables[config.variants] = {path.stem: pq.read_table(path).to_pandas() for path in folder.glob("*/*.parquet")}
    same, other = tables["same"], tables["varied"]
    assert [Variant(**row) for row in other["shops"][list(asdict(PLAIN))].to_dict("records")] == [
        *NAMED_VARIANTS.values(),
        PLAIN,
    ]
    for unchanged in ("types", "habits", "rates", "effects", "lifts"):
        assert same[unchanged].equals(other[unchanged])
    assert same["mixes"]["share"].equals(other["mixes"]["share"])
    factor = other["products"]["price"] / same["products"]["price"]
    dearer = same["products"]["shop_id"] == other["shops"]["shop_id"][list(NAMED_VARIANTS).index("prices_up_10")]
    assert factor[dearer].to_numpy() == pytest.approx(1.1, abs=0.01)
    assert (factor[~dearer] == 1).all()
    sells = same["shops"]["purchase_rate"] > 0
    for shop, name in enumerate(NAMED_VARIANTS):
        before, after = same["shops"]["purchase_rate"][shop], other["shops"]["purchase_rate"][shop]
        if sells[shop]:
            assert (after > before, after < before) == (name in ("free_shipping_notice", "one_page_checkout"), name in ("hidden_search", "prices_up_10"))  # fmt: skip

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from typer.testing import CliRunner

from simpersona.cli.main import app
from simpersona.config import LabConfig, VariantConfig
from simpersona.contracts import COLLECTIONS, PRODUCTS
from simpersona.errors import ConfigError
from simpersona.lab.axes import DRIVES
from simpersona.lab.clientele import shop_sizes
from simpersona.lab.shopper_types import make_types
from simpersona.lab.truth_tables import TRUE_BUYERS, TRUE_MIXES, TRUE_RATES, TRUE_SESSIONS, TRUE_TYPES
from simpersona.lab.world import generate_world

SMALL = LabConfig(shops=2, buyers=80, products_per_shop=20, types=5, days=30)


def _silent(*_) -> None:
    pass


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_world(tmp_path):
    for name, config in (("a", SMALL), ("b", SMALL), ("c", SMALL.model_copy(update={"seed": 8}))):
        generate_world(tmp_path / name, config, _silent)
    assert _digests(tmp_path / "a") == _digests(tmp_path / "b")
    assert _digests(tmp_path / "a") != _digests(tmp_path / "c")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]


def test_counts_and_contracts(world, events):
    config = world.config
    products = PRODUCTS.check(world.table("events/products"))
    COLLECTIONS.check(world.table("events/collections"))
    buyers = TRUE_BUYERS.check(world.table("truth/buyers"))
    TRUE_SESSIONS.check(world.table("truth/sessions"))
    TRUE_MIXES.check(world.table("truth/mixes"))
    TRUE_TYPES.check(world.table("truth/types"))
    TRUE_RATES.check(world.table("truth/rates"))
    assert products.num_rows == config.shops * config.products_per_shop
    assert len(set(products["product_id"].to_pylist())) == products.num_rows
    assert buyers.num_rows == config.buyers
    assert len(events) == config.shops
    seen = {(shop, line["clientId"]) for shop, lines in events.items() for line in lines}
    assert seen == set(zip(buyers["shop_id"].to_pylist(), buyers["buyer_id"].to_pylist(), strict=True))
    sizes = Counter(buyers["shop_id"].to_pylist())
    assert max(sizes.values()) > 3 * min(sizes.values())


def test_the_strata_of_each_shop_are_those_that_follow_from_its_mix(world, events):
    """Strata as in Section 2.1.1, counted from the lines."""
    depth = {"checkout_completed": 3, "checkout_started": 2, "product_added_to_cart": 1}
    looks = {"product_viewed", "collection_viewed", "search_submitted"}
    expected = world.table("truth/shops").to_pandas().set_index("shop_id")
    total = Counter()
    for shop, lines in events.items():
        deepest: dict[str, int] = {}
        for line in lines:
            level = depth.get(line["name"], 0 if line["name"] in looks else -1)
            deepest[line["clientId"]] = max(level, deepest.get(line["clientId"], -1))
        strata = Counter("EDCBA"[level + 1] for level in deepest.values())
        assert strata.total() == expected.loc[shop, "buyers"]
        for stratum in "ABCDE":
            share = expected.loc[shop, stratum]
            assert stats.binomtest(strata[stratum], strata.total(), share).pvalue > 1e-5, (shop, stratum, share)
        total += strata
    assert min(total[stratum] for stratum in "ABCDE") > 40


def test_mixes_are_planted_and_drawn_from(world):
    mixes = world.table("truth/mixes").to_pandas()
    assert mixes.groupby("shop_id")["share"].sum().to_numpy() == pytest.approx(1)
    sizes = mixes.groupby("shop_id")["buyers"].transform("sum")
    for share, drawn, size in zip(mixes["share"], mixes["buyers"], sizes, strict=True):
        assert stats.binomtest(drawn, size, share).pvalue > 1e-6
    wide = mixes.pivot_table(index="shop_id", columns="type", values="share").to_numpy()
    distances = [np.abs(a - b).sum() / 2 for i, a in enumerate(wide) for b in wide[:i]]
    assert min(distances) > 0.1


def test_some_buyers_are_between_two_types(world):
    buyers = world.table("truth/buyers").to_pandas()
    between = buyers["second_type"].notna()
    assert 0.05 < between.mean() < 0.12
    assert (buyers["second_share"][~between] == 0).all()
    assert buyers["second_share"][between].between(0.25, 0.5).all()
    assert (buyers["second_type"] != buyers["type"])[between].all()


@given(count=st.integers(9 * len(DRIVES), 80), seed=st.integers(0, 50))
def test_types_cover_the_axes(count, seed):
    types = make_types(count, np.random.default_rng(seed))
    assert [one.number for one in types] == list(range(count))
    assert len({(one.drive, one.engagement, one.exploration) for one in types}) == 4 * 3 * 3
    for axis, levels in (("price_level", 3), ("returns", 3)):
        assert len({(one.drive, getattr(one, axis)) for one in types}) == 4 * levels


@given(shops=st.integers(1, 60), more=st.integers(0, 20_000), seed=st.integers(0, 1000))
def test_shop_sizes_add_up_and_none_is_empty(shops, more, seed):
    sizes = shop_sizes(shops, shops + more, np.random.default_rng(seed))
    assert sizes.sum() == shops + more
    assert sizes.min() >= 1


@pytest.mark.parametrize("types", [1, 2, 30])
def test_small_and_wide_worlds_are_whole(tmp_path, types):
    config = LabConfig(shops=3, buyers=30, products_per_shop=6, types=types, days=1)
    generate_world(tmp_path / "world", config, _silent)
    assert pq.read_metadata(tmp_path / "world/truth/buyers.parquet").num_rows == 30


def test_progress_and_an_earlier_world_replaced(tmp_path):
    told = []
    generate_world(tmp_path / "world", SMALL, _silent)
    (tmp_path / ".world.partial").mkdir()  # what a killed run leaves
    (tmp_path / ".world.partial/rubbish").touch()
    generate_world(tmp_path / "world", SMALL.model_copy(update={"seed": 1}), lambda *step: told.append(step))
    assert [step[:2] for step in told][-1] == (80, 80)
    assert len(told) == 2
    assert sorted(path.name for path in (tmp_path / "world").iterdir()) == ["events", "truth"]
    assert len(list((tmp_path / "world/events").glob("*.jsonl"))) == 2
    assert not (tmp_path / ".world.partial").exists()


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"holds thesis\.txt.*Name another folder"):
        generate_world(tmp_path, SMALL, _silent)
    with pytest.raises(ConfigError, match="is a file"):
        generate_world(tmp_path / "thesis.txt", SMALL, _silent)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"shops": 9, "buyers": 8}, "8 for 9 shops"), ({"products_per_shop": 5}, "5; expected 6 to 20,000")],
)
def test_a_world_that_cannot_be_made_says_why(tmp_path, wrong, message):
    with pytest.raises(ConfigError, match=message):
        generate_world(tmp_path / "world", LabConfig(**wrong), _silent)
    assert not (tmp_path / "world").exists()


@pytest.mark.parametrize("trouble", [KeyboardInterrupt, OSError])
def test_a_stopped_world_leaves_the_earlier_one_and_nothing_else(tmp_path, trouble):
    generate_world(tmp_path / "world", SMALL, _silent)
    before = _digests(tmp_path)

    def stop(*_) -> None:
        raise trouble

    with pytest.raises(trouble):
        generate_world(tmp_path / "world", SMALL.model_copy(update={"seed": 1}), stop)
    assert _digests(tmp_path) == before


def test_the_command_makes_the_world_that_is_asked_for(tmp_path):
    asked = ["--shops", "2", "--buyers", "50", "--products", "20", "--types", "4", "--days", "9", "--seed", "3"]
    done = CliRunner().invoke(
        app, ["lab", "world", "--out", str(tmp_path / "a"), *asked, "--output", "parquet", "--variant", "hidden_search"]
    )
    assert done.exit_code == 0, done.output
    config = LabConfig(
        shops=2, buyers=50, products_per_shop=20, types=4, days=9, seed=3, output="parquet",
        variant=VariantConfig(hidden_search=True),
    )  # fmt: skip
    events = generate_world(tmp_path / "b", config, _silent)
    assert _digests(tmp_path / "a") == _digests(tmp_path / "b")
    assert f"{events:,} events" in done.output
    assert "source.format = table" in done.output

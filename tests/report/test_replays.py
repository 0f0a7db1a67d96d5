"""Visits as the viewer is given them, and the command that writes them to a page."""

import base64
import gzip
import json
import os
import re
import stat
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simpersona.contracts import CARDS, EPISODES, STEPS
from simpersona.errors import ConfigError
from simpersona.pipeline.replay import write_replays
from simpersona.report.inputs import no_pictures
from simpersona.report.replays import recorded_actions, replays, sample
from simpersona.report.viewer import render_viewer


def two_visits():
    counts = {f"{what}_count": [0, 0] for what in ("search", "collection_view", "checkout_start")}
    episodes = EPISODES.sample(
        2,
        episode_id=["sim-a-00000", "sim-a-00001"],
        shop_id=["a", "a"],
        code=[4, None],
        policy=["scorer", "lm"],
        ending=["goal_reached", "other"],
        error_kind=[None, "ModelError"],
        error=[None, "no answer"],
        prompt_tokens=[0, 900],
        reply_tokens=[0, 80],
        product_view_count=[2, 0],
        add_to_cart_count=[1, 0],
        purchase_count=[0, 0],
        verified=[None, None],
        **counts,
    )
    steps = STEPS.sample(
        3,
        episode_id=["sim-a-00000", "sim-a-00000", "sim-a-00001"],
        step=[1, 0, 0],
        url=["http://s/"] * 3,
        title=["Home"] * 3,
        tree=["[0-1] RootWebArea: Home"] * 3,
        should_end=[True, False, True],
        method=[None, "click", None],
        node=[None, "0-1", None],
        prompt_tokens=[None, 400, None],
        reply_tokens=[None, 40, None],
    )
    return episodes, steps


def pictures(episode_id):
    return {0: b"first", 1: b"second"} if episode_id == "sim-a-00000" else {}


def unpacked(html):
    packed = re.search(r'id="visit-data">(.*?)</script>', html, re.DOTALL).group(1)
    return json.loads(gzip.decompress(base64.b64decode(packed)))


def test_steps_are_in_order_and_a_page_seen_often_is_kept_once():
    found = replays(*two_visits(), CARDS.sample(1, code=[4], summary=["Looks."]), no_pictures, 0)
    first, second = found.episodes
    assert [step.get("method") for step in first["steps"]] == ["click", None]
    assert [step["page"] for step in first["steps"] + second["steps"]] == [0, 0, 0]
    assert found.pages == [{"url": "http://s/", "title": "Home", "tree": "[0-1] RootWebArea: Home"}]
    assert (first["persona"], first["summary"], first["reached"]) == ("<|persona_4|>", "Looks.", "cart")
    assert (second["persona"], second["error"]) == ("no persona token", "ModelError no answer")
    assert (second["tokens"], first["steps"][0]["tokens"]) == (980, 440)


def test_pictures_are_taken_as_long_as_they_fit():
    found = replays(*two_visits(), CARDS.empty(), pictures, 8)
    assert found.pictures == {"sim-a-00000/0": base64.b64encode(b"first").decode()}
    assert found.pictures_left_out == 1


def test_the_same_visits_give_the_same_page():
    found = [render_viewer(replays(*two_visits(), CARDS.empty(), pictures, 99), "demo") for _ in range(2)]
    assert found[0] == found[1]


def test_recorded_actions_as_text():
    counts = dict.fromkeys(
        (f"{what}_count" for what in ("collection_view", "product_view", "add_to_cart", "checkout_start")), 0
    )
    assert recorded_actions(counts | {"search_count": 2, "purchase_count": 1}) == "2 searches, 1 order"
    assert recorded_actions(counts | {"search_count": 0, "purchase_count": 0}) == "nothing"


def test_a_sample_has_every_shop_policy_and_depth():
    orders = [1 if place in (50, 90) else 0 for place in range(100)]
    views = [1 if place % 10 == 0 else 0 for place in range(100)]
    none = dict.fromkeys(f"{what}_count" for what in ("add_to_cart", "checkout_start", "collection_view", "search"))
    table = EPISODES.sample(
        100,
        shop_id=["big"] * 97 + ["small"] * 3,
        policy=["lm"] * 95 + ["scorer"] * 5,
        purchase_count=orders,
        product_view_count=views,
        **{name: [0] * 100 for name in none},
    )
    few = sample(table, 12).to_pylist()
    assert len(few) == 12
    assert sum(row["purchase_count"] for row in few) == 2
    assert {(row["shop_id"], row["policy"]) for row in few} == {("big", "lm"), ("big", "scorer"), ("small", "scorer")}
    assert sum(row["shop_id"] == "small" for row in few) == 3
    assert sample(table, 500).equals(table)


def test_a_hostile_page_cannot_close_the_data():
    episodes, steps = two_visits()
    hostile = "</script><script>alert(1)</script>"
    place = steps.column_names.index("tree")
    steps = steps.set_column(place, "tree", [[hostile] * 3])
    html = render_viewer(replays(episodes, steps, CARDS.empty(), no_pictures, 0), hostile)
    assert hostile not in html
    assert unpacked(html)["pages"][0]["tree"] == hostile


@pytest.fixture
def run(tmp_path):
    (tmp_path / "simulation/screenshots/sim-a-00000").mkdir(parents=True)
    (tmp_path / "simulation/screenshots/sim-a-00000/000.jpg").write_bytes(b"jpeg")
    for name, table in zip(("episodes", "steps"), two_visits(), strict=True):
        pq.write_table(table, tmp_path / f"simulation/{name}.parquet")
    return tmp_path


def test_all_visits_or_one_are_written_with_their_pictures(run, tmp_path):
    everything = write_replays(run, None, "simulation", None)
    assert everything == run / "replays/simulation.html"
    html = everything.read_text(encoding="utf-8")
    assert [one["id"] for one in unpacked(html)["episodes"]] == ["sim-a-00000", "sim-a-00001"]
    assert f'"sim-a-00000/0":"{base64.b64encode(b"jpeg").decode()}"' in html
    single = write_replays(run, "sim-a-00001", "simulation", tmp_path / "new/one.html")
    assert [one["id"] for one in unpacked(single.read_text(encoding="utf-8"))["episodes"]] == ["sim-a-00001"]


def test_what_cannot_be_replayed_is_told(run):
    with pytest.raises(ConfigError, match="no episode 'sim-b'; there are 2, the first: sim-a-00000, sim-a-00001"):
        write_replays(run, "sim-b", "simulation", None)
    with pytest.raises(ConfigError, match=r"no traces/episodes\.parquet: give a run's folder in which `traces`"):
        write_replays(run, None, "traces", None)


def test_the_command_opens_the_page_in_the_users_browser(run, tmp_path):
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/shown\n')
    browser.chmod(browser.stat().st_mode | stat.S_IXUSR)
    command = [sys.executable, "-m", "simpersona", "replay", str(run), "sim-a-00000", "--open"]
    env = os.environ | {"BROWSER": f"{browser} %s"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = run / "replays/sim-a-00000.html"
    assert done.stdout.strip() == str(page)
    assert (tmp_path / "shown").read_text().strip() == page.resolve().as_uri()


def test_an_inferred_visit_is_labelled_and_names_its_evidence():
    episodes, steps = two_visits()
    events = [{"event": "product_viewed", "evidence": "cart_shown", "step": 0}]
    rows = episodes.to_pylist()
    rows[0] |= {"inferred": ["product_view_count"], "inferred_events": events, "purchase_count": None}
    told = replays(
        EPISODES.check(pa.Table.from_pylist(rows, schema=EPISODES.schema)), steps, CARDS.empty(), no_pictures, 0
    )
    first, second = told.episodes
    assert (first["inferred"], second["inferred"]) == (True, False)
    assert first["recorded"] == "2 products, 1 add to cart (not known: orders)"
    assert first["steps"][0]["inferred"] == ["product viewed (cart shown)"]
    assert "inferred" not in first["steps"][1]

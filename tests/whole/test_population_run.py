"""A population without a browser and without a language model, from a generated world to the report, to a pack, and from that."""

import asyncio
import json
import shutil

import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import simpersona
from simpersona.adapters.storefronts.scripted import ScriptedStore, scripted_page
from simpersona.errors import ConfigError
from simpersona.shopper.episode import run_episode
from simpersona.shopper.goals import goal_for

from .conftest import POPULATION, command

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def folder(population, tmp_path_factory):
    """A copy of it."""
    return shutil.copytree(population, tmp_path_factory.mktemp("population") / "copy")


def test_a_population_is_simulated_by_the_scorer(folder):
    run = folder / "runs/population"
    said = (folder / "said.txt").read_text()
    assert "24 of" in said
    assert "personas, scorer; " in said
    assert {path.name for path in (run / "agent").iterdir()} == {"scorer", "training.json"}
    episodes = pq.read_table(run / "simulation/episodes.parquet").to_pandas()
    assert set(episodes["policy"]) == {"scorer"}
    assert len(episodes) == 24
    assert set(episodes["ending"]) <= {"goal_reached", "steps_limit"}
    metrics = json.loads((run / "evaluation/metrics.json").read_text())
    assert metrics["policy"] == "scorer"
    assert 0 <= metrics["conversion.overall.agent.add_to_cart"] <= 1
    assert "A surrogate acts, not a language model." in (run / "report/index.html").read_text()
    _check_tasks(run, metrics)
    _check_cold_start(folder, run, metrics)


def _check_tasks(run, metrics):
    tasks = pq.read_table(run / "tasks/tasks.parquet").to_pandas()
    visits = pq.read_table(run / "tasks/episodes.parquet").to_pandas()
    assert metrics["tasks.count"] == len(tasks) == 6
    assert tasks["actions"].between(3, 27).all()
    assert visits["policy"].value_counts().to_dict() == {"scorer": 12, "replay": 6}  # the teacher once
    assert set(visits["goal"]) == set(tasks["goal"])
    assert set(tasks["shop_id"]) == set(pq.read_table(run / "simulation/episodes.parquet")["shop_id"].to_pylist())
    assert metrics["tasks.replay.verified"] == metrics["tasks.replay.self_reported"] == 1
    assert metrics["tasks.scorer.visits"] == 12
    assert metrics["tasks.scorer.judges_kappa"] is None


def _check_cold_start(folder, run, metrics):
    assert (metrics["cold_start.shops"], metrics["cold_start.training_shops"]) == (1, 2)
    assert 0 <= metrics["cold_start.js_mean"] <= 1
    said = command(folder, "coldstart", str(run), "--catalog", str(run / "events/products.parquet"))
    assert "is predicted from the others" in said
    mixes = pyarrow.csv.read_csv(folder / "coldstart.csv").to_pandas()
    assert mixes.groupby("shop_id")["share"].sum().tolist() == pytest.approx([1, 1, 1])
    assert (mixes["low"] <= mixes["share"]).all()


def leaves(question):
    """A buyer who leaves at once, and a judge who believes it."""
    fields = set(question["response_format"]["json_schema"]["schema"].get("properties", {}))
    if fields == {"reason", "verified"}:
        return json.dumps({"reason": "It said so.", "verified": True})
    return json.dumps({"shouldEnd": True, "action": None, "reasoning": "Done."})


def test_a_served_model_does_tasks_and_judges_them(tmp_path, chat_server):
    chat_server.answers = [leaves]
    served = POPULATION.replace("repetitions = 2", 'policies = ["llm", "replay"]\njudge = "llm"')
    served = served.replace("[agent]", '[agent]\nprompt = "figure9"').replace("episodes = 24", "episodes = 2")
    (tmp_path / "run.toml").write_text(served + f'[llm]\nurl = "{chat_server.url}"\nmodel = "test-model"\n')
    command(tmp_path, "evaluate", "run.toml", "--quiet")
    metrics = json.loads((tmp_path / "runs/population/evaluation/metrics.json").read_text())
    found = {name: metrics[f"tasks.llm.{name}"] for name in ("self_reported", "kept_word", "verified", "verified_llm")}
    assert found == {"self_reported": 1, "kept_word": 0, "verified": 0, "verified_llm": 1}
    assert (metrics["tasks.llm.steps_mean"], metrics["tasks.llm.judges_agree"]) == (0, 0)
    assert (metrics["tasks.replay.verified"], metrics["tasks.replay.judges_agree"]) == (1, 1)


def test_a_pack_gives_the_codes_of_its_run_and_an_agent_that_acts(folder):
    pack = simpersona.load_pack(folder / "packs/mine")
    run = folder / "runs/population"
    codes = pack.assign(run / "world/events", "table", buyers={"embedder": "hashing"}, events={"keep_ids": True})
    own = pq.read_table(run / "personas/assignments.parquet").to_pandas()
    # ids are hashed with a key in the run, so the codes of each shop are compared as a whole
    found, expected = (table.groupby(["shop_id", "code"]).size() for table in (codes.to_pandas(), own))
    assert found.equals(expected)
    mix = pack.mix(codes)
    assert mix.equals(pack.mix())
    shop = mix["shop_id"][0].as_py()
    assert sum(pack.mix(shop)["share"].to_pylist()) == pytest.approx(1)
    with pytest.raises(ConfigError, match="no store 'elsewhere'"):
        pack.mix("elsewhere")
    assert pack.cards["code"].to_pylist() == list(range(pack.about["codes"]))
    goal = goal_for("skirts", "buy", shop_id=shop, code=3)
    episode = asyncio.run(
        run_episode(store(), pack.agent()(1), goal, episode_id="e", seed=1, max_steps=40, time_limit_seconds=60)
    )
    assert episode.policy == "scorer"
    assert episode.ending in ("goal_reached", "steps_limit")
    with pytest.raises(ConfigError, match="no policy 'lm'; it has scorer"):
        pack.agent("lm")


def store():
    home = scripted_page(
        "http://shop.example/", "[0-1] RootWebArea: Shop\n[0-2] link: Linen Skirt - $20.00\n[0-3] link: Cart (0)"
    )
    product = scripted_page(
        "http://shop.example/p", "[0-1] RootWebArea: Linen Skirt\n[0-2] button: Add to cart\n[0-3] link: Shop"
    )
    return ScriptedStore({"home": home, "product": product}, {("home", "0-2"): "product", ("product", "0-3"): "home"})


def test_a_run_takes_personas_and_policy_from_a_pack_instead_of_training(folder):
    settings = ["--set", "pack=packs/mine", "--set", "lab.seed=99", "--set", "traces.sessions=3", "--name", "packed"]
    told = command(folder, "agent", "run.toml", *settings)
    assert "personas of the pack packs/mine" in told
    assert "scorer of the pack" in told
    run, pack = folder / "runs/packed", folder / "packs/mine"
    for here, there in (("agent/scorer/scorer.safetensors",) * 2, ("personas/model.safetensors",) * 2):
        assert (run / here).read_bytes() == (pack / there.removeprefix("agent/")).read_bytes()
    assert json.loads((run / "personas/personas.json").read_text())["held_out"] != []


def test_a_damaged_pack_and_one_of_another_format_are_told_in_words(folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folder / "packs/mine", copy)
    (copy / "README.md").write_text("A card may be edited.")
    simpersona.load_pack(copy)
    (copy / "scorer/scorer.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"scorer/scorer.json missing or not as written"):
        simpersona.load_pack(copy)
    about = json.loads((copy / "pack.json").read_text())
    (copy / "pack.json").write_text(json.dumps(about | {"format": 7, "simpersona": "9.0"}))
    with pytest.raises(
        ConfigError, match=r"format 7, written by simpersona 9.0; this is simpersona .*, which reads format 1"
    ):
        simpersona.load_pack(copy)
    with pytest.raises(ConfigError, match=r"no pack here \(pack.json is missing\)"):
        simpersona.load_pack(tmp_path)


def test_a_pack_is_small_and_holds_nothing_pickled_and_nobody(folder):
    pack = folder / "packs/mine"
    files = [path for path in pack.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".safetensors", ".json", ".parquet", ".toml", ".md"}
    assert sum(path.stat().st_size for path in files) < 5_000_000
    card = (pack / "README.md").read_text()
    assert "| visits broken off, two-stage training |" in card
    assert "lab data" in card
    buyer = pq.read_table(folder / "runs/population/buyers/buyers.parquet")["buyer_id"][0].as_py()
    assert not any(buyer.encode() in path.read_bytes() for path in files)

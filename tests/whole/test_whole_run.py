"""Whole runs on real parts, small: lab world, DuckDB, VQ-VAE, storefront, Chromium, a language model.

The model here is a random one of SmolLM2's kind and vocabulary, so that training takes seconds.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from simpersona.contracts import EPISODES, STEPS, TRAINING_GOALS
from simpersona.files import read_table
from simpersona.pipeline.run import STAGE_NAMES
from simpersona.traces.dataset_card import DATASETS
from simpersona.traces.examples import chat_example, read_training_steps
from simpersona.visits import ENDINGS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SETTINGS = """
name = "tiny"
[lab]
shops = 3
buyers = 450
products_per_shop = 16
types = 6
[buyers]
embedder = "hashing"
channel_dim = 16
[personas]
codes = 8
epochs = 3
[traces]
sessions = 4
max_actions = 5
[agent]
model = "{model}"
start_rows = "mean"
max_tokens = 700
stage1 = {{steps = 2, learning_rate = 5e-3, warmup_steps = 0}}
stage2 = {{steps = 2, learning_rate = 1e-4, warmup_steps = 0}}
[simulation]
episodes = 2
max_steps = 3
no_token_episodes = 1
scorer = {{episodes = 3, max_steps = 4, concurrency = 2}}
[evaluation]
bootstrap = 20
permutations = 100
"""


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory):
    """A random two-layer Llama with SmolLM2's tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from simpersona.agent.backbone import load_backbone, save_backbone

    _, tokenizer = load_backbone("smollm2-135m")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        tie_word_embeddings=True,
    )
    folder = tmp_path_factory.mktemp("model") / "tiny-llama"
    save_backbone(LlamaForCausalLM(config), tokenizer, folder)
    return folder


@pytest.fixture(scope="module")
def config(tmp_path_factory, tiny_model):
    path = tmp_path_factory.mktemp("config") / "tiny.toml"
    path.write_text(SETTINGS.format(model=tiny_model), encoding="utf-8")
    return path


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "simpersona", *map(str, words)]


def simpersona(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*words), cwd=cwd, capture_output=True, text=True, check=False, timeout=600)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, config):
    """A folder with one finished run, and what the command printed."""
    folder = tmp_path_factory.mktemp("finished")
    done = simpersona("run", config, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done


def test_the_report_is_printed_last_and_is_one_file(finished):
    folder, done = finished
    last = done.stdout.strip().splitlines()[-1]
    assert last == "runs/tiny/report/index.html"
    html = (folder / last).read_text(encoding="utf-8")
    assert html.lstrip().lower().startswith("<!doctype html>")
    assert sorted(path.name for path in (folder / last).parent.iterdir()) == ["index.html"]


def test_every_stage_says_rows_seconds_and_memory(finished):
    folder, done = finished
    stages = json.loads((folder / "runs/tiny/manifest.json").read_text(encoding="utf-8"))["stages"]
    assert tuple(stages) == STAGE_NAMES
    for record in stages.values():
        assert record["seconds"] > 0
        assert record["peak_memory_mb"] > 0
        assert record["summary"] in done.stderr
    quality = json.loads((folder / "runs/tiny/events/quality.json").read_text(encoding="utf-8"))
    assert quality["rows_in"] == stages["world"]["rows_out"] == quality["rows_kept"] + quality["rows_rejected"]


def test_the_episodes_are_recorded_with_their_endings(finished):
    folder, _ = finished
    episodes = EPISODES.check(pq.read_table(folder / "runs/tiny/simulation/episodes.parquet"))
    steps = STEPS.check(pq.read_table(folder / "runs/tiny/simulation/steps.parquet"))
    kinds = [(row["policy"], row["code"] is None) for row in episodes.to_pylist()]
    assert kinds == [("lm", False), ("lm", False), ("lm", True), *[("scorer", False)] * 3]
    assert set(episodes["ending"].to_pylist()) <= set(ENDINGS)
    assert set(steps["episode_id"].to_pylist()) == set(episodes["episode_id"].to_pylist())
    held_out = json.loads((folder / "runs/tiny/personas/personas.json").read_text(encoding="utf-8"))["held_out"]
    assert set(episodes["shop_id"].to_pylist()) <= set(held_out)
    quality = json.loads((folder / "runs/tiny/simulation/quality.json").read_text(encoding="utf-8"))
    assert {policy: told["episodes"] for policy, told in quality.items()} == {"lm": 3, "scorer": 3}
    assert quality["lm"]["prompt_tokens"] == sum(episodes["prompt_tokens"].to_pylist()) > 0
    assert (
        quality["scorer"]["prompt_tokens"] == quality["lm"]["cost"] == 0
    )  # the model in this process asks for nothing


def test_examples_come_from_verified_replays_of_training_shops_alone(finished):
    folder, _ = finished
    run = folder / "runs/tiny"
    held_out = json.loads((run / "personas/personas.json").read_text(encoding="utf-8"))["held_out"]
    episodes = pq.read_table(run / "traces/episodes.parquet")
    verified = {row["session_id"] for row in episodes.to_pylist() if row["verified"]}
    tables = {"episodes": EPISODES, "steps": STEPS, "goals": TRAINING_GOALS}
    steps = read_training_steps(*(read_table(run / f"traces/{name}.parquet", tables[name]) for name in tables))
    for kind, name in DATASETS.items():
        lines = (run / f"traces/{name}.jsonl").read_text(encoding="utf-8").splitlines()
        examples = [json.loads(line) for line in lines]
        assert examples
        assert examples == [chat_example(step) for step in steps[kind]]
        assert {example["session_id"] for example in examples} == verified
        assert not {example["shop_id"] for example in examples} & set(held_out)
        assert all([m["role"] for m in e["messages"]] == ["system", "user", "assistant"] for e in examples)
    replayed = {row["episode_id"]: (row["goal"], None, None) for row in episodes.to_pylist() if row["verified"]}
    goals = [step.goal for step in steps["instructions"]]
    visits = [step.visit_id for step in steps["instructions"]]
    assert {visit: (goal.text, goal.intent, goal.wish) for visit, goal in zip(visits, goals, strict=True)} == replayed
    quality = json.loads((run / "traces/quality.json").read_text(encoding="utf-8"))
    assert quality["instructions"] == {"visits": len(verified), "too_long": 0, "max_tokens": 200}
    assert quality["codes"]["with_instructions"] == quality["codes"]["with_examples"]


def test_the_metrics_have_every_key_and_a_reason_for_each_null(finished):
    folder, _ = finished
    metrics = json.loads((folder / "runs/tiny/evaluation/metrics.json").read_text(encoding="utf-8"))
    notes = metrics.pop("notes")
    assert {key for key, value in metrics.items() if value is None} <= set(notes)
    assert metrics["source"] == "lab"
    assert 0 < metrics["clusters.vqvae.stratum_purity"] <= 1
    assert metrics["planted.adjusted_rand"] is not None
    vectors = np.load(folder / "runs/tiny/evaluation/vectors.npy")
    assert vectors.shape[1] == 16 + 3 * 16 + 3


def test_a_second_run_does_nothing_and_says_so(finished, config):
    folder, _ = finished
    report = folder / "runs/tiny/report/index.html"
    before = report.stat().st_mtime_ns
    done = simpersona("run", config, cwd=folder)
    assert done.returncode == 0
    assert "nothing to do" in done.stderr
    assert report.stat().st_mtime_ns == before


def test_a_changed_setting_redoes_what_depends_on_it_and_no_more(finished, config, tmp_path):
    shutil.copytree(finished[0] / "runs", tmp_path / "runs")
    done = simpersona("evaluate", config, "--json", "--set", "evaluation.bootstrap=30", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()][:-1]
    assert [record["stage"] for record in records if not record["skipped"]] == ["evaluation"]


def test_a_setting_that_changes_no_result_redoes_nothing(finished, config, tmp_path):
    shutil.copytree(finished[0] / "runs", tmp_path / "runs")
    names = (
        "traces.concurrency=3",
        "events.memory_gb=2",
        "agent.examples_at_once=1",
        "store.politeness.requests_per_minute=9",
    )
    changes = [word for name in names for word in ("--set", name)]
    done = simpersona("run", config, *changes, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "nothing to do" in done.stderr


def test_new_buyers_get_the_codes_that_they_have_in_the_run(finished, tmp_path):
    folder, _ = finished
    out = tmp_path / "codes.csv"
    done = simpersona(
        "assign", "--pack", "runs/tiny", "--events", "runs/tiny/world/events", "--format", "shopify", "--out", out,
        "--set", "events.keep_ids=true", "--set", "buyers.embedder=hashing",
        cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    keys = ["shop_id", "buyer_id"]
    ours = pyarrow.csv.read_csv(out).sort_by([(key, "ascending") for key in keys])
    known = pq.read_table(folder / "runs/tiny/personas/assignments.parquet").sort_by([(k, "ascending") for k in keys])
    assert ours["code"].to_pylist() == known["code"].to_pylist()
    assert (tmp_path / "codes-mix.csv").exists()

"""A run whose goals, verdicts and buyers come from a language model behind an address, here a server of the test's own."""

import json
import re
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from simpersona.traces.model_teacher import TEACHER

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SETTINGS = """
name = "served"
[lab]
shops = 3
buyers = 450
products_per_shop = 16
types = 6
output = "parquet"
[buyers]
embedder = "hashing"
channel_dim = 16
[personas]
codes = 8
epochs = 3
[store]
driver = "http"
[traces]
sessions = 12
teacher = "model"
writer = "llm"
judge = "llm"
[llm]
url = "{url}"
model = "test-model"
key_env = "SERVED_MODEL_KEY"
[agent]
policies = []
prompt = "figure9"
[simulation]
model = "llm"
reasoning = true
temperature = 0.8
episodes = 3
max_steps = 4
[evaluation]
bootstrap = 20
permutations = 100
"""
KEY = "sk-4711-0815"
LEAVES = json.dumps({"shouldEnd": True, "action": None, "reasoning": "Nothing for me."})


def answered(question):
    """Goals that name all that is in quotes (but not of visits with a removal), a teacher who clicks once, every other verdict
    a yes, buyers who leave.
    """
    schema = question["response_format"]["json_schema"]["schema"]
    told = question["messages"][1]["content"]
    fields = set(schema.get("properties", {}))
    if fields == {"replay", "neutral"}:
        names = ", ".join(re.findall(r'"([^"]+)"', told))
        bad = "removed" in told
        return json.dumps(
            {"replay": f"Visit {'nothing' if bad else names}.", "neutral": "You like this shop's things."}
        )
    if fields == {"reason", "verified"}:
        return json.dumps({"reason": "I counted the steps.", "verified": len(told) % 2 == 0})
    if question["messages"][0]["content"] == TEACHER and "- Action:" not in told:
        clicks = (one["properties"] for one in schema["anyOf"][0]["properties"]["action"]["anyOf"])
        click = next(one for one in clicks if one["method"]["const"] == "click")
        action = {name: value["const"] for name, value in click.items()}
        return json.dumps({"shouldEnd": False, "action": action, "reasoning": "My goal tells me so."})
    return LEAVES


def test_goals_teacher_verdicts_and_buyers_come_from_the_served_model(tmp_path, chat_server, monkeypatch):
    monkeypatch.setenv("SERVED_MODEL_KEY", KEY)
    chat_server.answers = [answered]
    (tmp_path / "run.toml").write_text(SETTINGS.format(url=chat_server.url))
    command = [sys.executable, "-m", "simpersona", "run", "run.toml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=800)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "runs/served"

    told = json.loads((run / "traces/quality.json").read_text())
    episodes = pq.read_table(run / "traces/episodes.parquet").to_pylist()
    assert told["model"] == "test-model"
    assert told["teacher"] == {"by": "model", "prompt_tokens": 12 * 42, "reply_tokens": 12 * 8}
    assert {(one["policy"], one["steps"], one["prompt_tokens"]) for one in episodes} == {("model", 1, 42)}
    writer, judge = told["writer"], told["judge"]
    assert (writer["by"], writer["sessions"], judge["agreement"]["episodes"]) == ("llm", 12, 12)
    worded = [episode for episode in episodes if episode["goal"].startswith("Visit ")]
    assert writer["by_rules"] == 12 - len(worded)
    assert worded
    assert {episode["verdict"] for episode in episodes} == {"I counted the steps."}
    verified = {episode["episode_id"]: episode["verified"] for episode in episodes}
    differing = {one["episode_id"]: one for one in judge["disagreements"]}
    assert all(one["llm"]["verified"] is verified[name] for name, one in differing.items())
    assert judge["agreement"]["share"] == pytest.approx(1 - len(differing) / 12)
    assert judge["verified_by_llm"] == sum(verified.values())
    examples = [json.loads(line) for line in (run / "traces/stage1.jsonl").read_text().splitlines()]
    kept = {(one["shop_id"], one["session_id"]) for one in episodes if one["verified"]}
    assert {(one["shop_id"], one["session_id"]) for one in examples} == kept
    assert any("You like this shop's things." in one["messages"][1]["content"] for one in examples)

    learned = {example["messages"][2]["content"] for example in examples}
    assert any('"shouldEnd": false' in one for one in learned)
    assert not any("My goal" in one for one in learned)

    played = pq.read_table(run / "simulation/episodes.parquet").to_pylist()
    assert {(one["ending"], one["policy"], one["steps"]) for one in played} == {("goal_reached", "lm", 0)}
    asked = [question for _, _, question in chat_server.asked]
    assert {headers["Authorization"] for _, headers, _ in chat_server.asked} == {f"Bearer {KEY}"}
    assert [question["temperature"] for question in asked] == [0.0] * (len(asked) - 3) + [0.8] * 3
    ids = {episode[name] for episode in episodes for name in ("buyer_id", "session_id", "episode_id")}
    of_traces = json.dumps([question["messages"] for question in asked[:-3]])
    assert not any(one in of_traces for one in ids)
    assert "persona" not in of_traces
    kept_files = [path for path in run.rglob("*") if path.is_file() and path.suffix in (".json", ".toml", ".html")]
    assert not any(KEY in path.read_text() for path in kept_files)


def test_a_teacher_that_refuses_ends_the_stage_and_finished_visits_are_kept(tmp_path, chat_server, monkeypatch):
    monkeypatch.setenv("SERVED_MODEL_KEY", KEY)
    chat_server.answers = [LEAVES, LEAVES, LEAVES, (401, "no such key")]
    (tmp_path / "run.toml").write_text(SETTINGS.format(url=chat_server.url))
    rules = ["--set", 'traces.writer="rules"', "--set", 'traces.judge="rules"', "--set", "traces.concurrency=1"]
    command = [sys.executable, "-m", "simpersona", "traces", "run.toml", *rules]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=800)
    assert done.returncode == 2
    assert "the teacher of traces cannot be asked" in done.stderr
    kept = (tmp_path / "runs/served/.traces.work/trace/episodes.jsonl").read_text().splitlines()
    assert len(kept) == 1 + 3
    chat_server.answers = [LEAVES]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=800)
    assert done.returncode == 0, done.stderr
    assert len(chat_server.asked) == 4 + 9
    assert pq.read_table(tmp_path / "runs/served/traces/episodes.parquet").num_rows == 12

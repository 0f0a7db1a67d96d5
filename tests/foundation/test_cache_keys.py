"""Which stages run again when a setting changes: exactly those that are declared to read it, and the stages after them."""

from typing import Any

import pytest

from simpersona.config import Config
from simpersona.config.file import parse_config
from simpersona.config.section import settings_of
from simpersona.errors import ConfigError
from simpersona.pipeline.experiment import Plan, require_one_run
from simpersona.pipeline.run import STAGE_NAMES, STAGES, Stage, cache_keys
from simpersona.simulation.experiment import Question

SERVER = {"url": "http://127.0.0.1:8000/v1", "model": "m"}
SETTINGS = list(settings_of(Config()))
"""All settings, with their defaults."""

STEPS = ("world", "events", "buyers", "personas", "traces", "agent", "tasks", "simulation", "evaluation", "report")
FROM = {name: set(STEPS[place:]) for place, name in enumerate(STEPS)}
"""By stage, itself and all stages after it, in the order of the pipeline."""
FROM["tasks"] = {"tasks", "evaluation", "report"}
FROM["simulation"] = {"simulation", "evaluation", "report"}


def nested(name: str, value: Any) -> dict:
    for part in reversed(name.split(".")):
        value = {part: value}
    return value


def merged(one: dict, other: dict) -> dict:
    both = dict(one)
    for key, value in other.items():
        both[key] = merged(both[key], value) if isinstance(value, dict) and isinstance(both.get(key), dict) else value
    return both


def changed(before: dict, **settings: Any) -> set[str]:
    """The stages whose keys differ once `settings` (a__b for a.b) are set."""
    after = before
    for name, value in settings.items():
        after = merged(after, nested(name.replace("__", "."), value))
    keys, others = cache_keys(parse_config(before)), cache_keys(parse_config(after))
    return {name for name in STEPS if keys[name] != others[name]}


def test_the_pipeline_has_the_stages_that_settings_can_name():
    assert STAGE_NAMES == STEPS


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_declares_its_stages_or_that_it_changes_no_result(setting):
    assert setting.read_by is not None
    assert setting.read_by.stages | setting.read_by.beside <= {*STEPS, "experiment"}


OTHER_VALUES: dict[str, Any] = {
    "name": "other", "folder": "elsewhere", "pack": "default", "source.format": "table", "source.path": "log.csv",
    "lab.output": "both", "lab.variants": "varied",
    "events.time_zone": "Europe/Paris", "events.bots": "drop", "events.engine": "spark", "split.held_out": ["a"],
    "buyers.embedder": "hashing", "personas.hidden": [8], "personas.commitment_over": "sum",
    "personas.purchase_weights": [2, 1], "personas.purchase_bins": "semantic", "store.theme": "outlet",
    "store.driver": "http", "store.politeness.signature_key": "key.pem",
    "store.politeness.signature_agent": "https://bot.example", "store.politeness.signature_headers_env": {"a": "B"},
    "store.politeness.user_agent_suffix": "ours", "store.access.login_env": "A", "store.access.headers_env": {"X-A": "A"},
    "store.access.cookies_env": "A", "store.access.query_env": {"key": "A"}, "store.access.state_file": "state.json",
    "store.access.proxy": "http://proxy.example:3128", "store.access.proxy_login_env": "A", "store.device": "phone",
    "store.user_agent": "Mozilla/5.0", "store.locale": "de-DE", "store.time_zone": "Europe/Berlin",
    "store.cdp_url": "http://127.0.0.1:9222", "store.cdp_query_env": {"token": "A"},
    "store.browser_path": "/usr/bin/chromium", "llm.adapter": "my_shop.models:Model", "llm.url": "http://localhost:1/v1", "llm.model": "n", "llm.key_env": "KEY",
    "llm.temperature": 0.5, "llm.price_per_million_prompt_tokens": 1.0, "llm.price_per_million_reply_tokens": 1.0,
    "agent.policies": ["lm"], "agent.model": "other", "agent.prompt": "figure9", "agent.start_rows": "mean", "agent.start": "default",
    "agent.training": "single_stage", "simulation.store_url": "http://localhost:2", "simulation.policy": "scorer",
    "simulation.model": "trained", "simulation.engine": "ray", "simulation.sampling": "stratified",
    "simulation.scorer.driver": "browser", "tasks.policies": ["replay"], "tasks.actions": [1, 2], "tasks.judge": "rules",
    "traces.teacher": "replay", "traces.writer": "rules", "traces.judge": "rules",
}  # fmt: skip
ASKING = {
    "llm": SERVER,
    "traces": {"teacher": "model", "writer": "llm", "judge": "llm"},
    "simulation": {"model": "llm"},
    "tasks": {"count": 3, "judge": "llm", "policies": ["replay", "lm"]},
}
"""A run in which every stage that can ask the model of [llm] does."""


def other_value(name: str, value: Any) -> Any:
    if name in OTHER_VALUES:
        return OTHER_VALUES[name]
    if isinstance(value, bool):
        return not value
    if isinstance(value, list):
        return [*value, "other"]
    return value / 2 if isinstance(value, float) else value + 1


@pytest.mark.parametrize("name", [setting.name for setting in SETTINGS])
def test_a_changed_setting_changes_the_keys_of_its_stages_and_of_those_after_them(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = merged(ASKING, {"agent": {"prompt": "figure9"}} if name == "simulation.reasoning" else {})
    if name == "agent.policies":
        before = merged(before, {"agent": {"counterfactual": False}})
    if name == "simulation.policy":
        before = merged(before, {"simulation": {"model": "trained"}})
    config = parse_config(before)
    setting = next(setting for setting in settings_of(config) if setting.name == name)
    assert setting.read_by is not None
    read = setting.read_by.stages
    if name == "source.format":
        read = read | {"world"}  # the world is generated for the format "lab" alone
    expected = set().union(*(FROM[stage] for stage in read if stage in FROM), setting.read_by.beside)
    value = other_value(name, setting.value)
    assert value != setting.value
    assert changed(config.model_dump(mode="json"), **{name.replace(".", "__"): value}) == expected


@pytest.mark.parametrize(
    ("format_", "name", "value"),
    [
        ("shopify", "shop", "mine"),
        ("rees46", "shop_by", "none"),
        ("table", "time_format", "ms"),
        ("table", "time_zone", "Europe/Paris"),
        ("table", "columns", {"time": "ts"}),
        ("table", "events", {"*": "ignored"}),
        ("my_shop.pixels:Source", "options", {"market": "DE"}),
    ],
)
def test_a_changed_setting_of_a_format_changes_the_keys_from_the_events_on(format_, name, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = parse_config({"source": {"format": format_, "path": "log.csv"}})
    assert changed(config.model_dump(mode="json"), **{f"source__{name}": value}) == FROM["events"]


@pytest.mark.parametrize(
    ("name", "value", "stages"),
    [
        ("seed", 1, FROM["personas"]),
        ("lab.buyers", 7, FROM["world"]),
        ("events.time_zone", "Europe/Paris", FROM["buyers"] | {"events"}),
        ("events.keep_ids", True, FROM["events"]),
        ("events.memory_gb", 1.0, set()),
        ("traces.concurrency", 9, set()),
        ("traces.max_actions", 9, FROM["traces"]),
        ("agent.prompt", "figure9", FROM["agent"]),
        ("agent.examples_at_once", 1, set()),
        ("simulation.time_limit_seconds", 9.0, FROM["traces"]),  # the replays have the same limit
        ("simulation.temperature", 0.5, FROM["tasks"] | FROM["simulation"]),
        ("simulation.episodes", 9, FROM["simulation"]),
        ("simulation.engine", "ray", set()),
        ("store.politeness.requests_per_minute", 9.0, set()),
        ("store.variant.price_factor", 2.0, FROM["simulation"]),  # recorded sessions are replayed in their own store
        ("evaluation.bootstrap", 9, FROM["evaluation"]),
    ],
)
def test_what_runs_again_by_hand(name, value, stages):
    assert changed({}, **{name.replace(".", "__"): value}) == stages


def test_screenshots_play_the_visits_again_but_do_not_train_again():
    assert changed({}, store__screenshots=True) == {"traces", "simulation", "evaluation", "report"}


def test_the_model_behind_a_server_counts_only_where_it_is_asked():
    other = {**SERVER, "model": "other"}
    assert changed({"llm": SERVER}, llm=other) == set()
    assert changed({"llm": SERVER, "traces": {"judge": "llm"}}, llm=other) == FROM["traces"]
    assert changed({"llm": SERVER, "simulation": {"model": "llm"}}, llm=other) == FROM["simulation"]
    tasks = {"tasks": {"count": 1, "policies": ["lm"]}}
    assert changed({"llm": SERVER, "simulation": {"model": "llm"}, **tasks}, llm=other) == (
        FROM["simulation"] | FROM["tasks"]
    )


def test_the_generated_world_counts_only_for_the_lab():
    log = {"source": {"format": "rees46", "path": "absent.csv"}}
    assert changed(log, lab__shops=3, lab__output="parquet") == set()


def test_the_content_of_a_log_counts(tmp_path):
    log = tmp_path / "log.csv"
    config = parse_config({"source": {"format": "rees46", "path": str(log)}})
    log.write_text("a")
    before = cache_keys(config)
    log.write_text("ab")
    after = cache_keys(config)
    assert {name for name in STEPS if before[name] != after[name]} == FROM["events"]


def test_a_folder_that_is_not_a_pack_is_named():
    with pytest.raises(ConfigError, match="no pack here"):
        cache_keys(parse_config({"pack": "nowhere"}))


def test_an_experiment_reads_what_its_visits_depend_on():
    def key(**settings: Any) -> str:
        config = parse_config({"llm": SERVER, **settings})
        experiment = Stage("experiment-1", STAGES[0].run, ("agent",), reader="experiment", inputs={"buyers": 3})
        return cache_keys(config, [*STAGES[: STAGE_NAMES.index("agent") + 1], experiment])["experiment-1"]

    assert key() == key(simulation={"episodes": 9, "concurrency": 9, "engine": "ray"}, evaluation={"bootstrap": 3})
    assert key() != key(simulation={"max_steps": 9})
    assert key() != key(store={"theme": "outlet"})
    served = {"model": "llm"}
    assert key(simulation=served) != key(simulation=served, llm={**SERVER, "max_reply_tokens": 9})


def test_the_two_arms_of_an_experiment_may_differ_in_the_store_and_in_what_changes_no_visit():
    a = parse_config({})
    free = {
        "name": "b",
        "store": {"theme": "outlet", "images": False},
        "tasks": {"count": 3},
        "traces": {"concurrency": 9},
    }
    require_one_run(a, parse_config(free))
    with pytest.raises(ConfigError, match=r"traces\.max_actions: 22 and 9"):
        require_one_run(a, parse_config(merged(free, {"traces": {"max_actions": 9}})))


def test_an_experiment_keeps_its_name_when_a_setting_changes_that_no_visit_depends_on():
    def name(**store: Any) -> str:
        plan = Plan(parse_config({"store": store}), Config(), Question(0.05, 0.02, 0.8), "scorer", 3)
        return plan.name

    assert name() == name(
        visitors_per_browser=9, politeness={"requests_per_minute": 9}, browser_path="/usr/bin/chromium"
    )
    assert name() != name(theme="outlet")

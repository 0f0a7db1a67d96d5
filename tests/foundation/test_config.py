"""Settings: the paper's published values, clear errors, and a round trip through TOML."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import tomlkit

from simpersona.config import Config
from simpersona.config.file import config_toml, load_config, parse_config, with_settings
from simpersona.errors import ConfigError

REPO = Path(__file__).parents[2]


@pytest.mark.parametrize("comments", [False, True])
def test_toml_round_trip(comments):
    config = parse_config({"name": "x", "personas": {"codes": 7}, "source": {"format": "rees46", "path": "a.csv"}})
    assert parse_config(tomllib.loads(config_toml(config, comments))) == config


def test_paper_config_holds_the_published_values():
    config = load_config(REPO / "configs/paper.toml")
    personas, agent = config.personas, config.agent
    assert (personas.codes, personas.hidden, personas.latent) == (256, (256, 128), 96)  # App. C
    assert (personas.reconstruction_weight, personas.commitment_weight) == (0.3, 0.75)
    assert (personas.contrastive_weight, personas.head_weight, personas.decay) == (0.15, 0.5, 0.9)
    assert (personas.dead_fraction, personas.dead_every_steps, personas.dead_warmup_steps) == (0.1, 50, 100)
    assert (personas.temperature, personas.product_peers, personas.behaviour_peers) == (0.1, 10, 3)  # App. D
    assert (personas.buyers_per_shop, personas.buyers_per_stratum, personas.validation_share) == (1500, 300, 0.15)
    assert (agent.model, agent.batch_size, agent.max_tokens) == ("Qwen/Qwen3-14B-Base", 64, 16384)  # App. G
    assert agent.stage1.steps == 34_000 // 64  # one epoch
    assert (agent.stage1.learning_rate, agent.stage1.warmup_steps, agent.weight_decay) == (1e-5, 50, 0.01)
    assert config.simulation.max_steps == 30  # App. F


def test_every_wrong_setting_is_listed_at_once():
    with pytest.raises(ConfigError) as caught:
        parse_config({"personas": {"codes": 0, "colour": "red"}, "sead": 1}, "my.toml")
    message = str(caught.value)
    assert message.startswith("my.toml: 3 wrong setting(s)")
    for part in ("personas.codes", "personas.colour", "sead", "found 'red'"):
        assert part in message


@pytest.mark.parametrize(
    ("data", "name", "closest"),
    [
        ({"sead": 1}, "sead", "seed"),
        ({"personas": {"code": 9}}, "personas.code", "personas.codes"),
        ({"persona": {"codes": 9}}, "persona.codes", "personas.codes"),
        ({"simulation": {"scorer": {"episode": 9}}}, "simulation.scorer.episode", "simulation.scorer.episodes"),
        ({"store": {"polite": {}}}, "store.polite", "store.politeness"),
        ({"traces": {"store_url": "http://a"}}, "traces.store_url", "simulation.store_url"),
        ({"embedder": "given"}, "embedder", "buyers.embedder"),
    ],
)
def test_an_unknown_setting_names_the_closest_known_one(data, name, closest):
    with pytest.raises(ConfigError, match=rf"  {name}: no such setting \(found .*\); did you mean {closest}\?\n"):
        parse_config(data)
    with pytest.raises(ConfigError, match=rf"  {name}: no such setting \(found .*\); did you mean {closest}\?\n"):
        with_settings({}, [f"{name}=1"], "--set")


def test_an_unknown_setting_like_no_other_gets_no_suggestion():
    with pytest.raises(ConfigError, match=r"personas\.colour: no such setting \(found 'red'\)\n"):
        parse_config({"personas": {"colour": "red"}})


def test_a_setting_is_not_a_section():
    with pytest.raises(ConfigError, match=r"--set seed\.first=1: seed is a setting, not a section"):
        with_settings(Config().model_dump(mode="json"), ["seed.first=1"], "demo")


OLD_NAMES = [
    ("store.window", "store.driver", "http", lambda config: config.store.driver),
    ("simulation.scorer.window", "simulation.scorer.driver", "browser", lambda config: config.simulation.scorer.driver),
    ("store.manners.robots", "store.politeness.robots", False, lambda config: config.store.politeness.robots),
]


@pytest.mark.parametrize(("old", "new", "value", "read"), OLD_NAMES)
def test_an_old_name_still_works_and_the_new_one_is_named(old, new, value, read, tmp_path, caplog):
    section, _, last = old.rpartition(".")
    text = value if isinstance(value, str) else str(value).lower()
    (tmp_path / "old.toml").write_text(f"[{section}]\n{last} = {tomlkit.item(value).as_string()}\n", encoding="utf-8")
    changed = with_settings(Config().model_dump(mode="json"), [f"{old}={text}"], "demo")
    assert read(load_config(tmp_path / "old.toml")) == read(changed) == value
    renamed = {"store.manners.robots": "store.manners is called store.politeness now"}.get(
        old, f"{old} is called {new} now"
    )
    assert [record.getMessage() for record in caplog.records] == [
        f"{origin}: {renamed}; the old name works in this version only" for origin in ("--set", tmp_path / "old.toml")
    ]


def test_an_old_and_a_new_name_together_are_refused():
    with pytest.raises(ConfigError, match=r"store.window is the old name of store.driver, and both are set"):
        parse_config({"store": {"window": "http", "driver": "http"}})


@pytest.mark.parametrize(
    "path", [*REPO.glob("configs/*.toml"), *REPO.glob("examples/*.toml"), REPO / "packs/default/config.toml"]
)
def test_the_configs_that_come_with_the_package_use_the_new_names(path, caplog):
    if path.exists():  # a checkout may be without the pack
        load_config(path)
    assert not caplog.records


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"personas": {"behaviour_peers": 10, "product_peers": 10}}, "must be smaller than product_peers"),
        ({"events": {"time_zone": "Mars/Olympus"}}, "no time zone named"),
        ({"simulation": {"store_url": "ftp://shop"}}, "simulation.store_url"),
        ({"name": "../elsewhere"}, "name"),
        ({"traces": {"teacher": "model"}}, r'traces.teacher = "model" needs llm.url and llm.model'),
        ({"traces": {"writer": "llm"}}, r'traces.writer = "llm" needs llm.url and llm.model'),
        (
            {"traces": {"writer": "llm", "judge": "llm"}, "llm": {"model": "m"}},
            r'traces.writer = "llm", traces.judge = "llm" needs llm.url: ',
        ),
        ({"simulation": {"model": "llm"}, "llm": {"url": "http://localhost/v1"}}, r"needs llm\.model"),
        (
            {"simulation": {"model": "llm", "policy": "scorer"}, "llm": {"url": "http://localhost/v1", "model": "m"}},
            "the scorer asks no language model",
        ),
        ({"llm": {"url": "http://me:secret@host/v1"}}, "no name and password"),
        ({"llm": {"url": "http://host:port/v1"}}, "llm.url"),
        ({"llm": {"url": "http:///v1"}}, "not the address of a server"),
        ({"llm": {"key_env": "sk-abc"}}, "llm.key_env"),
    ],
)
def test_settings_that_cannot_work_are_refused(data, words):
    with pytest.raises(ConfigError, match=words):
        parse_config(data)


def test_only_what_says_so_asks_the_language_model():
    llm = {"url": "http://127.0.0.1:8000/v1", "model": "m"}
    assert not any(parse_config({"llm": llm}).asks_llm(stage) for stage in ("traces", "agent", "simulation"))
    asking = parse_config({"llm": llm, "traces": {"judge": "llm"}, "simulation": {"model": "llm"}})
    assert {stage: asking.asks_llm(stage) for stage in ("traces", "agent", "simulation")} == {
        "traces": ["judge"],
        "agent": [],
        "simulation": ["model"],
    }


def test_a_missing_file_and_a_broken_file_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.toml: no such config file"):
        load_config(tmp_path / "absent.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("name = ", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"broken\.toml: not a TOML file"):
        load_config(broken)


def test_a_relative_source_is_taken_from_the_configs_folder(tmp_path):
    (tmp_path / "c.toml").write_text('[source]\nformat = "rees46"\npath = "logs/a.csv"\n', encoding="utf-8")
    assert load_config(tmp_path / "c.toml").source.path == tmp_path / "logs/a.csv"


def test_importing_the_package_or_its_pipeline_loads_no_heavy_library():
    code = (
        "import sys, simpersona, simpersona.cli, simpersona.pipeline;"
        "print([m for m in ('torch', 'transformers', 'playwright', 'django', 'sentence_transformers', 'sklearn')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_config_cannot_be_changed():
    with pytest.raises(Exception, match="frozen"):
        Config().personas.codes = 3  # pyright: ignore[reportAttributeAccessIssue]


def test_who_acts_has_to_be_trained(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('[agent]\npolicies = ["lm"]\n[simulation]\npolicy = "scorer"\n')
    with pytest.raises(ConfigError, match=r"simulation\.policy = 'scorer' is not in agent\.policies \['lm'\]"):
        load_config(path)

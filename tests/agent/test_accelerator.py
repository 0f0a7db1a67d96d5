"""Training on another machine: what travels there and back, and that a run and a pack go on with what was trained."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import distributions, requires
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from packaging.requirements import Requirement

from benchmarks.accelerator import difference as differences
from benchmarks.accelerator.__main__ import main
from benchmarks.accelerator.parts import MIB, read_parts, write_parts
from benchmarks.accelerator.prepared import Source, base_model, read_lectures, write_prepared
from benchmarks.accelerator.preparing import prepare, tree_size
from benchmarks.accelerator.wheels import NEEDED, USUAL, missing_wheels
from simpersona.adapters.embedders.hashing import HashingEmbedder
from simpersona.agent.counterfactual import Counterfactual
from simpersona.agent.grounded_model import GroundedModel
from simpersona.agent.persona_adapter import read_adapter
from simpersona.agent.persona_funnel import PersonaFunnel
from simpersona.agent.scorer import Scorer
from simpersona.agent.scorer_training import Texts
from simpersona.agent.tokens import input_matrix
from simpersona.config import AgentConfig, Config, SimulationConfig
from simpersona.config.file import config_toml, load_config
from simpersona.contracts import EPISODES, EVENTS, STEPS, TRAINING_GOALS
from simpersona.errors import ConfigError
from simpersona.files import read_json, write_table
from simpersona.pack.files import default_folder
from simpersona.pack.pack import Pack
from simpersona.pipeline.run import STAGE_NAMES, cache_keys
from simpersona.pipeline.run_folder import RunFolder, StageRecord
from simpersona.shopper.candidates import NUMBERS, STATE
from simpersona.shopper.goals import goal_for
from simpersona.shopper.moves import MOVES
from simpersona.shopper.records import episode_tables
from simpersona.shopper.short_prompt import short_answers
from simpersona.visits import SUCCESS, Episode, Observation, Step

from .decision_pages import CODES, random_page

DIM = 16


def traces(folder):
    """The tables of some verified visits of two steps."""
    rng = np.random.default_rng(0)
    episodes, goals = [], []
    for number in range(12):
        code = int(rng.integers(CODES))
        goal = goal_for("skirts", "browse", shop_id="s", buyer_id=f"b{number}", session_id=str(number), code=code)
        pages = [random_page(rng) for _ in range(2)]
        decisions = [short_answers(pages[0])[1].decision("skirts"), short_answers(pages[1])[0].decision()]
        steps = tuple(
            Step(place, page, decision, SUCCESS, 0.1)
            for place, (page, decision) in enumerate(zip(pages, decisions, strict=True))
        )
        episodes.append(Episode(f"visit-{number}", goal, "replay", number, "goal_reached", steps, 0.2))
        for kind, text, intent in (("neutral", "Skirts.", None), ("intent", goal.text, "browse")):
            split = "validation" if number > 8 else "train"
            goals.append(
                {"episode_id": f"visit-{number}", "kind": kind, "split": split, "goal": text, "intent": intent,
                 "wish": "skirts"}
            )  # fmt: skip
    folder.mkdir()
    tables = episode_tables(episodes, EVENTS.schema.empty_table(), {})
    for name, table, contract in zip(("episodes", "steps"), tables, (EPISODES, STEPS), strict=True):
        write_table(folder / f"{name}.parquet", table, contract)
    write_table(folder / "goals.parquet", pa.Table.from_pylist(goals, TRAINING_GOALS.schema), TRAINING_GOALS)
    return folder


@pytest.fixture
def source(checkpoint, tmp_path):
    rng = np.random.default_rng(0)
    codebook = rng.normal(size=(CODES, 96)).astype(np.float32)
    funnel = PersonaFunnel(rng.integers(1, 9, size=(CODES, 2, 4)), rng.normal(size=(CODES, 4)))
    known = np.concatenate([codebook, funnel.known.astype(np.float32)], axis=1)
    torch.manual_seed(0)
    Scorer(known, NUMBERS, STATE, DIM, len(MOVES)).save(tmp_path / "scorer")
    agent = AgentConfig(model=str(checkpoint), checkpoint_steps=1)
    embedder = HashingEmbedder(DIM)
    return Source(traces(tmp_path / "traces"), codebook, funnel, tmp_path / "scorer", embedder, agent, 5)


# --- what travels -------------------------------------------------------------------------------


def test_a_folder_comes_back_from_parts_whatever_their_size(tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    (folder / "large").write_bytes(rng.bytes(100_000))
    (folder / "inner/empty").touch()
    for limit in (7_001, 10_240, 10**6):
        parts = write_parts(folder, "some", tmp_path / "parts", limit)
        assert sorted(path.name for path in (tmp_path / "parts").iterdir()) == sorted(part.name for part in parts)
        assert max(part.stat().st_size for part in parts) <= limit
        read_parts(tmp_path / "parts", "some", tmp_path / f"back-{limit}")
        assert (tmp_path / f"back-{limit}/large").read_bytes() == (folder / "large").read_bytes()
        assert (tmp_path / f"back-{limit}/inner/empty").is_file()


def test_missing_and_mixed_parts_are_named(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/file").write_bytes(bytes(50_000))
    parts = write_parts(tmp_path / "folder", "some", tmp_path, 20_480)
    assert len(parts) == 3
    parts[1].unlink()
    with pytest.raises(ConfigError, match=r"found the parts some\.tar\.1of3, some\.tar\.3of3; expected all 3"):
        read_parts(tmp_path, "some", tmp_path / "out")
    with pytest.raises(ConfigError, match=r"no other\.tar\.1of"):
        read_parts(tmp_path, "other", tmp_path / "out")
    (tmp_path / "half").mkdir()
    (tmp_path / "half/some.tar.1of1").write_bytes(parts[0].read_bytes())
    with pytest.raises(ConfigError, match="damaged"):
        read_parts(tmp_path / "half", "some", tmp_path / "out")


def test_the_carried_scorer_teaches_what_it_taught_here(source, tmp_path):
    write_prepared(source, tmp_path / "prepared")
    learned = read_lectures(tmp_path / "prepared", 4)
    assert {kind: len(steps) for kind, steps in learned.train.items()} == {
        "neutral": 18,
        "intent": 18,
        "instructions": 0,
    }
    assert len(learned.test) == 4
    live = Counterfactual(Scorer.load(source.scorer), Texts(source.embedder)).shares
    for step in [*learned.train["neutral"], *learned.train["intent"], *learned.test]:
        answers = short_answers(step.observation.page)
        carried = learned.shares_of(step.observation, answers, [-1, 0, 1, 2])
        assert np.allclose(carried, live(step.observation, answers, [-1, 0, 1, 2]), atol=2e-3)
    other = Observation(random_page(np.random.default_rng(99)), goal_for("zithers", "buy", code=1))
    with pytest.raises(ConfigError, match="no vector of the text"):
        learned.shares_of(other, short_answers(other.page), [0])


def test_the_text_says_what_goes_in_which_call(source, tmp_path):
    text = prepare(source, tmp_path / "folder", tree_size() + int(1.2 * MIB), python=None)
    parts = sorted((tmp_path / "folder").glob("carried.tar.*"))
    assert len(parts) > 1
    assert all(part.stat().st_size <= 0.2 * MIB + 1 for part in parts)
    assert all(f": {part} (" in text for part in parts)
    assert (tmp_path / "folder/carry.txt").read_text() == text
    with pytest.raises(ConfigError, match="are left for a part"):
        prepare(source, tmp_path / "folder", tree_size(), python=None)


def test_a_model_that_would_have_to_be_downloaded_is_not_carried(source, tmp_path):
    with pytest.raises(ConfigError, match='only "smollm2-135m" or the folder of a checkpoint'):
        write_prepared(
            Source(**{**vars(source), "agent": AgentConfig(model="some/model")}), tmp_path / "prepared"
        )  # fmt: skip


def test_wheels_are_those_that_the_other_machine_lacks():
    usual = missing_wheels(USUAL)
    assert [wheel.partition("==")[0] for wheel in usual] == list(NEEDED)
    pinned = dict(wheel.split("==") for wheel in usual)
    same = f"transformers=={pinned['transformers']}"
    some = missing_wheels([*USUAL, same, "peft==0.1", "Pydantic-Core", "pyarrow==1.0"])
    assert {wheel.partition("==")[0] for wheel in usual} - {wheel.partition("==")[0] for wheel in some} == {
        "transformers", "pydantic_core", "pyarrow",
    }  # fmt: skip


# --- a difference -------------------------------------------------------------------------------


def changed(shapes, seed=0):
    """Random parameters, and the same after random changes of a hundredth of their size."""
    rng = torch.Generator().manual_seed(seed)
    base = {name: torch.randn(shape, generator=rng) for name, shape in shapes.items()}
    return base, {name: value + torch.randn(value.shape, generator=rng) / 100 for name, value in base.items()}


def test_a_change_takes_as_many_bits_as_fit():
    base, trained = changed({"tall": (400, 37), "wide": (13, 900), "bias": (50,)})
    fixed, a_bit = 2 * 50 + 4 * (400 + 13), 400 * 37 // 8 + -(-13 * 900 // 8)
    for bits in (1, 3, 8):
        found = differences.difference(base, trained, fixed + bits * a_bit + a_bit // 2)
        assert found.bits == bits
        stored = sum(tensor.numel() * tensor.element_size() for tensor in found.tensors.values())
        assert stored == fixed + bits * a_bit
        model = torch.nn.Module()
        for name, value in base.items():
            model.register_parameter(name, torch.nn.Parameter(value.clone()))
        differences.add_difference(model, found.tensors)
        apart = torch.cat([(getattr(model, name) - trained[name]).detach().ravel() for name in ("tall", "wide")])
        size = torch.cat([(trained[name] - base[name]).ravel() for name in ("tall", "wide")])
        assert found.error == pytest.approx((apart.norm() / size.norm()).item(), rel=1e-3)
        assert torch.allclose(model.bias, trained["bias"], atol=1e-4)
    assert differences.difference(base, trained, 0).bits == 1


def test_the_error_is_that_of_the_best_even_steps_for_normal_changes():
    """Max (1960): mean squared errors of .3634, .1188 and .03744 with 2, 4 and 8 levels, whatever the size of a row."""
    sizes = torch.logspace(-2, 0, 200)[:, None]
    change = torch.randn(200, 2000, generator=torch.Generator().manual_seed(0)) * sizes
    for bits, squared in ((1, 0.3634), (2, 0.1188), (3, 0.03744)):
        found = differences.difference({"matrix": torch.zeros(200, 2000)}, {"matrix": change}, 800 + bits * 50_000)
        assert found.error == pytest.approx(squared**0.5, rel=0.02)


def test_what_did_not_change_stays():
    base, trained = changed({"matrix": (20, 30)})
    trained["matrix"][5:] = base["matrix"][5:]
    model = torch.nn.Module()
    model.matrix = torch.nn.Parameter(base["matrix"].clone())
    differences.add_difference(model, differences.difference(base, trained, 10**6).tensors)
    assert torch.equal(model.matrix[5:], base["matrix"][5:])
    assert not torch.equal(model.matrix[:5], base["matrix"][:5])


# --- there and back -----------------------------------------------------------------------------


def the_other_machine(folder):
    """A folder with links to the packages that the other machine has, and to those of the wheels, and to no other."""
    allowed, names = set(), [*USUAL, "transformers"]
    while names:
        name = plain(names.pop())
        if name not in allowed:
            allowed.add(name)
            needs = [Requirement(line) for line in requires(name) or []]
            names += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    allowed |= {plain(name) for name in NEEDED}
    folder.mkdir()
    for one in distributions():
        if plain(one.metadata["Name"]) in allowed:
            for name in {file.parts[0] for file in one.files or () if file.parts[0] not in ("..", "__pycache__")}:
                if not (folder / name).exists():
                    (folder / name).symlink_to(one.locate_file(name))
    return folder


def plain(name):
    return name.replace("_", "-").lower()


@pytest.fixture
def run(source, tmp_path):
    """A run that has a trained scorer and no language model."""
    folder = RunFolder(tmp_path / "runs/demo", STAGE_NAMES)
    folder.path.mkdir(parents=True)
    settings = Config(agent=AgentConfig(policies=("scorer",)), simulation=SimulationConfig(policy="scorer"))
    record = StageRecord("agent", "old", 18, 18, summary="scorer: 27 epochs; stage1: of before", facts={"scorer": 27})
    with folder.locked():
        folder.write_config(config_toml(settings), {})
        with folder.writing(record) as out:
            shutil.copytree(source.scorer, out / "scorer")
    return folder.path


@pytest.mark.parametrize("kind", ["tied"])
def test_an_adapter_is_trained_there_and_taken_by_a_run_and_a_pack(source, run, kind, tmp_path):
    prepare(source, tmp_path / "folder", tree_size() + int(1.2 * MIB), python=None)
    site = the_other_machine(tmp_path / "site")
    assert not [
        name for name in ("duckdb", "ibis", "pandas", "sklearn", "sentence_transformers") if (site / name).exists()
    ]
    root = Path(__file__).parents[2]
    path = os.pathsep.join(map(str, (site, root / "src", root)))
    done = subprocess.run(
        [sys.executable, "-S", "-m", "benchmarks.accelerator", "train", tmp_path / "folder", tmp_path / "out", "--tiny"],
        env={"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "HOME": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["trained.tar.1of1", "training.json"]
    figures = read_json(tmp_path / "out/training.json")
    assert {name: phase["steps"] for name, phase in figures["phases"].items()} == {"stage1": 2, "stage2": 2}
    assert figures["about"]["base"] == source.agent.model

    assert main(["collect", str(tmp_path / "out"), str(run)]) == 0
    assert read_adapter(run / "agent/adapter")["base"] == source.agent.model
    assert read_json(run / "agent/training.json") == figures["phases"]
    settings = load_config(run / "config.toml")
    assert settings.agent.policies == ("scorer", "lm")
    folder = RunFolder(run, STAGE_NAMES)
    assert folder.up_to_date("agent", cache_keys(settings)["agent"])
    summary = folder.records["agent"].summary
    assert summary.startswith("scorer: 27 epochs; stage1: 2 steps, ")
    assert "of before" not in summary
    assert folder.records["agent"].facts == {"scorer": 27, "stage1": 2, "stage2": 2}
    assert (run / "agent/scorer/scorer.json").is_file()

    shutil.copytree(default_folder(), tmp_path / "pack")
    assert main(["collect", str(tmp_path / "out"), str(tmp_path / "pack")]) == 0
    pack = Pack.at(tmp_path / "pack")
    assert pack.policies == ("scorer", "lm")
    assert "stage2: 2 steps" in (tmp_path / "pack/README.md").read_text()
    of_run, of_pack = (GroundedModel.load(lm) for lm in (run / "agent/adapter", pack.parts["lm"]))
    assert of_run.acts_from == of_pack.acts_from == "buyer"
    assert torch.equal(input_matrix(of_run.model), input_matrix(of_pack.model))
    assert main(["collect", str(tmp_path / "out"), str(tmp_path / "traces")]) == 2


@pytest.mark.parametrize("kind", ["tied", "untied"])
def test_a_difference_of_all_parameters_is_a_checkpoint_again(source, run, kind, tmp_path):
    write_prepared(source, tmp_path / "prepared")
    out = tmp_path / "out"
    assert main(["train", str(tmp_path / "prepared"), str(out), "--tiny", "--all-parameters"]) == 0
    figures = read_json(out / "training.json")
    assert figures["about"]["bits"] == 8
    assert 0 < figures["about"]["relative_error"] < 0.02
    stored, trained = figures["about"]["held_out_as_stored"], figures["phases"]["stage2"]["held_out"]
    for token in ("matched", "mismatched", "none"):
        assert stored[token] == pytest.approx(trained[token], abs=0.01)
    assert main(["collect", str(out), str(run)]) == 0
    grounded = GroundedModel.load(run / "agent/stage2")
    base = GroundedModel.load(source.agent.model)
    changed = dict(grounded.model.named_parameters())
    assert not any(
        torch.equal(value, changed[name]) for name, value in base.model.named_parameters() if "embed" not in name
    )
    assert not (run / "agent/adapter").exists()


@pytest.mark.parametrize("kind", ["tied"])
def test_with_no_time_each_phase_takes_one_step_and_what_is_finished_stays(source, kind, tmp_path):
    write_prepared(source, tmp_path / "prepared")
    words = ["train", str(tmp_path / "prepared"), str(tmp_path / "out"), "--tiny"]
    assert main([*words, "--minutes", "0"]) == 0
    first = read_json(tmp_path / "out/training.json")
    assert [phase["steps"] for phase in first["phases"].values()] == [1, 1]
    assert main(words) == 0
    assert read_json(tmp_path / "out/training.json") == first


def test_the_packaged_model_is_carried_as_its_own_file(tmp_path):
    pytest.importorskip("gguf")
    from simpersona.agent.backbone import packaged_gguf

    file = packaged_gguf()
    assert file.suffix == ".gguf"
    (tmp_path / "base").mkdir()
    assert base_model(tmp_path, tmp_path / "converted") == tmp_path / "base"

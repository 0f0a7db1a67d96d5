"""A stage reads no setting that it is not declared for: the others are missing from its config, and a small run succeeds.

What is not covered here: a trained language model, the model behind a server, and the browser.
"""

import tomllib
from copy import deepcopy
from functools import partial
from pathlib import Path

import pytest

from simpersona.config import Config, Section
from simpersona.config.file import parse_config
from simpersona.config.section import Setting, settings_of
from simpersona.pipeline import experiment
from simpersona.pipeline.run import STAGES, Stage
from simpersona.pipeline.run_folder import RunFolder, StageRecord
from simpersona.pipeline.stage import StageContext
from simpersona.simulation.experiment import Question

from .conftest import POPULATION

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

RUN = tomllib.loads(POPULATION) | {"name": "declared"}
RUN["traces"] |= {"sessions": 12}
RUN["simulation"] |= {"episodes": 6, "max_steps": 6, "concurrency": 3}
RUN["tasks"] = {"count": 2}
RUN["evaluation"] |= {"permutations": 50}
WITHOUT_EFFECT = {("tasks", "store.screenshots"), ("experiment", "store.screenshots")}
"""Read, but the pictures are thrown away with the stage's work."""


def may_read(stage: str, setting: Setting) -> bool:
    assert setting.read_by is not None
    declared = setting.read_by.stages | setting.read_by.beside
    return not declared or stage in declared or (stage, setting.name) in WITHOUT_EFFECT


def only(section: Section, names: set[str], prefix: str = "") -> Section:
    """A copy of the section without the settings that are not named: reading one raises AttributeError."""
    copy = section.model_copy()
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Section):
            copy.__dict__[name] = only(value, names, f"{prefix}{name}.")
        elif f"{prefix}{name}" not in names:
            del copy.__dict__[name]
    return copy


def run_stage(stage: Stage, config: Config, folder: RunFolder) -> None:
    reader = stage.reader or stage.name
    names = {setting.name for setting in settings_of(config) if may_read(reader, setting)}
    view = config if stage.name == "report" else only(config, names)  # the report lists all settings
    assert isinstance(view, Config)
    with folder.writing(StageRecord(stage.name, "key")) as out:
        stage.run(StageContext(view, folder, lambda *_: None, stage.name, "key"), out)


def test_a_missing_setting_cannot_be_read():
    view = only(Config(), {"store.theme"})
    assert view.store.theme == "varied"  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(AttributeError, match="images"):
        _ = view.store.images  # pyright: ignore[reportAttributeAccessIssue]


def test_each_stage_runs_with_the_settings_that_it_is_declared_for(tmp_path: Path):
    config = parse_config(deepcopy(RUN) | {"folder": str(tmp_path)})
    folder = RunFolder(config.run_folder)
    with folder.locked():
        for stage in STAGES:
            run_stage(stage, config, folder)
        outlet = config.model_copy(update={"store": config.store.model_copy(update={"theme": "outlet"})})
        plan = experiment.Plan(config, outlet, Question(0.05, 0.02, 0.8), "scorer", 4)
        names = {setting.name for setting in settings_of(config) if may_read("experiment", setting)}
        a, b = only(plan.a, names), only(plan.b, names)
        assert isinstance(a, Config)
        assert isinstance(b, Config)
        limited = experiment.Plan(a, b, plan.question, plan.policy, plan.buyers)
        run_stage(Stage("experiment", partial(experiment.run, limited)), config, folder)
    assert (folder / "report/index.html").is_file()
    assert (folder / "experiment/index.html").is_file()

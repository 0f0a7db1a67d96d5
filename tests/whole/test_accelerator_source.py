"""What a finished run gives to a training on another machine."""

import numpy as np
import pytest

from benchmarks.accelerator.prepared import read_lectures, write_prepared
from benchmarks.accelerator.preparing import source_of
from simpersona.errors import ConfigError
from simpersona.files import read_json
from simpersona.personas.fitted import META
from simpersona.shopper.short_prompt import short_answers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_run_gives_its_steps_and_its_scorer(population, tmp_path):
    run = population / "runs/population"
    (tmp_path / "model").mkdir()
    source = source_of(run, model=str(tmp_path / "model"))
    codes = read_json(run / "personas" / META)["personas"]["codes"]
    assert len(source.codebook) == len(source.funnel.counts) == codes
    write_prepared(source, tmp_path / "prepared")
    learned = read_lectures(tmp_path / "prepared", 4)
    assert len(learned.test) == 4
    for step in learned.train["intent"][:20]:
        answers = short_answers(step.observation.page)
        shares = learned.shares_of(step.observation, answers, range(codes))
        assert np.allclose(shares.sum(axis=1), 1)


def test_a_run_without_a_scorer_or_with_another_prompt_is_refused(population, tmp_path):
    run = population / "runs/population"
    with pytest.raises(ConfigError, match="no trained scorer here"):
        source_of(run, scorer=tmp_path)
    (tmp_path / "config.toml").write_text((run / "config.toml").read_text())
    with pytest.raises(ConfigError, match=r"the stage `personas` has not finished\."):
        source_of(tmp_path)
    (tmp_path / "manifest.json").write_text((run / "manifest.json").read_text())
    figure9 = (run / "config.toml").read_text().replace('prompt = "short"', 'prompt = "figure9"')
    (tmp_path / "config.toml").write_text(figure9)
    with pytest.raises(ConfigError, match=r'its agent\.prompt is "figure9"'):
        source_of(tmp_path)

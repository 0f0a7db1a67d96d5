"""What a training by decisions learns from and is tested on, and what it needs."""

from pathlib import Path

import numpy as np
import pytest

from simpersona.adapters.embedders.hashing import HashingEmbedder
from simpersona.agent.counterfactual import NOBODY
from simpersona.agent.decision_lectures import lectures
from simpersona.agent.grounding import Teaching, ground
from simpersona.agent.persona_funnel import PersonaFunnel, visit_weights
from simpersona.agent.scorer import Scorer
from simpersona.config import AgentConfig
from simpersona.errors import ConfigError
from simpersona.shopper.candidates import NUMBERS, STATE
from simpersona.shopper.moves import MOVES
from simpersona.shopper.short_prompt import short_answers

from .decision_pages import CODES, steps

CODEBOOK = np.random.default_rng(0).normal(size=(CODES, 96)).astype(np.float32)


def of_kinds(seed, count, visits="visit"):
    return {kind: steps(np.random.default_rng(seed), count, visits=visits, kind=kind) for kind in ("neutral", "intent")}


def test_test_situations_are_of_the_validation_stores_and_name_the_intent():
    learned = lectures(of_kinds(0, 40), of_kinds(1, 30, "other"), None, None, CODEBOOK, 10, 0)
    assert len(learned.test) == 10
    assert all(step.visit_id.startswith("other") and step.kind == "intent" for step in learned.test)
    assert {kind: len(some) for kind, some in learned.train.items()} == {"neutral": 40, "intent": 40}
    assert learned.shares_of is None


def test_without_validation_stores_a_tenth_of_the_visits_is_tested_and_does_not_train():
    learned = lectures(of_kinds(0, 40), {}, None, None, CODEBOOK, 10, 0)
    tested = {step.visit_id for step in learned.test}
    assert len(learned.test) == 4
    assert all(not tested & {step.visit_id for step in some} for some in learned.train.values())
    assert not lectures(of_kinds(0, 40), {}, None, None, CODEBOOK, 0, 0).test


def test_the_scorer_gives_the_distributions_of_all_personas(tmp_path):
    Scorer(np.ones((CODES, 8)), NUMBERS, STATE, 32, len(MOVES)).save(tmp_path)
    learned = lectures(of_kinds(0, 5), {}, None, (tmp_path, HashingEmbedder(32)), CODEBOOK, 0, 0)
    step = learned.train["intent"][0]
    answers = short_answers(step.observation.page)
    assert learned.shares_of is not None
    assert learned.shares_of(step.observation, answers, [0, 2, NOBODY]).shape == (3, len(answers))


def test_visits_weigh_as_the_sessions_of_their_persona_were():
    """By hand: a quarter of each persona's sessions added to the cart; the weights give the replayed visits that share."""
    some = of_kinds(0, 400)["intent"]
    counts = np.zeros((CODES, 2, 4), np.int64)
    counts[:, 0, 0], counts[:, 0, 1] = 75, 25
    weights = visit_weights(some, PersonaFunnel(counts, np.zeros((CODES, 4))))
    for code in (1, 2):  # persona 0 hardly ever adds
        mine = [step for step in some if step.goal.code == code]
        adds = [step for step in mine if step.decision.action and "Add" in step.decision.action.description]
        share = len(adds) / len(mine)
        of_adds = weights[adds[0].visit_id]
        others = next(weights[step.visit_id] for step in mine if step not in adds)
        assert of_adds / others == pytest.approx(min(0.25 / share, 4) / (0.75 / (1 - share)))
        assert sum(weights[step.visit_id] for step in mine) == pytest.approx(len(mine))


def test_learning_from_other_personas_needs_a_scorer(tmp_path):
    teaching = Teaching({}, None, None, lambda: HashingEmbedder(32))
    with pytest.raises(ConfigError, match=r'Add "scorer" to agent\.policies .* or set agent\.counterfactual'):
        ground(AgentConfig(policies=("lm",)), of_kinds(0, 3), CODEBOOK, tmp_path, 0, lambda *_: None, teaching)


def test_training_cannot_go_on_from_a_folder_without_rows(tmp_path):
    teaching = Teaching({}, None, None, lambda: HashingEmbedder(32), Path(tmp_path / "nothing"))
    settings = AgentConfig(policies=("lm",), counterfactual=False)
    with pytest.raises(ConfigError, match="so training cannot go on from it"):
        ground(settings, of_kinds(0, 3), CODEBOOK, tmp_path, 0, lambda *_: None, teaching)

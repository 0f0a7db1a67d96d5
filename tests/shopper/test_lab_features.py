"""What a scorer sees of recorded visits to the lab's four themes is what the packs were trained on.

`lab_visits.json` holds visits to plain stores as version 0.1 recorded them, with the kinds of moves and the features that it
computed: a change of the rules must not change them, because a trained scorer goes by them.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from simpersona.adapters.storefronts.scripted import scripted_page
from simpersona.pages import Action, Decision
from simpersona.shopper.candidates import situation
from simpersona.shopper.goals import goal_for
from simpersona.shopper.moves import MOVES
from simpersona.visits import Observation, Step

VISITS = json.loads(Path(__file__).with_name("lab_visits.json").read_text(encoding="utf-8"))


def observations(visit):
    """Each step's observation, and the step's record."""
    goal = goal_for(visit["wish"], visit["intent"], code=0)
    past = []
    for number, step in enumerate(visit["steps"]):
        page = scripted_page(f"http://127.0.0.1/{step['url']}", "\n".join(step["tree"]))
        page = type(page)(**{**vars(page), "goes_back": step["back"]})
        yield Observation(page, goal, tuple(past)), step
        if step["action"] is not None:
            node, method, description, arguments = step["action"]
            decision = Decision(Action(node, method, description, tuple(arguments)), "")
            past.append(Step(number, page, decision, step["result"], 0.1))


def digest(numbers):
    return hashlib.sha256(np.round(numbers, 3).astype(np.float32).tobytes()).hexdigest()[:16]


@pytest.mark.parametrize("number", range(len(VISITS)))
def test_kinds_and_features_of_recorded_visits_are_as_they_were(number):
    for observation, step in observations(VISITS[number]):
        one = situation(observation)
        assert " ".join(MOVES[move] for move in one.move) == step["kinds"], observation.page.tree
        assert one.scored.all()
        assert digest(one.numbers) == step["numbers"], observation.page.tree
        state = {str(place): round(float(value), 3) for place, value in enumerate(one.state) if round(float(value), 3)}
        assert state == pytest.approx(step["state"], abs=1e-3)
        assert one.context[2] == step["context"]


def test_all_themes_and_most_kinds_of_moves_are_covered():
    assert {visit["theme"] for visit in VISITS} == {"classic", "sidebar", "boutique", "outlet"}
    seen = {kind for visit in VISITS for step in visit["steps"] for kind in step["kinds"].split()}
    assert set(MOVES) - seen <= {"option"}

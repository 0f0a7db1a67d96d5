"""What a training by decisions learns from, and the situations that it is tested on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from simpersona.agent.counterfactual import Counterfactual, Shares
from simpersona.agent.decision_examples import Recorded, recorded_steps
from simpersona.agent.persona_funnel import PersonaFunnel
from simpersona.agent.persona_rows import Known, known_of
from simpersona.agent.scorer import Scorer
from simpersona.agent.scorer_training import Texts
from simpersona.ports import Embedder
from simpersona.traces.examples import TrainingStep
from simpersona.visits import GoalKind


@dataclass(frozen=True)
class Lectures:
    """What a training by decisions learns from."""

    train: Mapping[GoalKind, Sequence[Recorded]]
    test: Sequence[Recorded]
    """Test situations, with goals that name the intent."""
    shares_of: Shares | None
    """What any persona would do; None without a scorer. Only with `agent.counterfactual` is it learned from."""
    codebook: Float[np.ndarray, "codes latent"]
    known: Known
    left_out: int
    """The number of steps whose action their page does not offer."""


def lectures(
    steps: Mapping[GoalKind, Sequence[TrainingStep]],
    test_steps: Mapping[GoalKind, Sequence[TrainingStep]],
    funnel: PersonaFunnel | None,
    scorer: tuple[Path, Embedder] | None,
    codebook: Float[np.ndarray, "codes latent"],
    test_count: int,
    seed: int,
) -> Lectures:
    """The lectures from training steps, and `test_count` test situations from `test_steps`.

    Without test steps they come from a tenth of the training visits, which then do not train. `scorer` is the folder of the
    trained scorer and its embedder.
    """
    train, left_out = recorded_steps(steps, funnel)
    test = recorded_steps({"intent": test_steps.get("intent", [])}, funnel)[0]["intent"] if test_count else []
    rng = np.random.default_rng(seed)
    if test_count and not test:
        visits = sorted({step.visit_id for step in train["intent"]})
        kept = {visits[place] for place in rng.permutation(len(visits))[: max(len(visits) // 10, 1)]}
        test = [step for step in train["intent"] if step.visit_id in kept]
        for kind, some in train.items():
            train[kind] = [step for step in some if step.visit_id not in kept]
    chosen = [test[place] for place in sorted(rng.permutation(len(test))[:test_count])]
    others = None
    if scorer is not None:
        folder, embedder = scorer
        others = Counterfactual(Scorer.load(folder), Texts(embedder)).shares
    return Lectures(train, chosen, others, codebook, known_of(codebook, funnel), left_out)

"""Settings of the stage that replays recorded sessions."""

from __future__ import annotations

from typing import Annotated, Literal

from simpersona.config.section import NO_RESULT, Positive, ReadBy, Section, Share


class TracesConfig(Section):
    """Sessions to training examples (2.1.2, App. G)."""

    sessions: Positive = 24
    """Recorded sessions to replay, spread over the codes; about 3,600 in the paper."""
    max_actions: Annotated[Positive, ReadBy("traces", "tasks", "simulation", "experiment")] = 22
    """Longer sessions are not drawn: a replay needs several steps per event, within the step limit."""
    concurrency: Annotated[Positive, NO_RESULT] = 2
    """Replays at once, and requests to a language model at once."""
    validation_share: Share = 0.1
    """Share of the training shops, rounded to whole shops, whose examples go to validation/."""
    teacher: Literal["replay", "model"] = "replay"
    """What repeats a session in the store. "replay": rules that follow its events. "model": the model of [llm], which gets the
    replay goal and the pages. The judge decides which visits are used."""
    writer: Literal["rules", "llm"] = "rules"
    """What writes the replay goal and the neutral goal of a session. "llm": the model of [llm], which gets the session's
    titles, collections and queries."""
    judge: Literal["rules", "llm"] = "rules"
    """Which judge decides. The rules always judge. "llm": the model of [llm] gets the goal and the steps, decides, and is
    compared with the rules."""

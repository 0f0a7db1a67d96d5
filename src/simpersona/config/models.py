"""Settings of language models: one behind a server, and those that the run trains."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from simpersona.config.adapter_name import adapter_name
from simpersona.config.address import EnvironmentName, address_without_secrets
from simpersona.config.section import NO_RESULT, Positive, PositiveFloat, ReadBy, Section


class LlmConfig(Section):
    """A language model behind an OpenAI-compatible address. Nothing is sent unless another setting says "llm"."""

    adapter: Annotated[str, adapter_name("openai")] = "openai"
    """"openai" asks the server at `url`. An import path such as "my_shop.models:Model" names a class of another package
    (ports.LanguageModel), made with this section and the temperature."""
    url: Annotated[str, Field(pattern=r"^https?://"), address_without_secrets(login="llm.key_env")] | None = None
    """Address to which /chat/completions is added, such as http://127.0.0.1:8000/v1 (vLLM, llama.cpp, OpenAI)."""
    model: Annotated[str, Field(min_length=1)] | None = None
    """Name of the model on the server."""
    key_env: Annotated[EnvironmentName | None, NO_RESULT] = None
    """Environment variable that holds the server's key, never the key itself. Not set: the server needs no key."""
    temperature: Annotated[float, Field(ge=0), ReadBy("traces", "tasks")] = 0.0
    """Temperature of the writer and the judge of traces; a buyer acts at simulation.temperature."""
    timeout_seconds: Annotated[PositiveFloat, NO_RESULT] = 60
    """Longest wait for an answer of the server."""
    retries: Annotated[int, Field(ge=0), NO_RESULT] = 4
    """Further attempts after 1, 2, 4 … seconds, if the server is busy (429), fails (5xx) or does not answer."""
    max_reply_tokens: Positive = 1024
    price_per_million_prompt_tokens: Annotated[float, Field(ge=0), NO_RESULT] = 0
    price_per_million_reply_tokens: Annotated[float, Field(ge=0), NO_RESULT] = 0
    """In any currency: the cost of the simulated visits is reported in it, at the prices of the time when they are made."""


class PhaseConfig(Section):
    """One of the two phases of fine-tuning (App. G; the paper says stages)."""

    steps: Annotated[int, Field(ge=0)]
    """Optimiser steps; the paper's one epoch is about 530. 0 only in phase 2 with agent.start: nothing is trained then."""
    learning_rate: PositiveFloat
    """With the prompt "short" the rows have learning rates of their own, agent.rows_learning_rate and map_learning_rate."""
    warmup_steps: int


class GoalShares(Section):
    """The mix of goals in phase 2 of training by decisions. Only the ratios of the numbers count."""

    intent: Annotated[float, Field(ge=0)] = 0.45
    """Goals that say whether to buy or to browse."""
    neutral: Annotated[float, Field(ge=0)] = 0.35
    """Goals that only say what the buyer is interested in, so that the persona has to decide the rest."""
    instructions: Annotated[float, Field(ge=0)] = 0.2
    """Goals that say what to do, step by step."""


class AgentConfig(Section):
    """Examples to a model that shops (2.3, App. F, G)."""

    policies: Annotated[
        tuple[Literal["lm", "scorer"], ...], ReadBy("agent", "simulation", "evaluation", "experiment")
    ] = (
        "lm",
        "scorer",
    )
    """What is trained: the language model, and the scorer, a small network that scores the actions of a page. The scorer is a
    surrogate that trains in seconds and acts in milliseconds."""
    model: str = "smollm2-135m"
    """"smollm2-135m" is the model that comes with the package; otherwise a folder or a hub name."""
    prompt: Annotated[Literal["short", "figure9"], ReadBy("agent", "tasks", "simulation", "experiment")] = "short"
    """The prompt format. "figure9": the paper's, with node ids and reasoning. "short": a third of the tokens, the page first,
    and a short answer that names the action; for small models and for CPUs."""
    start_rows: Literal["random", "mean", "codebook", "mapped"] = "mapped"
    """Initial values of the persona tokens' rows; the paper's are random (REFERENCE 20). "codebook": the codes, rotated into
    the space of the embedding. "mapped": with the prompt "short" the rotation trains too, from the code and the funnel of the
    persona's buyers; with "figure9" the same as "codebook"."""
    start: str | None = None
    """With the prompt "short", training goes on from this adapter, with a new schedule: "default" is that of the default
    pack, otherwise a folder (of a checkpoint, if lora_rank = 0). Phase 1 is then left out. If its personas are other ones, its
    map gives rows to those of this run, from the funnel of their buyers. Not set: from the model, with new rows."""
    counterfactual: bool = True
    """With the prompt "short": other personas learn on each page too, from what the trained scorer says they would do there.
    False: only the recorded persona, from the recorded action."""
    personas_at_once: Positive = 12
    """The personas that learn on each page, if `counterfactual`."""
    goal_shares: GoalShares = GoalShares()
    rows_learning_rate: PositiveFloat = 0.1
    """With the prompt "short": of the part of a persona's row that is its own, in standard deviations of the embedding."""
    map_learning_rate: PositiveFloat = 0.01
    """Of the linear map from what is known of a persona to its row, in the same unit."""
    eval_steps: Annotated[int, Field(ge=0), NO_RESULT] = 0
    """With the prompt "short": steps between two measurements on a few test situations, written to agent/training.json. 0:
    never."""
    training: Annotated[Literal["two_stage", "single_stage"], ReadBy("agent", "evaluation")] = "two_stage"
    """"single_stage" is phase 2 alone, from the backbone: the comparison of App. F."""
    lora_rank: int = Field(default=0, ge=0)
    """0: phase 2 trains all parameters. Otherwise low-rank matrices of this rank beside each linear layer, and the rows."""
    batch_size: Positive = 2
    """Examples per optimiser step, of all processes together; 64 in the paper."""
    examples_at_once: Annotated[int, Field(ge=0), NO_RESULT] = 0
    """Examples of a step that each process reads at once; the others follow. It changes only memory and speed. 0: all; with
    the prompt "short" one on a CPU and up to eight on a GPU."""
    recompute: Annotated[bool, NO_RESULT] = False
    """Activations are recomputed in the backward pass instead of stored: a third more compute, far less memory. With the
    prompt "figure9" only."""
    held_out: int = Field(default=0, ge=0)
    """Test examples, on which the loss is reported with the matched, a mismatched and no persona token. With the prompt
    "short" they are of the traces' validation stores, if there are any. Otherwise they are from a tenth of the visits, which
    are not trained on. 0: no test; all visits train."""
    checkpoint_steps: Annotated[int, Field(ge=0), NO_RESULT] = 0
    """Steps between two checkpoints, from which a killed training continues; 0 writes none."""
    max_tokens: Positive = 1024
    """Tokens of one example; 16,384 in the paper. The page loses nodes from its end, never the answer's."""
    weight_decay: float = 0.01
    stage1: PhaseConfig = PhaseConfig(steps=10, learning_rate=1e-3, warmup_steps=2)
    stage2: PhaseConfig = PhaseConfig(steps=18, learning_rate=1e-4, warmup_steps=2)

    @property
    def trains_the_model(self) -> bool:
        """Whether the language model is trained at all; otherwise `start` is taken with rows for these personas."""
        return self.stage2.steps > 0

    @model_validator(mode="after")
    def _without_steps_only_from_a_start(self) -> AgentConfig:
        if not self.stage1.steps or (not self.stage2.steps and (self.start is None or self.prompt != "short")):
            raise ValueError(
                "steps = 0: found it in stage1, or in stage2 without a model to start from. A training needs at least one "
                'step; only stage2.steps = 0 with start and prompt = "short" trains nothing, and takes the model of start.'
            )
        return self

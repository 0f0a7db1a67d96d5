"""The agent: training both stages and answering under a schema, with the packaged SmolLM2-135M."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Literal

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.measure import Cost, Stopwatch, median_cost, percentile, sgemm_flops
from benchmarks.quiet import Quiet
from benchmarks.results import Section, Table, number
from simpersona.adapters.models.quiet import quiet
from simpersona.agent.answer_policy import AnswerPolicy
from simpersona.agent.backbone import PACKAGED, load_backbone, packaged_folder, save_backbone
from simpersona.agent.finetune import finetune
from simpersona.agent.masks import encode
from simpersona.agent.tokens import add_persona_tokens, input_matrix
from simpersona.agent.transformers_model import TransformersModel
from simpersona.config import AgentConfig, Config, LabConfig, PhaseConfig, StoreConfig
from simpersona.contracts import PRODUCTS
from simpersona.files import read_table
from simpersona.pages import Action, Decision, Example, Message, Node, Page
from simpersona.pipeline.run import run_pipeline
from simpersona.pipeline.stage import StageContext
from simpersona.pipeline.visits import visit_setup
from simpersona.ports import Policy
from simpersona.shopper.affordances import describe
from simpersona.shopper.goals import goal_for
from simpersona.shopper.model_policy import LanguageModelPolicy, prompt_format
from simpersona.shopper.prompt import answer, messages
from simpersona.simulation.visits import Limits, visit_stores
from simpersona.visits import Goal, Observation

CODES, LATENT = 32, 96
MAX_STEPS = 8
WAYS = (
    ("short", False, 1, 1),
    ("short", False, 2, 1),
    ("short", False, 2, 4),
    ("figure9", False, 1, 1),
    ("figure9", True, 1, 1),
)
"""Prompt format, with or without reasoning, threads of the model, visits at once."""
KINDS = ("Skirt", "Dress", "Coat", "Scarf", "Boot", "Bag", "Shirt", "Belt")
STYLES = ("Pleated", "Long", "Denim", "Silk", "Wool", "Corduroy", "Quilted", "Striped")


def section(tokens: int = 550, steps: int = 3, visits: int = 6, model: str = PACKAGED) -> Section:
    """Training steps of two examples of about `tokens` tokens, and `visits` of an untrained model to a store, each way."""
    torch.set_num_threads(1)  # waiting threads would count as CPU time
    name = packaged_folder() if model == PACKAGED else Path(model)
    tokenizer = AutoTokenizer.from_pretrained(name, local_files_only=True)
    lines = 1
    while len(encode(example(0, lines), tokenizer, 10 * tokens).input_ids) < tokens:
        lines += 1
    weights = _weights(name)
    bound = sgemm_flops()
    examples = [example(number_, lines) for number_ in range(2 * steps)]
    codebook = np.random.default_rng(0).normal(size=(CODES, LATENT)).astype(np.float32)
    settings = AgentConfig(
        stage1=PhaseConfig(steps=steps, learning_rate=5e-3, warmup_steps=1),
        stage2=PhaseConfig(steps=steps, learning_rate=1e-4, warmup_steps=1),
    )
    rows: list[list[str]] = []
    with tempfile.TemporaryDirectory() as scratch:
        start: str | Path = model
        stages: tuple[tuple[Literal[1, 2], int], ...] = ((1, 2), (2, 3))
        for stage, products in stages:  # matrix products: forward and one or both of backward
            watch, laps = Stopwatch(), []
            out = Path(scratch) / f"stage{stage}"
            summary = finetune(
                start, examples, stage, settings, CODES, codebook, out, 0, lambda *_, w=watch, to=laps: to.append(w.lap())
            )  # fmt: skip
            step, read = median_cost(laps[1:]), summary["tokens"] / steps
            start = out
            share = products * 2 * weights * read / bound / step.cpu
            rows.append([f"stage {stage}", number(read / step.cpu), number(read / step.wall), f"{share:.0%}", _peak()])
    training = (
        f"Two examples of about {tokens} tokens a step, medians of {steps - 1} steps; reading the model and writing the checkpoint are not counted. Share of the bound: the matrix products of {number(weights / 1e6)} M weights at the speed "
        f"of numpy's float32 product on one thread ({number(bound / 1e9)} GFLOP per CPU-second)."
    )
    head = ("", "tokens per CPU-second", "tokens/s (wall)", "share of the bound", "peak memory so far")
    acting = Table(
        ("", "median s (CPU)", "median s (wall)", "95 % s (wall)", "passes per step", "prompt tokens", "read again"),
        [_acting(model, visits, *way) for way in WAYS],
    )
    note = (
        f"{visits} visits of at most {MAX_STEPS} steps in a storefront of the lab over HTTP, the model with untrained persona rows, "
        "temperature 1: it takes random actions, so most pages are new. Seconds of a step from page to decision; "
        "passes are runs of the model. Aim: at most 2 s and 20 passes with reasoning off."
    )
    what = (
        f"SmolLM2-135M in fp32 on one thread, {CODES} persona tokens; pages of {lines} nodes generated for this test."
    )
    tables = [(Table(head, rows), training), (acting, note)]
    return Section("agent", what, tables, ("torch", "transformers", "llguidance"))


def example(seed: int, lines: int) -> Example:
    """A step on a generated page of `lines` nodes: the shopper opens the product in the middle."""
    page = page_of(seed, lines)
    node = page.nodes[lines // 2]
    decision = Decision(Action(node.id, "click", describe(node, "click")), f"{node.name} looks right for me.")
    turns = [*_asked(seed, page), Message(role="assistant", content=answer(decision))]
    return Example(messages=turns, code=seed % CODES, shop_id="shop", session_id=str(seed), step=0)


def page_of(seed: int, lines: int) -> Page:
    """A listing whose links differ from seed to seed."""
    rng = np.random.default_rng(seed)
    names = (
        f"{rng.choice(STYLES)} {rng.choice(STYLES)} {rng.choice(KINDS)} - ${rng.integers(9, 200)}.99"
        for _ in range(lines)
    )
    root = Node("0-1", "RootWebArea", f"Collection {seed} - Shop")
    nodes = (Node(f"0-{place}", "link", name) for place, name in enumerate(names, start=2))
    return Page("http://localhost/collections/", root.name, (root, *nodes))


def _asked(seed: int, page: Page) -> list[Message]:
    kind = KINDS[seed % len(KINDS)].lower()
    goal = goal_for(f"{kind}s", "buy", shop_id="shop", buyer_id="buyer", session_id=str(seed), code=seed % CODES)
    return messages(Observation(page, goal))


def _acting(model: str, visits: int, prompt: str, reasoning: bool, threads: int, together: int) -> list[str]:
    """One way of acting: the costs of its steps."""
    torch.set_num_threads(threads)
    lab = LabConfig(shops=1, buyers=60, output="parquet")
    laps: list[Cost] = []
    tokens: list[int] = []
    with tempfile.TemporaryDirectory() as scratch:
        config = Config(folder=Path(scratch), lab=lab, store=StoreConfig(driver="http"))
        folder = run_pipeline(config, Quiet(), upto="events")
        products = read_table(folder / "events/products.parquet", PRODUCTS).to_pylist()
        kinds = sorted({one["product_type"] for one in products if one["product_type"]})
        goals = [
            goal_for(kinds[n % len(kinds)].lower(), "buy", shop_id=products[0]["shop_id"], code=n % CODES)
            for n in range(visits)
        ]
        grounded, tokenizer = load_backbone(model)
        add_persona_tokens(grounded, tokenizer, CODES, start="mean", codebook=None, seed=0)
        save_backbone(grounded, tokenizer, Path(scratch) / "model")
        del grounded
        acting = TransformersModel(Path(scratch) / "model")
        run = StageContext(config, folder, lambda *_: None, "simulation", f"{prompt} {threads}")
        rendered = prompt_format(prompt, reasoning=reasoning)
        limits = Limits(MAX_STEPS, 600, together)

        def policy(_: Goal, seed: int) -> _Timed:
            acts = AnswerPolicy(acting, seed) if prompt == "short" else LanguageModelPolicy(acting, seed, rendered)
            return _Timed(acts, laps, tokens)

        visit_stores(visit_setup(run), goals, policy, limits, "visit")
    torch.set_num_threads(1)
    wall = [lap.wall for lap in laps]
    name = f"{prompt}{', reasoning' if reasoning else ''}; {threads} thread(s), {together} visit(s) at once"
    return [
        name,
        number(median(lap.cpu for lap in laps)),
        number(median(wall)),
        number(percentile(wall, 0.95)),
        number(acting.passes / len(laps)),
        number(median(tokens)),
        number(acting.tokens_read / len(laps)),
    ]


class _Timed:
    """A policy with a watch on each decision."""

    def __init__(self, policy: Policy, laps: list[Cost], tokens: list[int]) -> None:
        self._policy, self._laps, self._tokens = policy, laps, tokens
        self.name = policy.name

    async def act(self, observation: Observation) -> Decision:
        started, own = time.perf_counter(), time.process_time()
        decision = await self._policy.act(observation)
        self._laps.append(Cost(time.perf_counter() - started, time.process_time() - own))
        self._tokens.append(decision.prompt_tokens)
        return decision


def _weights(name: Path) -> int:
    """Weights that every token is multiplied with: the matrices but the embedding."""
    with quiet():
        model = AutoModelForCausalLM.from_pretrained(name, local_files_only=True)
    total = sum(parameter.numel() for parameter in model.parameters() if parameter.ndim == 2)
    return total - input_matrix(model).numel()


def _peak() -> str:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return f"{peak / (2**30 if sys.platform == 'darwin' else 2**20):.1f} GiB"

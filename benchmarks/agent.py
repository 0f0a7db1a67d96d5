"""The agent: training both stages and answering under a schema, with the packaged SmolLM2-135M."""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.measure import Cost, Stopwatch, median_cost, sgemm_flops
from benchmarks.results import Section, Table, number
from simpersona.adapters.llm_transformers import TransformersModel
from simpersona.agent.backbone import PACKAGED, packaged_folder, quiet
from simpersona.agent.finetune import finetune
from simpersona.agent.masks import encode
from simpersona.agent.tokens import input_matrix
from simpersona.config import AgentConfig, StageConfig
from simpersona.contracts import Goal
from simpersona.pages import Action, Decision, Example, Message, Node, Page
from simpersona.shopper.affordances import describe
from simpersona.shopper.prompt import answer, messages, reply_schema

CODES, LATENT = 32, 96
KINDS = ("Skirt", "Dress", "Coat", "Scarf", "Boot", "Bag", "Shirt", "Belt")
STYLES = ("Pleated", "Long", "Denim", "Silk", "Wool", "Corduroy", "Quilted", "Striped")


def section(tokens: int = 550, steps: int = 3, replies: int = 3, model: str = PACKAGED) -> Section:
    """Training steps of two examples of about `tokens` tokens, and `replies` answers each way."""
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
        stage1=StageConfig(steps=steps, learning_rate=5e-3, warmup_steps=1),
        stage2=StageConfig(steps=steps, learning_rate=1e-4, warmup_steps=1),
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
        cold, warm, new = asyncio.run(_replies(start, lines, replies))
    training = (
        f"Two examples of about {tokens} tokens a step, medians of {steps - 1} steps; reading the model and writing the "
        f"checkpoint are left out. Share of the bound: the matrix products of {number(weights / 1e6)} M weights at the speed "
        f"of numpy's float32 product on one thread ({number(bound / 1e9)} GFLOP per CPU-second)."
    )
    head = ("", "tokens per CPU-second", "tokens/s (wall)", "share of the bound", "peak memory so far")
    answering = Table(
        ("", "CPU-seconds", "wall seconds"),
        [
            [what, number(cost.cpu), number(cost.wall)]
            for what, cost in (("a new page", cold), ("the same prompt again", warm))
        ],
    )
    note = f"A prompt of {new} tokens, of which only the system's turn was seen before; medians of {replies}, temperature 1."
    what = (
        f"SmolLM2-135M in fp32 on one thread, {CODES} persona tokens; pages of {lines} nodes made up for the purpose."
    )
    tables = [(Table(head, rows), training), (answering, note)]
    return Section("agent", what, tables, ("torch", "transformers", "llguidance"))


def example(seed: int, lines: int) -> Example:
    """A step on a made-up page of `lines` nodes: the shopper opens the product in the middle."""
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
    goal = Goal(
        f"You are here to buy {KINDS[seed % len(KINDS)].lower()}s.", "shop", "buyer", str(seed), seed % CODES, "buy"
    )
    return messages(goal, ["- Navigated to http://localhost/"], page)


async def _replies(folder: str | Path, lines: int, count: int) -> tuple[Cost, Cost, int]:
    model = TransformersModel(folder, 1.0)
    cold: list[Cost] = []
    warm: list[Cost] = []
    prompt = 0
    for seed in range(count + 1):
        page = page_of(seed, lines)
        asked, schema = _asked(seed, page), reply_schema(page)
        watch = Stopwatch()
        prompt = (await model.reply(asked, schema, seed)).prompt_tokens
        cold.append(watch.lap())
        await model.reply(asked, schema, seed + 1000)
        warm.append(watch.lap())
    return median_cost(cold[1:]), median_cost(warm[1:]), prompt  # the first warms the libraries up


def _weights(name: Path) -> int:
    """Weights that every token is multiplied with: the matrices but the embedding."""
    with quiet():
        model = AutoModelForCausalLM.from_pretrained(name, local_files_only=True)
    total = sum(parameter.numel() for parameter in model.parameters() if parameter.ndim == 2)
    return total - input_matrix(model).numel()


def _peak() -> str:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return f"{peak / (2**30 if sys.platform == 'darwin' else 2**20):.1f} GiB"

"""A small language model that has read the stores' pages: what stands for a pretrained one where two cores have to train it.

A Llama with a vocabulary of its own, trained from nothing on what visitors of the training stores saw and did, whole texts, with
no word of who they were: it knows pages and what is done on them, and no persona.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from simpersona.agent.backbone import packaged_folder, save_backbone
from simpersona.agent.held_out import with_token
from simpersona.agent.masks import IGNORED, encode
from simpersona.pages import Example

VOCABULARY, CONTEXT = 2048, 2048
HIDDEN, LAYERS, HEADS = 128, 3, 4
RATE = 2e-3


@dataclass(frozen=True)
class Reading:
    """How it went: the mean of the last losses is in nats per token of the whole text."""

    weights: int
    words: int
    loss: float
    seconds: float


def read_shops(examples: Sequence[Example], steps: int, folder: Path, seed: int, batch: int) -> Reading:
    """Trains the model on the examples without their tokens and writes it to `folder`."""
    texts = [with_token(example, "") for example in examples]
    base = AutoTokenizer.from_pretrained(packaged_folder(), local_files_only=True)
    words = (turn["content"] for example in texts for turn in example["messages"])
    tokenizer = base.train_new_from_iterator(words, VOCABULARY)
    tokenizer.model_max_length = CONTEXT
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=HIDDEN,
            intermediate_size=3 * HIDDEN,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            max_position_embeddings=CONTEXT,
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    ids = [torch.tensor(encode(example, tokenizer, CONTEXT).input_ids) for example in texts]
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.05)
    losses = []
    started = time.perf_counter()
    model.train()
    for rows in islice(_batches(ids, batch, seed), steps):
        loss = model(**rows).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    save_backbone(model.eval(), tokenizer, folder)
    seconds = time.perf_counter() - started
    return Reading(model.num_parameters(), len(tokenizer), float(np.mean(losses[-20:])), seconds)


def _batches(ids: Sequence[Tensor], size: int, seed: int) -> Iterator[dict[str, Tensor]]:
    """Without end; those of a batch are of about one length, so that little of it is padding."""
    rng = np.random.default_rng(seed)
    order = np.argsort([len(one) for one in ids], kind="stable")
    parts = np.array_split(order, -(-len(ids) // size))
    while True:
        for place in rng.permutation(len(parts)):
            rows = [ids[number] for number in parts[place]]
            padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
            there = torch.arange(padded.shape[1]) < torch.tensor([len(row) for row in rows])[:, None]
            yield {
                "input_ids": padded,
                "attention_mask": there.long(),
                "labels": padded.masked_fill(~there, IGNORED),
            }

"""Persona tokens: one token `<|persona_k|>` and one embedding row for each code (2.3).

The model only reads persona tokens. Their logits are −inf in the loss, they are suppressed in generation, and a separate
(untied) output matrix learns nothing about them.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from simpersona.contracts import persona_token
from simpersona.errors import ConfigError

StartRows = Literal["random", "mean", "codebook", "mapped"]


def persona_ids(tokenizer: PreTrainedTokenizerFast) -> range:
    """The ids of `<|persona_0|>`, `<|persona_1|>` … in a tokenizer; empty if it has none."""
    added = tokenizer.get_added_vocab()
    first = added.get(persona_token(0))
    if first is None:
        return range(0)
    count = 1
    while added.get(persona_token(count)) == first + count:
        count += 1
    return range(first, first + count)


def add_persona_tokens(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    codes: int,
    *,
    start: StartRows,
    codebook: Float[np.ndarray, "codes latent"] | None,
    seed: int,
) -> range:
    """Adds `codes` persona tokens to tokenizer and model, and returns their ids.

    The tokens use rows that the matrix has beyond the tokenizer (Qwen3 has 267); if there are too few, the matrix grows. It
    never shrinks. A model that has these tokens does not change. Raises ConfigError if it has another number of them.
    """
    ids = persona_ids(tokenizer)
    if ids and len(ids) != codes:
        raise ConfigError(
            f"The model has {len(ids)} persona tokens, the codebook has {codes} codes. Train stage 1 again with this "
            "codebook, or use the codebook that the model was trained with."
        )
    if not ids:
        tokenizer.add_tokens([persona_token(code) for code in range(codes)], special_tokens=True)
        ids = persona_ids(tokenizer)
        base = input_matrix(model)[: ids.start].detach()
        rows = start_rows(base, codes, start, codebook, seed)
        if ids.stop > len(input_matrix(model)):
            _grow(model, ids)
        with torch.no_grad():
            input_matrix(model)[ids.start : ids.stop] = rows
    if model.generation_config is not None:
        model.generation_config.suppress_tokens = list(ids)  # so a loaded checkpoint never samples one
    return ids


def _grow(model: PreTrainedModel, ids: range) -> None:
    model.resize_token_embeddings(ids.stop, mean_resizing=False)
    output: Tensor = model.get_output_embeddings().weight  # pyright: ignore[reportAssignmentType, reportOptionalMemberAccess]
    if output is not input_matrix(model):
        with torch.no_grad():
            output[ids.start : ids.stop] = 0  # never used; zero instead of random values


def start_rows(
    base: Float[Tensor, "vocabulary hidden"],
    codes: int,
    how: StartRows,
    codebook: Float[np.ndarray, "codes latent"] | None,
    seed: int,
) -> Float[Tensor, "codes hidden"]:
    """The initial persona rows (REFERENCE 20).

    "random": normal with the standard deviation of the base embedding, as in the paper. "mean": the mean embedding
    with a tenth of that as noise. "codebook": the centred codes, rotated into the hidden space and scaled so that
    they are as far from the mean embedding as other tokens. Distances between codes keep their ratios (up to a
    principal-component projection if the hidden space is smaller than the codes' span). "mapped" is the same here; training
    by decisions then trains the rotation (see `persona_rows`).
    """
    generator = torch.Generator().manual_seed(seed)
    hidden = base.shape[1]
    mean, deviation = base.mean(0), base.std()
    if how == "random":
        return torch.randn(codes, hidden, generator=generator) * deviation
    if how == "mean":
        return mean + torch.randn(codes, hidden, generator=generator) * deviation / 10
    if codebook is None or len(codebook) != codes:
        given = "none" if codebook is None else f"one of {len(codebook)} codes"
        raise ConfigError(
            f'agent.start_rows = "codebook" needs the codebook of {codes} codes, found {given}. Train the personas '
            'first, or set agent.start_rows to "mean" or "random".'
        )
    centred = torch.tensor(codebook, dtype=torch.float64)
    centred -= centred.mean(0)
    left, scale, _ = torch.linalg.svd(centred, full_matrices=False)
    scores = (left * scale)[:, :hidden]
    axes, _ = torch.linalg.qr(torch.randn(hidden, scores.shape[1], generator=generator, dtype=torch.float64))
    offsets = scores @ axes.T
    away = (base - mean).square().sum(1).mean().sqrt()  # root mean squared distance of a token from the mean
    spread = offsets.square().sum(1).mean().sqrt()
    return mean + (offsets * (away / spread.clamp(min=1e-12))).to(mean.dtype)


def input_matrix(model: PreTrainedModel) -> Float[Tensor, "rows hidden"]:
    """The input embedding's weight."""
    return model.get_input_embeddings().weight  # pyright: ignore[reportReturnType]


class PersonaEmbedding(nn.Module):
    """An input embedding with the persona rows in a separate parameter, joined at look-up.

    The optimiser does not see the base matrix, so neither a gradient nor weight decay can change it, tied to the output
    or not. `merge` writes the rows back.
    """

    def __init__(self, base: nn.Embedding, ids: range) -> None:
        super().__init__()
        self.base, self.ids = base, ids
        self.rows = nn.Parameter(base.weight[ids.start : ids.stop].detach().clone())

    @property
    def weight(self) -> Tensor:
        """The base matrix, for code that reads the weight of a model's embedding."""
        return self.base.weight

    def forward(self, input_ids: Int[Tensor, "batch length"]) -> Float[Tensor, "batch length hidden"]:
        """Rows of the base for other tokens, trained rows for persona tokens."""
        code = input_ids - self.ids.start
        persona = (code >= 0) & (code < len(self.ids))
        others = self.base(input_ids.masked_fill(persona, 0))
        personas = nn.functional.embedding(code.clamp(0, len(self.ids) - 1), self.rows)
        return torch.where(persona[..., None], personas, others)

    def merge(self) -> nn.Embedding:
        """The base embedding with the trained rows in place."""
        with torch.no_grad():
            self.base.weight[self.ids.start : self.ids.stop] = self.rows
        return self.base


def only_rows_train(model: PreTrainedModel, ids: range) -> PersonaEmbedding:
    """Freezes a model and gives it a PersonaEmbedding: only the rows require a gradient (phase 1)."""
    model.requires_grad_(requires_grad=False)
    embedding = PersonaEmbedding(model.get_input_embeddings(), ids)  # pyright: ignore[reportArgumentType]
    model.set_input_embeddings(embedding)
    return embedding

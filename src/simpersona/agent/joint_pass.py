"""One pass of a model for several texts at once, each with its keys and values.

The cost of a pass over a few tokens is mostly that of reading the weights; a joint pass reads them once for all texts.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel


def joint_logits(
    model: PreTrainedModel, unread: Sequence[list[int]], caches: Sequence[DynamicCache]
) -> Float[Tensor, "texts vocabulary"]:
    """The logits after the unread tokens of each text. The pass adds these tokens to the caches.

    A single text is not padded. Several are padded on the left, caches and tokens separately, and the padding is masked.
    """
    if len(unread) == 1:
        ids = torch.tensor([unread[0]], device=model.device)
        return model(input_ids=ids, past_key_values=caches[0], use_cache=True, logits_to_keep=1).logits[:, -1]
    known = [cache.get_seq_length() for cache in caches]
    width, length = max(known), max(map(len, unread))
    ids = torch.zeros(len(unread), length, dtype=torch.long)
    positions = torch.zeros_like(ids)
    mask = torch.zeros(len(unread), width + length, dtype=torch.long)
    for row, (tokens, before) in enumerate(zip(unread, known, strict=True)):
        ids[row, length - len(tokens) :] = torch.tensor(tokens)
        positions[row, length - len(tokens) :] = torch.arange(before, before + len(tokens))
        mask[row, width - before : width] = 1
        mask[row, width + length - len(tokens) :] = 1
    joined = _joined(caches, width)
    logits = model(
        input_ids=ids.to(model.device),
        attention_mask=mask.to(model.device),
        position_ids=positions.to(model.device),
        past_key_values=joined,
        use_cache=True,
        logits_to_keep=1,
    ).logits[:, -1]
    for row, (tokens, cache) in enumerate(zip(unread, caches, strict=True)):
        for number, layer in enumerate(joined.layers):
            assert layer.keys is not None
            assert layer.values is not None
            new = slice(-len(tokens), None)
            cache.update(layer.keys[row : row + 1, :, new], layer.values[row : row + 1, :, new], number)
    return logits


def _joined(caches: Sequence[DynamicCache], width: int) -> DynamicCache:
    """One cache with a row for each cache, padded on the left to `width` tokens."""
    joined = DynamicCache()
    for number, layers in enumerate(zip(*(cache.layers for cache in caches), strict=True)):
        sides: list[Tensor] = []
        for side in ("keys", "values"):
            parts: list[Tensor] = [getattr(layer, side) for layer in layers]
            whole = parts[0].new_zeros(len(parts), parts[0].shape[1], width, parts[0].shape[3])
            for row, part in enumerate(parts):
                whole[row, :, width - part.shape[2] :] = part[0]
            sides.append(whole)
        joined.update(sides[0], sides[1], number)
    return joined

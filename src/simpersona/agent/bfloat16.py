"""Linear layers in bfloat16, on processors that are faster in it.

There a pass over a page takes down to 0.4 of the time. Everything between the layers stays in fp32, as do the layers that train and
the output layer: choices are made from its logits.
"""

from __future__ import annotations

import time
from functools import cache

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from simpersona.personas.network import one_thread

NATIVE = ("avx512_bf16", "amx_bf16")
"""The instructions without which a processor emulates bfloat16, slower than fp32."""
_LAYER, _TOKENS, _PASSES = (576, 1536), 512, 10
"""The layer that is measured (a layer of SmolLM2-135M), the tokens of a page, and the passes. They take 0.1 s together."""
_CLEARLY = 1.3
"""How much faster bfloat16 has to be: a choice that depends on chance would change the model's numbers from run to run."""


class Bfloat16Linear(nn.Linear):
    """A frozen linear layer with weights in bfloat16. Its input and output are in fp32."""

    def __init__(self, layer: nn.Linear) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.weight = nn.Parameter(layer.weight.detach().bfloat16(), requires_grad=False)
        self.bias = None if layer.bias is None else nn.Parameter(layer.bias.detach().bfloat16(), requires_grad=False)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - its name in torch
        return nn.functional.linear(input.bfloat16(), self.weight, self.bias).float()


@cache
def faster_in_bfloat16() -> bool:
    """Whether this machine computes a layer in bfloat16 clearly faster than in fp32.

    Not every processor that has the instructions does: without AMX, some take twice the time. It is measured once a process, on
    one layer.
    """
    known = torch.cpu.get_capabilities()
    if not any(known.get(name) for name in NATIVE):
        return False
    with torch.random.fork_rng(devices=[]):  # the numbers drawn later do not depend on this measurement
        layer = nn.Linear(*_LAYER, bias=False)
    page = torch.zeros(_TOKENS, layer.in_features)
    with (
        one_thread()
    ):  # several threads wait for each other on a busy machine, and the processes of one training have to agree
        return _seconds(Bfloat16Linear(layer), page) * _CLEARLY < _seconds(layer, page)


def _seconds(layer: nn.Linear, page: Tensor) -> float:
    """The least time of a few passes: what other processes take only adds to it."""
    best = float("inf")
    with torch.inference_mode():
        for _ in range(_PASSES):
            start = time.perf_counter()
            layer(page)
            best = min(best, time.perf_counter() - start)
    return best


def frozen_in_bfloat16(model: PreTrainedModel) -> None:
    """Puts the linear layers of a model into bfloat16, to be frozen: without the output layer, and without low-rank matrices."""
    output = model.get_output_embeddings()
    for name, layer in list(model.named_modules()):
        if type(layer) is nn.Linear and layer is not output and ".lora_" not in name:
            model.set_submodule(name, Bfloat16Linear(layer))

"""Linear layers in bfloat16, on processors that compute it natively.

There a pass over a page takes 0.4 of the time. Everything between the layers stays in fp32, as do the layers that train and
the output layer: choices are made from its logits.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

NATIVE = ("avx512_bf16", "amx_bf16")
"""The instructions without which a processor emulates bfloat16, slower than fp32."""


class Bfloat16Linear(nn.Linear):
    """A frozen linear layer with weights in bfloat16. Its input and output are in fp32."""

    def __init__(self, layer: nn.Linear) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.weight = nn.Parameter(layer.weight.detach().bfloat16(), requires_grad=False)
        self.bias = None if layer.bias is None else nn.Parameter(layer.bias.detach().bfloat16(), requires_grad=False)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - its name in torch
        return nn.functional.linear(input.bfloat16(), self.weight, self.bias).float()


def native_bfloat16() -> bool:
    """Whether this machine's processor computes bfloat16 natively."""
    known = torch.cpu.get_capabilities()
    return any(known.get(name) for name in NATIVE)


def frozen_in_bfloat16(model: PreTrainedModel) -> None:
    """Puts the linear layers of a model into bfloat16, to be frozen: without the output layer, and without low-rank matrices."""
    output = model.get_output_embeddings()
    for name, layer in list(model.named_modules()):
        if type(layer) is nn.Linear and layer is not output and ".lora_" not in name:
            model.set_submodule(name, Bfloat16Linear(layer))

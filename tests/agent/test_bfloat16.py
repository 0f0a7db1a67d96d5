"""Frozen layers in bfloat16: the same function up to its rounding, and what must stay in fp32 does."""

import torch
from torch import nn

from simpersona.agent.bfloat16 import Bfloat16Linear, faster_in_bfloat16, frozen_in_bfloat16
from simpersona.agent.persona_adapter import add_lora

from .conftest import make_model, make_tokenizer

ROUNDING = 2**-8
"""The relative error of rounding to the 8 bits of bfloat16's mantissa."""


def test_what_bfloat16_can_hold_is_computed_exactly():
    layer = nn.Linear(8, 5)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randint(-3, 4, parameter.shape, generator=generator))
    inputs = torch.randint(-3, 4, (2, 6, 8), generator=generator).float()
    found = Bfloat16Linear(layer)(inputs)
    assert found.dtype == torch.float32
    assert torch.equal(found, layer(inputs))  # whole numbers below 256


def test_the_logits_differ_by_the_rounding_only_and_low_rank_matrices_train_as_before():
    torch.manual_seed(0)
    tokenizer = make_tokenizer()
    model = make_model("tied", tokenizer)
    model.requires_grad_(requires_grad=False)
    adapted = add_lora(model, 4)
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.1)
    ids = torch.arange(20)[None]
    exact = adapted(input_ids=ids).logits
    exact.square().mean().backward()
    gradients = {name: one.grad.clone() for name, one in adapted.named_parameters() if one.requires_grad}
    adapted.zero_grad()
    frozen_in_bfloat16(adapted)
    rounded = adapted(input_ids=ids).logits
    rounded.square().mean().backward()
    assert 0 < float((rounded - exact).detach().norm() / exact.detach().norm()) < 4 * ROUNDING
    layers = dict(adapted.named_modules())
    halved = [name for name, layer in layers.items() if isinstance(layer, Bfloat16Linear)]
    assert len(halved) == 7 * model.config.num_hidden_layers
    assert model.get_output_embeddings().weight.dtype == torch.float32
    for name, parameter in adapted.named_parameters():
        assert parameter.requires_grad == ("lora_" in name)
        if parameter.requires_grad:
            assert parameter.dtype == torch.float32
            found, expected = parameter.grad, gradients[name]
            assert float((found - expected).norm()) < 8 * ROUNDING * float(expected.norm()) + 1e-12, name


def test_measuring_the_processor_draws_no_random_numbers():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    faster_in_bfloat16.__wrapped__()
    assert torch.equal(torch.rand(3), expected)

"""Persona rows: where they start, how they are joined, and that they are only read."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist

from simpersona.agent.tokens import add_persona_tokens, input_matrix, only_rows_train, persona_ids, start_rows
from simpersona.errors import ConfigError

from .conftest import SPARE, make_model, make_tokenizer

CODES = 8


def add(model, tokenizer, codes=CODES, start="mean", codebook=None, seed=0):
    return add_persona_tokens(model, tokenizer, codes, start=start, codebook=codebook, seed=seed)


def test_the_matrix_grows_when_full_and_never_shrinks(kind, tokenizer):
    model = make_model(kind, tokenizer)
    words, before = len(tokenizer), input_matrix(model).detach().clone()
    ids = add(model, tokenizer)
    assert list(ids) == list(range(words, words + CODES))
    assert len(input_matrix(model)) == (words + CODES if kind == "tied" else words + SPARE)
    assert model.config.vocab_size == len(input_matrix(model))
    assert torch.equal(input_matrix(model)[:words], before[:words])
    assert (input_matrix(model) is model.get_output_embeddings().weight) == (kind == "tied")


def test_more_codes_than_spare_rows_grow_the_matrix(tokenizer):
    model = make_model("untied", tokenizer)
    ids = add(model, tokenizer, codes=SPARE + 5)
    assert len(input_matrix(model)) == model.config.vocab_size == ids.stop
    assert torch.count_nonzero(model.get_output_embeddings().weight[ids.start :]) == 0


def test_tokens_are_added_once(tokenizer):
    model = make_model("tied", tokenizer)
    ids = add(model, tokenizer)
    rows = input_matrix(model).detach().clone()
    assert add(model, tokenizer, seed=1) == ids == persona_ids(tokenizer)
    assert torch.equal(input_matrix(model), rows)
    with pytest.raises(ConfigError, match="8 persona tokens, the codebook has 9 codes"):
        add(model, tokenizer, codes=9)


def test_no_tokens_no_ids(tokenizer):
    assert list(persona_ids(tokenizer)) == []


def test_codebook_rows_keep_the_distances_of_the_codes():
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(500, 128, generator=generator) * 0.3 + 0.1
    codebook = np.random.default_rng(0).normal(size=(32, 96)).astype(np.float32)
    rows = start_rows(base, 32, "codebook", codebook, seed=0).numpy()
    ratio = pdist(rows.astype(np.float64)) / pdist(codebook.astype(np.float64))
    assert np.allclose(ratio, ratio[0], rtol=1e-3)
    words = base.numpy() - base.numpy().mean(0)
    typical = np.sqrt((words**2).sum(1).mean())
    offsets = rows - base.numpy().mean(0)
    assert np.sqrt((offsets**2).sum(1).mean()) == pytest.approx(typical, rel=1e-3)
    assert np.allclose(rows.mean(0), base.numpy().mean(0), atol=1e-4)


def test_codebook_wider_than_the_hidden_space_is_projected():
    base = torch.randn(500, 64, generator=torch.Generator().manual_seed(0))
    codebook = np.random.default_rng(0).normal(size=(256, 96)).astype(np.float32)
    assert start_rows(base, 256, "codebook", codebook, seed=0).shape == (256, 64)


@pytest.mark.parametrize("how", ["random", "mean", "codebook"])
def test_start_rows_repeat_with_their_seed(how):
    base = torch.randn(500, 64, generator=torch.Generator().manual_seed(0)) * 0.5
    codebook = np.random.default_rng(0).normal(size=(8, 96)).astype(np.float32)
    first, again, other = (start_rows(base, 8, how, codebook, seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    expected = {"random": 0.5, "mean": 0.05}
    if how in expected:
        assert (first - (base.mean(0) if how == "mean" else 0)).std().item() == pytest.approx(expected[how], rel=0.15)


def test_a_codebook_of_another_size_is_refused():
    base = torch.zeros(10, 4)
    for codebook, found in ((None, "none"), (np.zeros((7, 96)), "one of 7 codes")):
        with pytest.raises(ConfigError, match=f"codebook of 8 codes, found {found}"):
            start_rows(base, 8, "codebook", codebook, seed=0)


def test_joined_rows_read_like_merged_rows(kind):
    tokenizer = make_tokenizer()
    model = make_model(kind, tokenizer).eval()
    ids = add(model, tokenizer)
    prompt = torch.tensor([[5, 6, ids.start + 2, 7, ids.stop - 1, 8]])
    embedding = only_rows_train(model, ids)
    with torch.no_grad():
        embedding.rows += torch.randn(embedding.rows.shape, generator=torch.Generator().manual_seed(1))
        joined = model(prompt).logits[..., : ids.start]
        model.set_input_embeddings(embedding.merge())
        merged = model(prompt).logits[..., : ids.start]
    assert torch.equal(joined, merged)


def test_only_the_rows_require_a_gradient(kind, tokenizer):
    model = make_model(kind, tokenizer)
    ids = add(model, tokenizer)
    only_rows_train(model, ids)
    trained = {name: tuple(p.shape) for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {"model.embed_tokens.rows": (CODES, 64)}


def test_a_checkpoint_tells_others_never_to_sample_one(kind, tokenizer):
    model = make_model(kind, tokenizer)
    ids = add(model, tokenizer)
    prompt = torch.tensor([[5, 6, ids.start, 7]])
    with torch.no_grad():
        head = model.get_output_embeddings().weight
        head[ids.start : ids.stop] += 50 * model.model(prompt).last_hidden_state[0, -1]
        assert model(prompt).logits[0, -1].argmax() in ids  # it would be the most likely token
    written = model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=3, do_sample=False)
    assert not set(written[0, 4:].tolist()) & set(ids)

"""The rows as a linear map of what is known of a persona."""

import numpy as np
import pytest
import torch

from simpersona.agent.persona_funnel import PersonaFunnel
from simpersona.agent.persona_rows import PersonaRows, first_rows, known_of
from simpersona.agent.tokens import start_rows
from simpersona.errors import ConfigError

BASE = torch.randn(400, 128, generator=torch.Generator().manual_seed(0)) + 1
CODEBOOK = np.random.default_rng(0).normal(3, 1, size=(8, 96)).astype(np.float32)
FUNNEL = PersonaFunnel(
    np.random.default_rng(1).integers(1, 50, (8, 2, 4)), np.random.default_rng(2).normal(size=(8, 4))
)


def test_what_is_known_is_the_centred_code_and_the_funnel():
    known = known_of(CODEBOOK, FUNNEL)
    codes, facts = known.features[:, :96], known.features[:, 96:]
    assert codes.mean(axis=0) == pytest.approx(np.zeros(96), abs=1e-6)
    assert np.linalg.norm(codes, axis=1).mean() == pytest.approx(1)
    assert facts * np.sqrt(8) == pytest.approx(FUNNEL.known, abs=1e-6)
    assert not known_of(CODEBOOK, None).features[:, 96:].any()


def test_mapped_rows_start_as_far_from_the_mean_as_other_tokens_and_keep_the_ratios_of_distances():
    known = known_of(CODEBOOK, FUNNEL)
    rows = first_rows(BASE, "mapped", CODEBOOK, known, 0)().detach()
    away = (BASE - BASE.mean(0)).square().sum(1).mean().sqrt()
    assert (rows - BASE.mean(0)).square().sum(1).mean().sqrt().item() == pytest.approx(away.item(), rel=1e-4)
    ratio = torch.pdist(rows) / torch.pdist(torch.from_numpy(known.features))
    assert ratio.max().item() == pytest.approx(ratio.min().item(), rel=1e-3)


def test_a_hidden_space_smaller_than_what_is_known():
    rows = first_rows(BASE[:, :16], "mapped", CODEBOOK, known_of(CODEBOOK, FUNNEL), 0)()
    assert rows.shape == (8, 16)
    assert torch.isfinite(rows).all()


@pytest.mark.parametrize("how", ["random", "mean", "codebook"])
def test_the_other_starts_are_constants_with_a_trained_part(how):
    rows = first_rows(BASE, how, CODEBOOK, known_of(CODEBOOK, None), 3)
    assert torch.equal(rows(), start_rows(BASE, 8, how, CODEBOOK, 3))
    assert [name for name, _ in rows.named_parameters()] == ["own"]


def test_another_codebook_gets_rows_from_the_saved_map(tmp_path):
    rows = first_rows(BASE, "mapped", CODEBOOK, known_of(CODEBOOK, FUNNEL), 0)
    with torch.no_grad():
        rows.own.add_(0.5)
    rows.save(tmp_path)
    again = PersonaRows.load(tmp_path)
    assert torch.equal(again(), rows())
    fewer = known_of(CODEBOOK[:3], None, again.facts.centre, again.facts.size)
    assert fewer.features[:, :96] == pytest.approx(known_of(CODEBOOK, FUNNEL).features[:3, :96], abs=1e-6)
    with pytest.raises(ConfigError, match=r"no persona_map.safetensors here"):
        PersonaRows.load(tmp_path / "nothing")

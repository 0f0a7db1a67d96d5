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


@pytest.fixture
def trained(tmp_path):
    """Rows that were trained and saved, with parts of their own."""
    rows = first_rows(BASE, "mapped", CODEBOOK, known_of(CODEBOOK, FUNNEL), 0)
    with torch.no_grad():
        rows.own.normal_(generator=torch.Generator().manual_seed(1))
    rows.save(tmp_path)
    again = PersonaRows.load(tmp_path)
    assert torch.equal(again(), rows())
    return again


def test_the_same_personas_keep_their_rows_whatever_data_they_are_used_with(trained):
    other = PersonaFunnel(FUNNEL.counts[::-1] + 3, FUNNEL.looks[::-1] * 2)
    assert trained.of_personas(known_of(CODEBOOK, other)) is trained


def test_codes_that_stayed_of_a_merged_codebook_keep_their_rows_and_a_new_code_gets_one_from_the_map(trained):
    new = CODEBOOK[[6]] + 0.5
    funnel = PersonaFunnel(FUNNEL.counts[[4, 1, 2]], FUNNEL.looks[[4, 1, 2]])
    found = trained.of_personas(known_of(np.concatenate([CODEBOOK[[4, 1]], new]), funnel))().detach()
    assert torch.allclose(found[:2], trained()[[4, 1]], atol=1e-4)
    own_code = (new - trained.personas.centre) / trained.personas.size
    expected = (
        BASE.mean(0)
        + torch.from_numpy(np.concatenate([own_code, trained.personas.features[[2], 96:]], axis=1)) @ trained.map
    )
    assert torch.allclose(found[2:], expected.float(), atol=1e-4)


@pytest.mark.parametrize("latent", [96, 64])
def test_codes_of_another_encoder_get_rows_from_their_funnel_alone_in_its_own_units(trained, latent):
    """A persona whose buyers do as those of one of ours has the same row from the funnel, whoever else is in its codebook."""
    codebook = np.random.default_rng(9).normal(0, 5, size=(3, latent)).astype(np.float32)
    funnel = PersonaFunnel(FUNNEL.counts[[5, 0, 3]], FUNNEL.looks[[5, 0, 3]])
    found = trained.of_personas(known_of(codebook, funnel))().detach()
    facts = torch.from_numpy(trained.personas.features[[5, 0, 3], 96:])
    assert torch.allclose(found, BASE.mean(0) + facts @ trained.map[96:], atol=1e-4)


def test_rows_without_a_map_cannot_serve_other_personas():
    rows = first_rows(BASE, "random", CODEBOOK, known_of(CODEBOOK, FUNNEL), 0)
    with pytest.raises(ConfigError, match="it has no map to make rows for these"):
        rows.of_personas(known_of(CODEBOOK + 1, FUNNEL))


def test_a_folder_without_rows_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"no persona_map.safetensors here"):
        PersonaRows.load(tmp_path / "nothing")

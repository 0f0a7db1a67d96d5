import numpy as np
import pytest
import torch
from scipy.spatial.distance import cosine
from scipy.special import log_softmax, logsumexp
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_class_weight

from simpersona.buyers.vectors import BuyerVectors
from simpersona.config import PersonasConfig
from simpersona.contracts import SCALARS
from simpersona.personas import losses

GROUP_SLICES = (slice(0, 8), slice(8, 10), slice(10, 13), slice(13, 14), slice(14, 16))  # Table 5


def test_group_aware_reconstruction_buyer_by_buyer():
    rng = np.random.default_rng(0)
    x, x_hat = rng.normal(size=(5, 16 + 3 * 4 + 3)), rng.normal(size=(5, 16 + 3 * 4 + 3))
    has = np.array([[1, 1, 1], [1, 0, 0], [0, 0, 0], [1, 1, 0], [0, 1, 1]], dtype=bool)
    expected = []
    for i in range(5):
        groups = [np.mean((x[i, part] - x_hat[i, part]) ** 2) for part in GROUP_SLICES]
        groups += [
            cosine(x[i, 16 + 4 * c : 20 + 4 * c], x_hat[i, 16 + 4 * c : 20 + 4 * c]) for c in range(3) if has[i, c]
        ]
        expected.append(np.mean(groups))
    present = torch.from_numpy(np.hstack([np.ones((5, 5)), has]))
    result = losses.reconstruction(torch.from_numpy(x_hat).float(), torch.from_numpy(x).float(), present.float())
    assert result.item() == pytest.approx(np.mean(expected), rel=1e-5)


def test_mask_bits_and_absent_channels_cost_nothing():
    x = torch.zeros(1, 16 + 3 * 4 + 3)
    x_hat = x.clone()
    x_hat[:, 20:] = 7.0
    present = torch.tensor([[1.0, 1, 1, 1, 1, 0, 0, 0]])
    assert losses.reconstruction(x_hat, x, present).item() == 0


def test_a_group_that_the_source_cannot_tell_is_not_present():
    scalars = np.zeros((2, len(SCALARS)))
    scalars[:, [SCALARS.index("mean_cart_value"), SCALARS.index("mean_order_value")]] = np.nan
    scalars[:, SCALARS.index("search_session_count")] = np.nan
    x = np.zeros((2, 16 + 3 * 4 + 3), np.float32)
    x[0, -3:] = [1, 0, 1]
    ids = np.array(["a", "b"])
    groups = losses.present_groups(BuyerVectors(ids, ids, ids, x, scalars))
    assert groups.tolist() == [[1, 1, 1, 1, 0, 1, 0, 1], [1, 1, 1, 1, 0, 0, 0, 0]]


def test_commitment_is_the_mean_over_dimensions_and_spares_the_codebook():
    z_e = torch.tensor([[1.0, 2.0], [0.0, 0.0]], requires_grad=True)
    z_q = torch.tensor([[0.0, 0.0], [3.0, 0.0]], requires_grad=True)
    loss = losses.commitment(z_e, z_q)
    assert loss.item() == pytest.approx((1 + 4 + 9 + 0) / 4)
    assert losses.commitment(z_e, z_q, "sum").item() == pytest.approx((1 + 4 + 9 + 0) / 2)
    loss.backward()
    assert z_q.grad is None
    assert z_e.grad is not None
    assert z_e.grad.tolist() == [[0.5, 1.0], [-1.5, 0.0]]


def test_eq_9_anchor_by_anchor():
    rng = np.random.default_rng(1)
    z = rng.normal(size=(6, 3))
    positive, has = np.array([1, 0, 5, 2, 0, 2]), np.array([True, True, True, False, True, True])
    expected = []
    for i in np.flatnonzero(has):
        similarity = np.array([1 - cosine(z[i], z[j]) for j in range(6)]) / 0.1
        expected.append(logsumexp(np.delete(similarity, i)) - similarity[positive[i]])
    result = losses.info_nce(torch.from_numpy(z), torch.from_numpy(positive), torch.from_numpy(has), 0.1)
    assert result.item() == pytest.approx(np.mean(expected))


def test_contrast_without_any_pair_is_zero_and_differentiable():
    z = torch.ones(2, 3, requires_grad=True)
    loss = losses.info_nce(z, torch.tensor([0, 0]), torch.tensor([False, False]), 0.1)
    loss.backward()
    assert loss.item() == 0
    assert z.grad is not None
    assert not z.grad.any()


def test_eq_11_weighted_cross_entropy_divided_by_the_batch():
    rng = np.random.default_rng(2)
    logits = rng.normal(size=(40, 3, 3))
    labels = rng.integers(0, 3, (40, 3))
    labels[:3] = np.arange(3)[:, None]
    weights = np.stack([compute_class_weight("balanced", classes=np.arange(3), y=labels[:, h]) for h in range(3)])
    result = losses.head_losses(torch.from_numpy(logits), torch.from_numpy(labels), torch.from_numpy(weights))
    for head in range(3):
        own = weights[head][labels[:, head]]
        chances = np.exp(log_softmax(logits[:, head], axis=1))
        expected = log_loss(labels[:, head], chances, sample_weight=own, normalize=False) / 40
        assert result[head].item() == pytest.approx(expected)


def test_an_empty_level_with_weight_0_gives_no_nan():
    logits, labels = torch.zeros(2, 3, 3), torch.ones(2, 3, dtype=torch.long)
    weights = torch.tensor([[1.0, 0.0, 1.0]]).repeat(3, 1)
    assert losses.head_losses(logits, labels, weights).tolist() == [0, 0, 0]


def test_eq_2_and_10_weights_and_sum():
    terms = {
        name: torch.tensor(value)
        for name, value in {
            "reconstruction": 1.0,
            "commitment": 10.0,
            "contrastive": 100.0,
            "engagement": 1000.0,
            "exploration": 2000.0,
            "purchase": 4000.0,
        }.items()
    }
    # λ_r = 0.3, β = 0.75, λ_c = 0.15, λ_a = 0.5 (App. C)
    assert losses.total(terms, PersonasConfig()).item() == pytest.approx(0.3 + 7.5 + 15 + 0.5 * 7000)

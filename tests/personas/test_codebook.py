import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from simpersona.errors import ConfigError
from simpersona.personas.codebook import Codebook, nearest, straight_through


def test_eq_1_nearest_entry():
    rng = np.random.default_rng(0)
    z, entries = rng.normal(size=(200, 5)), rng.normal(size=(17, 5))
    expected = cdist(z, entries, "sqeuclidean").argmin(axis=1)
    assert np.array_equal(nearest(torch.from_numpy(z), torch.from_numpy(entries)).numpy(), expected)


def test_eq_7_by_hand():
    book = Codebook(torch.tensor([[0.0, 0.0], [10.0, 10.0], [5.0, 5.0]]), torch.tensor([1.0, 2.0, 3.0]))
    # entry 0 gets two outputs with mean (2, 4), entry 1 gets one, entry 2 none; γ = 0.9
    book.update(torch.tensor([[1.0, 3.0], [3.0, 5.0], [0.0, 20.0]]), torch.tensor([0, 0, 1]), decay=0.9)
    assert book.entries.tolist() == pytest.approx(np.array([[0.2, 0.4], [9.0, 11.0], [5.0, 5.0]]))
    assert book.usage.tolist() == pytest.approx([0.9 * 1 + 0.2, 0.9 * 2 + 0.1, 0.9 * 3])


def test_eq_7_does_not_ask_how_many_outputs_there_were():
    one, many = (Codebook(torch.zeros(1, 2), torch.ones(1)) for _ in range(2))
    one.update(torch.ones(1, 2), torch.zeros(1, dtype=torch.long), decay=0.9)
    many.update(torch.ones(50, 2), torch.zeros(50, dtype=torch.long), decay=0.9)
    assert torch.equal(one.entries, torch.full((1, 2), 1 - 0.9))
    assert torch.allclose(one.entries, many.entries)


def test_eq_8_dead_entries_are_below_a_fraction_of_the_mean():
    # the mean is 5, a tenth of it 0.5: only what is below counts as dead
    book = Codebook(torch.zeros(4, 2), torch.tensor([0.49, 0.5, 9.01, 10.0]))
    assert book.dead(0.1).tolist() == [0]


def test_a_revived_entry_lies_on_an_output_and_has_the_mean_usage():
    z = torch.tensor([[0.0, 100.0], [1.0, 100.0], [2.0, 100.0], [3.0, 100.0]])
    book = Codebook(torch.full((4, 2), -9.0), torch.tensor([0.0, 8.0, 0.1, 7.9]))
    assert book.revive(z, 0.1, torch.Generator().manual_seed(0)) == 2
    assert book.usage.tolist() == pytest.approx([4.0, 8.0, 4.0, 7.9])
    assert book.entries[[1, 3]].eq(-9).all()
    for entry in book.entries[[0, 2]]:
        # sd 1.118 and 0: noise of 0.011 in the first dimension, none in the second
        assert entry[1] == 100
        assert (z[:, 0] - entry[0]).abs().min() < 0.06


def test_nothing_dead_nothing_moves():
    book = Codebook(torch.zeros(2, 2), torch.ones(2))
    assert book.revive(torch.ones(3, 2), 0.1, torch.Generator().manual_seed(0)) == 0
    assert not book.entries.any()


def test_start_takes_k_outputs_far_apart_with_their_share_of_a_batch():
    groups = torch.tensor([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0]])
    z = groups.repeat_interleave(torch.tensor([10, 20, 30]), dim=0)
    book = Codebook.start(z, codes=3, batch_size=12, seed=0)
    order = [int(nearest(group[None], book.entries)) for group in groups]
    assert sorted(order) == [0, 1, 2]
    assert torch.equal(book.entries[order], groups)
    assert book.usage[order].tolist() == pytest.approx([2, 4, 6])


def test_more_codes_than_buyers_is_the_users_error():
    with pytest.raises(ConfigError, match=r"personas\.codes = 9.*only 5 training buyers"):
        Codebook.start(torch.zeros(5, 2), codes=9, batch_size=4, seed=0)


def test_straight_through_gives_the_entry_and_passes_the_gradient():
    z_e = torch.tensor([[1.0, 2.0]], requires_grad=True)
    z_q = torch.tensor([[4.0, 8.0]], requires_grad=True)
    read = straight_through(z_e, z_q)
    assert torch.equal(read, z_q)
    (read * torch.tensor([[3.0, 5.0]])).sum().backward()
    assert z_e.grad is not None
    assert z_e.grad.tolist() == [[3.0, 5.0]]
    assert z_q.grad is None

import numpy as np
import torch
from scipy.spatial.distance import cosine, euclidean

from simpersona.buyers.vectors import BuyerVectors
from simpersona.contracts import SCALARS
from simpersona.personas.pairs import Gates, peers, positives


def random_gates(n, seed, signatures=4):
    rng = np.random.default_rng(seed)
    product = rng.normal(size=(n, 6))
    return Gates(
        torch.from_numpy(rng.integers(0, signatures, n)),
        torch.nn.functional.normalize(torch.from_numpy(product), dim=1),
        torch.from_numpy(rng.normal(size=(n, 4))),
    )


def peers_one_by_one(gates, most_similar, nearest):
    """The three gates as App. D tells them, one buyer at a time."""
    found = []
    for i in range(len(gates.signature)):
        pool = [j for j in range(len(gates.signature)) if j != i and gates.signature[j] == gates.signature[i]]
        pool = sorted(pool, key=lambda j: cosine(gates.product[i], gates.product[j]))[:most_similar]
        found.append(sorted(pool, key=lambda j: euclidean(gates.behaviour[i], gates.behaviour[j]))[:nearest])
    return found


def test_three_gates_agree_with_the_loop():
    for seed, n in ((0, 50), (1, 7), (2, 200)):
        gates = random_gates(n, seed)
        found, count = peers(gates, product_peers=10, behaviour_peers=3)
        own = [row[:k].tolist() for row, k in zip(found, count, strict=True)]
        assert own == peers_one_by_one(gates, 10, 3)


def test_a_buyer_alone_in_its_gate_has_no_peer():
    gates = random_gates(5, 0)
    gates.signature[:] = torch.tensor([0, 1, 1, 2, 0])
    positive, has_peer = positives(gates, 10, 3, torch.Generator().manual_seed(0))
    assert has_peer.tolist() == [True, True, True, False, True]
    assert positive[has_peer].tolist() == [4, 2, 1, 0]


def test_a_batch_of_one_has_no_pair():
    _, has_peer = positives(random_gates(1, 0), 10, 3, torch.Generator().manual_seed(0))
    assert has_peer.tolist() == [False]


def test_the_positive_is_drawn_uniformly_from_the_peers():
    gates = random_gates(12, 3, signatures=1)
    found, _ = peers(gates, 10, 3)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([positives(gates, 10, 3, generator)[0] for _ in range(900)])
    shares = torch.stack([(drawn == found[:, [k]].T).double().mean(dim=0) for k in range(3)])
    assert torch.allclose(shares.sum(dim=0), torch.ones(12, dtype=torch.double))
    assert shares.sub(1 / 3).abs().max() < 0.07  # four standard errors of 900 draws


def test_signature_product_and_behaviour_of_buyers():
    scalars = np.zeros((7, len(SCALARS)))
    for row, name in enumerate(("purchase", "add_to_cart", "checkout_start", "product_view", "search", "collection")):
        scalars[row, SCALARS.index(f"{name}_session_count")] = 2
    scalars[0, SCALARS.index("product_view_session_count")] = 5  # the highest act counts
    scalars[6] = np.nan
    x = np.zeros((7, 16 + 3 * 2 + 3), np.float32)
    x[:, :16] = np.arange(16)
    x[0, 16:20], x[0, -3:] = [3, 0, 0, 4], [1, 1, 0]
    x[1, 16:18], x[1, -3:] = [9, 9], [0, 1, 0]  # values of a channel that is not there do not count
    ids = np.array(list("abcdefg"))
    gates = Gates.of(BuyerVectors(ids, ids, ids, x, scalars))
    assert gates.signature.tolist() == [3, 2, 2, 1, 0, 0, 0]
    assert np.allclose(gates.product[0], [0.6, 0.8])
    assert not gates.product[1].any()
    # product views, search sessions, collection sessions, duration, as places among the 16
    assert gates.behaviour[0].tolist() == [9, 6, 7, 8]

"""The same training with the quantiser of vector-quantize-pytorch instead of ours, to compare costs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from vector_quantize_pytorch import VectorQuantize

from benchmarks.measure import Cost, Stopwatch
from simpersona.buyers.vectors import BuyerVectors
from simpersona.config import PersonasConfig
from simpersona.contracts import HEADS
from simpersona.personas import losses
from simpersona.personas.bins import HeadBins
from simpersona.personas.network import Network, one_thread
from simpersona.personas.pairs import Gates, positives


def library_epochs(train: BuyerVectors, config: PersonasConfig) -> Iterator[Cost]:
    """What each of `config.epochs` epochs costs: the same network, losses and pairs, Adam as it comes, and the library's
    codebook with the same size and decay, its dead codes replaced, on one thread. Nothing is validated.
    """
    generator = torch.Generator().manual_seed(0)
    bins = HeadBins.fit(train, config)
    network = Network([train.x.shape[1], *config.hidden, config.latent], config.dropout, generator)
    quantiser = VectorQuantize(
        config.latent,
        config.codes,
        decay=config.decay,
        threshold_ema_dead_code=config.dead_fraction * config.batch_size / config.codes,  # pyright: ignore[reportArgumentType]
        rotation_trick=False,
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    x, present = torch.from_numpy(train.x).float(), losses.present_groups(train)
    labels, weights = torch.from_numpy(bins.labels(train)), torch.from_numpy(bins.weights).float()
    gates = Gates.of(train)
    with one_thread():
        for _ in range(config.epochs):
            watch = Stopwatch()
            order = torch.randperm(len(x), generator=generator)
            for rows in torch.tensor_split(order, int(np.ceil(len(x) / config.batch_size))):
                z_e = network.encoder(x[rows])
                read, _, commitment = quantiser(z_e)
                positive, has_peer = positives(
                    gates.take(rows), config.product_peers, config.behaviour_peers, generator
                )
                heads = losses.head_losses(network.levels(read), labels[rows], weights)
                terms = {
                    "reconstruction": losses.reconstruction(network.decoder(read), x[rows], present[rows]),
                    "commitment": commitment.squeeze(),
                    "contrastive": losses.info_nce(z_e, positive, has_peer, config.temperature),
                    **dict(zip(HEADS, heads, strict=True)),
                }
                optimizer.zero_grad()
                losses.total(terms, config).backward()
                optimizer.step()
            yield watch.lap()

"""Training: Eq. 2 by Adam, the codebook by moving averages, early stopping on the validation loss (2.2, App. C)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from simpersona.buyers.vectors import BuyerVectors
from simpersona.config import PersonasConfig
from simpersona.contracts import HEADS
from simpersona.errors import ConfigError
from simpersona.personas import losses
from simpersona.personas.bins import HeadBins
from simpersona.personas.codebook import Codebook, nearest, straight_through
from simpersona.personas.model import Personas
from simpersona.personas.network import Dropout, Network, one_thread
from simpersona.personas.pairs import Gates, positives
from simpersona.personas.training_state import Checkpoints, TrainingState, training_identity
from simpersona.ports import Progress


def learn(
    train: BuyerVectors,
    validation: BuyerVectors,
    config: PersonasConfig,
    seed: int,
    progress: Progress,
    checkpoints: Checkpoints | None = None,
) -> Personas:
    """Personas learned from `train`, as they were in the epoch with the lowest loss on `validation`.

    The same vectors, settings and seed give the same personas on the same processor and library versions, also
    where a training that was cut off goes on from the last epoch that `checkpoints` kept of it.
    Raises ConfigError if there are fewer training buyers than codes, no validation buyers, or the loss
    does not stay finite.
    """
    if not len(validation):
        raise ConfigError(
            "personas: no validation buyers to stop the training by. "
            "Expected at least one: raise personas.validation_share or give more data."
        )
    with one_thread():
        return _learn(train, validation, config, seed, progress, checkpoints)


def _learn(
    train: BuyerVectors,
    validation: BuyerVectors,
    config: PersonasConfig,
    seed: int,
    progress: Progress,
    checkpoints: Checkpoints | None,
) -> Personas:
    generator = torch.Generator().manual_seed(seed)
    bins = HeadBins.fit(train, config)
    network = Network([train.x.shape[1], *config.hidden, config.latent], config.dropout, generator)
    for module in network.modules():
        if isinstance(module, Dropout):
            module.generator = generator
    seen, unseen = _Buyers.of(train, bins), _Buyers.of(validation, bins)
    codebook = _start(network, seen.x, config, seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate, fused=True)
    weights = torch.from_numpy(bins.weights).float()
    run = TrainingState(network, codebook, optimizer, generator)
    work = _Run(config, run, weights)
    identity = training_identity(train, validation, config, seed)
    if checkpoints and (found := checkpoints.load(identity)):
        run.restore(*found)

    for epoch in range(run.epoch + 1, config.epochs + 1):
        if run.finished(config.patience):
            break
        trained = work.train_epoch(seen)
        # the same order and the same positive pairs in every epoch, so that epochs can be compared
        checked = work.validate(unseen, torch.Generator().manual_seed(seed))
        if not math.isfinite(checked["loss"]):
            raise ConfigError(
                f"personas: training diverged: the validation loss is {checked['loss']} after epoch {epoch}. Expected a"
                f" finite number: lower personas.learning_rate ({config.learning_rate}) or the weights of the loss."
            )
        run.note(trained, checked, codes_checked=work.dead_codes_checked)
        if checkpoints:
            checkpoints.save(identity, *run.state())
        note = f"validation loss {checked['loss']:.3f}, {trained['codes_used']} codes in use"
        progress(epoch, config.epochs, note)
        if run.finished(config.patience):
            progress(config.epochs, config.epochs, f"stopped after epoch {epoch}, best was {run.best_epoch}")
    network.load_state_dict(run.best_weights)
    return Personas(network, run.best_entries, bins, config, run.history)


@dataclass(frozen=True)
class _Buyers:
    """Everything that the loss needs of n buyers."""

    x: Tensor
    present: Tensor
    labels: Tensor
    gates: Gates

    @classmethod
    def of(cls, vectors: BuyerVectors, bins: HeadBins) -> _Buyers:
        return cls(
            torch.from_numpy(vectors.x).float(),
            losses.present_groups(vectors),
            torch.from_numpy(bins.labels(vectors)),
            Gates.of(vectors),
        )

    def batches(self, size: int, generator: torch.Generator) -> Iterator[_Buyers]:
        """All buyers once, in random order, in batches of nearly equal size, at most `size`."""
        order = torch.randperm(len(self.x), generator=generator)
        for rows in torch.tensor_split(order, -(-len(order) // size)):
            yield _Buyers(self.x[rows], self.present[rows], self.labels[rows], self.gates.take(rows))


@dataclass
class _Run:
    config: PersonasConfig
    now: TrainingState
    class_weights: Tensor

    def train_epoch(self, buyers: _Buyers) -> dict[str, Any]:
        optimizer, generator = self.now.optimizer, self.now.generator
        self.now.network.train()
        tally, revived = _Tally(), 0
        for batch in buyers.batches(self.config.batch_size, generator):
            terms, z_e, codes = self.terms(batch, generator)
            optimizer.zero_grad()
            terms["loss"].backward()
            optimizer.step()
            revived += self.move_codebook(z_e.detach(), codes)
            tally.add(terms, codes)
        return tally.means() | {"dead_resets": revived}

    def validate(self, buyers: _Buyers, generator: torch.Generator) -> dict[str, Any]:
        self.now.network.eval()
        tally = _Tally()
        with torch.inference_mode():
            for batch in buyers.batches(self.config.batch_size, generator):
                terms, _, codes = self.terms(batch, generator)
                tally.add(terms, codes)
        return tally.means()

    def terms(self, batch: _Buyers, generator: torch.Generator) -> tuple[losses.Terms, Tensor, Tensor]:
        """The terms of Eq. 2 and their sum as "loss"; the encoder's outputs and their codes."""
        config, network, entries = self.config, self.now.network, self.now.codebook.entries
        z_e = network.encoder(batch.x)
        codes = nearest(z_e.detach(), entries)
        z_q = entries[codes]
        read = straight_through(z_e, z_q)
        positive, has_peer = positives(batch.gates, config.product_peers, config.behaviour_peers, generator)
        heads = losses.head_losses(network.levels(read), batch.labels, self.class_weights)
        terms = {
            "reconstruction": losses.reconstruction(network.decoder(read), batch.x, batch.present),
            "commitment": losses.commitment(z_e, z_q, config.commitment_over),
            "contrastive": losses.info_nce(z_e, positive, has_peer, config.temperature),
            **dict(zip(HEADS, heads, strict=True)),
        }
        return terms | {"loss": losses.total(terms, config)}, z_e, codes

    @property
    def dead_codes_checked(self) -> bool:
        """Patience starts with this: until then a small data set trains with a part of its codes only."""
        return self.now.step >= self.config.dead_warmup_steps + self.config.dead_every_steps

    def move_codebook(self, z: Tensor, codes: Tensor) -> int:
        """Eq. 7, and Eq. 8 when it is due (REFERENCE 13). Returns the number of codes revived."""
        config, codebook = self.config, self.now.codebook
        codebook.update(z, codes, config.decay)
        self.now.step += 1
        since = self.now.step - config.dead_warmup_steps
        if since <= 0 or since % config.dead_every_steps:
            return 0
        return codebook.revive(z, config.dead_fraction, self.now.generator)


class _Tally:
    """Means over the buyers of an epoch."""

    def __init__(self) -> None:
        self.sums: dict[str, float] = {}
        self.buyers = 0
        self.codes: set[int] = set()

    def add(self, terms: losses.Terms, codes: Tensor) -> None:
        for name, value in terms.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(value.detach()) * len(codes)
        self.buyers += len(codes)
        self.codes.update(codes.tolist())

    def means(self) -> dict[str, Any]:
        means = {name: value / self.buyers for name, value in self.sums.items()}
        return means | {"codes_used": len(self.codes)}


def _start(network: Network, x: Tensor, config: PersonasConfig, seed: int) -> Codebook:
    network.eval()
    with torch.no_grad():
        z = network.encoder(x)
    return Codebook.start(z, config.codes, min(config.batch_size, len(x)), seed)

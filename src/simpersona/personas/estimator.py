"""Personas for a data frame with scikit-learn's interface; the training is that of the stage `personas`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from simpersona.buyers.vectors import BuyerVectors
from simpersona.config import BuyersConfig, PersonasConfig
from simpersona.config.file import parse_config
from simpersona.contracts import CHANNELS, SCALARS
from simpersona.files import read_json, write_json
from simpersona.personas.fitted import FittedPersonas
from simpersona.personas.frame import BuyerFrame
from simpersona.personas.mix import assignments, store_mix
from simpersona.personas.sample import balanced_sample
from simpersona.personas.training import train_personas

ESTIMATOR = "estimator.json"
"""File beside the pack's files, with the parameters and the columns that the model was trained on."""
EMBEDDER = "vectors in the data frame"
_PERSONAS, _BUYERS = PersonasConfig(), BuyersConfig()


class PersonaModel(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator):
    """The behaviour-aware VQ-VAE over buyers in a data frame: call `fit`, then `predict` returns each buyer's code.

    A frame (pandas, polars, pyarrow) has one row per buyer. All of these columns are optional:

    - the 16 scalars by name (`simpersona.contracts.SCALARS`), raw: counts of sessions, seconds, rates in 0..1, mean
      money. A missing column or a null is unknown (masked), not 0. At least one scalar is required.
    - `viewed`, `carted`, `purchased`: the mean vector of the products, as a list or an array in each cell, null
      without products. Alternatively lists of product ids; then pass `products` (shop_id, product_id) and
      `embeddings` (one row per product) beside the frame.
    - `shop_id` and `buyer_id`; by default all buyers belong to one shop and are numbered.
    - `stratum`, A to E; by default it is derived from the counts.

    `personas` sets further settings of `[personas]` in a config by name: `{"temperature": 0.2}`.

    Attributes after `fit`: `labels_` (the codes of all rows), `cluster_centers_` (the codebook), `history_` (losses by
    epoch), `train_rows_` and `validation_rows_` (the balanced sample; bouncers and buyers above the caps get codes but
    are not used for training), `codes_merged_` (number of codes merged because they had too few training buyers),
    `columns_` and `fitted_`.
    """

    def __init__(
        self,
        codes: int = _PERSONAS.codes,
        *,
        channel_dim: int = _BUYERS.channel_dim,
        epochs: int = _PERSONAS.epochs,
        batch_size: int = _PERSONAS.batch_size,
        learning_rate: float = _PERSONAS.learning_rate,
        patience: int = _PERSONAS.patience,
        validation_share: float = _PERSONAS.validation_share,
        buyers_per_shop: int = _PERSONAS.buyers_per_shop,
        buyers_per_stratum: int = _PERSONAS.buyers_per_stratum,
        min_buyers_per_code: int = _PERSONAS.min_buyers_per_code,
        personas: Mapping[str, Any] | None = None,
        random_state: int = 0,
    ) -> None:
        self.codes = codes
        self.channel_dim = channel_dim
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.patience = patience
        self.validation_share = validation_share
        self.buyers_per_shop = buyers_per_shop
        self.buyers_per_stratum = buyers_per_stratum
        self.min_buyers_per_code = min_buyers_per_code
        self.personas = personas
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, *, products: Any = None, embeddings: Any = None) -> Self:  # noqa: N803, ARG002
        """Trains the personas on a balanced sample of the buyers of `X`, and assigns a code to each buyer.

        Raises ContractError for an invalid frame, ConfigError for a wrong setting or fewer training buyers than codes.
        """
        frame = BuyerFrame.read(X, products, embeddings)
        with_products = any(name in CHANNELS for name in frame.columns)
        settings = self._settings(self.channel_dim if with_products else 1)
        shop, stratum = (frame.table[name].to_numpy() for name in ("shop_id", "stratum"))
        rows = balanced_sample(shop, stratum, settings[0], self.random_state)
        sample = frame.take(rows)
        ((buyers, known, vectors),) = sample.parts(frame.dim, max(len(sample), 1))
        trained = train_personas(buyers, known, vectors, settings, self.random_state, lambda *_: None, EMBEDDER)
        _set_fitted(self, trained.fitted, frame.columns)
        self.train_rows_, self.validation_rows_ = rows[trained.train], rows[trained.validation]
        self.codes_merged_ = trained.merged
        self.labels_ = self._codes(frame)
        return self

    def predict(self, X: Any, *, products: Any = None, embeddings: Any = None) -> Int[np.ndarray, " n"]:  # noqa: N803
        """The code of each buyer, int32 (Eq. 1). Raises ContractError for an invalid frame."""
        check_is_fitted(self)
        return self._codes(self._frame(X, products, embeddings))

    def transform(self, X: Any, *, products: Any = None, embeddings: Any = None) -> Float[np.ndarray, "n latent"]:  # noqa: N803
        """The encoder's output for each buyer, float32, in the latent space of the codebook."""
        check_is_fitted(self)
        parts = [self.fitted_.network.encode(part.x) for part in self._vectors(self._frame(X, products, embeddings))]
        return np.concatenate(parts)

    def distances(self, X: Any, *, products: Any = None, embeddings: Any = None) -> Float[np.ndarray, "n codes"]:  # noqa: N803
        """The Euclidean distance of each buyer to each code, in the latent space."""
        latents = self.transform(X, products=products, embeddings=embeddings)
        return cdist(np.asarray(latents), self.cluster_centers_)

    def mix(self, X: Any, *, products: Any = None, embeddings: Any = None) -> pa.Table:  # noqa: N803
        """The share of each code in each shop with its 95 % interval (Eq. 4): shop_id, code, share, buyers, low, high."""
        check_is_fitted(self)
        parts = [
            assignments(part, self.fitted_.network.assign(part.x))
            for part in self._vectors(self._frame(X, products, embeddings))
        ]
        return store_mix(pa.concat_tables(parts))

    def save(self, folder: str | Path) -> None:
        """Writes model.safetensors and personas.json (together a pack) and estimator.json into `folder`."""
        check_is_fitted(self)
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.fitted_.save(folder)
        write_json(folder / ESTIMATOR, {"params": self.get_params(), "columns": list(self.columns_)})

    @classmethod
    def load(cls, folder: str | Path) -> PersonaModel:
        """Loads what `save` wrote, or the personas of a finished run from the run's folder.

        Raises ConfigError if the folder holds no trained personas.
        """
        folder = Path(folder)
        fitted = FittedPersonas.load(folder)
        if (folder / ESTIMATOR).is_file():
            saved = read_json(folder / ESTIMATOR)
            return _set_fitted(cls(**saved["params"]), fitted, tuple(saved["columns"]))
        settings = fitted.network.config.model_dump(mode="json")
        params = set(cls().get_params()) & set(settings)
        defaults = _PERSONAS.model_dump(mode="json")
        further = {name: value for name, value in settings.items() if name not in params and value != defaults[name]}
        dim = len(fitted.vectorizer.projection.bias)
        model = cls(**{name: settings[name] for name in params}, channel_dim=dim, personas=further or None)
        return _set_fitted(model, fitted, (*SCALARS, *CHANNELS))

    @property
    def cluster_centers_(self) -> Float[np.ndarray, "codes latent"]:
        """The codebook."""
        return self.fitted_.network.codebook

    @property
    def history_(self) -> list[dict[str, Any]]:
        """The losses of each epoch, on the training and the validation buyers."""
        return self.fitted_.network.history

    @property
    def _n_features_out(self) -> int:  # scikit-learn reads it to name the columns of `transform`
        return self.fitted_.network.codebook.shape[1]

    def _settings(self, channel_dim: int) -> tuple[PersonasConfig, BuyersConfig]:
        params = {name: value for name, value in self.get_params().items() if name in PersonasConfig.model_fields}
        settings = {"personas": {**params, **(self.personas or {})}, "buyers": {"channel_dim": channel_dim}}
        config = parse_config(settings, "PersonaModel")
        return config.personas, config.buyers

    def _frame(self, frame: Any, products: Any, embeddings: Any) -> BuyerFrame:
        return BuyerFrame.read(frame, products, embeddings, self.columns_)

    def _vectors(self, frame: BuyerFrame) -> Iterator[BuyerVectors]:
        for part in frame.parts(len(self.fitted_.vectorizer.projection.weight)):
            yield self.fitted_.vectorizer.transform(*part)

    def _codes(self, frame: BuyerFrame) -> Int[np.ndarray, " n"]:
        return np.concatenate([self.fitted_.network.assign(part.x) for part in self._vectors(frame)])

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "fitted_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.no_validation = True  # the input is a frame with named columns, not an array
        tags.input_tags.two_d_array = False
        tags.input_tags.allow_nan = True
        return tags


def _set_fitted(model: PersonaModel, fitted: FittedPersonas, columns: tuple[str, ...]) -> PersonaModel:
    """Sets the fitted attributes of `model` and returns it."""
    model.fitted_, model.columns_ = fitted, columns
    model.feature_names_in_ = np.array(columns, dtype=object)
    model.n_features_in_ = len(columns)
    return model

"""The estimator on data frames; what it learns is tested with the training itself."""

import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import estimator_checks

from simpersona import PersonaModel
from simpersona.contracts import CHANNELS, MIX, SCALARS
from simpersona.errors import ConfigError, ContractError

DOCS = Path(__file__).parents[2] / "docs/personas.md"
QUICK = {"codes": 6, "epochs": 3, "channel_dim": 8, "min_buyers_per_code": 5}


def frame_of(vectors, channels=True):
    columns = {"shop_id": vectors.shop_id, "buyer_id": vectors.buyer_id, "stratum": vectors.stratum}
    columns |= dict(zip(SCALARS, vectors.scalars.T, strict=True))
    frame = pd.DataFrame(columns)
    if channels:
        for number, name in enumerate(CHANNELS):
            own = vectors.channel(name)
            frame[name] = [row if has else None for row, has in zip(own, vectors.masks[:, number], strict=True)]
    return frame


@pytest.fixture(scope="module")
def buyers(make_population):
    return frame_of(make_population(500, 0)[0])


@pytest.fixture(scope="module")
def model(buyers):
    return PersonaModel(**QUICK).fit(buyers)


@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_no_attributes_set_in_init,
        estimator_checks.check_parameters_default_constructible,
        estimator_checks.check_get_params_invariance,
        estimator_checks.check_set_params,
        estimator_checks.check_do_not_raise_errors_in_init_or_set_params,
        estimator_checks.check_estimator_cloneable,
        estimator_checks.check_estimator_repr,
        estimator_checks.check_estimator_tags_renamed,
        estimator_checks.check_valid_tag_types,
        estimator_checks.check_mixin_order,
        estimator_checks.check_estimators_unfitted,
        estimator_checks.check_transformers_unfitted,
    ],
    ids=lambda check: check.__name__,
)
def test_scikit_learn_accepts_it(check):
    check("PersonaModel", PersonaModel())


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, simpersona; assert not {'torch', 'sklearn', 'pyarrow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_codes_latents_distances_and_mix_fit_together(buyers, model):
    codes, latents, distances = model.predict(buyers), model.transform(buyers), model.distances(buyers)
    assert codes.dtype == np.int32
    assert np.array_equal(codes, model.labels_)
    assert latents.shape == (500, 96)
    assert np.array_equal(distances.argmin(axis=1), codes)
    by_hand = np.linalg.norm(latents[7] - model.cluster_centers_[2])
    assert distances[7, 2] == pytest.approx(by_hand, rel=1e-5)
    mix = MIX.check(model.mix(buyers)).to_pandas()
    for (shop, code), share in mix.set_index(["shop_id", "code"])["share"].items():
        assert share == pytest.approx((codes[buyers["shop_id"] == shop] == code).mean())


def test_trained_on_a_sample_without_bouncers(buyers):
    some = buyers.assign(stratum=["E"] * 100 + buyers["stratum"].tolist()[100:])
    fitted = PersonaModel(**QUICK, buyers_per_stratum=30, validation_share=0.2).fit(some)
    used = np.concatenate([fitted.train_rows_, fitted.validation_rows_])
    assert used.min() >= 100
    assert len(np.unique(used)) == len(used)
    assert some.iloc[used].groupby(["shop_id", "stratum"]).size().max() == 30
    assert len(fitted.validation_rows_) == round(0.2 * len(used))
    assert len(fitted.labels_) == 500
    assert np.bincount(fitted.labels_[fitted.train_rows_]).min() >= QUICK["min_buyers_per_code"]


def test_fit_predict_clone_and_pickle_give_the_same_codes(buyers, model):
    assert np.array_equal(clone(model).fit_predict(buyers), model.labels_)
    assert np.array_equal(pickle.loads(pickle.dumps(model)).predict(buyers), model.labels_)
    named = clone(model).set_output(transform="pandas").fit(buyers).transform(buyers[:3])
    assert named.columns[0] == "personamodel0"


def test_saved_and_loaded_it_is_the_same(buyers, model, tmp_path):
    model.save(tmp_path / "model")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [
        "estimator.json",
        "model.safetensors",
        "personas.json",
    ]
    loaded = PersonaModel.load(tmp_path / "model")
    assert np.array_equal(loaded.predict(buyers), model.labels_)
    assert np.array_equal(loaded.transform(buyers), model.transform(buyers))
    assert loaded.get_params() == model.get_params()
    assert loaded.columns_ == model.columns_
    with pytest.raises(ConfigError, match="holds no trained personas"):
        PersonaModel.load(tmp_path)


def test_pandas_pyarrow_and_an_index_of_keys_are_the_same(buyers, model):
    indexed = buyers.set_index(["shop_id", "buyer_id"])
    for frame in (pa.Table.from_pandas(buyers), indexed):
        assert np.array_equal(model.predict(frame), model.labels_)
    fixed = pa.Table.from_pandas(buyers)
    for name in CHANNELS:
        width = pa.list_(pa.float32(), 32)
        place = fixed.column_names.index(name)
        fixed = fixed.set_column(place, name, pa.array(fixed[name].to_pylist(), width))
    assert np.array_equal(model.predict(fixed), model.labels_)


def test_product_ids_with_a_catalogue_are_as_good_as_their_mean_vectors(make_population):
    vectors, _ = make_population(200, 3)
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(30, 12)).astype(np.float32)
    products = pd.DataFrame(
        {"shop_id": np.repeat(["shop-0", "shop-1", "shop-2"], 10), "product_id": [*"abcdefghij"] * 3}
    )
    ids, means = frame_of(vectors, channels=False), frame_of(vectors, channels=False)
    for name, mask in zip(CHANNELS, vectors.masks.T, strict=True):
        seen = [list(rng.choice(10, rng.integers(1, 5), replace=False)) if has else [] for has in mask]
        ids[name] = [[products["product_id"][row] for row in rows] for rows in seen]
        base = [10 * int(shop[-1]) for shop in vectors.shop_id]
        means[name] = [
            embeddings[np.array(rows) + start].mean(axis=0) if rows else None
            for rows, start in zip(seen, base, strict=True)
        ]
    model = PersonaModel(**QUICK).fit(ids, products=products, embeddings=embeddings)
    expected = model.transform(ids, products=products, embeddings=embeddings)
    assert np.abs(expected).max() > 0.1
    assert model.transform(means) == pytest.approx(expected, abs=1e-4)


def test_few_columns_suffice_and_what_is_missing_is_masked(buyers):
    few = buyers[["session_count", "duration_seconds", "product_view_session_count", "add_to_cart_session_count"]]
    model = PersonaModel(**QUICK).fit(few)
    assert model.columns_ == tuple(sorted(few.columns, key=SCALARS.index))
    assert (model.mix(few)["shop_id"].to_numpy() == "shop").all()
    (part,) = model._vectors(model._frame(few, None, None))
    known = [SCALARS.index(name) for name in few.columns]
    masked = np.setdiff1d(np.arange(len(SCALARS)), known)
    assert not part.z[:, masked].any()
    assert not part.masks.any()
    # told by the counts alone: carts, then views
    carts = few["add_to_cart_session_count"] > 0
    assert np.array_equal(part.stratum, np.where(carts, "C", "D"))
    half = few.assign(duration_seconds=[None if row % 2 else row for row in range(500)])
    assert len(model.predict(half)) == 500


def test_no_buyers_no_codes(buyers, model):
    assert model.predict(buyers[:0]).shape == (0,)
    assert model.transform(buyers[:0]).shape == (0, 96)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda f: f.drop(columns=list(SCALARS)),
            r"no scalar column. Found shop_id.*expected at least one of session_c",
        ),
        (lambda f: f.rename(columns={"duration_seconds": "duration_second"}), "did you mean duration_seconds"),
        (lambda f: f.drop(columns="session_count"), "add_to_cart_rate.*need the column session_count"),
        (lambda f: f.assign(stratum="F"), "column stratum has F; expected A, B, C, D, E"),
        (lambda f: f.assign(shop_id=None), "column shop_id is null in 500 row"),
        (lambda f: f.assign(checkout_rate=1.5), r"checkout_rate: 500 value\(s\) out of range, first 1.5 at row 0"),
        (lambda f: f.assign(session_count="many"), "column session_count has type.*expected double"),
        (lambda f: f.assign(viewed=1.0), "column viewed has type double; expected in each cell a vector"),
        (lambda f: f.assign(viewed=[[1.0, 2.0]] * 500), "have 2, 32 dimensions; expected one length"),
        (lambda f: f.assign(viewed=[[1.0] * 31 + [np.nan]] * 500), "viewed has vectors with nan"),
        (lambda f: f.assign(viewed=[["p1"]] * 500), "viewed holds product ids, which need products="),
        (lambda f: f.to_numpy(), "found ndarray, expected a data frame"),
        (lambda f: f[["session_count", "duration_seconds"]], "the strata need a column stratum"),
    ],
)
def test_a_wrong_frame_is_told_what_is_wrong_with_it(buyers, change, words):
    with pytest.raises(ContractError, match=words):
        PersonaModel(**QUICK).fit(change(buyers))


def test_all_that_is_wrong_is_told_at_once(buyers):
    wrong = buyers.assign(checkout_rate=2.0, stratum="F")
    with pytest.raises(ContractError, match=r"stratum has F.*checkout_rate: 500"):
        PersonaModel(**QUICK).fit(wrong)


def test_a_column_of_the_training_must_be_there_again(buyers, model):
    with pytest.raises(ContractError, match=r"column\(s\) viewed missing; .* Add unknown columns with nulls"):
        model.predict(buyers.drop(columns="viewed"))
    assert len(model.predict(buyers.assign(viewed=None, country="de"))) == 500


def test_wrong_settings_and_too_few_buyers(buyers):
    with pytest.raises(NotFittedError):
        PersonaModel().distances(buyers)
    with pytest.raises(ConfigError, match=r"personas\.learning_rate: Input should be greater than 0"):
        PersonaModel(learning_rate=0).fit(buyers)
    with pytest.raises(ConfigError, match=r"personas\.no_such"):
        PersonaModel(personas={"no_such": 1}).fit(buyers)
    with pytest.raises(ConfigError, match="training buyers for 900 codes"):
        PersonaModel(codes=900).fit(buyers)


def test_the_example_in_the_docs_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    names: dict = {}
    exec(compile(example, str(DOCS), "exec"), names)
    assert (tmp_path / "model/model.safetensors").is_file()
    assert names["mix"].num_rows > 0

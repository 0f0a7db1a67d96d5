import numpy as np
import pytest

from simpersona.buyers.vectors import BuyerVectors
from simpersona.contracts import SCALARS
from simpersona.evaluation.comparison import COMPARED, Judged, comparison_rows, spread
from simpersona.evaluation.metric_lookup import metric


def buyers(shops, strata, x):
    scalars = np.zeros((len(shops), len(SCALARS)))
    scalars[:, SCALARS.index("intent_strength")] = x
    wide = np.zeros((len(shops), 22), np.float32)
    wide[:, 0] = x
    return BuyerVectors(np.array(shops), np.array([str(i) for i in range(len(shops))]), np.array(strata), wide, scalars)


def by_first(x):
    return x[:, 0].astype(np.int32)


JUDGED = Judged(
    buyers([*"ttt"], [*"ADD"], [0, 1, 1]),
    np.zeros((3, 3), int),
    buyers([*"ttttt"], [*"AADDE"], [0, 0, 1, 1, 1]),
    buyers([*"vvww"], [*"ADDD"], [0, 1, 1, 1]),
    (np.array([7, 7, 8, 8, 9]), np.array([7, 8, 8, 8])),
)


def test_codes_that_tell_everything():
    found = JUDGED.figures(by_first)
    assert set(found) == {row.key for row in COMPARED}
    assert found["clusters.vqvae.stratum_purity"] == 1
    assert found["clusters.vqvae.codes_used"] == 2
    assert found["population.js_mean"] == 0
    assert found["population.r2.intent_strength"] == pytest.approx(1)
    assert found["population.r2.checkout_rate"] is None
    assert found["planted.normalized_mutual_information"] == pytest.approx(1)


def test_one_code_for_everybody_tells_nothing():
    found = JUDGED.figures(lambda x: np.zeros(len(x), np.int32))
    assert found["clusters.vqvae.stratum_purity"] == pytest.approx(2 / 3)
    assert found["planted.normalized_mutual_information"] == 0
    assert found["population.js_mean"] > 0


def test_planted_types_only_where_there_are_some():
    real = Judged(JUDGED.validation, JUDGED.head_labels, JUDGED.training_shops, JUDGED.held_out)
    assert real.figures(by_first)["planted.adjusted_rand"] is None


def test_the_table_has_a_row_per_figure_and_a_column_per_method():
    purity, codes = metric("clusters", "vqvae", "stratum_purity"), metric("clusters", "vqvae", "codes_used")
    repeats = {
        "ours": [{purity.key: 1.0, codes.key: 200}, {purity.key: 0.5, codes.key: 202}],
        "theirs": [{purity.key: 0.25, codes.key: None}],
    }
    rows = comparison_rows(repeats, [purity, codes])
    assert rows == [["stratum purity", "0.750 ± 0.354", "0.250"], ["personas in use", "201.0 ± 1.4", "–"]]
    assert spread([None]) == "–"

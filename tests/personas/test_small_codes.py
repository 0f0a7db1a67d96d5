import numpy as np
import pytest

from simpersona.config import PersonasConfig
from simpersona.personas.learn import learn
from simpersona.personas.small_codes import kept_codes, without_small_codes

LINE = np.array([[0.0], [10.0], [13.0], [30.0]])


def on_the_line(*sizes):
    return np.repeat(LINE, sizes, axis=0)


def test_a_small_code_goes_to_the_nearest_of_those_left():
    assert kept_codes(on_the_line(9, 3, 9, 9), LINE, least=5).tolist() == [0, 2, 3]


def test_a_code_that_took_in_another_can_be_large_enough():
    # 10 (3 buyers) goes first, its buyers to 13, which then has 7 of 6; without them it would have gone too
    assert kept_codes(on_the_line(9, 3, 4, 9), LINE, least=6).tolist() == [0, 2, 3]
    # the 2 of 13 go to 10, which then has 5 and goes too: its buyers and theirs are nearest to 0
    assert kept_codes(on_the_line(9, 3, 2, 9), LINE, least=6).tolist() == [0, 3]


def test_codes_without_buyers_go_and_one_code_always_stays():
    assert kept_codes(on_the_line(3, 0, 3, 0), LINE, least=1).tolist() == [0, 2]
    assert kept_codes(on_the_line(3, 0, 3, 0), LINE, least=0).tolist() == [0, 1, 2, 3]
    assert len(kept_codes(on_the_line(3, 1, 3, 2), LINE, least=100)) == 1
    assert len(kept_codes(np.empty((0, 1)), LINE, least=20)) == 1


def test_published_codes_have_enough_buyers_and_the_others_keep_theirs(make_population):
    (train, _), (validation, _) = make_population(300, 0), make_population(60, 1)
    settings = PersonasConfig(codes=24, epochs=1, dead_fraction=0)
    personas = learn(train, validation, settings, 0, lambda *_: None)
    before = personas.assign(train.x)
    assert np.bincount(before, minlength=24).min() < 10
    published, merged = without_small_codes(personas, train.x, 10)
    after = published.assign(train.x)
    assert len(published.codebook) == 24 - merged
    assert np.bincount(after, minlength=24 - merged).min() >= 10
    # a code that stayed has all its buyers still, and only those of one that went moved
    number = [int(np.flatnonzero((personas.codebook == row).all(axis=1))[0]) for row in published.codebook]
    stayed = np.isin(before, number)
    assert np.array_equal(np.array(number)[after[stayed]], before[stayed])
    assert without_small_codes(personas, train.x, 0) == (personas, 0)
    assert published.head_levels() == pytest.approx(personas.head_levels()[number])

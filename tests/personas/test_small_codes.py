import numpy as np
import pytest

from simpersona.config import PersonasConfig
from simpersona.personas.small_codes import merge_small_codes, remaining_codes
from simpersona.personas.vqvae_training import train_vqvae

LINE = np.array([[0.0], [10.0], [13.0], [30.0]])


def on_the_line(*sizes):
    return np.repeat(LINE, sizes, axis=0)


def test_a_small_code_goes_to_the_nearest_of_those_left():
    assert remaining_codes(on_the_line(9, 3, 9, 9), LINE, min_buyers=5).tolist() == [0, 2, 3]


def test_a_code_that_took_in_another_can_be_large_enough():
    # 10 (3 buyers) goes first, its buyers to 13, which then has 7 of 6; without them it would have gone too
    assert remaining_codes(on_the_line(9, 3, 4, 9), LINE, min_buyers=6).tolist() == [0, 2, 3]
    # the 2 of 13 go to 10, which then has 5 and goes too: its buyers and theirs are nearest to 0
    assert remaining_codes(on_the_line(9, 3, 2, 9), LINE, min_buyers=6).tolist() == [0, 3]


def test_codes_without_buyers_go_and_one_code_always_stays():
    assert remaining_codes(on_the_line(3, 0, 3, 0), LINE, min_buyers=1).tolist() == [0, 2]
    assert remaining_codes(on_the_line(3, 0, 3, 0), LINE, min_buyers=0).tolist() == [0, 1, 2, 3]
    assert len(remaining_codes(on_the_line(3, 1, 3, 2), LINE, min_buyers=100)) == 1
    assert len(remaining_codes(np.empty((0, 1)), LINE, min_buyers=20)) == 1


def test_published_codes_have_enough_buyers_and_the_others_keep_theirs(make_population):
    (train, _), (validation, _) = make_population(300, 0), make_population(60, 1)
    settings = PersonasConfig(codes=24, epochs=1, dead_fraction=0)
    personas = train_vqvae(train, validation, settings, 0, lambda *_: None)
    before = personas.assign(train.x)
    assert np.bincount(before, minlength=24).min() < 10
    published, merged = merge_small_codes(personas, train.x, 10)
    after = published.assign(train.x)
    assert len(published.codebook) == 24 - merged
    assert np.bincount(after, minlength=24 - merged).min() >= 10
    # a code that stayed has all its buyers still, and only those of one that went moved
    number = [int(np.flatnonzero((personas.codebook == row).all(axis=1))[0]) for row in published.codebook]
    stayed = np.isin(before, number)
    assert np.array_equal(np.array(number)[after[stayed]], before[stayed])
    assert merge_small_codes(personas, train.x, 0) == (personas, 0)
    assert published.head_levels() == pytest.approx(personas.head_levels()[number])

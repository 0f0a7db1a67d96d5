"""The benchmarks run on a tiny world, and each writes its own section of the file only."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import events, experiments, volume, volume_ways, world
from benchmarks.__main__ import main
from benchmarks.measure import Machine, Stopwatch, costs, median_cost
from benchmarks.results import Section, Table, number, write_section
from simpersona.config import LabConfig
from simpersona.lab.shopper_types import make_types
from simpersona.lab.world import generate_world

ORDER = ("world", "events")


def test_a_subject_writes_its_section(tmp_path):
    file = tmp_path / "RESULTS.md"
    machine = Machine()
    write_section(file, "events", events.section(shops=1, buyers=60, repeats=1).text(machine), ORDER)
    first = file.read_text(encoding="utf-8")
    assert "\n## events\n" in first
    assert "`python -m benchmarks events`" in first
    small = LabConfig(shops=2, buyers=400, products_per_shop=12, types=6, output="parquet")
    write_section(file, "world", world.section(small, 400, (300, 600)).text(machine), ORDER)
    both = file.read_text(encoding="utf-8")
    assert both.index("## world") < both.index("## events")
    assert first.split("## events")[1] == both.split("## events")[1]  # the other section stays as it was


def test_a_section_is_replaced_and_not_repeated(tmp_path):
    file = tmp_path / "RESULTS.md"
    for value in ("1", "2"):
        section = Section("world", "What.", [(Table(("", "b"), [["a", value]]), "A note.")])
        write_section(file, "world", section.text(Machine()), ORDER)
    text = file.read_text(encoding="utf-8")
    assert text.count("## world") == 1
    assert "| a | 2 |" in text
    assert "| a | 1 |" not in text


def test_numbers_set_on_the_command_line_are_a_part_of_the_sections_command():
    text = Section("world", "What.", []).text(Machine(), {"visits": 240, "base_visits": 0})
    assert "`python -m benchmarks world --set visits=240 --set base_visits=0`" in text


@pytest.mark.parametrize("given", ["visits", "visits=", "visits=-1", "visits=many", "lab=3", "visit=3"])
def test_a_number_that_a_subject_does_not_have_is_an_error(given, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["benchmarks", "policies", "--set", given])
    with pytest.raises(SystemExit):
        main()
    assert "expected NAME=NUMBER, with one of visits, base_visits" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0, "0"), (0.01234, "0.0123"), (1.5, "1.5"), (123.4, "123"), (45678, "45,700")]
)
def test_numbers_have_three_digits(value, text):
    assert number(value) == text


def test_cpu_seconds_count_work_and_not_sleep():
    values = np.random.default_rng(0).normal(size=400_000)
    watch = Stopwatch()
    cost, _ = costs(lambda: [np.sort(values) for _ in range(8)], 1)
    assert 0 < cost.cpu <= watch.lap().cpu + 0.02
    assert median_cost([cost, cost]) == cost


def test_every_way_gives_the_same_buyers(tmp_path):
    pytest.importorskip("numba", reason="the fast path needs the extra `fast`")
    pytest.importorskip("polars", reason="one of the ways")
    generate_world(tmp_path / "world", LabConfig(shops=2, buyers=80, output="parquet"), lambda *_: None)
    for name, way in volume_ways.WAYS.items():
        way(tmp_path / "world/events", tmp_path / f"{name}.parquet")
    reference = volume.buyers_of(tmp_path / "pandas.parquet")
    assert len(reference) == 80
    for name in volume_ways.WAYS:  # strata are compared on the way
        assert volume.apart_by(volume.buyers_of(tmp_path / f"{name}.parquet", reference), reference) < 1e-6


def test_plain_scalars_by_hand():
    minutes = [0, 5, 6, 100]
    frame = pd.DataFrame(
        {
            "shop_id": "s",
            "buyer_id": "b",
            "time": pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(minutes, unit="min"),
            "event": ["product_viewed", "product_added_to_cart", "checkout_completed", "product_viewed"],
            "price": [10.0, 10.0, 10.0, 10.0],
            "quantity": [np.nan, 2, 2, np.nan],
            "order_id": [None, None, "o", None],
            "value": [np.nan, np.nan, 18.0, np.nan],
        }
    )
    (row,) = events.plain_scalars(frame).to_dict("records")
    assert row["session_count"] == 2  # 94 minutes without an event
    assert row["duration_seconds"] == 360
    assert row["mean_cart_value"] == 20
    assert row["mean_order_value"] == 18
    assert row["browse_only_rate"] == 0.5
    assert row["intent_strength"] == pytest.approx(11 / 13)  # Eq. 3: (3 + 8) / (2 + 3 + 8)


def test_planted_visits_have_the_rates_that_experiments_are_judged_by():
    (notice, *_) = experiments.planted_tests(1, make_types(24, np.random.default_rng(0)))
    pairs = notice.pairs(40_000, np.random.default_rng(0))
    assert pairs["weight"].to_numpy().sum() == pytest.approx(40_000)
    weight = pairs["weight"].to_numpy()
    for place, outcome in enumerate(experiments.OUTCOMES):
        for arm, rates in zip("ab", notice.rates, strict=True):
            found = (weight * pairs[f"{outcome}_{arm}"].to_numpy()).mean()
            assert found == pytest.approx(notice.shares @ rates[:, place], abs=0.01)
    trial = experiments.Trial(notice, experiments.compare(pairs, 0.05))
    assert notice.lift[2] > 0.01
    assert trial.called
    assert trial.right
    assert not experiments.Trial(
        experiments.Planted(1, "", notice.shares, notice.code, notice.rates[::-1]), trial.found
    ).right


def test_the_experiments_section_is_whole():
    section = experiments.section(shops=1, sizes=(60,), repeats=1, plain_repeats=2)
    calls, changes, power = (table for table, _ in section.tables)
    assert [row[0] for row in calls.rows] == ["60"]
    assert [row[0] for row in changes.rows] == list(experiments.CHANGES)
    assert len(power.rows) == 1

"""The generated world: who is in it, whether its rates and lifts are those that were planted, and what it costs."""

# pyright: reportIndexIssue=false, reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false
# pyright: reportReturnType=false, reportGeneralTypeIssues=false, reportAttributeAccessIssue=false
# pandas' types say of most results that they may be anything.

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from benchmarks import world_volume
from benchmarks.results import Section, Table
from simpersona.adapters.engines.duckdb import connect
from simpersona.adapters.sources.table import TableSource
from simpersona.buyers.aggregate import aggregate
from simpersona.config import EventsConfig, LabConfig, VariantConfig
from simpersona.contracts import STRATA
from simpersona.events.prepare import prepare
from simpersona.lab.axes import DRIVES
from simpersona.lab.effects import NAMED_VARIANTS
from simpersona.lab.truth_tables import BOUNCER
from simpersona.lab.variants import Variant
from simpersona.lab.world import generate_world

WORLD = LabConfig(buyers=40_000, output="parquet")
"""The stores and types of the default world, with more buyers."""
LIFT_BUYERS = 250_000
"""Of the worlds that lifts are measured in: a tenth of them would leave most lifts below their standard error."""
TYPES_SHOWN = 5
COUNTS = {
    "add to cart": ("add_to_cart_count", "add_to_cart_rate"),
    "checkout start": ("checkout_start_count", "checkout_start_rate"),
    "purchase": ("purchase_count", "purchase_rate"),
}
CHANGES = {name: variant for name, variant in NAMED_VARIANTS.items() if name != "plain"}


def section(
    config: LabConfig = WORLD, lift_buyers: int = LIFT_BUYERS, sizes: tuple[int, int] = world_volume.SIZES
) -> Section:
    """Planted against measured rates, mixes, strata and lifts of one world; then speed and memory of worlds of `sizes`
    buyers.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "plain"
        generate_world(folder, config, _silent)
        strata, sessions = _measured(folder / "events", Path(scratch) / "spill")
        names = ("types", "rates", "sessions", "mixes", "shops", "lifts")
        truth = {name: pq.read_table(folder / f"truth/{name}.parquet").to_pandas() for name in names}
        changed, many = Path(scratch) / "changed", config.model_copy(update={"buyers": lift_buyers})
        bought = {name: _purchases(changed, many, variant) for name, variant in NAMED_VARIANTS.items()}
    what = (
        f"The generated world (`[lab]`): {config.shops} stores, {config.buyers:,} buyers, {config.types} types, seed "
        f"{config.seed}; {len(sessions):,} visits, {sessions.event_count.sum():,} events. Measured with our own importer, sessions and strata; lifts by counting visits and orders in worlds of {lift_buyers:,} buyers. Deviations are in standard errors of the measured figure. Beside the largest one is the largest expected of as many independent normal ones."
    )
    tables = (
        _rates_by_type(truth, sessions),
        _mixes(truth["mixes"], truth["types"]),
        _strata(truth["shops"], strata),
        _lifts(truth["lifts"], bought),
        world_volume.volume(sizes),
    )
    return Section("world", what, tables, ("numpy", "duckdb", "pyarrow"))


def _silent(*_: object) -> None:
    pass


def _measured(events: Path, spill: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The stratum of each buyer, and the sessions with their counts."""
    engine, settings = connect(spill), EventsConfig(keep_ids=True)
    raw = TableSource().read(events, engine)
    prepared = prepare(raw, settings, b"benchmark")
    buyers = aggregate(prepared.events, prepared.sessions, raw.has, settings)
    strata = buyers.select("shop_id", "stratum").to_pyarrow().to_pandas()
    sessions = prepared.sessions.drop("timeline").to_pyarrow().to_pandas()
    engine.disconnect()
    return strata, sessions


def _purchases(folder: Path, config: LabConfig, variant: Variant) -> pd.DataFrame:
    """Visits and orders of each store of a world of this variant; a visit has one order at most."""
    generate_world(folder, config.model_copy(update={"variant": VariantConfig(**asdict(variant))}), _silent)
    rows = f"read_parquet('{folder}/events/*-[0-9][0-9][0-9][0-9].parquet')"
    query = f"select shop_id, count(*) filter (seq = 0) as visits, count(distinct order_id) as orders from {rows} group by 1"
    return duckdb.sql(query).df().set_index("shop_id").sort_index()


def _rates_by_type(truth: dict[str, pd.DataFrame], sessions: pd.DataFrame) -> tuple[Table, str]:
    """Some types in full; the note speaks of all."""
    key = ["shop_id", "buyer_id", "rank"]
    visits, seen = (table.sort_values(["shop_id", "buyer_id", "start"]) for table in (truth["sessions"], sessions))
    for frame in (visits, seen):
        frame["rank"] = frame.groupby(["shop_id", "buyer_id"]).cumcount()
    joined = visits.merge(seen[[*key, "event_count", *(count for count, _ in COUNTS.values())]], on=key)
    planted = truth["rates"].query("intent == 'all'").set_index("type")
    types = truth["types"].set_index("type").name
    shown = np.random.default_rng(0).choice(types.index[types != BOUNCER], TYPES_SHOWN, replace=False)
    rows, deviations = [], []
    for number_, own in joined.groupby("type"):
        if types[number_] == BOUNCER:
            continue
        cells = []
        for count, rate in COUNTS.values():
            share, found = planted.loc[number_, rate], (own[count] > 0).mean()
            deviations.append((found - share) / _error(share, len(own)))
            cells.append(f"{share:.4f} / {found:.4f}")
        length, error = planted.loc[number_, "events_mean"], own.event_count.std() / np.sqrt(len(own))
        deviations.append((own.event_count.mean() - length) / error)
        if number_ in shown:
            rows.append([types[number_], f"{len(own):,}", *cells, f"{length:.2f} / {own.event_count.mean():.2f}"])
    note = f"Planted / measured per visit, of {TYPES_SHOWN} of the {len(types) - 1} types drawn at random; a visit counts for the type that its buyer had in it. {_deviations(deviations, 'over all types')}"
    return Table(("type", "visits", *COUNTS, "events"), rows), note


def _mixes(mixes: pd.DataFrame, types: pd.DataFrame) -> tuple[Table, str]:
    groups = types.set_index("type").drive.fillna(BOUNCER)
    mixes = mixes.assign(group=mixes.type.map(groups))
    sums = mixes.pivot_table(index="shop_id", columns="group", values=["share", "buyers"], aggfunc="sum")
    sizes = sums["buyers"].sum(axis=1)
    order = sums["share"]["browser"].sort_values(ascending=False).index
    rows = [
        [
            shop,
            f"{sizes[shop]:,}",
            *(
                f"{sums.loc[shop, ('share', group)]:.3f} / {sums.loc[shop, ('buyers', group)] / sizes[shop]:.3f}"
                for group in (*DRIVES, BOUNCER)
            ),
        ]
        for shop in order
    ]
    size = mixes.shop_id.map(sizes)
    deviations = (mixes.buyers - size * mixes.share) / np.sqrt(size * mixes.share * (1 - mixes.share))
    wide = mixes.pivot_table(index="shop_id", columns="type", values="share").to_numpy()
    apart = np.abs(wide[:, None] - wide[None]).sum(-1)[np.triu_indices(len(wide), 1)] / 2
    note = (
        "Planted / drawn shares of the buyers by the drive of their type, and bouncers. Two stores differ in "
        f"{apart.min():.0%} to {apart.max():.0%} of their buyers' types (total variation; median {np.median(apart):.0%}). "
        f"{_deviations(deviations[size * mixes.share > 5], 'over types and stores with more than 5 buyers expected')}"
    )
    return Table(("store", "buyers", *DRIVES, "bouncers"), rows), note


def _strata(shops: pd.DataFrame, strata: pd.DataFrame) -> tuple[Table, str]:
    counts = pd.crosstab(strata.shop_id, strata.stratum).reindex(columns=list(STRATA), fill_value=0)
    shops = shops.set_index("shop_id").sort_values("A")
    rows, deviations = [], []
    for shop, expected in shops.iterrows():
        size = counts.loc[shop].sum()
        found = counts.loc[shop] / size
        deviations += [(found[one] - expected[one]) / _error(expected[one], size) for one in STRATA]
        rows.append([shop, *(f"{expected[one]:.3f} / {found[one]:.3f}" for one in STRATA)])
    note = (
        "Expected from the planted mix / measured shares of the buyers: A bought, B started a checkout, C added to the cart, D looked, "
        f"E none of these. {_deviations(deviations, 'over strata and stores')}"
    )
    return Table(("store", *STRATA), rows), note


def _lifts(lifts: pd.DataFrame, bought: dict[str, pd.DataFrame]) -> tuple[Table, str]:
    true = lifts.pivot_table(index="shop_id", columns="variant", values="purchase_lift")
    rate = {name: own.orders / own.visits for name, own in bought.items()}
    error = {name: _error(rate[name], own.visits) for name, own in bought.items()}
    found = pd.DataFrame({name: rate[name] - rate["plain"] for name in CHANGES})
    errors = pd.DataFrame({name: np.hypot(error[name], error["plain"]) for name in CHANGES})
    rows = [
        [
            shop,
            f"{100 * rate['plain'][shop]:.2f}",
            *(
                f"{100 * true.loc[shop, name]:+.2f} / {100 * found.loc[shop, name]:+.2f} ± {100 * errors.loc[shop, name]:.2f}"
                for name in CHANGES
            ),
        ]
        for shop in rate["plain"].sort_values().index
    ]
    deviations = ((found - true[list(CHANGES)]) / errors).to_numpy().ravel()
    best = (found.idxmax(axis=1) == true[list(CHANGES)].idxmax(axis=1)).sum()
    note = (
        "Percent of visits that buy in the plain world, and what a change of the store adds to it in points: true / measured ± "
        "standard error, in a world generated with the change; the same visits are planned in both, "
        f"so the true error is smaller than this. {_deviations(deviations, 'over changes and stores')} The change "
        f"with the largest measured lift is the true one in {best} of {len(found)} stores."
    )
    heads = [name.replace("_", " ") for name in CHANGES]
    return Table(("store", "plain", *heads), rows), note


def _error(share: float, count: float) -> float:
    return np.sqrt(share * (1 - share) / count)


def _deviations(values: np.ndarray | list[float], over: str) -> str:
    """How the standardised deviations are spread, beside what normal ones would be."""
    sizes = np.abs(np.asarray(values, float))
    expected = np.abs(np.random.default_rng(0).standard_normal((2000, len(sizes)))).max(1).mean()
    return (
        f"Within two standard errors: {(sizes <= 2).mean():.0%} of {len(sizes)} figures {over} (95 % expected); largest "
        f"{sizes.max():.1f} ({expected:.1f} expected)."
    )

"""The lab's storefront: its server."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.results import Section
from benchmarks.store_server import Answers, answers, catalogues, crowd, serving, themes, together
from simpersona.lab.storefront.launch import LabStore


def section(
    sizes: Sequence[int] = (60, 500, 2000, 20_000),
    pages: int = 30,
    shops: Sequence[int] = (1, 10, 40),
    visitors: Sequence[int] = (1, 4, 8),
    seconds: float = 5,
) -> Section:
    """`sizes`: products of the catalogues; `pages`: requests of each kind;
    `shops`: how many in one process; `visitors`: how many at once, for `seconds`.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        found: dict[int, Answers] = {}
        for size in sizes:
            (catalogue,) = catalogues(folder / str(size), 1, size)
            with LabStore(folder / str(size) / "store") as store:
                found[size] = answers(store, catalogue, pages)
                if size == sizes[0]:
                    crowds = crowd(store.start(), visitors, seconds)
            if size == sizes[0]:
                looks = themes(folder / "themes", catalogue, pages)
        many = together(folder / "many", catalogues(folder / "world", max(shops), sizes[0]), shops)
    what = (
        f"The lab's storefronts. One store with catalogues of {', '.join(f'{size:,}' for size in sizes)} products; "
        f"all else with {sizes[0]} products a shop."
    )
    tables = [serving(found, pages), looks, many, crowds]
    return Section("store", what, tables, ("django-oscar",))

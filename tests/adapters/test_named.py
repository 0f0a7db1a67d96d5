"""Adapters by name: short names, import paths of other packages, and what is said where a name leads nowhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import ibis
import pyarrow.parquet as pq
import pytest

from simpersona.adapters.embedders.open import EMBEDDERS, open_embedder
from simpersona.adapters.engines.open import open_engine
from simpersona.adapters.models.open import MODELS, open_model
from simpersona.adapters.named import Shipped, build, load
from simpersona.adapters.sources.open import SOURCES, open_source
from simpersona.adapters.storefronts.open import DRIVERS, open_visitors
from simpersona.config import LlmConfig, StoreConfig
from simpersona.config.file import parse_config
from simpersona.config.source import FORMATS
from simpersona.errors import ConfigError
from simpersona.ports import Embedder, EventSource

SHOP = """
import numpy as np
from simpersona.adapters.sources.table import TableSource

class Pixels:
    "Reads the shop's own columns; `visitor` is the column of the buyer."
    def __init__(self, visitor, shop="corner"):
        columns = {"buyer_id": visitor, "time": "at", "event": "what", "product_id": "sku"}
        self.table = TableSource(columns, {"look": "product_viewed", "buy": "checkout_completed"}, shop=shop)
    def read(self, path, engine):
        return self.table.read(path, engine)

class Lengths:
    name = "lengths"
    def embed(self, texts):
        return np.array([[len(text), 1, 0, 2] for text in texts], np.float32).reshape(-1, 4)

class Model:
    def __init__(self, config, temperature):
        self.name, self.temperature = config.model, temperature
    async def reply(self, messages, schema, seed):
        ...

class Visitors:
    def __init__(self, config, *, may_pay):
        self.may_pay = may_pay
    def visitor(self, url, visitor, *, within="/"):
        ...

def embedder():
    return Lengths()

def engine(folder):
    from simpersona.adapters.engines.duckdb import connect
    return connect(folder)

def closed():
    return object()

NUMBER = 3
"""


@pytest.fixture
def shop_package(tmp_path, monkeypatch):
    """A package of somebody else on the path."""
    (tmp_path / "lib/my_shop").mkdir(parents=True)
    (tmp_path / "lib/my_shop/__init__.py").touch()
    (tmp_path / "lib/my_shop/parts.py").write_text(SHOP)
    (tmp_path / "lib/my_shop/broken.py").write_text("import no_such_library")
    monkeypatch.syspath_prepend(tmp_path / "lib")
    yield tmp_path / "lib"
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_shop"]:
        del sys.modules[name]


def test_every_short_name_leads_to_an_adapter():
    for shipped in (SOURCES, EMBEDDERS, MODELS, DRIVERS):
        assert all(callable(load(name, shipped, "x")) for name in shipped)
    assert set(SOURCES) == set(FORMATS)


def test_adapters_of_another_package_are_made_with_their_settings(shop_package):
    source = {"format": "my_shop.parts:Pixels", "path": "x", "options": {"visitor": "who", "shop": "mine"}}
    assert open_source(parse_config({"source": source}).source).table.identity.shop == "mine"  # pyright: ignore[reportAttributeAccessIssue]
    for path in ("my_shop.parts:Lengths", "my_shop.parts:embedder"):
        assert open_embedder(parse_config({"buyers": {"embedder": path}}).buyers.embedder).name == "lengths"
    model = open_model(LlmConfig(adapter="my_shop.parts:Model", model="m"), 0.5)
    assert (model.name, model.temperature) == ("m", 0.5)  # pyright: ignore[reportAttributeAccessIssue]
    visitors = open_visitors(StoreConfig(), "my_shop.parts:Visitors", may_pay=True)
    assert visitors.may_pay  # pyright: ignore[reportAttributeAccessIssue]


def test_an_engine_of_another_package_computes_tables(shop_package, tmp_path):
    name = parse_config({"events": {"engine": "my_shop.parts:engine"}}).events.engine
    with open_engine(name, tmp_path / "engine") as engine:
        assert engine.name == "duckdb"
        assert engine.to_pyarrow(ibis.literal(1) + 2).as_py() == 3
    assert not (tmp_path / "engine").exists()
    with pytest.raises(ConfigError, match="expected an Ibis connection"), open_engine("builtins:str", tmp_path):
        pass


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("minilmm", r"x = 'minilmm' names no adapter; expected hashing, .* Did you mean 'minilm'\?"),
        ("my_shop.part:Lengths", "there is no module my_shop.part. Install its package, or put its folder on PYTHON"),
        ("gone.parts:Lengths", "there is no module gone"),
        ("my_shop.parts:Length", r"the module my_shop.parts has no Length. Did you mean 'Lengths'\?"),
        ("my_shop.parts:NUMBER", "is of type int; expected a class or a function"),
        (
            "my_shop.parts:closed",
            r"is no Embedder: it has no name and no embed. Expected .* as simpersona.ports.Embedder",
        ),
        ("my_shop.parts:Pixels", r"cannot be made: missing a required argument: 'visitor'. It takes \(visitor, shop="),
        ("my_shop.broken:Lengths", r"needs a package that is not installed \(No module named 'no_such_library'\)"),
    ],
)
def test_a_name_that_leads_nowhere_is_explained(shop_package, name, message):
    shipped = {"hashing": Shipped("a:b"), "minilm": Shipped("c:d")}
    with pytest.raises(ConfigError, match=message):
        build(Embedder, name, shipped, "x")


def test_a_missing_package_is_named_with_the_command_that_installs_it(shop_package):
    shipped = {"part": Shipped("my_shop.broken:Lengths", extra="http")}
    with pytest.raises(ConfigError, match=r"no_such_library'\). Get it with: pip install 'simpersona\[http\]'"):
        load("part", shipped, "x")


def test_options_that_a_source_does_not_take_are_named(shop_package):
    source = {"format": "my_shop.parts:Pixels", "options": {"visitor": "who", "colour": "red"}}
    with pytest.raises(ConfigError, match=r"unexpected keyword argument 'colour'.* is given visitor, colour"):
        open_source(parse_config({"source": source}).source)
    with pytest.raises(ConfigError, match=r"source.shop: .* Settings of an imported adapter belong in source.options"):
        parse_config({"source": {"format": "my_shop.parts:Pixels", "shop": "x"}})
    with pytest.raises(ConfigError, match="is no EventSource: it has no read"):
        build(EventSource, "my_shop.parts:Lengths", {}, "source.format")


def test_a_run_reads_and_embeds_with_the_adapters_of_another_package(shop_package, tmp_path):
    (tmp_path / "log.csv").write_text(
        "who,at,what,sku\nu1,2024-03-01T12:00:00Z,look,p1\nu1,2024-03-01T12:01:00Z,buy,p1\n"
        "u2,2024-03-01T12:00:00Z,look,p22\n"
    )
    (tmp_path / "run.toml").write_text(
        """
name = "own"
folder = "runs"
[source]
format = "my_shop.parts:Pixels"
path = "log.csv"
options = { visitor = "who" }
[buyers]
embedder = "my_shop.parts:Lengths"
"""
    )
    done = subprocess.run(
        [sys.executable, "-m", "simpersona", "buyers", "run.toml", "--json"],
        cwd=tmp_path, env={"PYTHONPATH": ":".join([str(shop_package), *sys.path]), "HOME": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    run = Path(json.loads(done.stdout.splitlines()[-1])["run"])
    run = run if run.is_absolute() else tmp_path / run
    buyers = pq.read_table(run / "buyers/buyers.parquet").to_pylist()
    assert sorted((row["shop_id"], row["stratum"]) for row in buyers) == [("corner", "A"), ("corner", "D")]
    assert (run / "buyers/embeddings.npy").is_file()

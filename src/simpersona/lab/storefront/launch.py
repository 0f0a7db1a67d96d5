"""A storefront with one shop's catalogue: built once, then started, stopped and reset.

A data folder holds two folders, each swapped in whole by a rename, so that a kill at any moment
leaves either the old or the new one:

    built/  the clean state: store.sqlite3, products.parquet, collections.parquet, build.json, secret.key
    live/   a copy of it that is served, with events.jsonl (what visitors did) and server.log
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import hashlib
import http.client
import importlib.metadata
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from simpersona.contracts import COLLECTIONS, PRODUCTS
from simpersona.errors import ConfigError, ContractError, StorefrontError

HOST = "127.0.0.1"
READY_PATH = "/-/ready"
FOLDER_VARIABLE = "SIMPERSONA_STORE_FOLDER"
LAYOUT = 1
"""Raised when the loader changes what it writes, so that older data folders are built again."""
START_SECONDS, STOP_SECONDS, PORT_SECONDS = 60.0, 5.0, 1.0
LOG_LINES, BACKLOG = 15, 256


class LabStore:
    """The storefront of one shop, kept in `folder`.

    with LabStore(folder) as store:
        store.build("shop-1", products, collections)
        url = store.start()
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._server: subprocess.Popen[bytes] | None = None
        self._port = 0

    @property
    def events_log(self) -> Path:
        """What visitors did: one JSON object per line in the format of Shopify's Web Pixels events.

        Its folder also holds the catalogue, as the shopify event source reads it.
        """
        return self.folder / "live" / "events.jsonl"

    @property
    def url(self) -> str | None:
        """The store's address while it is served, else None."""
        return f"http://{HOST}:{self._port}" if self._running else None

    def build(self, shop_id: str, products: pa.Table, collections: pa.Table) -> None:
        """Writes the store's data with the catalogue of `shop_id`, if this very catalogue is not there yet.

        `products` and `collections` are in the shape of PRODUCTS and COLLECTIONS; rows of other shops
        are left out. A changed catalogue is built anew and the visits so far are dropped.
        Raises ContractError for a broken or empty catalogue, StorefrontError if loading fails.
        """
        products = PRODUCTS.check(_of_shop(PRODUCTS.conform(products), shop_id))
        collections = COLLECTIONS.check(_of_shop(COLLECTIONS.conform(collections), shop_id))
        if not products.num_rows:
            raise ContractError(f"products: no row for shop {shop_id!r}, so there is nothing to sell.")
        digest = _digest(shop_id, products, collections)
        if _digest_of(self.folder / "built") == digest:
            return
        self.stop()
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in [*self.folder.glob("building-*"), *self.folder.glob("resetting-*")]:  # by a killed process
            shutil.rmtree(left, ignore_errors=True)
        fresh = Path(tempfile.mkdtemp(prefix="building-", dir=self.folder))
        try:
            pq.write_table(products, fresh / "products.parquet")
            pq.write_table(collections, fresh / "collections.parquet")
            marker = {"shop_id": shop_id, "digest": digest, "products": products.num_rows}
            (fresh / "build.json").write_text(json.dumps(marker), encoding="utf-8")
            (fresh / "secret.key").write_text(secrets.token_urlsafe(50), encoding="utf-8")
            loading = subprocess.run(
                [sys.executable, "-m", "simpersona.lab.storefront.load"],
                env=_environment(fresh),
                capture_output=True,
                text=True,
                check=False,
            )
            if loading.returncode:
                raise StorefrontError(
                    f"The catalogue of shop {shop_id!r} ({products.num_rows} products) could not be loaded "
                    f"into {self.folder}:\n{_last_lines(loading.stderr)}"
                )
            _swap_in(fresh, self.folder / "built")
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        self.reset()

    def start(self, port: int = 0) -> str:
        """Serves the store on the loopback interface and waits until it answers; the address.

        `port` 0 takes a free one. A store that is served already keeps its address.
        Raises ConfigError for a port that cannot be taken or a store that was never built,
        StorefrontError with the end of the server's log if it does not come up.
        """
        if self._server is not None and self.url:
            if port not in (0, self._port):
                raise ConfigError(f"The store in {self.folder} is served at {self.url}; stop it to use port {port}.")
            return self.url
        self.stop()  # what is left of a server that crashed
        self._require_live()
        with _listen(port) as listener:
            self._port = listener.getsockname()[1]
            with (self.folder / "live" / "server.log").open("ab") as log:
                self._server = subprocess.Popen(  # noqa: S603 - our own module
                    [sys.executable, "-m", "simpersona.lab.storefront.serve", str(listener.fileno())],
                    env=_environment(self.folder / "live"),
                    stdin=subprocess.PIPE,  # held open: its end tells the server that this process is gone
                    stdout=log,
                    stderr=log,
                    pass_fds=[listener.fileno()],
                    start_new_session=True,
                )
        atexit.register(self.stop)
        self._wait_until_ready()
        return f"http://{HOST}:{self._port}"

    def stop(self) -> None:
        """Ends the server and all its processes; may be called twice."""
        server, self._server = self._server, None
        atexit.unregister(self.stop)
        if server is None:
            return
        for ending in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, ending)
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(STOP_SECONDS)
                break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)  # a worker that outlived its master
        if server.stdin:
            server.stdin.close()

    def reset(self) -> None:
        """Back to the clean state: no carts, no orders, no events. A served store goes on at its address.

        Raises ConfigError for a store that was never built.
        """
        self._require_built()
        port = self._port if self._running else None
        self.stop()
        fresh = Path(tempfile.mkdtemp(prefix="resetting-", dir=self.folder))
        try:
            shutil.copytree(self.folder / "built", fresh, dirs_exist_ok=True)
            (fresh / "events.jsonl").touch()
            _swap_in(fresh, self.folder / "live")
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        if port is not None:
            self.start(port)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _running(self) -> bool:
        return self._server is not None and self._server.poll() is None

    def _require_built(self) -> str:
        built = _digest_of(self.folder / "built")
        if built is None:
            raise ConfigError(f"{self.folder}: no store was built here. Call build(shop_id, products, collections).")
        return built

    def _require_live(self) -> None:
        if _digest_of(self.folder / "live") != self._require_built():  # a kill between building and copying
            self.reset()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if not self._running:
                break
            if _answers(self._port):
                return
            time.sleep(0.05)
        what = "did not answer" if self._running else "ended while starting"
        self.stop()
        log = (self.folder / "live" / "server.log").read_text(encoding="utf-8", errors="replace")
        raise StorefrontError(
            f"The store in {self.folder} {what} on port {self._port}; last lines of its log:\n{_last_lines(log)}"
        )


def _of_shop(table: pa.Table, shop_id: str) -> pa.Table:
    return table.filter(pc.equal(table["shop_id"], shop_id))


def _listen(port: int) -> socket.socket:
    """A listening socket: the port is taken here, so that a port in use is this caller's error."""
    deadline = time.monotonic() + PORT_SECONDS  # a server killed just now may hold its port a moment longer
    while True:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((HOST, port))
            listener.listen(BACKLOG)
        except (OSError, OverflowError) as error:
            listener.close()
            in_use = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
            if in_use and time.monotonic() < deadline:
                time.sleep(0.1)
                continue
            reason = "is in use" if in_use else f"cannot be taken ({error})"
            raise ConfigError(
                f"Port {port} on {HOST} {reason}. Stop what listens there, or choose another port (0: any free one)."
            ) from None
        else:
            return listener


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", READY_PATH)
        return connection.getresponse().status == http.HTTPStatus.NO_CONTENT
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _environment(folder: Path) -> dict[str, str]:
    return os.environ | {
        FOLDER_VARIABLE: str(folder),
        "DJANGO_SETTINGS_MODULE": "simpersona.lab.storefront.settings",
    }


def _digest(shop_id: str, products: pa.Table, collections: pa.Table) -> str:
    content = [LAYOUT, importlib.metadata.version("django-oscar"), shop_id]
    rows = [products.to_pylist(), collections.to_pylist()]
    return hashlib.sha256(json.dumps([content, rows]).encode()).hexdigest()


def _digest_of(folder: Path) -> str | None:
    try:
        return json.loads((folder / "build.json").read_text(encoding="utf-8"))["digest"]
    except (OSError, ValueError, KeyError):
        return None


def _swap_in(fresh: Path, place: Path) -> None:
    """Puts the folder `fresh` where `place` is; what was there is removed."""
    old = fresh.with_name(f"{fresh.name}-old")
    with contextlib.suppress(FileNotFoundError):
        place.rename(old)
    fresh.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def _last_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-LOG_LINES:]) or "(empty)"

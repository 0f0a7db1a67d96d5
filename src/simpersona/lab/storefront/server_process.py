"""The process that serves stores: started on a socket of ours, watched until it answers, ended with all its children."""

from __future__ import annotations

import atexit
import contextlib
import errno
import fcntl
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from simpersona.errors import ConfigError, StorefrontError
from simpersona.lab.storefront.addresses import READY_PATH
from simpersona.lab.storefront.store_folder import environment, last_lines

HOST = "127.0.0.1"
START_SECONDS, STOP_SECONDS, PORT_SECONDS, LOCK_SECONDS = 60.0, 5.0, 1.0, 4.0
BACKLOG = 256


class ServerProcess:
    """One process; `log` is the file for what it has to say."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    @property
    def running(self) -> bool:
        """Whether it is up."""
        return self._process is not None and self._process.poll() is None

    @property
    def url(self) -> str | None:
        """Its address, without a slash at the end, while it is up."""
        return f"http://{HOST}:{self._port}" if self.running else None

    def start(self, folders: Mapping[str, Path], port: int) -> str:
        """Serves the data folders under their path prefixes and waits until it answers; the address.

        `port` 0 takes a free one. One that is up keeps its address.
        Raises ConfigError for a port that cannot be taken or a folder that is served already,
        StorefrontError if it does not come up.
        """
        if self.running:
            if port not in (0, self._port):
                raise ConfigError(f"The store in {self._log.parent} is served at {self.url}; stop it to use {port=}.")
            return str(self.url)
        self.stop()  # what is left of a server that crashed
        with _listen(port) as listener:
            self._port = listener.getsockname()[1]
            with self._log.open("ab") as log:
                _lock(log)
                self._process = subprocess.Popen(  # noqa: S603 - our own module
                    [sys.executable, "-m", "simpersona.lab.storefront.serve", str(listener.fileno())],
                    env=environment(folders),
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
        process, self._process = self._process, None
        atexit.unregister(self.stop)
        if process is None:
            return
        for ending in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, ending)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
                break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # a worker that outlived its master
        if process.stdin:
            process.stdin.close()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if not self.running:
                break
            if _answers(self._port):
                return
            time.sleep(0.05)
        what = "did not answer" if self.running else "ended while starting"
        self.stop()
        log = self._log.read_text(encoding="utf-8", errors="replace")
        raise StorefrontError(
            f"The store in {self._log.parent} {what} on port {self._port}; last lines of its log:\n{last_lines(log)}"
        )


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


def _lock(log: IO[bytes]) -> None:
    """Marks a folder as served by whoever holds its log: two servers would number the events of one file."""
    deadline = time.monotonic() + LOCK_SECONDS  # the server of a launcher that was killed just now is on its way out
    while True:
        try:
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(0.1)
                continue
            raise ConfigError(
                f"The store in {Path(log.name).parent} is served already, by another process or another LabStore. "
                "Stop it there, or build the shop in another folder."
            ) from None
        else:
            return


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", READY_PATH)
        return connection.getresponse().status == http.HTTPStatus.NO_CONTENT
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()

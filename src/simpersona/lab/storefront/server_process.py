"""Starts the server process on a socket of the launcher, waits until it answers, and stops it with its children."""

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
    """One server process; it writes its output to the file `log`."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    @property
    def running(self) -> bool:
        """Whether the process is running."""
        return self._process is not None and self._process.poll() is None

    @property
    def url(self) -> str | None:
        """The server's address without a trailing slash while it is running, else None."""
        return f"http://{HOST}:{self._port}" if self.running else None

    def start(self, folders: Mapping[str, Path], port: int) -> str:
        """Starts serving the data folders under their path prefixes, waits for an answer, and returns the address.

        `port` 0 selects a free port. A running server keeps its address.

        Raises ConfigError if the port is not available or another server serves the folder, StorefrontError if the
        server does not start.
        """
        if self.running:
            if port not in (0, self._port):
                raise ConfigError(f"The store in {self._log.parent} is served at {self.url}. Stop it to use {port=}.")
            return str(self.url)
        self.stop()  # removes the remains of a crashed server
        with _listen(port) as listener:
            self._port = listener.getsockname()[1]
            with self._log.open("ab") as log:
                _lock(log)
                self._process = subprocess.Popen(  # noqa: S603 - our own module
                    [sys.executable, "-m", "simpersona.lab.storefront.serve", str(listener.fileno())],
                    env=environment(folders),
                    stdin=subprocess.PIPE,  # stays open; when it closes, the server knows that this process ended
                    stdout=log,
                    stderr=log,
                    pass_fds=[listener.fileno()],
                    start_new_session=True,
                )
        atexit.register(self.stop)
        self._wait_until_ready()
        return f"http://{HOST}:{self._port}"

    def stop(self) -> None:
        """Stops the server and all its processes; a second call does nothing."""
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
        problem = "did not answer" if self.running else "ended while starting"
        self.stop()
        log = self._log.read_text(encoding="utf-8", errors="replace")
        raise StorefrontError(
            f"The store in {self._log.parent} {problem} on port {self._port}; last lines of its log:\n{last_lines(log)}"
        )


def _listen(port: int) -> socket.socket:
    """Opens a listening socket in the launcher, so that a port in use raises an error in the caller."""
    deadline = time.monotonic() + PORT_SECONDS  # a server that was just killed may hold its port for a moment
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
            reason = "is in use" if in_use else f"is not available ({error})"
            raise ConfigError(
                f"Port {port} on {HOST} {reason}. Stop the process that listens there, or choose another port (0: any free port)."
            ) from None
        else:
            return listener


def _lock(log: IO[bytes]) -> None:
    """Locks the log, so that only one server serves the folder; two servers would number the events of one file."""
    deadline = time.monotonic() + LOCK_SECONDS  # the server of a launcher that was just killed is about to end
    while True:
        try:
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(0.1)
                continue
            raise ConfigError(
                f"The store in {Path(log.name).parent} is already served by another process or another LabStore. "
                "Stop that server, or build the shop in another folder."
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

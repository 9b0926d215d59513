"""A real Spark standalone cluster on this machine: a master and workers, each a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_READY = re.compile(r"Starting Spark master at (spark://\S+)|Successfully registered with master")
# Java 17 on a small machine
_START_SECONDS = 60


@dataclass
class SparkCluster:
    """``url`` of the master and its processes, workers in the order they were started."""

    url: str
    master: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def kill_worker(self, number: int) -> None:
        """Kill a worker and what it runs, as a machine that goes down does."""
        os.killpg(self.workers[number].pid, signal.SIGKILL)
        self.workers[number].wait()


@contextmanager
def spark_cluster(
    folder: Path, *, workers: int = 2, cores: int = 1, memory: str = "1g"
) -> Iterator[SparkCluster]:
    """A master and ``workers`` on 127.0.0.1 with ``cores`` and ``memory`` each; their logs go to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    host = ["--host", "127.0.0.1", "--port", "0", "--webui-port", "0"]
    master, url = _start(folder / "master.log", "master.Master", *host)
    cluster = SparkCluster(url, master)
    try:
        for number in range(workers):
            options = [
                "--cores",
                str(cores),
                "--memory",
                memory,
                "--work-dir",
                str(folder / f"worker{number}"),
            ]
            worker, _ = _start(folder / f"worker{number}.log", "worker.Worker", *host, *options, url)
            cluster.workers.append(worker)
        yield cluster
    finally:
        for process in (*cluster.workers, master):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _start(log: Path, main: str, *arguments: str) -> tuple[subprocess.Popen[bytes], str]:
    import pyspark

    home = Path(pyspark.__file__).parent
    command = [str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{main}", *arguments]
    environment = {
        **os.environ,
        "SPARK_HOME": str(home),
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    with log.open("wb") as out:
        # a group of its own, so that a worker goes with its executors
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        found = _READY.search(log.read_text("utf-8", errors="replace"))
        if found:
            return process, found[1] or ""
        if process.poll() is not None:
            break
        time.sleep(0.1)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    raise RuntimeError(f"{main} did not start:\n{log.read_text('utf-8', errors='replace')[-2000:]}")

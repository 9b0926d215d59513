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

# of a busy machine
_START_SECONDS = 60


@dataclass
class SparkCluster:
    """``url`` of the master and its processes, workers in the order they were started."""

    url: str
    master: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def cpu_seconds(self) -> float:
        """Seconds of processor time that the workers and what they run have taken so far (Linux)."""
        groups = {str(worker.pid) for worker in self.workers}
        ticks = 0
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = path.read_text().rpartition(") ")[2].split()
            except OSError:  # it has ended
                continue
            if fields[2] in groups:  # its process group
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def kill_worker(self, number: int) -> None:
        """Kill a worker and what it runs, as a machine that goes down does."""
        os.killpg(self.workers[number].pid, signal.SIGKILL)
        self.workers[number].wait()


@contextmanager
def spark_cluster(
    folder: Path, *, workers: int = 2, cores: int = 1, memory: str = "1g"
) -> Iterator[SparkCluster]:
    """A master and ``workers`` on 127.0.0.1 with ``cores`` and ``memory`` each; logs go to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    host = ["--host", "127.0.0.1", "--port", "0", "--webui-port", "0"]
    started = []
    try:
        started.append(_start(folder / "master.log", "master.Master", *host))
        url = _wait_for(started[0], folder / "master.log", r"Starting Spark master at (spark://\S+)")
        for number in range(workers):
            options = [
                "--cores",
                str(cores),
                "--memory",
                memory,
                "--work-dir",
                str(folder / f"worker{number}"),
            ]
            started.append(_start(folder / f"worker{number}.log", "worker.Worker", *host, *options, url))
        for number, worker in enumerate(started[1:]):
            _wait_for(worker, folder / f"worker{number}.log", "Successfully registered with (master)")
        yield SparkCluster(url, started[0], started[1:])
    finally:
        for process in started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _start(log: Path, main: str, *arguments: str) -> subprocess.Popen[bytes]:
    import pyspark

    home = Path(pyspark.__file__).parent
    command = [str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{main}", *arguments]
    environment = {
        **os.environ,
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_DAEMON_JAVA_OPTS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    }
    with log.open("wb") as out:
        # a group of its own, so that a worker goes with its executors
        return subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )


def _wait_for(process: subprocess.Popen[bytes], log: Path, pattern: str) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(pattern, log.read_text("utf-8", errors="replace"))
        if found:
            return found[1]
        time.sleep(0.1)
    raise RuntimeError(f"{log.stem} did not start:\n{log.read_text('utf-8', errors='replace')[-2000:]}")

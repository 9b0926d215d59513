"""A session on a Spark cluster, or a sentence about what is in its way."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.errors import SparkFailed
from pipelines.spark_settings import SparkSettings

if TYPE_CHECKING:  # an extra, and a second to import
    from pyspark.sql import SparkSession

INTACT = "What was published before is intact"
_MASTER = "spark://"
# what is equal on both engines depends on these; the rest is the cluster's and the user's to choose
_FIXED: Mapping[str, str] = {
    "spark.app.name": "painpoints",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.caseSensitive": "false",
    "spark.sql.json.enableExactStringParsing": "true",
}
_USUAL: Mapping[str, str] = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
    # models that do not wait for each other run side by side
    "spark.scheduler.mode": "FAIR",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.adaptive.enabled": "true",
    # models are planned side by side and each may send out tables, which are many times their Parquet
    "spark.driver.memory": "2g",
    "spark.sql.autoBroadcastJoinThreshold": "1m",
    "spark.sql.adaptive.autoBroadcastJoinThreshold": "10m",
}


@contextmanager
def spark_session(engine: str, settings: SparkSettings) -> Iterator[SparkSession]:
    """A session on ``engine``: a master's URL, or ``spark`` for the one this program was started on.

    Raises SparkFailed where pyspark or Java is missing or nobody answers there.
    """
    try:
        import pyspark  # noqa: F401
    except ImportError as error:
        raise SparkFailed(
            f"--engine {engine}: pyspark is not installed. Run `pip install 'painpoints[spark]'`. {INTACT}"
        ) from error
    home = os.environ.get("JAVA_HOME")
    if not shutil.which("java") and not (home and shutil.which("java", path=str(Path(home) / "bin"))):
        raise SparkFailed(
            f"--engine {engine}: Java is not installed, or JAVA_HOME ({home or 'not set'}) names none. Spark "
            f"needs a JRE of version 17 or newer, such as `apt-get install default-jre-headless`. {INTACT}"
        )
    if engine.startswith(_MASTER):
        _refuse_silence(engine, settings.wait_seconds)
    session = _start(engine, settings)
    try:
        yield session
    finally:
        # a session that was there before is another's
        if engine != "spark":
            session.stop()


def _refuse_silence(engine: str, seconds: int) -> None:
    """One of the masters of ``spark://host:port,host:port`` has to accept a connection."""
    deadline, reason = time.monotonic() + seconds, ""
    while True:
        for each in engine.removeprefix(_MASTER).split(","):
            host, _, port = each.rpartition(":")
            if not host or not port.isdigit():
                raise SparkFailed(f"--engine {engine}: a master is named spark://HOST:PORT. {INTACT}")
            try:
                with socket.create_connection(
                    (host, int(port)), timeout=max(deadline - time.monotonic(), 0.1)
                ):
                    return
            except OSError as error:
                reason = str(error)
        if time.monotonic() > deadline:
            raise SparkFailed(
                f"--engine {engine}: no Spark master answers there within {seconds} s ({reason}). "
                f"Start it, correct host and port, or raise wait_seconds of [engine.spark]. {INTACT}"
            )
        time.sleep(0.2)


def _start(engine: str, settings: SparkSettings) -> SparkSession:
    with warnings.catch_warnings():
        # of a pandas it does not know yet; rows are exchanged as Arrow here
        warnings.simplefilter("ignore", FutureWarning)
        from pyspark.sql import SparkSession

    builder = SparkSession.builder
    if engine != "spark":
        builder = builder.master(engine)
    for name, value in {**_USUAL, **settings.conf, **_FIXED}.items():
        builder = builder.config(name, value)
    # a worker of a model never runs Python, but the session asks for one
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    try:
        return builder.getOrCreate()
    except Exception as error:  # what Java throws has no class of its own here
        raise SparkFailed(
            f"--engine {engine}: no session could be started ({first_line(error)}). {INTACT}"
        ) from error


def within(seconds: int, session: SparkSession, work: Callable[[], object], complaint: str) -> None:
    """Do a job of the cluster, or cancel it after ``seconds`` and raise SparkFailed with the complaint."""
    with ThreadPoolExecutor(1) as pool:
        doing = pool.submit(work)
        try:
            doing.result(timeout=seconds)
        except TimeoutError:
            session.sparkContext.cancelAllJobs()
            raise SparkFailed(f"{complaint}. {INTACT}") from None


def first_line(error: BaseException) -> str:
    """What Spark says of a failure, without the trace of its threads."""
    java = getattr(error, "java_exception", None)
    lines = str(java.toString() if java is not None else error).strip().splitlines()
    causes = [line for line in lines if line.startswith("Caused by: ")]
    return " ".join([*lines[:1], *causes[-1:]]) or type(error).__name__

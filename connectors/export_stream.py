"""Stream the body of an HTTP answer to disk, unpacked, and find out whether it came whole."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import cast

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError, ReadTimeoutError

from connectors.errors import AnswerBroken, VendorUnavailable
from connectors.meter import Meter

BLOCK_BYTES = 1 << 18
REMEDY = "Nothing of it landed; the next pull asks for it again"


def save_body(answer: BaseHTTPResponse, target: Path, meter: Meter, *, where: str) -> int:
    """Write the body, gunzipped where it is gzip, to ``target``; returns the bytes that crossed the wire.

    Whole means: as long as Content-Length says or ended by its last chunk, and with a gzip trailer whose
    length and CRC agree. Raises AnswerBroken where it is not, VendorUnavailable where nothing comes any more.
    ``meter`` counts lines and the bytes of the wire.
    """
    wire = _Wire(answer, where)
    received = io.BufferedReader(wire, BLOCK_BYTES)
    # what it is decides, not Content-Encoding: a proxy may unpack it and leave the header
    zipped = received.peek(2)[:2] == b"\x1f\x8b"
    body = cast(io.BufferedIOBase, gzip.GzipFile(fileobj=received)) if zipped else received
    told = 0
    try:
        with target.open("wb") as file:
            while block := body.read(BLOCK_BYTES):
                file.write(block)
                meter.add(block.count(b"\n"), wire.bytes - told)
                told = wire.bytes
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise AnswerBroken(
            f"the gzip data is cut short or damaged after {wire.bytes:,} bytes ({error})",
            where=where,
            remedy=REMEDY,
        ) from error
    _check_length(answer, wire.bytes, where)
    return wire.bytes


def _check_length(answer: BaseHTTPResponse, received: int, where: str) -> None:
    announced = answer.headers.get("Content-Length")
    chunked = "chunked" in answer.headers.get("Transfer-Encoding", "").lower()
    if announced is not None and not chunked and announced.strip() != str(received):
        raise AnswerBroken(
            f"the answer is cut short: {received:,} of {announced} bytes came", where=where, remedy=REMEDY
        )
    if not received and announced is None and not chunked:
        # nothing at all and no word of how much it should be: not to be told from a lost connection
        raise AnswerBroken("the answer is empty and does not say so", where=where, remedy=REMEDY)


class _Wire(io.RawIOBase):
    """The body as it arrives; a connection that breaks off is a SourceError."""

    def __init__(self, answer: BaseHTTPResponse, where: str) -> None:
        self.bytes = 0
        self._answer, self._where = answer, where

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._answer.read(len(buffer), decode_content=False) or b""
        except ReadTimeoutError as error:
            raise VendorUnavailable(
                f"the answer stopped coming after {self.bytes:,} bytes",
                where=self._where,
                remedy="Try again later; " + REMEDY[0].lower() + REMEDY[1:],
            ) from error
        except (HTTPError, OSError) as error:
            raise AnswerBroken(
                f"the connection broke off after {self.bytes:,} bytes", where=self._where, remedy=REMEDY
            ) from error
        buffer[: len(data)] = data
        self.bytes += len(data)
        return len(data)

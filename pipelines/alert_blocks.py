"""Sends an alert through a Prefect notification block: Slack, Teams, e-mail, a webhook, and all others."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Protocol


class Notifier(Protocol):
    """What every notification block of Prefect can do."""

    def notify(self, body: str, subject: str | None = None) -> object: ...


class NoNotifier(Exception):
    """The block of a receiver cannot be had."""


LoadBlock = Callable[[str], object]


def send(block: str, subject: str, body: str, load: LoadBlock | None = None) -> None:
    """Send through the block named ``block`` (`<type>/<name>`).

    Raises NoNotifier where there is no such block, or it is none that notifies; and whatever the block
    raises when its receiver does not take the message.
    """
    found = (load or _load)(block)
    notify = getattr(found, "notify", None)
    if notify is None:
        raise NoNotifier(f"the block {block} ({type(found).__name__}) cannot send messages")
    notify(body, subject)


def _load(block: str) -> object:
    if not os.environ.get("PREFECT_API_URL"):
        raise NoNotifier(
            "PREFECT_API_URL is not set, so that no Prefect block can be read; the alerts are in reports/"
        )
    # prefect takes a second to import, and needs to be there only where its server is in use
    from pipelines.secret_blocks import load_block

    found = load_block(block)
    if found is None:
        raise NoNotifier(f"there is no Prefect block {block}; make one, or correct `block` of this receiver")
    return found

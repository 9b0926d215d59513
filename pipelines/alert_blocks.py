"""Sends an alert through a Prefect notification block: Slack, Teams, e-mail, a webhook, and all others."""

from __future__ import annotations

import os
import smtplib
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from typing import Protocol, runtime_checkable


@runtime_checkable
class Notifier(Protocol):
    """What every notification block of Prefect can do."""

    def notify(self, body: str, subject: str | None = None) -> object: ...


@runtime_checkable
class MailAccount(Protocol):
    """What prefect-email's EmailServerCredentials are."""

    username: str | None

    def get_server(self) -> smtplib.SMTP: ...


class NoNotifier(Exception):
    """The block of a receiver cannot be had."""


LoadBlock = Callable[[str], object]


def send(block: str, subject: str, body: str, to: Sequence[str] = (), load: LoadBlock | None = None) -> None:
    """Send through the block named ``block`` (`<type>/<name>`); ``to`` are the addresses of a mail.

    Raises NoNotifier where there is no such block, or it is none that sends; and whatever the block
    raises when its receiver does not take the message.
    """
    found = (load or _load)(block)
    if isinstance(found, Notifier):
        found.notify(body, subject)
    elif isinstance(found, MailAccount):
        _mail(block, found, subject, body, to)
    else:
        raise NoNotifier(f"the block {block} ({type(found).__name__}) cannot send messages")


def _mail(block: str, account: MailAccount, subject: str, body: str, to: Sequence[str]) -> None:
    if not to:
        raise NoNotifier(f"{block} sends mail, and the receiver has no addresses in `to`")
    mail = EmailMessage()
    mail["Subject"], mail["To"] = subject, ", ".join(to)
    mail["From"] = account.username or to[0]
    mail.set_content(body)
    with account.get_server() as server:
        server.send_message(mail)


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

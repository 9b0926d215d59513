"""``[alerts]`` of painpoints.toml: what is worth a message, and who gets it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from pipelines.source_settings import Duration, Frozen

Kind = Literal["below_ideal", "regression", "slow", "detour", "friction"]
BLOCK = r"^[a-z0-9-]+/[a-z0-9-]+$"
Amount = Annotated[float, Field(ge=0)]


class ReceiverSettings(Frozen):
    """One receiver. ``block`` is a Prefect notification block, as `<type>/<name>`: slack-webhook/shop,
    ms-teams-webhook/shop, custom-webhook/shop, sendgrid-email/shop and others; or an account that sends mail,
    email-server-credentials/shop of prefect-email, which needs the addresses in ``to``.

    ``owners``: only what these own (default: everything). ``about``: findings, tracking, or everything;
    where no receiver asks for tracking, broken tracking goes to those that ask for no owner.
    """

    block: str = Field(pattern=BLOCK)
    to: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    about: Literal["findings", "tracking", "everything"] = "findings"


class AlertSettings(Frozen):
    """When a finding is worth a message.

    ``kinds`` of findings; ``least_lost_per_week`` in goal conversions, ``least_money_per_week`` in the
    workspace's currency (findings whose loss is not known in that unit pass); ``quiet``: a finding is not
    called worsening twice within this; ``link``: where people find the journey map.
    """

    kinds: tuple[Kind, ...] = ("below_ideal", "regression", "slow", "detour", "friction")
    least_lost_per_week: Amount = 0.0
    least_money_per_week: Amount = 0.0
    quiet: Duration = timedelta(days=7)
    link: str | None = None
    receivers: Mapping[str, ReceiverSettings] = {}

    def hear_of_tracking(self) -> frozenset[str]:
        """The receivers of broken tracking."""
        asked = {name for name, each in self.receivers.items() if each.about != "findings"}
        return frozenset(asked or {name for name, each in self.receivers.items() if not each.owners})

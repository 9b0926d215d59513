"""``[[detection.calendar]]``: campaign and holiday days that the config names."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from models.campaign_calendar import NamedDays
from models.journey import ATTEMPT_SEGMENTS
from pipelines.source_settings import Frozen


def _day(value: object) -> date:
    # a datetime is a date as well, and its hour would be dropped in silence
    if isinstance(value, date) and type(value) is date:
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"{str(value)!r} is no day; write for example 2026-11-27") from None


Day = Annotated[date, BeforeValidator(_day)]


class CalendarSettings(Frozen):
    """Days ``from`` .. ``to``, both included, in the workspace's time zone, of everyone or of the segment
    that ``where`` names. They are neither learned from nor judged."""

    name: str = Field(min_length=1, max_length=80)
    first: Day = Field(alias="from")
    last: Day = Field(alias="to")
    where: Mapping[str, str | bool] = {}
    note: str | None = None

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("where")
    @classmethod
    def _names_segments(cls, where: Mapping[str, Any]) -> Mapping[str, Any]:
        for field in where:
            if field not in ATTEMPT_SEGMENTS and not field.startswith("properties."):
                known = ", ".join(ATTEMPT_SEGMENTS)
                raise ValueError(f"{field!r} is no segment; use {known} or properties.NAME")
        return where

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> CalendarSettings:
        if self.last < self.first:
            raise ValueError(
                f"{self.name} ends on {self.last}, before it begins on {self.first}; "
                "swap `from` and `to`, or correct the year"
            )
        return self

    def named_days(self, columns: Mapping[str, str]) -> NamedDays:
        """The period, its conditions on the columns (by field) that the tables have."""
        return NamedDays(
            self.name,
            self.first,
            self.last,
            tuple(
                (columns.get(field, field), str(value).lower() if isinstance(value, bool) else value)
                for field, value in self.where.items()
            ),
            self.note,
        )

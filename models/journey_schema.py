"""The shape of a journey file, checked by pydantic and turned into the objects of models.journey."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from models.durations import parse_duration
from models.journey import (
    DEFAULT_PERSONA,
    EVENT_FIELDS,
    SEGMENT_FIELDS,
    Condition,
    Ideal,
    Journey,
    Persona,
    Rule,
    Scalar,
    Stage,
)

Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Share = Annotated[float, Field(ge=0, le=1, strict=False)]


def _name(value: object) -> object:
    if isinstance(value, str) and (not value.strip() or ">" in value or len(value) > 80):
        raise ValueError("a name has 1 to 80 characters and no '>', which separates stages in paths")
    return value


Name = Annotated[str, BeforeValidator(_name)]


def parse_rule(value: object) -> Rule:
    """A mapping of field to value or list of values. Raises ValueError."""
    if not isinstance(value, dict) or not value:
        raise ValueError("a rule is a mapping such as {event: page_view, page: /cart*}")
    return Rule(tuple(_condition(key, wanted) for key, wanted in value.items()))


def event_field(key: object) -> str:
    """The canonical field a rule key means. Raises ValueError naming what there is."""
    text = {"event": "event_name"}.get(str(key), str(key))
    if text in EVENT_FIELDS or (text.startswith("properties.") and len(text) > 11):
        return text
    raise ValueError(
        f"{key!r} is no field of an event; use event, {', '.join(EVENT_FIELDS)} or properties.<name>"
    )


def _condition(key: object, wanted: object) -> Condition:
    values: list[Scalar] = wanted if isinstance(wanted, list) else [wanted]  # type: ignore[list-item]
    if not values or not all(isinstance(each, str | bool | int | float) for each in values):
        raise ValueError(f"{key}: give a text, number, true or false, or a list of them")
    name = event_field(key)
    if name not in ("is_new_user", "value") and not name.startswith("properties."):
        for each in values:
            if isinstance(each, bool):
                raise ValueError(f"{key}: YAML reads this as {each}; put the text in quotes")
        values = [str(each) for each in values]
    return Condition(name, tuple(values))


RuleField = Annotated[Rule, BeforeValidator(parse_rule)]


def segment_field(key: object) -> str:
    """The field a segment means. Raises ValueError naming what there is."""
    text = event_field(key)
    if text in SEGMENT_FIELDS or text.startswith("properties."):
        return text
    raise ValueError(f"{key!r} is no segment; use {', '.join(SEGMENT_FIELDS)} or properties.<name>")


SegmentField = Annotated[str, BeforeValidator(segment_field)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


class IdealSchema(_Strict):
    conversion: Share | None = None
    within: Duration | None = None
    loops: Share | None = None
    backtracks: Share | None = None
    skips: Share | None = None
    auto: bool = False

    def build(self) -> Ideal:
        return Ideal(**{key: getattr(self, key) for key in type(self).model_fields})


def _ideal(value: object) -> object:
    return {"auto": True} if value == "auto" else value


IdealField = Annotated[IdealSchema, BeforeValidator(_ideal)]


class StageSchema(_Strict):
    name: Name
    match: list[RuleField] = Field(min_length=1)
    optional: bool = False
    touchpoints: list[str] = []
    owner: str | None = None
    tasks: list[str] = []
    ideal: IdealField = IdealSchema()
    value: str | None = None

    @model_validator(mode="after")
    def _value_is_a_field(self) -> StageSchema:
        if self.value is not None:
            event_field(self.value)
        return self

    def build(self, number: int) -> Stage:
        return Stage(
            self.name,
            number,
            tuple(self.match),
            self.optional,
            tuple(self.touchpoints),
            self.owner,
            tuple(self.tasks),
            self.ideal.build(),
            self.value,
        )


class PersonaSchema(_Strict):
    where: RuleField
    ideal: dict[str, IdealField] = {}
    without: list[str] = []


class JourneySchema(_Strict):
    journey: Name
    scope: Literal["user", "session"] = "user"
    window: Duration = timedelta(days=7)
    entry: Literal["first", "any"] = "first"
    sources: list[str] | None = Field(default=None, min_length=1)
    stages: list[StageSchema]
    personas: dict[Name, PersonaSchema] = {}
    segments: list[SegmentField] = ["device", "channel", "country", "is_new_user"]
    active: bool = True

    @model_validator(mode="after")
    def _stages_make_a_journey(self) -> JourneySchema:
        seen: set[str] = set()
        for index, stage in enumerate(self.stages):
            if stage.name in seen:
                raise ValueError(
                    f"stages.{index}.name: the name {stage.name!r} is used twice; names must differ"
                )
            seen.add(stage.name)
        required = [each.name for each in self.stages if not each.optional]
        if len(required) < 2:
            raise ValueError(
                "stages: a journey needs at least two stages that are not optional, an entry and a goal"
            )
        if DEFAULT_PERSONA in self.personas:
            raise ValueError("personas: 'default' is everyone whom no persona matches; rename it")
        names = {each.name for each in self.stages}
        for persona, schema in self.personas.items():
            for name in (*schema.ideal, *schema.without):
                if name not in names:
                    raise ValueError(f"personas.{persona}: there is no stage {name!r}")
            if {required[0], required[-1]} & set(schema.without):
                raise ValueError(
                    f"personas.{persona}.without: the entry and the goal belong to every persona"
                )
        return self

    def build(self) -> Journey:
        return Journey(
            self.journey,
            tuple(stage.build(number) for number, stage in enumerate(self.stages, 1)),
            self.scope,
            self.window,
            self.entry,
            None if self.sources is None else tuple(self.sources),
            tuple(
                Persona(
                    name,
                    each.where,
                    {stage: ideal.build() for stage, ideal in each.ideal.items()},
                    tuple(each.without),
                )
                for name, each in self.personas.items()
            ),
            tuple(dict.fromkeys(self.segments)),
            self.active,
        )


def glob_pattern(text: str) -> re.Pattern[str] | None:
    """The regular expression of a glob, None for text without an unescaped ``*``.

    Only ``*`` is special and crosses ``/``; ``\\*`` is a literal star.
    """
    pieces = re.split(r"(\\\*|\*)", text)
    if "*" not in pieces:
        return None
    special = {"*": ".*", r"\*": r"\*"}
    return re.compile("".join(special.get(each, re.escape(each)) for each in pieces), re.DOTALL)


def unescaped(text: str) -> str:
    """The literal text of a value that is no glob."""
    return text.replace(r"\*", "*")


def build_journey(data: Any) -> Journey:
    """Typed objects of a parsed journey file. Raises pydantic.ValidationError."""
    return JourneySchema.model_validate(data).build()

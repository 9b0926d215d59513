"""What may happen to the small shop of `night_world` from one night to the next, by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

from night_config import APP, SOURCES, WEB
from night_world import (
    DAY_US,
    DEVICES,
    GAPS,
    MINUTE,
    MONEY,
    NAMES,
    ORDERS,
    PLACEHOLDERS,
    TRAFFIC,
    USERS,
    DayOfSource,
    NightWorld,
    Row,
    begin_us,
    key_of,
)

Change = Callable[[NightWorld], None]


def _some_day(world: NightWorld, *sources: str) -> DayOfSource:
    return world.rng.choice([each for each in world.landed() if each[0] in (sources or SOURCES)])


def _edit(
    world: NightWorld,
    edit: Callable[[Row], Row | None],
    where: Callable[[Row], bool] = lambda _: True,
    most: int = 6,
) -> None:
    """Up to ``most`` rows of one day become what ``edit`` makes of them; of None nothing."""
    days = [each for each in world.landed() if any(map(where, world.days[each]))]
    if not days:
        return
    rows = world.days[world.rng.choice(days)]
    fitting = [row for row in rows if where(row)]
    for row in world.rng.sample(fitting, min(len(fitting), world.rng.randint(1, most))):
        place = next(place for place, each in enumerate(rows) if each is row)
        edited = edit(row)
        rows[place : place + 1] = [] if edited is None else [edited]


def _is_purchase(row: Row) -> bool:
    return bool(row["event_name"] == "purchase")


def _sold(world: NightWorld) -> list[Row]:
    return [row for each in world.landed() for row in world.days[each] if _is_purchase(row)]


def _new_day(world: NightWorld) -> None:
    world.last_day += timedelta(1)
    for source in SOURCES:
        world.days.setdefault((source, world.last_day), [])
        for _ in range(world.rng.randint(1, 2)):
            world.random_visit(source, world.last_day)
        world.visit(source, world.last_day, f"new{world.last_day}", None, NAMES[:3])


def _new_day_of_one_source(world: NightWorld) -> None:
    _new_day(world)
    world.gone.add((world.rng.choice(SOURCES), world.last_day))


def _late_rows(world: NightWorld) -> None:
    world.random_visit(*_some_day(world))


def _other_money(world: NightWorld) -> None:
    def edit(row: Row) -> Row:
        order = world.rng.choice((row["transaction_id"], *ORDERS, None))
        money = {"value": world.rng.choice((20.0, 50.0, 7.77)), "currency": world.rng.choice(MONEY)}
        return row | money | {"transaction_id": order}

    _edit(world, edit, _is_purchase)


def _other_pages(world: NightWorld) -> None:
    pages = ("/cart", None, f"/p/{world.rng.randrange(99)}", "/cart/new")
    _edit(world, lambda row: row | {"page": world.rng.choice(pages)})


def _other_visitors(world: NightWorld) -> None:
    def edit(row: Row) -> Row:
        plan = json.dumps({"plan": world.rng.choice(("free", "pro"))})
        country = world.rng.choice(("ES", "PT", None))
        return row | {"device": "mobile", "is_new_user": True, "country": country, "properties": plan}

    _edit(world, edit)


def _other_names(world: NightWorld) -> None:
    names = (*NAMES, "scroll", "brand_new")
    _edit(world, lambda row: row | {"event_name": world.rng.choice(names)}, lambda row: not row["is_revenue"])


def _other_users(world: NightWorld) -> None:
    def edit(row: Row) -> Row:
        user = world.rng.choice((None, *USERS, *USERS, *PLACEHOLDERS))
        if world.rng.random() < 0.5:  # where the user is part of what identifies the event
            row = row | {"event_number": key_of(row["event_number"], user)}
        return row | {"user_id": user}

    _edit(world, edit)


def _other_plans(world: NightWorld) -> None:
    """What a segment or a persona reads of an event's properties, which is all that changes."""
    _edit(
        world,
        lambda row: row | {"properties": json.dumps({"plan": world.rng.choice(("free", "pro"))})},
        most=12,
    )


def _other_traffic(world: NightWorld) -> None:
    def edit(row: Row) -> Row:
        names = ("source_name", "medium", "campaign")
        unseen = (f"partner{world.rng.randrange(99)}", "affiliate", None), ("bing", "cpc", None)
        return row | dict(
            zip(names, world.rng.choice((*unseen, *unseen, TRAFFIC[0], TRAFFIC[2])), strict=True)
        )

    _edit(world, edit)


def _other_times(world: NightWorld) -> None:
    _edit(world, lambda row: row | {"event_us": row["event_us"] + world.rng.choice(GAPS) - 40 * MINUTE})


def _left_out(world: NightWorld) -> None:
    said = ({"browser": "Googlebot/2.1"}, {"browser": "Chrome"}, {"traffic_type": "internal"})
    _edit(world, lambda row: row | world.rng.choice(said))


def _rows_vanish(world: NightWorld) -> None:
    _edit(world, lambda _: None)


def _day_vanishes(world: NightWorld) -> None:
    if len(world.landed()) > 8:
        world.gone.add(_some_day(world))


def _day_comes_back(world: NightWorld) -> None:
    if world.gone:
        world.gone.remove(world.rng.choice(sorted(world.gone)))


def _day_becomes_empty(world: NightWorld) -> None:
    world.days[_some_day(world)].clear()


def _merge(world: NightWorld) -> None:
    """Mixpanel tells late that two ids are one person's."""
    rng = world.rng
    for _ in range(rng.randint(1, 3)):
        ids = [rng.choice((*USERS, *PLACEHOLDERS)), rng.choice(USERS), rng.choice(DEVICES[APP])]
        first, second = rng.sample([*ids, f"$device:{rng.choice(DEVICES[APP])}"], 2)
        us = begin_us(_some_day(world, APP)[1]) + rng.randrange(DAY_US)
        row = world.event(APP, ids[2], None, us, rng.choice(("$merge", "$create_alias")))
        told = {"$distinct_ids": [first, second], "distinct_id": first, "alias": second}
        world.put(row | {"properties": json.dumps(told)})


def _merge_vanishes(world: NightWorld) -> None:
    _edit(world, lambda _: None, lambda row: row["event_name"].startswith("$"), most=2)


def _refund(world: NightWorld) -> None:
    rng = world.rng
    of = rng.choice([row for row in _sold(world) if row["source"] == WEB and row["transaction_id"]])
    device, user = (of["device_id"], of["user_id"]) if rng.random() < 0.5 else (None, None)
    us = begin_us(world.rng.choice((_some_day(world, WEB)[1], world.last_day))) + 13 * 60 * MINUTE
    value = rng.choice((None, -5.0, -20.0))
    said = {"transaction_id": of["transaction_id"], "value": value, "currency": of["currency"]}
    world.put(world.event(WEB, device, user, us, "refund", **said))


def _bought_again(world: NightWorld) -> None:
    """The page behind a purchase is loaded again, another day."""
    row = world.rng.choice([row for row in _sold(world) if row["transaction_id"]])
    day = _some_day(world, row["source"])[1]
    number = key_of(row["event_number"], day, "again", len(world.days[row["source"], day]))
    us = begin_us(day) + row["event_us"] % DAY_US
    world.put(row | {"event_us": us, "event_number": number})


def _machine(world: NightWorld) -> None:
    source, day = _some_day(world)
    world.visit(source, day, world.rng.choice(DEVICES[source]), None, ["view_item"] * 12)


def _kiosk(world: NightWorld) -> None:
    """A device of everybody, or a user on every device."""
    source, day = _some_day(world)
    if world.rng.random() < 0.5:
        for user in USERS:
            world.visit(source, day, DEVICES[source][0], user, NAMES[:1])
    else:
        user = world.rng.choice(USERS)
        for device in DEVICES[source]:
            world.visit(source, day, device, user, NAMES[:1])


def _forgotten(world: NightWorld) -> None:
    source = world.rng.choice(SOURCES)
    device = world.rng.choice(DEVICES[source])
    for each, rows in world.days.items():
        if each[0] == source:
            rows[:] = [row for row in rows if row["device_id"] != device]


def _moves(world: NightWorld) -> None:
    """An event is in the file of another day from now on, as when a source's zone was wrong."""
    moved: list[Row] = []
    _edit(world, moved.append)
    for row in moved:
        world.put(row, _some_day(world, row["source"])[1])


def _time_passes(world: NightWorld) -> None:
    """Days without any event: what was open is over."""
    for _ in range(world.rng.randint(1, 3)):
        world.last_day += timedelta(1)
        for source in SOURCES:
            world.days[source, world.last_day] = []


def _silence(world: NightWorld) -> None:
    """The same, where not even an empty file of them is there."""
    before = set(world.landed())
    _time_passes(world)
    world.silent |= set(world.landed()) - before


def _partly(world: NightWorld) -> None:
    world.partial ^= {(source, world.last_day) for source in SOURCES if world.rng.random() < 0.7}


def _same_again(world: NightWorld) -> None:
    world.touched.add(_some_day(world))


def _reports(world: NightWorld) -> None:
    source, day = _some_day(world, WEB)
    world.vendor_counts[source, day, world.rng.choice(NAMES)] = world.rng.randrange(9)
    world.exit_pages.append(world.rng.choice(("/cart", "/p/1", "/p/2")))


def _nothing(_: NightWorld) -> None:
    pass


_ALL = (
    _new_day,
    _new_day_of_one_source,
    _late_rows,
    _other_money,
    _other_pages,
    _other_visitors,
    _other_names,
    _other_users,
    _other_plans,
    _other_traffic,
    _other_times,
    _left_out,
    _rows_vanish,
    _day_vanishes,
    _day_comes_back,
    _day_becomes_empty,
    _merge,
    _merge_vanishes,
    _refund,
    _bought_again,
    _machine,
    _kiosk,
    _forgotten,
    _moves,
    _time_passes,
    _silence,
    _partly,
    _same_again,
    _reports,
    _nothing,
)
CHANGES: dict[str, Change] = {change.__name__.strip("_"): change for change in _ALL}

"""Whose an id is: the person behind it by the rules that join devices and tools, and all that is theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from connectors.forgotten_ledger import DEVICE, PARTLY, REFUSED, SESSION, USER, Entry
from pipelines.errors import PainpointsError

TARGETS = (
    "intermediate.identified_events",
    "intermediate.identity_clusters",
    "intermediate.named_users",
    "staging.recordings",
    "staging.survey_answers",
)
"""The tables that have to be built before a person can be found."""


class PersonUnknown(PainpointsError):
    """No event, recording or answer has the id, or it names more than one person."""


@dataclass(frozen=True)
class Person:
    """A person's ids. ``devices`` (source, id) are theirs alone; ``shared_devices`` are of others as well.

    ``sessions`` (source, device or user or "", the vendor's session) are theirs on devices that are not;
    ``refused_ids`` are user ids on their events that name nobody; ``events`` counts theirs;
    ``undecided_events`` are on a shared device, name nobody and are in no session of anybody.
    """

    user_keys: tuple[str, ...]
    user_ids: tuple[str, ...] = ()
    devices: tuple[tuple[str, str], ...] = ()
    shared_devices: tuple[tuple[str, str], ...] = ()
    sessions: tuple[tuple[str, str, str], ...] = ()
    refused_ids: tuple[str, ...] = ()
    events: int = 0
    undecided_events: int = 0

    def entries(self) -> list[Entry]:
        """What the ledger has to know to keep them out."""
        return [
            *((USER, each) for each in self.user_ids),
            *((DEVICE, *each) for each in self.devices),
            *((SESSION, *each) for each in self.sessions),
            *((PARTLY, *each) for each in self.shared_devices),
            *((REFUSED, each) for each in self.refused_ids),
        ]

    def names(self) -> tuple[str, ...]:
        """Every text that must be nowhere any more."""
        return (*self.user_ids, *dict.fromkeys(device for _, device in self.devices), *self.user_keys)


def find_person(connection: duckdb.DuckDBPyConnection, user: str, source: str | None) -> Person | None:
    """The person whose user id, device id, Hotjar id or user key ``user`` is; None where nothing has it.

    ``source`` names where a device id is from. Raises PersonUnknown where it names several people or, as
    an id that strangers share, nobody.
    """
    refused = connection.execute(
        "select devices from intermediate.named_users where user_id = ? and not is_accepted", [user]
    ).fetchall()
    if refused:
        raise PersonUnknown(
            f"{user!r} is on {refused[0][0]:,} devices or is a placeholder: strangers share it, so it names "
            "nobody. Name a device id or another user id; nothing was changed"
        )
    numbers = [row[0] for row in connection.execute(_NUMBERS, {"id": user, "source": source}).fetchall()]
    if len(numbers) > 1:
        keys = ", ".join(f"{number:015x}" for number in numbers[:10])
        raise PersonUnknown(
            f"{user!r} is of {len(numbers)} people: {keys}. Give the user key of one of them, a user id, or "
            "the source of the device with --source; nothing was changed"
        )
    if numbers:
        return _person(connection, numbers[0])
    return _hotjar_only(connection, user, source)


_NUMBERS = """
with found as (
    select user_number from intermediate.user_ids where user_id = trim($id)
    union
    select person_number from intermediate.identity_clusters
    where not is_too_large and not is_device and id_number = key_of('user|' || trim($id))
)
select user_number from found
union
select user_number from intermediate.identified_events
where (select count(*) from found) = 0 and user_number is not null and (
    (device_id = $id and ($source is null or source = $source)) or key_text(user_number) = lower($id)
)
order by 1
"""

_USER_IDS = """
select user_id from intermediate.user_ids where user_number = $number order by 1
"""

_MERGED = """
with said as (
    select source, unnest(case event_name
        when '$merge' then [
            json_extract_string(properties::json, '$."$distinct_ids"[0]'),
            json_extract_string(properties::json, '$."$distinct_ids"[1]')]
        else [property(properties, 'distinct_id'), property(properties, 'alias')] end) as id
    from staging.events
    where event_name in ('$merge', '$create_alias')
),
named as (
    select distinct source, replace(id, '$device:', '') as id, key_of('user|' || id) as own_number,
        key_of(source || '|' || real_id(replace(id, '$device:', ''))) as device_number
    from said where id is not null
)
select n.source, n.id, c.is_device
from named as n
inner join intermediate.identity_clusters as c
    on c.id_number in (n.own_number, n.device_number) and not c.is_too_large
where c.person_number = $number
order by all
"""

_DEVICES = """
with theirs as (
    select distinct source, device_id from intermediate.identified_events
    where user_number = $number and device_id is not null
)
select t.source, t.device_id, bool_or(e.user_number <> $number) as is_shared
from theirs as t
inner join intermediate.identified_events as e on t.source = e.source and t.device_id = e.device_id
group by t.source, t.device_id
order by all
"""

# the sessions whose user they are, on devices that are not theirs alone
_SESSIONS = """
select distinct e.source, coalesce(e.device_id, e.user_id, ''), e.vendor_session_id
from intermediate.identified_events as e
inner join intermediate.session_users as s on e.session_number = s.session_number
left join exclusive as x on e.source = x.source and e.device_id = x.device_id
where s.user_number = $number and e.vendor_session_id is not null and x.source is null
order by all
"""


def _person(connection: duckdb.DuckDBPyConnection, number: int) -> Person:
    bound = {"number": number}
    users = [row[0] for row in connection.execute(_USER_IDS, bound).fetchall()]
    found = connection.execute(_DEVICES, bound).fetchall()
    devices = [(source, device) for source, device, is_shared in found if not is_shared]
    shared = [(source, device) for source, device, is_shared in found if is_shared]
    for source, id_, is_device in connection.execute(_MERGED, bound).fetchall():
        if not is_device:
            users.append(id_)
        elif (source, id_) not in shared:
            devices.append((source, id_))
    users, devices = list(dict.fromkeys(users)), list(dict.fromkeys(devices))
    recorded = _hotjar_devices(connection, users)
    devices += [each for each in recorded if each not in devices]
    connection.execute("create or replace temp table exclusive (source varchar, device_id varchar)")
    connection.executemany("insert into exclusive values (?, ?)", devices or [("", "")])
    sessions = connection.execute(_SESSIONS, bound).fetchall()
    refused = connection.execute(
        "select distinct user_id from intermediate.identified_events "
        "where user_number = $number and user_id is not null and found_by <> 'user' order by 1",
        bound,
    ).fetchall()
    ((events, undecided),) = connection.execute(
        "select count(*), count(*) filter (where e.found_by in ('owner', 'device') and x.source is null) "
        "from intermediate.identified_events as e "
        "left join exclusive as x on e.source = x.source and e.device_id = x.device_id "
        "where e.user_number = $number",
        bound,
    ).fetchall()
    keys = connection.execute(
        "select key_text($number) "
        "union select key_text(key_of('user|' || id)) from (select unnest($ids) as id) "
        "union select key_text(key_of(source || '|' || device_id)) from exclusive where source <> ''",
        bound | {"ids": users or [None]},
    ).fetchall()
    return Person(
        tuple(sorted(row[0] for row in keys if row[0] is not None)),
        tuple(users),
        tuple(devices),
        tuple(shared),
        tuple(sessions),
        tuple(row[0] for row in refused),
        events - undecided,
        undecided,
    )


_HOTJAR = """
select distinct source, hotjar_user_id, user_id from staging.recordings
union
select distinct source, hotjar_user_id, user_id from staging.survey_answers
"""


def _hotjar_devices(connection: duckdb.DuckDBPyConnection, users: Sequence[str]) -> list[tuple[str, str]]:
    """Hotjar's own ids that were seen with these user ids and with no other."""
    return [
        (source, device)
        for source, device in connection.execute(
            f"select source, hotjar_user_id from ({_HOTJAR}) where hotjar_user_id is not null "
            "group by source, hotjar_user_id having bool_or(list_contains($users, user_id)) "
            "and not bool_or(user_id is not null and not list_contains($users, user_id)) order by all",
            {"users": list(users)},
        ).fetchall()
    ]


def _hotjar_only(connection: duckdb.DuckDBPyConnection, user: str, source: str | None) -> Person | None:
    """Somebody whom no event names, but a recording or an answer does."""
    rows = connection.execute(
        f"select source, hotjar_user_id, user_id from ({_HOTJAR}) where user_id = $id "
        "or (hotjar_user_id = $id and ($source is null or source = $source))",
        {"id": user, "source": source},
    ).fetchall()
    if not rows:
        return None
    users = sorted({each for _, _, each in rows if each is not None})
    if len(users) > 1:
        raise PersonUnknown(
            f"{user!r} was seen with {len(users)} user ids ({', '.join(users[:10])}). Name one of them; "
            "nothing was changed"
        )
    if users:
        devices = _hotjar_devices(connection, users)
    else:
        devices = sorted({(name, device) for name, device, _ in rows})
    keys = connection.execute(
        "select key_text(key_of('user|' || id)) from (select unnest($ids) as id)", {"ids": users or [None]}
    ).fetchall()
    return Person(tuple(row[0] for row in keys if row[0]), tuple(users), tuple(devices))

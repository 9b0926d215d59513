"""Which days a night pulls: late changes, missed nights, failures and kills end in the vendor's own truth."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.day_pull import Fetched, Nights, candidate_days, days_between, pull_days
from connectors.day_range import EVERY_DAY, DayRange
from connectors.errors import AccessDenied, AnswerBroken, QuotaExhausted, SourceError, VendorUnavailable
from connectors.json_lines import write_days
from connectors.landing import SourceLake
from connectors.manifest import PARTIAL, Manifest
from connectors.meter import Meter
from connectors.patience import Patience
from connectors.pull_report import PullReport

MADRID = ZoneInfo("Europe/Madrid")
FIRST = date(2026, 3, 25)  # the clocks of Madrid change on the 29th


class Vendor:
    """A vendor whose day holds one line: its version. Fails as told, once per entry."""

    dataset = "events"
    origin = "a test"

    def __init__(self) -> None:
        self.versions: dict[date, int] = {}
        self.asked: list[date] = []
        self.failures: dict[date, list[BaseException]] = {}
        self.remembers = False

    def unchanged(self, day: date, manifest: Manifest) -> Mapping[str, str] | None:
        if not self.remembers:
            return None
        (part,) = manifest.parts_of("events")
        return part.flags if part.flags.get("version") == str(self.versions.get(day)) else None

    def fetch(self, day: date, folder: Path, meter: Meter) -> Fetched:
        self.asked.append(day)
        if self.failures.get(day):
            raise self.failures[day].pop(0)
        line = f'{{"version": {self.versions.get(day)}}}'.encode()
        (incoming,) = write_days([(day, line)], folder, "events")
        meter.add(1, len(line))
        return Fetched([incoming], len(line), {"version": str(self.versions.get(day))})


def night_at(moment: datetime, look_back_days: int = 3) -> Nights:
    return Nights(MADRID, timedelta(days=look_back_days), lambda: moment)


def run(
    lake: SourceLake,
    vendor: Vendor,
    nights: Nights,
    asked: DayRange = EVERY_DAY,
    waits: list[float] | None = None,
    told: list[str] | None = None,
    history_days: int = 4,
) -> PullReport:
    days = candidate_days(lake, "events", nights, timedelta(days=history_days), asked)
    if asked.first and asked.last:
        days = days_between(asked.first, asked.last)
    return pull_days(
        lake,
        vendor,
        days,
        nights,
        asked=asked,
        patience=Patience(attempts=3, sleep=(waits if waits is not None else []).append),
        progress=(told if told is not None else []).append,
    )


def landed(lake: SourceLake) -> dict[date, str]:
    return {day: manifest.parts[0].flags["version"] for day, manifest in lake.days().items()}


def unreachable() -> VendorUnavailable:
    return VendorUnavailable("no answer", where="vendor", remedy="Wait")


def at(day: date, hour: int = 4) -> datetime:
    return datetime(day.year, day.month, day.day, hour, 30, tzinfo=UTC)


@given(
    changes=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), max_size=12),
    missed=st.sets(st.integers(1, 9)),
    broken=st.dictionaries(st.integers(1, 9), st.integers(0, 3)),
    remembers=st.booleans(),
)
def test_after_ten_nights_the_lake_is_what_the_vendor_says(
    tmp_path_factory: pytest.TempPathFactory,
    changes: list[tuple[int, int]],
    missed: set[int],
    broken: dict[int, int],
    remembers: bool,
) -> None:
    """``changes`` are (day, nights later, within the look-back); ``missed`` nights do not run at all;
    ``broken`` nights fail for good at the day that many days back."""
    with TemporaryDirectory(dir=tmp_path_factory.getbasetemp()) as folder:
        lake, vendor = SourceLake(Path(folder), "shop"), Vendor()
        vendor.remembers = remembers
        for number in range(1, 11):
            today = FIRST + timedelta(days=number)
            vendor.versions[today - timedelta(days=1)] = 0
            for place, (day, later) in enumerate(changes, 1):
                if day + 1 + later == number:
                    vendor.versions[FIRST + timedelta(days=day)] = place
            if number in missed and number < 10:
                continue
            if number in broken and number < 10:
                victim = today - timedelta(days=1 + broken[number])
                vendor.failures[victim] = [unreachable()] * 3
                try:
                    run(lake, vendor, night_at(at(today)), history_days=10)
                except VendorUnavailable:
                    assert not vendor.failures[victim], "it is tried as often as patience says"
                vendor.failures.clear()
            else:
                run(lake, vendor, night_at(at(today)), history_days=10)
        expected = {day: str(version) for day, version in vendor.versions.items()}
        assert {day: version for day, version in landed(lake).items() if day >= FIRST} == expected


def test_a_day_is_asked_for_until_the_vendor_is_done_with_it(tmp_path: Path) -> None:
    lake, vendor = SourceLake(tmp_path, "shop"), Vendor()
    asked = []
    for number in range(6, 12):
        vendor.asked.clear()
        run(lake, vendor, night_at(at(FIRST + timedelta(days=number))), history_days=8)
        asked.append(sorted((FIRST + timedelta(days=number) - day).days for day in vendor.asked))
    # the first night reaches as far back as it should; a day is final once it was seen three days after it
    assert asked == [[1, 2, 3, 4, 5, 6, 7, 8]] + [[1, 2, 3, 4]] * 5


def test_an_unchanged_day_is_confirmed_and_not_fetched(tmp_path: Path) -> None:
    lake, vendor = SourceLake(tmp_path, "shop"), Vendor()
    vendor.remembers = True
    run(lake, vendor, night_at(at(FIRST)))
    vendor.asked.clear()
    report = run(lake, vendor, night_at(at(FIRST + timedelta(days=1))))
    assert vendor.asked == [FIRST]
    assert (report.days_read, report.days_unchanged) == (1, 3)
    # confirmed after the look-back, it is not even thought of any more
    later = run(lake, vendor, night_at(at(FIRST + timedelta(days=9))))
    again = run(lake, vendor, night_at(at(FIRST + timedelta(days=9), 5)))
    assert later.days_unchanged > 0
    assert again.days_unchanged == 3, "only the days that may still change"


def test_today_lands_as_a_part_and_whole_on_the_next_night(tmp_path: Path) -> None:
    lake, vendor = SourceLake(tmp_path, "shop"), Vendor()
    run(lake, vendor, night_at(at(FIRST, 18)), DayRange(FIRST, FIRST))
    assert PARTIAL in lake.days()[FIRST].parts[0].flags
    run(lake, vendor, night_at(at(FIRST + timedelta(days=1))))
    assert PARTIAL not in lake.days()[FIRST].parts[0].flags


@pytest.mark.parametrize(("hour", "is_over"), [(21, False), (22, True)])
def test_a_day_ends_at_midnight_of_its_zone_also_when_the_clocks_change(
    tmp_path: Path, hour: int, is_over: bool
) -> None:
    """Madrid's 29 March 2026 has 23 hours and ends at 22:00 UTC."""
    day = date(2026, 3, 29)
    lake, vendor = SourceLake(tmp_path, "shop"), Vendor()
    moment = datetime(2026, 3, 29, hour, 0, tzinfo=UTC)
    run(lake, vendor, night_at(moment), DayRange(day, day))
    assert (PARTIAL not in lake.days()[day].parts[0].flags) == is_over


def test_a_range_that_is_asked_for_is_pulled_anew_and_goes_on_after_a_kill(tmp_path: Path) -> None:
    lake, vendor = SourceLake(tmp_path, "shop"), Vendor()
    nights = night_at(at(FIRST + timedelta(days=60)))
    days = DayRange(FIRST, FIRST + timedelta(days=9))
    run(lake, vendor, nights, days)
    assert len(vendor.asked) == 10
    vendor.asked.clear()
    vendor.failures[FIRST + timedelta(days=6)] = [KeyboardInterrupt()]
    later = night_at(at(FIRST + timedelta(days=61)))
    with pytest.raises(KeyboardInterrupt):
        run(lake, vendor, later, days)
    assert len(vendor.asked) == 7, "all of it is asked for again, though it had landed"
    vendor.asked.clear()
    run(lake, vendor, night_at(at(FIRST + timedelta(days=61), 9)), days)
    assert len(vendor.asked) == 4, "what the killed run had done is done"
    vendor.asked.clear()
    run(lake, vendor, night_at(at(FIRST + timedelta(days=61), 10)), days)
    assert len(vendor.asked) == 10, "a finished back-fill is no longer remembered"


def test_a_vendor_is_waited_for_as_it_asks_and_no_longer(tmp_path: Path) -> None:
    lake, vendor = SourceLake(tmp_path, "shop"), Vendor()
    day = FIRST - timedelta(days=1)
    slow = QuotaExhausted("slow down", where="vendor", remedy="Wait", retry_after_seconds=77)
    vendor.failures[day] = [slow, unreachable()]
    waits: list[float] = []
    told: list[str] = []
    run(lake, vendor, night_at(at(FIRST)), waits=waits, told=told)
    assert waits[0] == 77
    assert 0 <= waits[1] <= 900
    assert any("slow down; trying again in 77 s" in line for line in told)
    assert day in landed(lake)
    hours = QuotaExhausted("tomorrow", where="vendor", remedy="Wait", retry_after_seconds=7200)
    vendor.failures[FIRST] = [hours]
    waits.clear()
    with pytest.raises(QuotaExhausted):
        run(lake, vendor, night_at(at(FIRST + timedelta(days=1))), waits=waits)
    assert waits == []


@pytest.mark.parametrize("error", [AccessDenied, AnswerBroken])
def test_a_failure_leaves_the_days_before_it_and_says_where_to_go_on(
    tmp_path: Path, error: type[SourceError]
) -> None:
    lake, vendor = SourceLake(tmp_path, "shop"), Vendor()
    third = FIRST - timedelta(days=2)
    vendor.failures[third] = [error("it is so", where="vendor", remedy="Do this") for _ in range(3)]
    told: list[str] = []
    with pytest.raises(error):
        run(lake, vendor, night_at(at(FIRST)), told=told)
    tries = vendor.asked.count(third)
    assert tries == (3 if error.waiting_may_help else 1)
    assert sorted(landed(lake)) == [FIRST - timedelta(days=4), FIRST - timedelta(days=3)]
    assert "2 days before it are done" in told[-1]
    vendor.failures.clear()
    run(lake, vendor, night_at(at(FIRST)))
    assert len(landed(lake)) == 4


def test_a_back_fill_of_an_old_range_leaves_the_days_in_between_alone(tmp_path: Path) -> None:
    lake, vendor = SourceLake(tmp_path, "shop"), Vendor()
    today = FIRST + timedelta(days=60)
    run(lake, vendor, night_at(at(today)))
    run(lake, vendor, night_at(at(today, 5)), DayRange(FIRST, FIRST + timedelta(days=2)))
    vendor.asked.clear()
    run(lake, vendor, night_at(at(today + timedelta(days=1))))
    assert vendor.asked == days_between(today - timedelta(days=3), today)
    assert len(landed(lake)) == 3 + 5


def test_nights_that_were_missed_are_made_up_for_also_before_a_back_fill(tmp_path: Path) -> None:
    lake, vendor = SourceLake(tmp_path, "shop"), Vendor()
    run(lake, vendor, night_at(at(FIRST)))
    # nobody runs a night for three weeks, then somebody wants two of the days, then the nights go on
    later = FIRST + timedelta(days=21)
    run(lake, vendor, night_at(at(later)), DayRange(later - timedelta(days=2), later - timedelta(days=1)))
    vendor.failures[FIRST + timedelta(days=9)] = [unreachable() for _ in range(3)]
    with pytest.raises(VendorUnavailable):
        run(lake, vendor, night_at(at(later, 6)))
    run(lake, vendor, night_at(at(later + timedelta(days=1))))
    assert sorted(landed(lake)) == days_between(FIRST - timedelta(days=4), later)


def test_the_days_that_landed_say_what_the_nights_keep_where_nothing_else_does(tmp_path: Path) -> None:
    lake, vendor = SourceLake(tmp_path, "shop"), Vendor()
    for start, end in ((0, 2), (20, 24)):
        days = DayRange(FIRST + timedelta(days=start), FIRST + timedelta(days=end))
        run(lake, vendor, night_at(at(FIRST + timedelta(days=40))), days)
    night = night_at(at(FIRST + timedelta(days=41)))
    recent = night.recent_days(lake.days(), "events", timedelta(days=4))
    assert recent == days_between(FIRST + timedelta(days=20), FIRST + timedelta(days=40))


def test_a_day_whose_folder_was_deleted_comes_back_however_old(tmp_path: Path) -> None:
    lake, vendor = SourceLake(tmp_path, "shop"), Vendor()
    for number in range(12):
        run(lake, vendor, night_at(at(FIRST + timedelta(days=number))))
    whole = sorted(landed(lake))
    for day in (whole[0], whole[5]):
        shutil.rmtree(lake.root / f"date={day}")
    run(lake, vendor, night_at(at(FIRST + timedelta(days=12))))
    assert sorted(landed(lake)) == [*whole, whole[-1] + timedelta(days=1)]


def test_a_day_back_filled_before_its_vendor_was_done_is_looked_at_again(tmp_path: Path) -> None:
    lake, vendor = SourceLake(tmp_path, "shop"), Vendor()
    run(lake, vendor, night_at(at(FIRST)), history_days=1)
    fresh = FIRST - timedelta(days=3)
    run(lake, vendor, night_at(at(FIRST, 5)), DayRange(fresh, fresh), history_days=1)
    vendor.versions[fresh] = 7
    run(lake, vendor, night_at(at(FIRST + timedelta(days=1))), history_days=1)
    assert landed(lake)[fresh] == "7"


def test_a_back_fill_that_was_killed_begins_anew_after_a_day_and_says_when_it_goes_on(tmp_path: Path) -> None:
    lake, vendor = SourceLake(tmp_path, "shop"), Vendor()
    days = DayRange(FIRST, FIRST + timedelta(days=9))
    killed_at = FIRST + timedelta(days=60)

    def kill_at(moment: datetime) -> None:
        vendor.failures[FIRST + timedelta(days=6)] = [KeyboardInterrupt()]
        with pytest.raises(KeyboardInterrupt):
            run(lake, vendor, night_at(moment), days)
        vendor.asked.clear()

    kill_at(at(killed_at))
    told: list[str] = []
    run(lake, vendor, night_at(at(killed_at, 9)), days, told=told)
    assert "shop: going on with the range asked for at 2026-05-24 04:30 UTC; 6 days are done" in told
    assert len(vendor.asked) == 4
    kill_at(at(killed_at + timedelta(days=1)))
    told.clear()
    run(lake, vendor, night_at(at(killed_at + timedelta(days=31))), days, told=told)
    assert len(vendor.asked) == 10, "a month later the range is wanted as it is then"
    assert not any("going on" in line for line in told)

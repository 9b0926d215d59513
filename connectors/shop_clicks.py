"""Turns visits of the synthetic shop into clicks: one row per GA4 event, in order.

A visit is a fixed series of slots (landing, list, product, loops, cart, checkout, ...), each taken
or not; a slot that follows without a gap shares its timestamp with the slot before.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from connectors.shop_calendar import DAY, SECOND, Ints
from connectors.shop_segments import Bools, Floats
from connectors.shop_world import BUY, Attempts, People, Visits

EVENTS = (
    "session_start", "first_visit", "page_view", "view_item_list", "view_item", "scroll", "login",
    "add_to_wishlist", "add_to_cart", "begin_checkout", "add_payment_info", "purchase", "refund",
    "user_engagement",
)  # fmt: skip
CODE = {name: code for code, name in enumerate(EVENTS)}
COLLECTIONS = ("dresses", "shoes", "bags", "coats", "jeans", "shirts", "sale", "new-in")
PRODUCTS = 48  # product p belongs to collection p % 8
HOME, FIRST_COLLECTION, FIRST_PRODUCT = 0, 1, 1 + len(COLLECTIONS)
CART = FIRST_PRODUCT + PRODUCTS
CHECKOUT, PAYMENT, THANKS, LOGIN = CART + 1, CART + 2, CART + 3, CART + 4
PAGES = (
    "/",
    *(f"/collections/{name}" for name in COLLECTIONS),
    *(f"/products/{COLLECTIONS[p % 8]}-{100 + p}" for p in range(PRODUCTS)),
    "/cart", "/checkout", "/checkout/payment", "/checkout/thank-you", "/account/login",
)  # fmt: skip
NO_ORDER, NOT_SET = -1, -2  # transaction numbers that are none


@dataclass(frozen=True)
class Clicks:
    """(clicks,) by visit and time, then refunds; `at` in microseconds UTC; page indexes PAGES.

    `transaction` numbers an order (see NO_ORDER, NOT_SET); `value` is money, NaN where none.
    `page_load`, `request`, `position`: GA4's batch order. `landing`: on the visit's first page.
    """

    visit: Ints
    event: Ints
    page: Ints
    at: Ints
    value: Floats
    transaction: Ints
    logged_in: Bools
    landing: Bools
    page_load: Ints
    request: Ints
    position: Ints


@dataclass
class _Slots:
    visit: list[Ints] = field(default_factory=list)
    event: list[Ints] = field(default_factory=list)
    page: list[Ints] = field(default_factory=list)
    gap: list[Ints] = field(default_factory=list)
    opens: list[Bools] = field(default_factory=list)

    def add(
        self,
        taken: Bools,
        event: str,
        page: Ints | int,
        gap: Floats | float = 0.0,
        opens: bool = False,
    ) -> None:
        """Adds one slot: (visits,) who takes it, where, and the seconds since the slot before."""
        visit = np.flatnonzero(taken)
        self.visit.append(visit)
        self.event.append(np.full(len(visit), CODE[event]))
        self.page.append(np.broadcast_to(page, taken.shape)[visit].astype(np.int64))
        seconds = np.broadcast_to(gap, taken.shape)[visit]
        self.gap.append((seconds * SECOND).astype(np.int64))
        self.opens.append(np.full(len(visit), opens))


def draw_clicks(rng: np.random.Generator, people: People, attempts: Attempts, visits: Visits) -> Clicks:
    """All clicks of the visits, with reloaded confirmations and refunds."""
    slots = _fill_slots(rng, people, visits)
    visit, event, page, gap, opens = (
        np.concatenate(getattr(slots, name)) for name in ("visit", "event", "page", "gap", "opens")
    )
    # Slots were added in the order of a visit, so a stable sort by visit keeps it.
    order = np.argsort(visit, kind="stable")
    visit, event, page, gap, opens = (a[order] for a in (visit, event, page, gap, opens))
    begins = np.concatenate([[True], visit[1:] != visit[:-1]])
    gap[begins] = 0
    greets = np.isin(event, [CODE["session_start"], CODE["first_visit"]])
    opens &= np.concatenate([[True], ~greets[:-1]])
    opens |= begins
    stays = np.isin(event, [CODE["user_engagement"], CODE["add_to_wishlist"]])
    page = np.where(stays, np.concatenate([page[:1], page[:-1]]), page)
    first = np.maximum.accumulate(np.where(begins, np.arange(len(visit)), 0))
    elapsed = np.cumsum(gap)
    at = visits.start[visit] + elapsed - elapsed[first]
    loaded = np.maximum.accumulate(np.where(opens, np.arange(len(visit)), 0))
    sends = opens | (gap > 0)
    sent = np.maximum.accumulate(np.where(sends, np.arange(len(visit)), 0))
    requests = np.cumsum(sends)
    logins = np.cumsum(event == CODE["login"])
    here = logins - logins[first] + (event[first] == CODE["login"]) > 0
    logged_in = people.account[visits.person[visit]] & (here | ~_logs_in(people, visits)[visit])
    value, transaction = _money(rng, attempts, visits, visit, event, page)
    page_load = at[loaded] // 1000 + page[loaded]
    request = np.asarray(requests - requests[loaded] + 1)
    position = np.arange(len(visit)) - sent + 1
    clicks = Clicks(
        visit, event, page, at, value, transaction, logged_in, loaded == first, page_load, request, position
    )
    return _with_refunds(rng, people, visits, clicks)


def _logs_in(people: People, visits: Visits) -> Bools:
    """(visits,) account holders log in on the first visit we see of each of their browsers."""
    first = np.concatenate([[True], visits.cookie[1:] != visits.cookie[:-1]])
    return np.asarray(people.account[visits.person] & first & (visits.attempt >= 0))


def _fill_slots(rng: np.random.Generator, people: People, visits: Visits) -> _Slots:
    count = len(visits.start)

    def some(share: float) -> Bools:
        return np.asarray(rng.random(count) < share)

    def pause(median: float) -> Floats:
        return np.clip(rng.lognormal(np.log(median), 0.8, count), 1.0, 1200.0)

    low, high, hit = visits.low, visits.high, visits.hit >= 0
    shops = visits.attempt >= 0
    lists = shops & (~visits.returning | (low == 0) | some(0.5))
    items = (high >= 1) & (~visits.returning | (low == 0) | ~lists | some(0.6))
    collection = FIRST_COLLECTION + rng.integers(0, len(COLLECTIONS), count)
    product = FIRST_PRODUCT + rng.integers(0, PRODUCTS, count)
    home = ~shops | some(0.2)
    signed = ~people.denied[visits.person]  # without consent, browsers report no session starts
    landing = np.where(home, HOME, np.where(lists, collection, product))
    slots = _Slots()

    def browse(taken: Bools, which: Ints, gap: Floats | float) -> None:
        slots.add(taken, "page_view", which, gap, opens=True)
        slots.add(taken & some(0.9), "view_item_list", which)

    def look(taken: Bools, which: Ints, gap: Floats | float) -> None:
        slots.add(taken, "page_view", which, gap, opens=True)
        slots.add(taken, "view_item", which)

    slots.add(signed, "session_start", landing)
    slots.add(signed & (visits.session_number == 1), "first_visit", landing)
    slots.add(home, "page_view", HOME)
    browse(lists, collection, np.where(home, pause(12), 0.0))
    slots.add(lists & some(0.2), "scroll", collection, pause(12))
    slots.add(_logs_in(people, visits), "login", LOGIN, pause(20), opens=True)
    look(items, product, np.where(lists | home, pause(25), 0.0))
    slots.add(items & some(0.15), "scroll", product, pause(10))
    for turn, share in enumerate((0.26, 0.08)):
        other = FIRST_COLLECTION + (collection + 3 * turn) % len(COLLECTIONS)
        product_then = FIRST_PRODUCT + (product + 5 + turn) % PRODUCTS
        again = shops & some(share)
        browse(again, other, pause(20))
        look(again & (high >= 1), product_then, pause(25))
    slots.add(items & some(0.08), "add_to_wishlist", product, pause(15))
    carts = (low < 2) & (high >= 2)
    slots.add(carts, "page_view", CART, np.where(some(0.06), 0.0, pause(50)), opens=True)
    slots.add(carts, "add_to_cart", CART)
    back = (high >= 2) & (low < 3) & some(0.15)
    browse(back, collection, pause(30))
    look(back & some(0.7), FIRST_PRODUCT + (product + 11) % PRODUCTS, pause(20))
    returns_to_cart = visits.returning & (low >= 2) & (back | some(0.8))
    slots.add(returns_to_cart, "page_view", CART, pause(25), opens=True)
    checks = (low < 3) & (high >= 3)
    slots.add(checks, "page_view", CHECKOUT, pause(40), opens=True)
    slots.add(checks, "begin_checkout", CHECKOUT)
    pays = (low < 4) & (high >= 4) & ~((high == BUY) & some(0.025))
    slots.add(pays, "page_view", PAYMENT, np.where(checks & some(0.12), 0.0, pause(70)), opens=True)
    slots.add(pays, "add_payment_info", PAYMENT)
    buys = (low < BUY) & (high == BUY)
    slots.add(buys, "page_view", THANKS, pause(45), opens=True)
    slots.add(buys, "purchase", THANKS)
    # Who is stopped by a plant goes around once more or leaves, mostly from where it happened.
    around = hit & (high >= 1) & some(0.4)
    browse(around & some(0.6), collection, pause(20))
    look(around, FIRST_PRODUCT + (product + 17) % PRODUCTS, pause(20))
    slots.add(signed & some(0.5), "user_engagement", landing, pause(8))
    reloads = buys & some(0.02)
    slots.add(reloads, "page_view", THANKS, 20 + 1100 * rng.random(count), opens=True)
    slots.add(reloads, "purchase", THANKS)
    return slots


def product_price(product: Ints) -> Floats:
    """Price in EUR of product numbers 0..PRODUCTS-1."""
    return np.asarray(12.0 + (product * 37 % 91) + 0.9)


def _money(
    rng: np.random.Generator,
    attempts: Attempts,
    visits: Visits,
    visit: Ints,
    event: Ints,
    page: Ints,
) -> tuple[Floats, Ints]:
    attempt = visits.attempt[visit]
    ordering = np.isin(event, [CODE[e] for e in EVENTS[8:12]])
    value = np.where(ordering, attempts.order_value[attempt], np.nan)
    single = np.isin(event, [CODE["view_item"], CODE["add_to_wishlist"]])
    value = np.where(single, product_price(page - FIRST_PRODUCT), value)
    unknown = rng.random(len(attempts.person)) < 0.01
    number = np.where(unknown, NOT_SET, np.arange(len(attempts.person)))
    return value, np.where(event == CODE["purchase"], number[attempt], NO_ORDER)


def _with_refunds(rng: np.random.Generator, people: People, visits: Visits, clicks: Clicks) -> Clicks:
    """Adds refunds, sent by the shop's server 2 to 12 days after some purchases."""
    sold = (clicks.event == CODE["purchase"]) & (clicks.transaction >= 0)
    sold &= ~people.denied[visits.person[clicks.visit]]
    bought, first = np.unique(clicks.transaction[sold], return_index=True)
    row = np.flatnonzero(sold)[first[rng.random(len(bought)) < 0.015]]
    columns: dict[str, npt.NDArray[np.generic]] = {
        name: np.concatenate([getattr(clicks, name), getattr(clicks, name)[row]])
        for name in Clicks.__dataclass_fields__
    }
    late = (rng.uniform(2, 12, len(row)) * DAY).astype(np.int64)
    columns["event"][len(clicks.at) :] = CODE["refund"]
    columns["at"][len(clicks.at) :] = clicks.at[row] + late
    return Clicks(**columns)  # type: ignore[arg-type]

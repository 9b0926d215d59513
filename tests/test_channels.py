"""Channels follow the rules of GA4's default channel group, in GA4's order.

Rules: Google Analytics Help, "Default channel group" (support.google.com/analytics/answer/9756891).
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pytest
import sqlglot

from pipelines.channel_sites import CATEGORIES, SITES_FILE, traffic_sites, write_traffic_sites
from pipelines.engine_settings import EngineSettings
from pipelines.sql_models import SQL_FOLDER
from pipelines.warehouse import open_warehouse, replace_table

MODEL = SQL_FOLDER / "intermediate" / "channels.sql"
Visit = tuple[str | None, str | None, str | None]  # source, medium, campaign

CASES: list[tuple[str, Visit, str]] = [
    # Direct: source exactly "(direct)" and medium "(not set)" or "(none)"
    ("direct", ("(direct)", "(none)", None), "Direct"),
    ("direct without a medium", ("(direct)", "(not set)", "(direct)"), "Direct"),
    ("direct with a medium is none", ("(direct)", "referral", None), "Referral"),
    # Cross-network: campaign contains "cross-network"; it comes before every paid channel
    ("performance max", ("google", "cpc", "Sales-Cross-Network-ES"), "Cross-network"),
    ("cross-network before shopping", ("google", "cpc", "shopping cross-network"), "Cross-network"),
    # Paid Shopping: (shopping site or shopping campaign) and a paid medium; before Paid Search
    ("paid on a shopping site", ("amazon.com", "cpc", None), "Paid Shopping"),
    ("shopping campaign on a search site", ("google", "cpc", "shopping_es"), "Paid Shopping"),
    ("shop campaign", ("bing", "ppc", "summer-shop"), "Paid Shopping"),
    ("shop at the start", ("google", "cpc", "shop all"), "Paid Shopping"),
    ("after an e the word counts too", ("google", "cpc", "eshop"), "Paid Shopping"),
    ("a workshop is no shop", ("google", "cpc", "workshop"), "Paid Search"),
    # Paid Search / Social / Video: a site of the list and medium ^(.*cp.*|ppc|retargeting|paid.*)$
    ("cpc on a search site", ("google", "cpc", "brand"), "Paid Search"),
    ("case does not matter", ("Google", "CPC", "Brand"), "Paid Search"),
    ("cp anywhere", ("bing", "ecpc", None), "Paid Search"),
    ("cpm on a search site is not display", ("google", "cpm", None), "Paid Search"),
    ("retargeting", ("google", "retargeting", None), "Paid Search"),
    ("paid.* starts with paid", ("facebook", "paid_social", None), "Paid Social"),
    ("paid social", ("l.instagram.com", "paid", None), "Paid Social"),
    ("paid must start it", ("facebook", "unpaid", None), "Organic Social"),
    ("paid video", ("youtube", "cpv-cpc", None), "Paid Video"),
    # Display: medium display, banner, expandable, interstitial, cpm
    ("display", ("criteo", "display", None), "Display"),
    ("banner", ("newspaper.example", "banner", None), "Display"),
    ("cpm elsewhere", ("newspaper.example", "cpm", None), "Display"),
    ("display on a search site", ("google", "display", None), "Display"),
    # Paid Other: a paid medium that nothing above took
    ("paid other", ("newspaper.example", "ppc", None), "Paid Other"),
    ("retargeting elsewhere", ("criteo", "retargeting", None), "Paid Other"),
    # AI Assistant: the medium GA4 gives it, whoever's host it is
    ("assistant", ("chatgpt.com", "ai-assistant", "(ai-assistant)"), "AI Assistant"),
    ("assistant of a search engine", ("gemini.google.com", "ai-assistant", None), "AI Assistant"),
    # Organic Shopping: a shopping site or a shopping campaign
    ("shopping site", ("etsy.com", "referral", None), "Organic Shopping"),
    ("shopping campaign by mail", ("newsletter", "email", "shopping week"), "Organic Shopping"),
    # Organic Social: a social site or one of six media
    ("social site", ("t.co", "referral", None), "Organic Social"),
    ("facebook's redirector", ("lm.facebook.com", "referral", None), "Organic Social"),
    ("reddit's redirector", ("out.reddit.com", "referral", None), "Organic Social"),
    ("social medium", ("somewhere.example", "social network", None), "Organic Social"),
    ("social site before e-mail", ("linkedin", "email", None), "Organic Social"),
    # Organic Video: a video site or a medium with "video"
    ("video site", ("m.youtube.com", "referral", None), "Organic Video"),
    ("video medium", ("partner.example", "in-app-video", None), "Organic Video"),
    # Organic Search: a search site or medium organic; before e-mail, as GA4 orders them
    ("search", ("google", "organic", None), "Organic Search"),
    ("unknown engine", ("finder.example", "organic", None), "Organic Search"),
    ("search site before e-mail", ("google", "email", None), "Organic Search"),
    # Referral: medium referral, app, link
    ("referral", ("blog.example", "referral", None), "Referral"),
    ("app", ("partner-app", "app", None), "Referral"),
    ("link", ("partner.example", "link", None), "Referral"),
    # Email: source or medium is one of four spellings
    ("e-mail medium", ("newsletter", "email", "spring"), "Email"),
    ("e mail", ("newsletter", "e mail", None), "Email"),
    ("e-mail source", ("e_mail", None, None), "Email"),
    ("no spelling of e-mail", ("newsletter", "emailing", None), "Unassigned"),
    # Affiliates, Audio, SMS, Mobile Push Notifications
    ("affiliate", ("awin", "affiliate", None), "Affiliates"),
    ("audio", ("podcast.example", "audio", None), "Audio"),
    ("sms source", ("sms", "text", None), "SMS"),
    ("sms medium", ("klaviyo", "sms", None), "SMS"),
    ("ends with push", ("onesignal", "web-push", None), "Mobile Push Notifications"),
    ("push inside is none", ("onesignal", "pushed-out", None), "Unassigned"),
    ("contains mobile", ("braze", "in-mobile-app", None), "Mobile Push Notifications"),
    ("contains notification", ("braze", "app notification", None), "Mobile Push Notifications"),
    ("firebase", ("firebase", None, None), "Mobile Push Notifications"),
    # Unassigned: nothing fits
    ("nothing fits", ("partner", "flyer", None), "Unassigned"),
    ("nothing known", (None, None, None), "Unassigned"),
    # sites: exact, or below a listed domain; the longest decides
    ("below a listed domain", ("es.linkedin.com", "referral", None), "Organic Social"),
    ("listed below another category", ("groups.google.com", "referral", None), "Organic Social"),
    ("country domain", ("google.es", "referral", None), "Organic Search"),
    ("not what its parent is", ("docs.google.com", "referral", None), "Referral"),
    ("a domain that only ends alike", ("notfacebook.com", "referral", None), "Referral"),
    ("a bare word is no parent", ("shop.line", "referral", None), "Referral"),
    ("a listed domain as a part", ("facebook.com.example", "referral", None), "Referral"),
]


def channels(visits: Sequence[Visit], given: str | None = None) -> list[str]:
    """The channel of each visit, by the model's own SQL over ``intermediate.traffic``."""
    rows = [
        {"given_channel": given, "source_name": source, "medium": medium, "campaign": campaign}
        for source, medium, campaign in visits
    ]
    schema = pa.schema(
        [(name, pa.string()) for name in ("given_channel", "source_name", "medium", "campaign")]
    )
    with open_warehouse(None, EngineSettings()) as connection:
        replace_table(connection, "intermediate.traffic", schema, rows)
        write_traffic_sites(connection)
        found = connection.execute(MODEL.read_text("utf-8")).fetchall()
    by_visit = {row[1:4]: row[4] for row in found}
    assert len(by_visit) == len(found), "one row per traffic source, however many sites match it"
    return [by_visit[visit] for visit in visits]


def test_every_rule_of_the_default_channel_group() -> None:
    found = channels([visit for _, visit, _ in CASES])
    wrong = {
        name: (visit, ours, expected)
        for (name, visit, expected), ours in zip(CASES, found, strict=True)
        if ours != expected
    }
    assert not wrong


def test_what_ga4_said_itself_wins() -> None:
    assert channels([("google", "organic", None)], given="Paid Search") == ["Paid Search"]


def test_every_listed_site_has_its_own_category_whatever_else_is_listed() -> None:
    organic = {
        "SEARCH": "Organic Search",
        "SOCIAL": "Organic Social",
        "VIDEO": "Organic Video",
        "SHOPPING": "Organic Shopping",
        "OTHER": "Referral",
    }
    sites = list(traffic_sites().items())
    found = channels([(site, "referral", None) for site, _ in sites])
    assert {site: ours for (site, _), ours in zip(sites, found, strict=True)} == {
        site: organic[category] for site, category in sites
    }
    assert set(organic) == set(CATEGORIES)
    assert {"google", "facebook.com", "youtube.com", "ebay.com"} <= traffic_sites().keys()


@pytest.mark.parametrize("line", ["Google,SEARCH", "google", "google,FIND", "bing,SEARCH\nbing,VIDEO"])
def test_a_site_list_with_a_slip_names_its_line(
    line: str, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("sites") / "sites.csv"
    path.write_text(f"# sites\nsite,category\n{line}\n", "utf-8")
    monkeypatch.setattr("pipelines.channel_sites.SITES_FILE", path)
    traffic_sites.cache_clear()
    try:
        with pytest.raises(ValueError, match=rf"sites\.csv, line {3 + line.count(chr(10))}: "):
            traffic_sites()
    finally:
        traffic_sites.cache_clear()


def test_the_head_of_the_list_says_that_it_is_shorter_than_ga4s() -> None:
    head = [line for line in SITES_FILE.read_text("utf-8").splitlines() if line.startswith("#")]
    assert "answer/9756891" in head[1]
    assert "longer" in head[1]


def test_the_model_can_be_carried_to_spark() -> None:
    (sql,) = sqlglot.transpile(
        MODEL.read_text("utf-8"),
        read="duckdb",
        write="spark",
        unsupported_level=sqlglot.ErrorLevel.RAISE,
    )
    assert "RLIKE" in sql


def test_thousands_of_sources_are_classified_in_one_go() -> None:
    visits: list[Visit] = [(f"site{number}.example", "referral", None) for number in range(5000)]
    visits += [(f"p{number}.blogspot.com", "referral", None) for number in range(5000)]
    assert channels(visits) == ["Referral"] * 5000 + ["Organic Social"] * 5000

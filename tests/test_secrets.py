"""Secrets come from the environment, reach their vendor, and show nowhere else."""

from __future__ import annotations

import json
import logging
import pickle
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote_plus

import bigquery_server as bq
import data_api_server as da
import hotjar_server as hj
import mixpanel_server as mp
import pytest
from conftest import Outcome, Painpoints
from live_shop import FIRST, SECRET, LiveShop

from connectors.errors import CredentialMissing
from connectors.secret import Secret
from pipelines.errors import ConfigError
from pipelines.live_sources import google_key, hotjar_site, mixpanel_project
from pipelines.secrets import block_name, need_secret
from pipelines.source_settings import Ga4Source, HotjarSource, MixpanelSource
from pipelines.workspace import open_workspace

KEY = "-----BEGIN PRIVATE KEY-----planted-private-key-of-google-----END PRIVATE KEY-----"
PLANTED = {
    "SHOP_SERVICE_ACCOUNT_KEY": json.dumps({"type": "service_account", "private_key": KEY}),
    "MIXPANEL_SERVICE_SECRET": SECRET,
    "HOTJAR_CLIENT_SECRET": hj.CLIENT_SECRET,
}
FORMS = [
    KEY,
    *(
        form
        for text in (SECRET, hj.CLIENT_SECRET)
        for form in (text, quote_plus(text), b64encode(text.encode()).decode().rstrip("="))
    ),
]


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveShop]:
    now = datetime.now(UTC).date()
    with LiveShop(days=4).running() as shop:
        # the commands look at the real clock: the shop's days are its last ones
        shift = now - timedelta(days=4) - FIRST
        shop.happenings = [
            type(each)(each.at + shift, each.visitor, each.name, 0, each.number) for each in shop.happenings
        ]
        for name, text in (shop.secrets | PLANTED).items():
            monkeypatch.setenv(name, text)
        shop.dawn(now)
        yield shop


def misbehave(shop: LiveShop) -> None:
    """Every vendor refuses, and says what it was sent."""
    shop.ga4.troubles["tables.list"] = [bq.Refusal(403, f"no {KEY}", "accessDenied")]
    shop.counts.troubles[:] = [da.Refusal("PERMISSION_DENIED", f"no {KEY}")]
    shop.mixpanel.misbehaviours[:] = [mp.refusal(403, f"no {SECRET}")]
    shop.hotjar.token_script[:] = [hj.Status(403)]


@pytest.mark.slow
def test_no_command_shows_or_writes_a_secret_also_at_debug_level(
    shop: LiveShop, tmp_path: Path, painpoints: Painpoints, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger().setLevel(logging.DEBUG)
    folder = shop.make_workspace(tmp_path / "w")
    config = (folder / "painpoints.toml").read_text()
    (folder / "painpoints.toml").write_text(
        config.replace("[sources.ga4]", '[sources.ga4]\ncredentials = "SHOP"')
    )
    said: list[Outcome] = []
    for command in (["doctor"], ["run"], ["doctor", "--json"], ["pull", "--json"], ["list"]):
        said.append(painpoints(*command, "--workspace", folder))
    assert [each.code for each in said] == [0, 0, 0, 0, 0], said
    for command in (["doctor"], ["pull"], ["run"]):
        misbehave(shop)
        shop.hotjar.expire_tokens()
        said.append(painpoints(*command, "--workspace", folder))
        assert said[-1].code == 1
        assert "403" in said[-1].out + said[-1].err
    shown = "".join(each.out + each.err for each in said) + caplog.text
    assert "Mixpanel" in shown
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 20
    for form in FORMS:
        assert form not in shown, form
        assert [path for path in files if form.encode() in path.read_bytes()] == []


def test_doctor_says_what_each_credential_can_read(
    shop: LiveShop, tmp_path: Path, painpoints: Painpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shop.make_workspace(tmp_path / "w")
    told = json.loads(painpoints("doctor", "--json", "--workspace", folder).out)
    levels = {each["where"]: (each["level"], each["what"]) for each in told}
    assert levels["sources.ga4, BigQuery export"][0] == "ok"
    assert "day tables" in levels["sources.ga4, BigQuery export"][1]
    assert levels["sources.ga4, Data API"][0] == "ok"
    assert levels["sources.mixpanel, Export API"][0] == "ok"
    assert levels["sources.hotjar, survey responses API"][0] == "ok"
    assert shop.ga4.asked("ReadRows") == [], "trying a credential reads nothing"
    monkeypatch.setenv("MIXPANEL_SERVICE_SECRET", "another")
    monkeypatch.delenv("HOTJAR_CLIENT_SECRET")
    wrong = painpoints("doctor", "--json", "--workspace", folder)
    assert wrong.code == 1
    problems = {each["where"]: each["what"] for each in json.loads(wrong.out) if each["level"] == "problem"}
    assert sorted(problems) == ["sources.hotjar, survey responses API", "sources.mixpanel, Export API"]
    assert "MIXPANEL_SERVICE_SECRET" in problems["sources.mixpanel, Export API"]
    assert "HOTJAR_CLIENT_SECRET is not set" in problems["sources.hotjar, survey responses API"]
    asked = len(shop.mixpanel.requests)
    assert painpoints("doctor", "--offline", "--workspace", folder).code == 0
    assert len(shop.mixpanel.requests) == asked


def test_a_secret_that_is_missing_is_told_before_anything_is_asked_for(
    shop: LiveShop, tmp_path: Path, painpoints: Painpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shop.make_workspace(tmp_path / "w")
    monkeypatch.delenv("MIXPANEL_SERVICE_SECRET")
    done = painpoints("pull", "--workspace", folder)
    assert done.code == 1
    assert "source mixpanel: sources.mixpanel: the secret MIXPANEL_SERVICE_SECRET is not set" in done.err
    assert "Set the environment variable" in done.err
    assert shop.mixpanel.requests == []
    # the others have landed all the same
    assert len(open_workspace(folder).source_lake("ga4").days()) >= 4


def test_credentials_are_found_by_the_name_in_the_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP2_SERVICE_ACCOUNT", "robot")
    monkeypatch.setenv("SHOP2_SERVICE_SECRET", "word")
    monkeypatch.setenv("SHOP2_SERVICE_ACCOUNT_KEY", '{"type": "service_account"}')
    project = mixpanel_project("mixpanel", MixpanelSource(project_id=1, credentials="SHOP2"))
    assert (project.username.reveal(), project.secret.reveal()) == ("robot", "word")
    monkeypatch.setenv("SHOP2_CLIENT_ID", "id")
    monkeypatch.setenv("SHOP2_CLIENT_SECRET", "word")
    assert hotjar_site("hotjar", HotjarSource(site_id=1, credentials="SHOP2")).credentials == "SHOP2"
    key = google_key("ga4", Ga4Source(project="p", dataset="analytics_1", credentials="SHOP2"))
    assert key is not None
    assert key.reveal() == '{"type": "service_account"}'
    assert block_name("SHOP2_SERVICE_SECRET") == "shop2-service-secret"
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with pytest.raises(CredentialMissing, match="shop3-service-secret"):
        need_secret("SHOP3_SERVICE_SECRET", where="sources.x")


def test_a_secret_shows_in_no_repr_and_in_no_file() -> None:
    secret = Secret("word")
    project = mp.MixpanelServer()
    assert "word" not in f"{secret} {secret!r} {[secret]} {project.days}"
    assert secret.masked_in("a word and a sword") == "a *** and a s***"
    with pytest.raises(TypeError, match="not written"):
        pickle.dumps(secret)


@pytest.mark.parametrize(
    "url",
    [
        "https://robot:planted-word@proxy.example",
        "https://planted-word@proxy.example",
        "robot:planted-word@proxy.example",
        "https://proxy.example/?key=planted-word",
        "https://proxy.example/#planted-word",
        "https://robot:pla/nted-word@proxy.example:x",
        "https://[robot:planted-word@proxy.example",
    ],
)
def test_an_address_with_a_secret_is_refused_without_showing_it(tmp_path: Path, url: str) -> None:
    (tmp_path / "painpoints.toml").write_text(f'[sources.mixpanel]\nproject_id = 1\napi_url = "{url}"\n')
    with pytest.raises(ConfigError, match=r"line 3, sources\.mixpanel\.api_url") as refused:
        open_workspace(tmp_path)
    assert "nted-word" not in str(refused.value)
    assert "secrets come from the environment" in str(refused.value)


def test_one_credential_that_cannot_be_tried_leaves_the_others_their_lines(
    shop: LiveShop, tmp_path: Path, painpoints: Painpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shop.make_workspace(tmp_path / "w")

    def no_disk(*_: object, **__: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("connectors.mixpanel_api.check_mixpanel", no_disk)
    told = painpoints("doctor", "--json", "--workspace", folder)
    assert told.code == 1
    levels = {each["where"]: (each["level"], each["what"]) for each in json.loads(told.out)}
    assert "No space left" in levels["sources.mixpanel, Export API"][1]
    assert levels["sources.mixpanel, Export API"][0] == "problem"
    assert levels["sources.hotjar, survey responses API"][0] == "ok"

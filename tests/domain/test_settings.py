"""The registry of settings: types, bounds, and the two ways to name one."""

from typing import get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.errors import Code, Refusal
from server.domain.settings import REGISTRY, Setting, Settings, SettingType, known, texts_from_environment

NOTICE = Setting("site.notice", "site_notice", SettingType.STRING, "", None, "A line of text.", public=True)


@pytest.mark.parametrize(
    ("key", "default"),
    [
        ("credits.per_dollar", 10),
        ("credits.allow_on_pending", False),
        ("chat.visitors_allowed", True),
        ("chat.visitor_chats_per_day", 3),
        ("chat.answer_tokens", 2_048),
        ("chat.follower_grace_seconds", 120.0),
    ],
)
def test_defaults_are_the_product_s(key: str, default: object) -> None:
    assert Settings().value_of(known(key)) == default


@pytest.mark.parametrize("setting", REGISTRY.values(), ids=lambda setting: setting.key)
def test_every_setting_is_described_bounded_and_reads_its_own_default(setting: Setting) -> None:
    assert setting.description
    assert setting.field == setting.key.replace(".", "_")
    assert setting.parse(Setting.text_of(setting.default)) == setting.default
    assert (setting.bounds is not None) == (setting.type in {SettingType.INTEGER, SettingType.FLOAT})
    assert get_type_hints(Settings)[setting.field] is type(setting.default)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("chat.visitor_chats_per_day", "0", 0),
        ("chat.visitor_chats_per_day", " 1000000 ", 1_000_000),
        ("credits.allow_on_pending", "true", True),
        ("chat.follower_grace_seconds", "0.5", 0.5),
    ],
)
def test_a_good_text_is_a_value(key: str, text: str, value: object) -> None:
    assert known(key).parse(text) == value


@pytest.mark.parametrize(
    ("key", "text", "reason"),
    [
        ("chat.visitor_chats_per_day", "-1", "0 to 1,000,000"),
        ("chat.visitor_chats_per_day", "1000001", "0 to 1,000,000"),
        ("chat.visitor_chats_per_day", "3.0", "a whole number"),
        ("chat.visitor_chats_per_day", "1_000", "a whole number"),
        ("chat.visitor_chats_per_day", "٣", "a whole number"),
        ("chat.visitor_chats_per_day", "", "a whole number"),
        ("chat.visitor_chats_per_day", "9" * 5_000, "a whole number"),
        ("credits.allow_on_pending", "yes", "true or false"),
        ("credits.allow_on_pending", "1", "true or false"),
        ("chat.follower_grace_seconds", "nan", "a number"),
        ("chat.follower_grace_seconds", "inf", "a number"),
        ("chat.follower_grace_seconds", "soon", "a number"),
    ],
)
def test_a_bad_text_is_refused_with_the_reason(key: str, text: str, reason: str) -> None:
    with pytest.raises(Refusal) as refused:
        known(key).parse(text)
    assert refused.value.code is Code.BAD_REQUEST
    assert reason in refused.value.message
    assert key in refused.value.message


def test_a_text_setting_takes_text_but_no_nul_and_not_too_much() -> None:
    assert NOTICE.parse("Hello") == "Hello"
    for text in ("a\0b", "x" * 2_001):
        with pytest.raises(Refusal):
            NOTICE.parse(text)


@given(text=st.text(max_size=20), setting=st.sampled_from(list(REGISTRY.values())))
def test_any_text_is_a_value_within_the_bounds_or_refused(text: str, setting: Setting) -> None:
    try:
        value = setting.parse(text)
    except Refusal:
        return
    assert type(value) is type(setting.default)
    if setting.bounds is not None:
        assert not isinstance(value, str)
        assert setting.bounds[0] <= value <= setting.bounds[1]
    assert setting.parse(Setting.text_of(value)) == value


def test_settings_are_replaced_by_key() -> None:
    changed = Settings().with_texts({"credits.per_dollar": "20", "chat.visitors_allowed": "false"})
    assert (changed.credits_per_dollar, changed.chat_visitors_allowed) == (20, False)
    assert changed.chat_answer_tokens == Settings().chat_answer_tokens


def test_an_unknown_key_is_not_found() -> None:
    with pytest.raises(Refusal) as refused:
        Settings().with_texts({"chat.colour": "red"})
    assert refused.value.code is Code.NOT_FOUND


def test_the_environment_names_a_setting_by_its_key_in_capitals() -> None:
    environment = {"TALLYLIGHT_SETTING_CHAT_VISITOR_CHATS_PER_DAY": "7", "TALLYLIGHT_PORT": "1", "HOME": "/"}
    assert texts_from_environment(environment) == {"chat.visitor_chats_per_day": "7"}


def test_a_variable_that_names_no_setting_is_refused() -> None:
    with pytest.raises(Refusal, match="TALLYLIGHT_SETTING_CHAT_VISITORS"):
        texts_from_environment({"TALLYLIGHT_SETTING_CHAT_VISITORS": "7"})

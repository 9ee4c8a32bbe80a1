"""What the environment may say, and what is answered when it says nonsense."""

import pytest

from server.config import Config, ConfigurationInvalid, Environment, ModelKind, model_kind, read_config
from server.ledger.payments.options import PaymentOptions, Taker

GOOD = {
    "TALLYLIGHT_DATABASE_URL": "postgresql://user:hidden@db.example/tallylight",
    "TALLYLIGHT_REDIS_URL": "redis://:hidden@redis.example:6379/0",
    "TALLYLIGHT_PUBLIC_URL": "https://chat.example, https://www.chat.example",
    "TALLYLIGHT_SECRET": "s" * 32,
    "TALLYLIGHT_MODEL": "gpt-large",
    "OPENAI_API_KEY": "hidden-key",
}


def read(**changes: str) -> Config:
    return read_config(GOOD | changes, drain_seconds=25.0)


def problems(**changes: str) -> list[str]:
    with pytest.raises(ConfigurationInvalid) as caught:
        read(**changes)
    return list(caught.value.problems)


def test_a_whole_environment_is_read() -> None:
    config = read(TALLYLIGHT_SETTING_CHAT_VISITOR_CHATS_PER_DAY="7", TALLYLIGHT_TRUSTED_PROXIES="10.0.0.0/8, ::1")
    assert config.environment is Environment.PRODUCTION
    assert config.public_urls == ("https://chat.example", "https://www.chat.example")
    assert config.setting_texts == {"chat.visitor_chats_per_day": "7"}
    assert config.trusted_proxies == ("10.0.0.0/8", "::1")
    assert (config.model.kind, config.model.name) == (ModelKind.OPENAI, "gpt-large")
    assert config.model.base_url == "https://api.openai.com/v1"


def test_secrets_do_not_show() -> None:
    assert "hidden" not in repr(read())
    assert "s" * 32 not in repr(read())


def test_everything_that_is_missing_is_told_at_once() -> None:
    with pytest.raises(ConfigurationInvalid) as caught:
        read_config({}, drain_seconds=25.0)
    for name in ("DATABASE_URL", "REDIS_URL", "PUBLIC_URL", "SECRET", "MODEL"):
        assert any(problem.startswith(f"TALLYLIGHT_{name} ") for problem in caught.value.problems), name


STRIPE = {"TALLYLIGHT_STRIPE_SECRET_KEY": "sk_hidden", "TALLYLIGHT_STRIPE_WEBHOOK_SECRETS": "whsec_hidden_of_long_ago"}


def test_nobody_takes_payments_unless_it_is_said() -> None:
    assert read().payments == PaymentOptions(Taker.NONE, None)


def test_stripe_is_read_with_its_secrets() -> None:
    secrets = STRIPE["TALLYLIGHT_STRIPE_WEBHOOK_SECRETS"] + ", whsec_hidden_of_today"
    payments = read(TALLYLIGHT_PAYMENTS="stripe", **STRIPE | {"TALLYLIGHT_STRIPE_WEBHOOK_SECRETS": secrets}).payments
    assert payments.taker is Taker.STRIPE
    assert payments.stripe is not None
    assert payments.stripe.webhook_secrets == ("whsec_hidden_of_long_ago", "whsec_hidden_of_today")
    assert (payments.stripe.api_url, payments.stripe.public_url) == (None, "https://chat.example")
    assert "hidden" not in repr(payments)


def test_news_of_stripe_is_taken_although_it_takes_no_new_payments() -> None:
    payments = read(**STRIPE).payments
    assert payments.taker is Taker.NONE
    assert payments.stripe is not None


def test_the_sandbox_has_no_place_in_production() -> None:
    assert read(TALLYLIGHT_ENV="development", TALLYLIGHT_PAYMENTS="sandbox").payments.taker is Taker.SANDBOX
    for environment in ("production", ""):
        (problem,) = problems(TALLYLIGHT_ENV=environment, TALLYLIGHT_PAYMENTS="sandbox")
        assert problem.startswith("TALLYLIGHT_PAYMENTS is sandbox")


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"TALLYLIGHT_PAYMENTS": "cash"}, "TALLYLIGHT_PAYMENTS"),
        ({"TALLYLIGHT_STRIPE_SECRET_KEY": ""}, "TALLYLIGHT_STRIPE_SECRET_KEY"),
        ({"TALLYLIGHT_STRIPE_WEBHOOK_SECRETS": ""}, "TALLYLIGHT_STRIPE_WEBHOOK_SECRETS"),
        ({"TALLYLIGHT_STRIPE_WEBHOOK_SECRETS": "short"}, "TALLYLIGHT_STRIPE_WEBHOOK_SECRETS"),
        ({"TALLYLIGHT_STRIPE_WEBHOOK_SECRETS": ",".join(["w" * 16] * 5)}, "TALLYLIGHT_STRIPE_WEBHOOK_SECRETS"),
        ({"TALLYLIGHT_STRIPE_API_URL": "stripe.example"}, "TALLYLIGHT_STRIPE_API_URL"),
    ],
)
def test_what_is_wrong_with_the_payments_is_told(changes: dict[str, str], name: str) -> None:
    (problem,) = problems(**STRIPE | changes)
    assert problem.startswith(name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TALLYLIGHT_ENV", "staging"),
        ("TALLYLIGHT_LLM", "magic"),
        ("TALLYLIGHT_DATABASE_URL", "mysql://host/db"),
        ("TALLYLIGHT_DATABASE_URL", "postgresql://host:port/db"),
        ("TALLYLIGHT_REDIS_URL", "http://host"),
        ("TALLYLIGHT_PUBLIC_URL", "chat.example"),
        ("TALLYLIGHT_PUBLIC_URL", "https://chat.example/path"),
        ("TALLYLIGHT_PUBLIC_URL", "https://chat.example?x=1"),
        ("TALLYLIGHT_PUBLIC_URL", "https://chat.example#x"),
        ("TALLYLIGHT_PUBLIC_URL", "https://user@chat.example"),
        ("TALLYLIGHT_PUBLIC_URL", "https://chät.example"),
        ("TALLYLIGHT_PUBLIC_URL", "https://[::1"),
        ("TALLYLIGHT_PUBLIC_URL", "https://chat.example:0"),
        ("TALLYLIGHT_SECRET", "short"),
        ("TALLYLIGHT_TRUSTED_PROXIES", "everybody"),
        ("TALLYLIGHT_MODEL_WINDOW_TOKENS", "many"),
        ("TALLYLIGHT_MODEL_WINDOW_TOKENS", "10"),
        ("OPENAI_BASE_URL", "model.example/v1"),
        ("TALLYLIGHT_SETTING_CHAT_ANSWER_TOKENS", "3"),
        ("TALLYLIGHT_SETTING_CHAT_ANSWER_TOKEN", "300"),
    ],
)
def test_a_wrong_value_is_one_problem(name: str, value: str) -> None:
    assert len(problems(**{name: value})) == 1


def test_a_database_password_is_not_repeated_in_a_problem() -> None:
    assert "hidden" not in str(problems(TALLYLIGHT_DATABASE_URL="mysql://user:hidden@host/db"))


@pytest.mark.parametrize(
    ("environment", "kind"),
    [
        ({}, ModelKind.LOCAL),
        ({"OPENAI_API_KEY": "k"}, ModelKind.LOCAL),
        ({"TALLYLIGHT_MODEL": "m"}, ModelKind.LOCAL),
        ({"OPENAI_API_KEY": "k", "TALLYLIGHT_MODEL": "m"}, ModelKind.OPENAI),
        ({"OPENAI_BASE_URL": "http://127.0.0.1:1234/v1", "TALLYLIGHT_MODEL": "m"}, ModelKind.OPENAI),
        ({"OPENAI_API_KEY": "k", "TALLYLIGHT_MODEL": "m", "TALLYLIGHT_LLM": "scripted"}, ModelKind.SCRIPTED),
        ({"TALLYLIGHT_LLM": "openai"}, ModelKind.OPENAI),
    ],
)
def test_which_model_answers(environment: dict[str, str], kind: ModelKind) -> None:
    assert model_kind(environment, otherwise=ModelKind.LOCAL) is kind


def test_the_local_model_reads_less_and_gets_more_time() -> None:
    local = read(TALLYLIGHT_LLM="local", OPENAI_BASE_URL="http://127.0.0.1:1234/v1").model
    assert (local.window_tokens, local.answer_tokens, local.first_token_timeout_seconds) == (3_500, 1_024, 60.0)


def test_the_scripted_model_needs_no_address() -> None:
    model = read(TALLYLIGHT_LLM="scripted", TALLYLIGHT_MODEL="", OPENAI_API_KEY="").model
    assert (model.name, model.base_url) == ("scripted", None)

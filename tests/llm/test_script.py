"""What a prompt makes the scripted model do."""

import pytest

from server.llm.model import PromptMessage
from server.llm.script import MAX_DELAY_MS, Breakage, Pace, Script, plan
from server.llm.tokens import count


def script(*prompts: str, most: int = 10_000) -> Script:
    messages = [PromptMessage("assistant" if turn % 2 else "user", prompt) for turn, prompt in enumerate(prompts)]
    return plan(messages, most, Pace(40, 150))


def text(script: Script) -> str:
    return "".join(script.chunks)


def test_the_same_prompt_has_the_same_answer_and_another_one_another() -> None:
    assert script("How do squids glow?") == script("How do squids glow?")
    assert text(script("How do squids glow?")) != text(script("Why do crabs walk?"))


def test_an_answer_speaks_of_what_was_asked() -> None:
    answer = text(script("How do squids glow?"))
    assert "**squids**" in answer
    assert "\n- " in answer
    assert answer.endswith("like.")


@pytest.mark.parametrize("tokens", [0, 1, 2, 300, 5_000])
def test_a_directive_decides_the_length_to_the_token(tokens: int) -> None:
    made = script(f"Who wins? [[tokens={tokens}]]")
    assert len(made.chunks) == count(text(made)) == tokens
    assert made.finish == "stop"
    assert made.usage.completion_tokens == tokens


def test_a_topic_of_many_bytes_stays_whole() -> None:
    assert "灯台" in text(script("灯台"))
    assert all(script("👩‍👩‍👧 [[tokens=50]]").chunks)


def test_the_limit_of_the_caller_ends_it_earlier() -> None:
    made = script("[[tokens=300]]", most=40)
    assert len(made.chunks) == 40
    assert made.finish == "length"


def test_speed_and_delay() -> None:
    made = script("[[tokens=100 rate=50 delay_ms=100]]")
    assert made.at_seconds(0) == pytest.approx(0.1)
    assert made.at_seconds(50) == pytest.approx(1.1)
    assert made.at_seconds(100) == made.at_seconds(99)
    assert script("x").at_seconds(40) == pytest.approx(1.15)
    assert script("[[rate=0 delay_ms=0]]").at_seconds(99) == 0


def test_only_the_newest_message_of_the_user_decides() -> None:
    assert len(script("[[tokens=300]]", "sure", "[[tokens=20]]").chunks) == 20
    assert len(script("[[tokens=20]]", "no [[tokens=300]]").chunks) == 20


def test_what_is_not_understood_is_passed_over() -> None:
    usual = script("x")
    assert script("[[tokens=many rate= delay_ms=nan break=dance]] x [[]] [[x]]").breakage is None
    assert script("[[rate=fast]] x").pace == usual.pace


def test_too_much_is_not_done() -> None:
    assert script("[[delay_ms=inf]]").pace.delay_ms == MAX_DELAY_MS
    assert script("[[rate=-5]]").pace.tokens_per_second == 0


@pytest.mark.parametrize(
    ("directive", "breakage", "breaks_at"),
    [
        ("fail_at=20", Breakage.ERROR, 19),
        ("fail_at=1", Breakage.ERROR, 0),
        ("break=cut", Breakage.CUT, 5),
        ("break=stall fail_at=8", Breakage.STALL, 7),
        ("break=garbage tokens=2", Breakage.GARBAGE, 2),
        ("break=429 fail_at=8", Breakage.RATE_LIMITED, None),
        ("break=empty", Breakage.EMPTY, None),
    ],
)
def test_where_it_breaks(directive: str, breakage: Breakage, breaks_at: int | None) -> None:
    made = script(f"[[{directive}]]")
    assert (made.breakage, made.breaks_at) == (breakage, breaks_at)


def test_a_failure_after_the_end_never_comes() -> None:
    made = script("[[tokens=5 fail_at=9]]")
    assert made.breaks_at == 8 > len(made.chunks)

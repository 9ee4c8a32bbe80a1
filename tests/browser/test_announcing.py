"""What those who listen to the page hear of an answer."""

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import NewChannel, OpenChat

LONG = "word " * 100
ENDINGS = [
    pytest.param("stop", "Forty-two.", "", ["say", "Forty-two."], id="a short answer is read whole"),
    pytest.param("stop", LONG, "", ["say", "Answer complete, 100 words"], id="of a long answer the length is told"),
    pytest.param("cap", "Forty", "Cut.", ["say", "Forty Cut."], id="a short answer that was cut says so"),
    pytest.param("length", LONG, "Cut.", ["say", "Cut."], id="a long answer that was cut is not complete"),
    pytest.param(
        "user_stop", "Forty", "Stopped.", ["say", "Stopped."], id="a stopped answer was read by who stopped it"
    ),
    pytest.param("error", "", "Failed.", ["warn", "Failed."], id="a failure interrupts"),
    pytest.param("filter", "Fo", "Withheld.", ["warn", "Withheld."], id="a withheld answer interrupts"),
    pytest.param("interrupted", LONG, "Interrupted.", ["warn", "Interrupted."], id="an interruption interrupts"),
]


@pytest.mark.parametrize(("why", "text", "note", "heard"), ENDINGS)
async def test_the_end_of_an_answer_is_announced_by_why_it_ended(
    component_page: Page, why: str, text: str, note: str, heard: list[str]
) -> None:
    said = await component_page.evaluate(
        """async ({why, text, note}) => {
          const {AnswerAnnouncer} = await import('/static/widget/answer-announcer.js');
          const {default: strings} = await import('/static/widget/strings.en.js');
          const said = [];
          const tell = how => words => said.push([how, words]);
          new AnswerAnnouncer(strings.status, tell('say'), tell('warn')).end(why, {text, note});
          return said;
        }""",
        {"why": why, "text": text, "note": note},
    )
    assert said == [heard]


async def test_listeners_hear_that_a_later_answer_failed_at_once(new_channel: NewChannel, open_chat: OpenChat) -> None:
    chat = await open_chat(await new_channel())
    await chat.ask_and_wait("Hello [[tokens=3]]")
    await chat.ask("[[break=empty]]")
    await expect(chat.notes.last).to_contain_text("The model did not answer.")
    await expect(chat.page.locator("channel-chat [role=alert]")).to_have_text("The model did not answer.")
    await expect(chat.page.locator("channel-chat [role=status]")).not_to_contain_text("Answer complete")

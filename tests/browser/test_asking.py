"""A fan asks, reads, stops; against the real server."""

import re

from playwright.async_api import expect

from tests.browser.conftest import NewChannel, OpenChat


async def test_an_answer_is_read_as_it_was_stored(new_channel: NewChannel, open_chat: OpenChat) -> None:
    chat = await open_chat(await new_channel())
    await chat.ask("Who is Dr Button?")
    await expect(chat.questions).to_contain_text("Who is Dr Button?")
    await expect(chat.answers).to_have_count(1)
    await chat.wait_until_done()
    question, answer = await chat.stored()
    assert (question["content"], question["status"], answer["status"]) == ("Who is Dr Button?", "DONE", "DONE")
    assert await chat.copied(chat.answers.first) == answer["content"]


async def test_the_first_message_takes_one_credit_and_says_so(new_channel: NewChannel, open_chat: OpenChat) -> None:
    chat = await open_chat(await new_channel(credits=5))
    await expect(chat.notice).to_have_text("Starting a chat uses 1 of this channel's 5 credits.")
    await expect(chat.send).to_have_text("Start chat")
    await chat.ask_and_wait("First [[tokens=3]]")
    await chat.ask_and_wait("Second [[tokens=3]]")
    await expect(chat.balance).to_have_text("4")
    await expect(chat.page.locator(".captions")).to_contain_text("1 credit used for this chat")
    await expect(chat.send).to_have_text("Send")


async def test_a_starter_asks_its_question(new_channel: NewChannel, open_chat: OpenChat) -> None:
    chat = await open_chat(await new_channel())
    await chat.page.get_by_role("button", name="Where should I begin?").click()
    await expect(chat.questions).to_contain_text("Where should I begin?")
    await chat.wait_until_done()


async def test_the_meter_moves_while_the_answer_is_written(new_channel: NewChannel, open_chat: OpenChat) -> None:
    chat = await open_chat(await new_channel())
    await chat.ask("[[tokens=200 rate=40]]")
    await expect(chat.tokens).to_be_visible()
    before = int(await chat.tokens.get_attribute("aria-valuenow") or 0)
    await expect(chat.tokens).not_to_have_attribute("aria-valuenow", str(before))
    await chat.page.keyboard.press("Escape")
    await chat.wait_until_done()


async def test_escape_stops_and_keeps_what_came(new_channel: NewChannel, open_chat: OpenChat) -> None:
    chat = await open_chat(await new_channel())
    await chat.ask("[[tokens=2000 rate=50]]")
    await chat.wait_for_words(10)
    await expect(chat.send).to_be_hidden()
    await chat.composer.press("Escape")
    await chat.wait_until_done()
    *_, answer = await chat.stored()
    await expect(chat.notes).to_contain_text(f"Stopped. {answer['tokens']:,} tokens were used.")
    assert answer["status"] == "STOPPED"
    assert await chat.copied(chat.answers.first) == answer["content"]


async def test_stop_before_the_first_word_gives_the_credit_back(new_channel: NewChannel, open_chat: OpenChat) -> None:
    chat = await open_chat(await new_channel(credits=5))
    await chat.ask("[[delay_ms=60000]]")
    await expect(chat.running).to_have_class("answer live thinking")
    await chat.stop.click()
    await expect(chat.notice).to_have_text("The chat did not start. Your credit was returned.")
    await expect(chat.balance).to_have_text("5")


async def test_a_chat_that_did_not_start_can_be_tried_again(new_channel: NewChannel, open_chat: OpenChat) -> None:
    chat = await open_chat(await new_channel(credits=5))
    await chat.ask("Nothing [[break=empty]]")
    again = chat.page.get_by_role("button", name="Try again")
    await expect(chat.notice).to_have_text("The chat did not start. Your credit was returned.")
    first = await chat.stored()
    await again.click()
    await expect(chat.notice).to_have_text("The chat did not start. Your credit was returned.")
    second = await chat.stored()
    assert [message["content"] for message in second] == [message["content"] for message in first]
    assert second[0]["chatId"] != first[0]["chatId"]
    await expect(chat.balance).to_have_text("5")


async def test_a_refund_is_told_and_can_be_tried_again_after_a_reload(
    new_channel: NewChannel, open_chat: OpenChat
) -> None:
    chat = await open_chat(await new_channel(credits=5))
    await chat.ask("Nothing [[break=empty]]")
    await expect(chat.notice).to_have_text("The chat did not start. Your credit was returned.")
    first = await chat.stored()
    await chat.page.reload()
    await expect(chat.notice).to_have_text("The chat did not start. Your credit was returned.")
    await chat.page.get_by_role("button", name="Try again").click()
    await expect(chat.notice).to_have_text("The chat did not start. Your credit was returned.")
    second = await chat.stored()
    assert [message["content"] for message in second] == [message["content"] for message in first]
    assert second[0]["chatId"] != first[0]["chatId"]


async def test_an_answer_that_fails_later_stays_and_can_be_asked_again(
    new_channel: NewChannel, open_chat: OpenChat
) -> None:
    chat = await open_chat(await new_channel(credits=5))
    await chat.ask("[[tokens=50 fail_at=20]]")
    await expect(chat.notes.last).to_contain_text("The model did not answer.")
    await chat.page.get_by_role("button", name="Try again").click()
    await expect(chat.answers).to_have_count(2)
    await chat.wait_until_done()
    await expect(chat.balance).to_have_text("4")


async def test_what_is_being_written_survives_a_reload(new_channel: NewChannel, open_chat: OpenChat) -> None:
    chat = await open_chat(await new_channel())
    await chat.composer.fill("Half a question")
    await chat.page.reload()
    await expect(chat.composer).to_have_value("Half a question")


async def test_a_second_answer_of_a_visitor_has_to_wait(new_channel: NewChannel, open_chat: OpenChat) -> None:
    url = await new_channel()
    first, second = await open_chat(url), await open_chat(url)
    await first.ask("[[tokens=2000 rate=30]]")
    await first.wait_for_words(3)
    await second.ask("Me too")
    await expect(second.notice).to_have_text("Another answer is still running. Send this when it is done.")
    await expect(second.composer).to_have_value("Me too")
    await first.page.keyboard.press("Escape")
    await first.wait_until_done()
    await second.ask_and_wait("Me too [[tokens=3]]")


async def test_listeners_hear_that_an_answer_runs_and_ends(new_channel: NewChannel, open_chat: OpenChat) -> None:
    chat = await open_chat(await new_channel())
    status = chat.page.locator("channel-chat [role=status]")
    await chat.ask("[[tokens=150 rate=50]]")
    await expect(status).to_have_text(re.compile("is answering$"))
    await chat.wait_until_done()
    await expect(status).to_contain_text("Answer complete,")

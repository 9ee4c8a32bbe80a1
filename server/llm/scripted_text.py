"""The text of the scripted model: readable Markdown about what was asked, the same for the same prompt."""

import re
from collections.abc import Iterator
from hashlib import sha256
from itertools import cycle, islice

_OPENINGS = (
    "Good question: **{topic}** comes up a lot here.",
    "Let us look at **{topic}** together.",
    "There is more to **{topic}** than it seems.",
)
_SENTENCES = (
    "The short version: with {topic}, patience pays.",
    "Most people change their mind about {topic} at least once.",
    "Two things matter above all: when you start, and what you leave out.",
    "In one episode we spent a whole evening on {topic} and kept only four minutes.",
    "If you remember one thing, let it be this: small steps, every day.",
    "Nobody agrees on the details, and that is half of the fun.",
    "The first attempt is rarely the best one.",
    "It helps to write down what you expected, and then what came.",
    "A friend of the channel once said that {topic} is mostly a matter of listening.",
    "We tried three ways, and the plainest one won.",
    "Some of it is luck, and it would be dishonest not to say so.",
)
_HEADINGS = ("What to look for", "How it began", "A small plan", "What I would try first", "Things that go wrong")
_ITEMS = (
    "start with the part that you already know",
    "ask somebody who disagrees with you",
    "keep notes, even short ones",
    "take a break before you decide",
    "look at **{topic}** again a week later",
    "leave room for a surprise",
    "tell a friend what you found",
)
_LAST = "That is all for now. Ask me more whenever you like."
_DIRECTIVE = re.compile(r"\[\[.*?\]\]", re.DOTALL)
_WORD = re.compile(r"[^\W\d_][\w'’-]*")
_STANDARD_PARAGRAPHS = 7
_TOPIC_MAX_CHARACTERS = 40


def standard_text(prompt: str) -> str:
    """A complete answer of a few paragraphs, about 180 tokens."""
    return "\n\n".join([*islice(_paragraphs(prompt), _STANDARD_PARAGRAPHS), _LAST])


def long_text(prompt: str, characters: int) -> str:
    """At least that many characters; the caller cuts it where it likes."""
    parts: list[str] = []
    have = 0
    for paragraph in _paragraphs(prompt):
        parts.append(paragraph)
        have += len(paragraph) + 2
        if have >= characters:
            break
    return "\n\n".join(parts)


def _paragraphs(prompt: str) -> Iterator[str]:
    """An opening, then sections without end: a heading, some sentences, a list."""
    topic = _topic(prompt)
    dice = iter(sha256(prompt.encode(errors="replace")).digest())
    openings, sentences, headings, items = (
        _dealt(choices, next(dice), topic) for choices in (_OPENINGS, _SENTENCES, _HEADINGS, _ITEMS)
    )
    yield f"{next(openings)} {next(sentences)}"
    while True:
        yield f"### {next(headings)}"
        yield " ".join(islice(sentences, 3))
        yield "\n".join(f"- {item}" for item in islice(items, 3))


def _dealt(choices: tuple[str, ...], start: int, topic: str) -> Iterator[str]:
    """The choices in turn, over and over, with the topic filled in."""
    return (choice.format(topic=topic) for choice in islice(cycle(choices), start % len(choices), None))


def _topic(prompt: str) -> str:
    """The longest word of the prompt that is not absurdly long; the last one of several, as nouns come late."""
    words = [word for word in _WORD.findall(_DIRECTIVE.sub(" ", prompt)) if len(word) <= _TOPIC_MAX_CHARACTERS]
    return max(reversed(words), key=len, default="this")

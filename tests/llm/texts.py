"""Texts for property tests: usual ones and ones made to break a tokenizer."""

from hypothesis import strategies as st

WORDS = (
    " the",
    "hello",
    " Divulgação",
    "hankelijk",
    "it's",
    "'RE",
    "don’t",
    "123",
    "4",
    "\n",
    "\n\n",
    "\r\n",
    "    ",
    "\t",
    "==",
    "/",
    "```py",
    "**",
    ".",
    "，",
    "。",
    "日本語",
    "給主人留下些什麼吧",
    "ภาษาไทย",
    "한국어",
    "Привет",
    "e\u0301",
    "👩‍👩‍👧",
    "🇩🇪",
    "aaaaaaaa",
    "<|endoftext|>",
    "\u2003",
    "\x1c",
    "\x85",
    "ǅ",
    "Ⅷ",
    "x²",
)

anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
pieces = st.one_of(st.sampled_from(WORDS), st.sampled_from(list("aA1 '.,\n-é本ก")), anything)
clean_texts = st.lists(pieces, max_size=120).map("".join)
stubborn_texts = st.builds(
    lambda unit, times: unit * times,
    st.sampled_from(["a", "=", " ", "ก", "本", "😀", "\n", "aA", "1"]),
    st.integers(0, 4_000),
)
texts = st.one_of(clean_texts, clean_texts, stubborn_texts)


def cut(text: str, lengths: list[int]) -> list[str]:
    """The text in chunks of these lengths (at least 1 each), repeated until it is used up."""
    chunks, start, turn = [], 0, 0
    while start < len(text):
        length = max(1, lengths[turn % len(lengths)]) if lengths else len(text)
        chunks.append(text[start : start + length])
        start, turn = start + length, turn + 1
    return chunks


chunk_lengths = st.lists(st.one_of(st.integers(1, 9), st.integers(1, 3_000)), min_size=1, max_size=30)

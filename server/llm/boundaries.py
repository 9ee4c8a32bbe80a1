r"""Places in a text where the encoding o200k_base never joins across, whatever follows.

The encoding first splits a text into pieces by a pattern, then encodes each piece on its own. So at a place where the
pattern always ends a piece, the text may be cut, and tokens(whole) = tokens(left) + tokens(right). Three such places
can be read off the pattern, which looks ahead only in white space and never looks behind:

1. before a space that follows something that is no white space: a space stands inside a piece only in white space, or
   as its first character;
2. between a letter and a digit, a line break or a mark that is neither a letter nor an apostrophe: a piece of letters
   ends there, and an apostrophe is the only thing that it may go on with;
3. between a digit and a letter, a line break or such a mark: groups of digits end there.

Letters and marks are listed as ranges that are old and settled in Unicode, so that a newer table on one side cannot
tell them apart differently. A text without such places (one letter repeated, Thai without spaces) has none: it is
counted as a whole.
"""

import re

_LETTERS = "A-Za-zÀ-ÖØ-öø-ɏЀ-ҁҊ-ԯぁ-ゖァ-ヺ一-龥가-힣"
_MARKS = r"!-&(-/:-@\[-`{-~、。「」，．！？：；（）"
_BOUNDARY = re.compile(
    rf"(?<=\S)(?= )|(?<=[{_LETTERS}])(?=[0-9\n{_MARKS}])|(?<=[0-9])(?=[{_LETTERS}\n{_MARKS}])",
)

SEARCHED_CHARACTERS = 512
"""How far back a text without spaces is searched."""


def last_boundary(text: str, end: int) -> int:
    """The last safe place to cut at or before the code point `end`, or one somewhat before it; 0 when there is none.

    The cut is before the character at the place that is returned.
    """
    place = text.rfind(" ", 1, end + 1)
    if end - place < SEARCHED_CHARACTERS and place > 0 and not text[place - 1].isspace():
        return place  # nearly always; the search below takes a hundred times as long
    place = 0
    for match in _BOUNDARY.finditer(text, max(0, end - SEARCHED_CHARACTERS), end + 1):
        place = match.start()
    return place

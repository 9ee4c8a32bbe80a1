"""Handles as people write them."""

import pytest

from server.channels.handles import as_id, handle_of, is_handle
from server.domain.errors import Code, Refusal

A_UUID = "019ab5f2-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    ("written", "handle"),
    [
        ("deep-sea-lab", "deep-sea-lab"),
        (" @DeepSeaLab ", "deepsealab"),
        ("https://www.youtube.com/@Deep.Sea_Lab", "deep.sea_lab"),
        ("youtube.com/@lab/", "lab"),
        ("https://m.youtube.com/@lab?si=abc", "lab"),
        ("x", "x"),
        ("a" * 64, "a" * 64),
    ],
)
def test_a_handle_is_read_as_people_write_it(written: str, handle: str) -> None:
    assert handle_of(written) == handle


@pytest.mark.parametrize(
    "written",
    ["", "@", "-lab", "lab-", "..", "a b", "läb", "lab\0", "a" * 65, "a/b", "https://evil.test/@lab", A_UUID],
)
def test_what_is_no_handle_is_refused(written: str) -> None:
    with pytest.raises(Refusal) as refused:
        handle_of(written)
    assert refused.value.code is Code.BAD_REQUEST


def test_neither_an_id_nor_a_line_is_a_handle() -> None:
    assert as_id(A_UUID) is not None
    assert not is_handle(A_UUID)
    assert not is_handle("lab\n")
    assert as_id("{" + A_UUID[1:-1] + "}") is None

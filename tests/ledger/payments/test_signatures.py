"""A signature is good for one body, one time and the secrets of now."""

import pytest
from stripe import WebhookSignature

from server.domain.errors import Code, Refusal
from server.ledger.payments.signatures import HEADER_CHARACTERS_MAX, SIGNATURES_MAX, TOLERANCE_SECONDS, sign, verify

BODY, SECRET, NOW = b'{"id":"evt_1"}', "whsec_of_today", 1_795_000_000


def refused(body: bytes, header: str | None, *secrets: str, now: float = NOW) -> str:
    with pytest.raises(Refusal) as caught:
        verify(body, header, secrets or [SECRET], now)
    assert caught.value.code is Code.FORBIDDEN
    return caught.value.message


def test_what_was_signed_now_is_good() -> None:
    verify(BODY, sign(BODY, SECRET, NOW), [SECRET], NOW)


def test_it_is_what_stripe_makes() -> None:
    header = WebhookSignature.generate_signature_header(BODY.decode(), SECRET, NOW)
    assert sign(BODY, SECRET, NOW) == header
    verify(BODY, header, [SECRET], NOW)


@pytest.mark.parametrize("age", [-TOLERANCE_SECONDS, TOLERANCE_SECONDS])
def test_the_edge_of_the_tolerance_is_good(age: int) -> None:
    verify(BODY, sign(BODY, SECRET, NOW - age), [SECRET], NOW)


def test_a_second_beyond_it_is_not() -> None:
    assert "old" in refused(BODY, sign(BODY, SECRET, NOW - TOLERANCE_SECONDS - 1))
    assert "future" in refused(BODY, sign(BODY, SECRET, NOW + TOLERANCE_SECONDS + 1))


def test_two_secrets_are_good_at_once() -> None:
    for secret in ("old", "new"):
        verify(BODY, sign(BODY, secret, NOW), ["old", "new"], NOW)
    refused(BODY, sign(BODY, "older", NOW), "old", "new")


def test_a_header_may_carry_the_signatures_of_two_secrets() -> None:
    old, new = (sign(BODY, secret, NOW).split(",")[1] for secret in ("old", "new"))
    verify(BODY, f"t={NOW},{old},{new}", ["new"], NOW)


@pytest.mark.parametrize("body", [BODY + b" ", BODY.replace(b"1", b"2"), b""])
def test_another_body_is_not_good(body: bytes) -> None:
    refused(body, sign(BODY, SECRET, NOW))


def test_another_time_is_not_good() -> None:
    refused(BODY, sign(BODY, SECRET, NOW).replace(str(NOW), str(NOW + 1)))


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "v1=00",
        f"t={NOW}",
        f"t={NOW},v1=",
        f"t={NOW},v0=00",
        "t=,v1=00",
        "t=-5,v1=00",
        "t=1e9,v1=00",
        "t=９,v1=00",
        "t=9999999999999,v1=00",
        f"t={NOW},v1=\u00e9\udcff",
        "nonsense",
        ",,,===",
    ],
)
def test_what_is_no_signature_is_refused(header: str | None) -> None:
    refused(BODY, header)


def test_a_header_of_any_length_is_refused_in_time() -> None:
    good = sign(BODY, SECRET, NOW)
    refused(BODY, good + "," + "v1=0" * HEADER_CHARACTERS_MAX)
    time, right = good.split(",")
    refused(BODY, ",".join([time, *["v1=00"] * SIGNATURES_MAX, right]))


def test_two_times_in_a_header_are_refused() -> None:
    refused(BODY, f"t={NOW - 1}," + sign(BODY, SECRET, NOW))

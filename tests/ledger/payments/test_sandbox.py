"""The sandbox's own side: where it leads back to, what is on its way, and a server that does not listen."""

import pytest

from server.domain.errors import Code, Refusal
from server.domain.own_path import own_path
from server.ledger.payments.making import make_sandbox
from server.ledger.payments.options import PaymentOptions, Taker
from server.ledger.payments.sandbox import SIGNATURE_HEADER, Outcome, Payment, Sandbox, checkout_path
from server.storage.ids import new_id
from server.storage.postgres import Postgres

NOWHERE = "http://127.0.0.1:1"


@pytest.mark.parametrize("path", ["/", "/contributions/1", "/c/deep-sea-lab?x=1#y", "/c/é"])
def test_a_path_of_this_site_is_followed(path: str) -> None:
    assert own_path(path) == path


@pytest.mark.parametrize(
    "address",
    ["", "c", "//evil.example", "/\\evil.example", "https://evil.example", "javascript:x", "/a\nb", "/\t/evil.example"],
)
def test_nothing_else_is(address: str) -> None:
    assert own_path(address) is None


def test_the_address_of_a_checkout_carries_the_way_back() -> None:
    contribution_id = new_id()
    assert checkout_path(contribution_id, "/c/x?a=1&b=2") == f"/checkout/{contribution_id}?return=/c/x%3Fa%3D1%26b%3D2"


async def test_a_server_that_does_not_listen_is_told_and_may_be_tried_again(postgres: Postgres) -> None:
    sandbox = Sandbox(postgres, b"secret", NOWHERE)
    with pytest.raises(Refusal) as caught:
        await sandbox.decide(Payment(new_id(), 100, "USD"), Outcome.PAY)
    assert caught.value.code is Code.UNAVAILABLE


def test_without_a_known_address_there_is_no_sandbox(postgres: Postgres) -> None:
    options = PaymentOptions(Taker.SANDBOX)
    with pytest.raises(ValueError, match="own address"):
        make_sandbox(options, postgres, secret=b"secret", own_url=None)
    assert make_sandbox(PaymentOptions(), postgres, secret=b"secret", own_url=None) is None


def test_two_installations_do_not_believe_each_other(postgres: Postgres) -> None:
    one, other = Sandbox(postgres, b"one", NOWHERE), Sandbox(postgres, b"other", NOWHERE)
    body = b"{}"
    with pytest.raises(Refusal) as caught:
        one.read_event(body, {SIGNATURE_HEADER: other.sign(body)})
    assert caught.value.code is Code.FORBIDDEN

"""A channel that is added by hand is checked, PENDING and without money."""

from dataclasses import replace
from typing import Any

import pytest

from server.channels.adding import NewChannel, add_channel
from server.channels.catalog import Catalog
from server.domain.channels import ChannelStatus
from server.domain.errors import Code, Refusal
from server.storage.postgres import Postgres

LAB = NewChannel(name="deep-sea-lab", title="Deep Sea Lab", subscriber_count=0)


async def test_a_new_channel_is_pending_and_has_nothing(postgres: Postgres) -> None:
    channel_id = await add_channel(postgres, LAB)
    found = await Catalog(postgres).find("deep-sea-lab")
    assert found is not None
    assert (found.id, found.status) == (channel_id, ChannelStatus.PENDING)
    assert (found.activation_funding_cents, found.activation_goal_cents, found.credit_balance) == (0, 1_000, 0)
    assert (found.subscriber_count, found.video_count, found.view_count) == (0, None, None)


async def test_a_handle_is_taken_once(postgres: Postgres) -> None:
    await add_channel(postgres, LAB)
    with pytest.raises(Refusal) as refused:
        await add_channel(postgres, replace(LAB, title="Another"))
    assert refused.value.code is Code.CONFLICT


@pytest.mark.parametrize(
    "values",
    [
        {"name": "Deep Sea Lab"},
        {"title": " "},
        {"title": "x" * 101},
        {"title": "a\0b"},
        {"description": "x" * 1_001},
        {"persona": "x" * 8_001},
        {"knowledge": "x" * 60_001},
        {"image": "https://evil.test/pixel.png"},
        {"image": "//evil.test/pixel.png"},
        {"subscriber_count": -1},
        {"video_count": 2**63},
        {"activation_goal_cents": 0},
        {"activation_goal_cents": 10_000_001},
    ],
    ids=str,
)
async def test_a_value_out_of_bounds_is_refused(postgres: Postgres, values: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as refused:
        await add_channel(postgres, replace(LAB, **values))
    assert refused.value.code is Code.BAD_REQUEST
    assert await postgres.pool.fetchval("SELECT count(*) FROM channel") == 0

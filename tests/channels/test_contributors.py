"""The latest contributors of a channel, with sums over all they gave and no more about them than their name."""

from server.channels import contributors
from server.channels.contributors import Contributor, count_activation_contributors, latest_contributors
from server.storage.postgres import Postgres
from tests.support.rows import Rows


def sums_of(one: Contributor) -> tuple[str | None, tuple[int, int], tuple[int, int, int]]:
    return one.name, (one.activations, one.activation_cents), (one.purchases, one.purchase_cents, one.credits)


async def test_activation_and_credits_are_summed_apart_for_each_person(rows: Rows, postgres: Postgres) -> None:
    channel_id, other_channel_id = await rows.channel("lab"), await rows.channel("other")
    visitor, stranger = await rows.session(), await rows.session()
    await rows.transaction(channel_id, visitor, cents=300, display_name="Tide Pool")
    await rows.transaction(channel_id, stranger, cents=100)
    await rows.transaction(channel_id, visitor, cents=500, credits_=50)
    await rows.transaction(other_channel_id, visitor, cents=900)
    assert [sums_of(one) for one in await latest_contributors(postgres, channel_id)] == [
        ("Tide Pool", (1, 300), (1, 500, 50)),
        (None, (1, 100), (0, 0, 0)),
    ]


async def test_a_visitor_is_called_by_the_latest_name(rows: Rows, postgres: Postgres) -> None:
    channel_id, visitor = await rows.channel(), await rows.session()
    for name in ("Old", "New", None):
        await rows.transaction(channel_id, visitor, cents=100, display_name=name)
    assert [found.name for found in await latest_contributors(postgres, channel_id)] == ["New"]


async def test_a_user_is_one_person_over_all_sessions_and_called_by_the_username(
    rows: Rows, postgres: Postgres
) -> None:
    channel_id, user_id = await rows.channel(), await rows.user("mara_k")
    for _ in range(2):
        session = await rows.session(user_id=user_id)
        await rows.transaction(channel_id, session, cents=100, display_name="Somebody")
    (found,) = await latest_contributors(postgres, channel_id)
    assert sums_of(found) == ("mara_k", (2, 200), (0, 0, 0))
    assert (found.giver_id, found.user_id) == (user_id, user_id)


async def test_who_got_everything_back_is_not_listed(rows: Rows, postgres: Postgres) -> None:
    channel_id, visitor = await rows.channel(), await rows.session()
    reversed_id = await rows.transaction(channel_id, visitor, cents=100)
    await postgres.pool.execute(
        'INSERT INTO "transaction" (id, channel_id, session_id, amount_cents, type, status, credits,'
        " credits_per_dollar, contribution_id, provider, provider_reference, reverses_id)"
        " SELECT gen_random_uuid(), channel_id, session_id, -amount_cents, type, 'REVERSAL', 0, credits_per_dollar,"
        " contribution_id, provider, 'refund', id FROM \"transaction\" WHERE id = $1",
        reversed_id,
    )
    assert await latest_contributors(postgres, channel_id) == []
    assert await count_activation_contributors(postgres, channel_id) == 0


async def test_the_list_is_bounded(rows: Rows, postgres: Postgres) -> None:
    channel_id = await rows.channel()
    for number in range(contributors.CONTRIBUTORS_SHOWN_MAX + 2):
        await rows.transaction(channel_id, await rows.session(), cents=100, display_name=f"Fan {number}")
    found = await latest_contributors(postgres, channel_id)
    assert [contributor.name for contributor in found] == [f"Fan {number}" for number in range(21, 1, -1)]
    assert await count_activation_contributors(postgres, channel_id) == 22


async def test_people_who_gave_to_activation_are_counted_once_and_buyers_not(rows: Rows, postgres: Postgres) -> None:
    channel_id, other_channel_id = await rows.channel("lab"), await rows.channel("other")
    visitor, buyer = await rows.session(), await rows.session()
    for _ in range(2):
        await rows.transaction(channel_id, visitor, cents=100)
    await rows.transaction(channel_id, buyer, cents=500, credits_=50)
    await rows.transaction(other_channel_id, buyer, cents=100)
    assert await count_activation_contributors(postgres, channel_id) == 1


async def test_without_contributions_there_is_nobody(rows: Rows, postgres: Postgres) -> None:
    assert await latest_contributors(postgres, await rows.channel()) == []

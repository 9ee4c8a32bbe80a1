"""A node in a process of its own that starts chats on one channel: `python -m tests.ledger.one_node URL CHANNEL N`.

It waits for a line on its standard input, so that several begin together, and prints how many of its N chats were
charged.
"""

import asyncio
import sys
from uuid import UUID

from server.storage.postgres import Postgres
from tests.ledger.books import Books


async def main(url: str, channel_id: UUID, count: int) -> None:
    postgres = await Postgres.open(url)
    books = Books(postgres)
    chat_ids = await books.chats(channel_id, count)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    charged = await asyncio.gather(*(books.start(channel_id, [chat_id]) for chat_id in chat_ids))
    sys.stdout.write(f"{sum(map(len, charged))}\n")
    await postgres.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], UUID(sys.argv[2]), int(sys.argv[3])))

"""Keeping the balances in Redis equal to those in Postgres, whatever has happened to Redis or to a publish.

Nothing depends on it: a balance in Redis expires within five seconds. It makes the channels in use heal sooner.
"""

import asyncio
from typing import Final, NoReturn

import structlog

from server.ledger.credits import Credits
from server.storage.outages import is_outage

RECONCILE_PERIOD_SECONDS: Final = 2.0

log = structlog.get_logger(__name__)


async def reconcile(channel_credits: Credits, period_seconds: float = RECONCILE_PERIOD_SECONDS) -> NoReturn:
    """Publish the balances of the channels in use for ever; run it in a task.

    Args:
        channel_credits: this node's.
        period_seconds: from the end of one round to the beginning of the next.
    """
    is_waiting = False
    while True:
        await asyncio.sleep(period_seconds)
        try:
            await channel_credits.refresh()
        except Exception as error:
            if not is_outage(error):
                raise
            if not is_waiting:
                log.warning("reconcile.waits", error=repr(error))
            is_waiting = True
        else:
            is_waiting = False

"""What the golden transcripts tell; the docstring of a scenario is the first line of its file."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from tests.support.scenarios.asking import first_message, metered, repeated, resumed, stopped, watched
from tests.support.scenarios.ending import drained, failed, full, refunded, signed_in
from tests.support.scenarios.refusing import refused, sent_away, struck
from tests.support.scenarios.stage import Stage

SCENARIOS: Final[Mapping[str, Callable[[Stage], Awaitable[None]]]] = {
    scenario.__name__: scenario
    for scenario in (
        first_message,
        watched,
        repeated,
        resumed,
        metered,
        stopped,
        full,
        refunded,
        failed,
        refused,
        struck,
        sent_away,
        drained,
        signed_in,
    )
}

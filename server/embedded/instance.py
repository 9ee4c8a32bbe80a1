"""The embedded parts of one data folder together: started at once, ready one by one, ended in order."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.embedded.data_folder import DataFolder
from server.embedded.errors import PartFailed
from server.embedded.model import EmbeddedModel
from server.embedded.part import Part
from server.embedded.postgres import EmbeddedPostgres
from server.embedded.valkey import EmbeddedValkey

INSTANCE_FILE = "instance.json"
SHORTEST_STOP_SECONDS = 0.3
"""What each part gets to end when there is no time left."""

MOST_REVIVALS = 5
"""Of one part, in the life of an instance."""


@dataclass(frozen=True, slots=True)
class Started:
    """A part that can be used.

    Attributes:
        name: the part.
        version: of its program.
        place: where the program comes from.
        address: host and port where it answers.
        seconds: since its start.
    """

    name: str
    version: str
    place: str
    address: str
    seconds: float


class Instance:
    """The parts of one data folder, which the caller holds. From the main thread."""

    def __init__(
        self,
        folder: DataFolder,
        *,
        postgres: EmbeddedPostgres | None,
        valkey: EmbeddedValkey | None,
        model: EmbeddedModel | None,
    ) -> None:
        """Nothing runs yet.

        Args:
            folder: the data folder.
            postgres: None if a real one takes its place; so with the others.
            valkey: see above.
            model: see above.
        """
        self._folder = folder
        self.postgres = postgres
        self.valkey = valkey
        self.model = model
        self._began = 0.0
        self._model_failure: PartFailed | None = None
        self._revivals: dict[str, int] = {}

    @property
    def parts(self) -> Sequence[Part]:
        """Those that it has, in the order in which they start."""
        return [*self._servers, *([] if self.model is None else [self.model])]

    def start_servers(self) -> Iterator[Started]:
        """Starts all, the model too, and yields PostgreSQL and Valkey when they are ready.

        Raises:
            PartFailed: one of the two cannot start.
        """
        self._began = time.monotonic()
        for part in self._servers:
            part.begin()
        if self.model is not None:
            self._model_failure = self._begin_model(self.model)
        for part in self._servers:
            part.wait_ready()
            yield self._started(part)

    def await_model(self) -> Started | PartFailed | None:
        """Waits for the model. It may fail; the instance goes on without it.

        Returns:
            None if the instance has none.
        """
        if self.model is None:
            return None
        try:
            if self._model_failure is not None:
                raise self._model_failure
            self.model.wait_ready()
        except PartFailed as failure:
            self.model.kill()
            self.model = None
            return failure
        return self._started(self.model)

    def stop(self, within_seconds: float) -> None:
        """Ends all, the last started first, and forgets the addresses."""
        self._folder.remove(INSTANCE_FILE)
        deadline = time.monotonic() + within_seconds
        for part in reversed(self.parts):
            part.stop(max(SHORTEST_STOP_SECONDS, deadline - time.monotonic()))

    async def revive(self) -> Sequence[str]:
        """Starts again what has ended by itself, without waiting for it; returns the names of those parts. On an event
        loop of the main thread, which goes on meanwhile: what takes seconds is done beside it.

        Raises:
            PartFailed: a part cannot start, or ends again and again.
        """
        ended = [part for part in self.parts if part.pid is None]
        for part in ended:
            self._revivals[part.key] = self._revivals.get(part.key, 0) + 1
            if self._revivals[part.key] > MOST_REVIVALS:
                raise PartFailed(part.name, f"it ended {MOST_REVIVALS} times; its log is {part.log}.", part.remedy)
            address = part.address
            await asyncio.to_thread(part.prepare)
            part.launch()  # here, not there: a child ends with the thread that started it
            if part.address != address:
                raise PartFailed(part.name, f"it ended, and somebody else has taken {address} since.", part.remedy)
        return [part.name for part in ended]

    def publish(self, addresses: Mapping[str, Any]) -> None:
        """Writes where everything is into the data folder, for other programs of this user.

        Args:
            addresses: ``address`` (of the gateway), ``database_url``, ``redis_url`` and what else is worth knowing.
        """
        self._folder.write_json(INSTANCE_FILE, addresses)

    @property
    def _servers(self) -> Sequence[Part]:
        return [part for part in (self.postgres, self.valkey) if part is not None]

    @staticmethod
    def _begin_model(model: EmbeddedModel) -> PartFailed | None:
        try:
            model.begin()
        except PartFailed as failure:
            return failure
        return None

    def _started(self, part: Part) -> Started:
        return Started(part.name, part.version, part.place, part.address, time.monotonic() - self._began)


def find_instance(path: Path) -> Mapping[str, Any] | None:
    """What the instance that runs on this data folder published; None if none runs or it is still starting."""
    folder = DataFolder(path)
    return folder.read_json(INSTANCE_FILE) if folder.is_locked() else None

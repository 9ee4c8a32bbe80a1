"""How the model is: reached so far, warmed up, or in trouble. Asked by pages and by readiness, which must not wait."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import Final

import structlog

from server.domain.errors import Code, Refusal
from server.llm.model import Fault, Model, PromptMessage, provider_refusal

PROBE_SECONDS: Final = 2.0
"""How often a model that has not answered is asked again."""
PROBE_AGAIN_SECONDS: Final = 30.0
"""How often one that has answered is."""
PROBE_TIMEOUT_SECONDS: Final = 10.0
"""A model that says nothing for so long is in trouble."""
WARMING_TOKENS: Final = 1
WARMING_SECONDS_MAX: Final = 120.0
"""A model that has not read its prompts by then answers cold."""

log = structlog.get_logger(__name__)

WarmingPrompts = Callable[[], Awaitable[Sequence[Sequence[PromptMessage]]]]
"""Gives the prompts whose prefixes a slow model should have read before the first fan asks."""


class Reach(StrEnum):
    """How the model is."""

    WARMING = "warming"
    READY = "ready"
    UNAVAILABLE = "unavailable"


class ModelWatch:
    """Watches one model.

    Attributes:
        reach: how the model is now.
        was_reached: whether it ever answered; readiness waits for that only.
    """

    def __init__(
        self,
        model: Model,
        warming_prompts: WarmingPrompts | None,
        *,
        probe_timeout_seconds: float = PROBE_TIMEOUT_SECONDS,
    ) -> None:
        """Take the model.

        Args:
            warming_prompts: None where the model needs no warming.
            probe_timeout_seconds: what an answer to one probe may take.
        """
        self.reach = Reach.WARMING
        self.was_reached = False
        self._model = model
        self._warming_prompts = warming_prompts
        self._probe_timeout_seconds = probe_timeout_seconds

    async def run(self) -> None:
        """Probe and warm until cancelled."""
        while True:
            try:
                await self._probe()
                if not self.was_reached:
                    self.was_reached = True
                    await self._warm()
                self.reach = Reach.READY
            except Refusal as refusal:
                if self.reach is not Reach.UNAVAILABLE:
                    log.warning("model_unreachable", model=self._model.name, error=refusal.message)
                self.reach = Reach.UNAVAILABLE
            await asyncio.sleep(PROBE_AGAIN_SECONDS if self.reach is Reach.READY else PROBE_SECONDS)

    async def _probe(self) -> None:
        try:
            async with asyncio.timeout(self._probe_timeout_seconds):
                await self._model.probe()
        except TimeoutError:
            raise provider_refusal(Fault.UNREACHABLE) from None

    async def _warm(self) -> None:
        """Have the model read each prefix once; a small model on two cores needs some ten seconds for it."""
        if self._warming_prompts is None:
            return
        try:
            async with asyncio.timeout(WARMING_SECONDS_MAX):
                for prompt in await self._warming_prompts():
                    await self._read_once(prompt)
        except TimeoutError:
            log.warning("model_still_cold", model=self._model.name, waited_seconds=WARMING_SECONDS_MAX)
        except Refusal as refusal:
            if refusal.code is Code.PROVIDER_ERROR:
                raise
            # The prompts could not be had: no fault of the model, which answers cold.
            log.warning("model_still_cold", model=self._model.name, error=refusal.message)
        else:
            log.info("model_warmed_up", model=self._model.name)

    async def _read_once(self, prompt: Sequence[PromptMessage]) -> None:
        stream = self._model.stream(prompt, WARMING_TOKENS)
        try:
            while await stream.read():
                pass
        finally:
            await stream.aclose()

"""A model that follows a script, inside this process: for tests, and for a machine without a model."""

import asyncio
from collections.abc import Sequence

from server.domain.errors import Refusal
from server.llm.model import Fault, Finish, OfferTexts, PromptMessage, ProviderUsage, provider_refusal
from server.llm.script import REFUSALS, RETRY_AFTER_SECONDS, Breakage, Pace, Script, plan

_FAULTS = {
    Breakage.UNAUTHORIZED: Fault.UNAUTHORIZED,
    Breakage.RATE_LIMITED: Fault.RATE_LIMITED,
    Breakage.FAILING: Fault.FAILING,
    Breakage.ERROR: Fault.FAILING,
    Breakage.CUT: Fault.CUT,
    Breakage.GARBAGE: Fault.GARBLED,
}


class ScriptedModel:
    """The port `model.Model` without a model; `script` says what may be asked of it."""

    def __init__(self, name: str = "scripted", window_tokens: int = 128_000, pace: Pace | None = None) -> None:
        self._name = name
        self._window_tokens = window_tokens
        self._pace = pace or Pace()

    @property
    def name(self) -> str:
        """What it is called, for people."""
        return self._name

    @property
    def window_tokens(self) -> int:
        """How much a prompt and its answer may have together."""
        return self._window_tokens

    @property
    def english_only(self) -> bool:
        """It counts as we do."""
        return False

    def stream(
        self, messages: Sequence[PromptMessage], max_output_tokens: int, *, named: str | None = None
    ) -> "ScriptedStream":
        """An answer as its script has it, whatever model is named."""
        return ScriptedStream(plan(messages, max_output_tokens, self._pace))

    async def probe(self) -> None:
        """Always there."""

    async def aclose(self) -> None:
        """Holds nothing."""


class ScriptedStream:
    """The port `model.ModelStream`: one chunk a read, each when it is due.

    Attributes:
        finish: why the model ended; None until `read` has returned nothing, and for good after `abort`.
        usage: None until then.
    """

    def __init__(self, script: Script) -> None:
        self.finish: Finish | None = None
        self.usage: ProviderUsage | None = None
        self._script = script
        self._next = 0
        self._started_seconds: float | None = None
        self._aborted = False
        self._waiter: asyncio.Future[None] | None = None

    async def read(self, offer: OfferTexts | None = None) -> list[str]:
        """See `model.ModelStream.read`."""
        while (texts := await self._read()) and offer is not None and offer(texts):
            pass
        return texts

    async def _read(self) -> list[str]:
        script, index = self._script, self._next
        if self._started_seconds is None:
            self._started_seconds = asyncio.get_running_loop().time()
        await self._pause_until(self._started_seconds + script.at_seconds(index))
        if self._aborted:
            return []
        if script.breakage in REFUSALS or script.breaks_at == index:
            return await self._break()
        if index == len(script.chunks):
            self.finish, self.usage = script.finish, script.usage
            return []
        self._next += 1
        return [script.chunks[index]]

    def abort(self) -> None:
        """See `model.ModelStream.abort`."""
        self._aborted = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def aclose(self) -> None:
        """See `model.ModelStream.aclose`."""
        self.abort()

    async def _break(self) -> list[str]:
        if self._script.breakage is Breakage.STALL:
            await self._pause_until(None)
            return []
        raise _refusal(self._script.breakage)

    async def _pause_until(self, when_seconds: float | None) -> None:
        """Waits for that moment on the loop's clock, for ever if it is None; ends early when aborted."""
        if self._aborted:
            return
        loop = asyncio.get_running_loop()
        if when_seconds is not None and when_seconds <= loop.time():
            await asyncio.sleep(0)
            return
        self._waiter = waiter = loop.create_future()
        timer = None if when_seconds is None else loop.call_at(when_seconds, _release, waiter)
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()


def _release(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)


def _refusal(breakage: Breakage | None) -> Refusal:
    assert breakage is not None
    after_seconds = RETRY_AFTER_SECONDS if breakage is Breakage.RATE_LIMITED else None
    return provider_refusal(_FAULTS[breakage], after_seconds=after_seconds, status=REFUSALS.get(breakage))

"""A model that plays given reads: for properties over arbitrary chunks, which no script can ask for."""

from collections.abc import Sequence

from server.domain.errors import Refusal
from server.llm.model import Finish, OfferTexts, PromptMessage, ProviderUsage


class PlayedModel:
    """The port `model.Model`; each answer gives these reads, then ends so."""

    name = "played"
    window_tokens = 1_000_000
    english_only = False

    def __init__(self, reads: list[list[str]], finish: Finish = "stop", error: Refusal | None = None) -> None:
        self.reads = reads
        self.finish = finish
        self.error = error

    def stream(
        self, messages: Sequence[PromptMessage], max_output_tokens: int, *, named: str | None = None
    ) -> "PlayedStream":
        return PlayedStream(self)

    async def probe(self) -> None:
        return

    async def aclose(self) -> None:
        return


class PlayedStream:
    """The port `model.ModelStream`."""

    def __init__(self, model: PlayedModel) -> None:
        self.finish: Finish | None = None
        self.usage: ProviderUsage | None = None
        self._model = model
        self._reads = iter(model.reads)
        self._aborted = False

    async def read(self, offer: OfferTexts | None = None) -> list[str]:
        while (texts := self._next()) and offer is not None and offer(texts):
            pass
        return texts

    def _next(self) -> list[str]:
        if self._aborted:
            return []
        read = next(self._reads, None)
        if read is not None:
            return read
        if self._model.error is not None:
            raise self._model.error
        self.finish = self._model.finish
        self.usage = ProviderUsage(1, 1)
        return []

    def abort(self) -> None:
        self._aborted = True

    async def aclose(self) -> None:
        self.abort()

"""CSV files as downloads."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

from server.api.csv_text import MEDIA_TYPE, Cell, csv_text
from server.api.downloads import Download, Downloads

Batches = Callable[[], AsyncIterator[Sequence[Sequence[Cell]]]]


class CsvDownload(Download):
    """The answer with one CSV file."""

    def __init__(self, downloads: Downloads, file_name: str, header: Sequence[str], batches: Batches) -> None:
        """Nothing is read yet.

        Args:
            downloads: where it takes a place.
            file_name: of ASCII letters, digits, hyphens and dots.
            header: names of the columns.
            batches: begins to read; each batch is some rows.
        """

        async def lines() -> AsyncGenerator[bytes]:
            above = csv_text([header])
            async for batch in batches():
                yield above + csv_text(batch)
                above = b""

        super().__init__(downloads, file_name, MEDIA_TYPE, lines)

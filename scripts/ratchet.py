"""Measures every Python and JavaScript file of ours, and fails where one is too big.

What was above a limit when the limit came is listed in `ratchet.json` with its measure; it may only fall. `--lower`
writes what has fallen into the list; raising a measure or adding one is an edit by hand, for a reviewer to see.
"""

import ast
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tree_sitter
import tree_sitter_javascript

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "scripts" / "ratchet.json"
FOLDERS = ("client", "server", "tests", "scripts", "load_tests", "static")
OF_OTHERS = ("static/vendor/", "server/storage/migrations/versions/")
LIMITS = {"lines": 400, "longest_function_lines": 60, "public_names": 7}
JS_FUNCTIONS = {
    "arrow_function",
    "function_declaration",
    "function_expression",
    "generator_function",
    "generator_function_declaration",
    "method_definition",
}
JS_PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_javascript.language()))

Measures = dict[str, int]


@dataclass(frozen=True)
class Function:
    """A function and its length, from its first decorator or word to its last line."""

    name: str
    line: int
    lines: int


def main() -> None:
    """Compares every file with the limits and the record."""
    record: dict[str, Measures] = json.loads(RECORD.read_text())
    measured = {str(path.relative_to(ROOT)): measure(path) for path in our_files()}
    if "--lower" in sys.argv[1:]:
        lowered = {name: lower(kept, measured.get(name, {})) for name, kept in record.items()}
        kept_only = {name: kept for name, kept in lowered.items() if kept}
        RECORD.write_text(json.dumps(kept_only, indent=2, sort_keys=True) + "\n")
        return
    problems = [problem for name, found in measured.items() for problem in compare(name, found, record.get(name, {}))]
    problems += [f"{name}: listed in ratchet.json, but there is no such file" for name in record.keys() - measured]
    if problems:
        sys.exit("\n".join(problems))


def our_files() -> Iterator[Path]:
    """The files that the limits are for."""
    for folder in FOLDERS:
        for pattern in ("*.py", "*.js", "*.mjs"):
            for path in sorted((ROOT / folder).rglob(pattern)):
                if not str(path.relative_to(ROOT)).startswith(OF_OTHERS):
                    yield path


def measure(path: Path) -> Measures:
    """The three measures of one file."""
    source = path.read_bytes()
    functions, public_names = python_facts(source) if path.suffix == ".py" else javascript_facts(source)
    longest = max(functions, key=lambda function: function.lines, default=Function("", 0, 0))
    # Nobody imports a script or a test file, whatever its functions are called.
    is_program = path.parent.name == "scripts" or path.name.startswith("test_") or path.name == "conftest.py"
    return {
        "lines": source.count(b"\n"),
        "longest_function_lines": longest.lines,
        "public_names": 0 if is_program else public_names,
    }


def python_facts(source: bytes) -> tuple[list[Function], int]:
    """All functions, and how many functions and classes the module offers."""
    tree = ast.parse(source)
    functions = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            functions.append(Function(node.name, first, (node.end_lineno or first) - first + 1))
    offered = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return functions, sum(isinstance(node, offered) and not node.name.startswith("_") for node in tree.body)


def javascript_facts(source: bytes) -> tuple[list[Function], int]:
    """All functions, and how many names the module exports."""
    root = JS_PARSER.parse(source).root_node
    functions, waiting = [], [root]
    while waiting:
        node = waiting.pop()
        waiting.extend(node.children)
        if node.type in JS_FUNCTIONS:
            name = node.child_by_field_name("name")
            text = name.text.decode() if name is not None and name.text else "a function"
            lines = node.end_point.row - node.start_point.row + 1
            functions.append(Function(text, node.start_point.row + 1, lines))
    return functions, sum(node.type == "export_statement" for node in root.children)


def compare(name: str, found: Measures, kept: Measures) -> Iterator[str]:
    """What is wrong with one file, a line each."""
    for what, limit in LIMITS.items():
        allowed = kept.get(what, limit)
        if found[what] > allowed:
            yield f"{name}: {what.replace('_', ' ')} {found[what]}, allowed {allowed}"
        elif what in kept and found[what] < allowed:
            yield f"{name}: {what.replace('_', ' ')} fell to {found[what]}: run scripts/ratchet.py --lower"


def lower(kept: Measures, found: Measures) -> Measures:
    """The record of one file after it fell; what is within its limit needs none."""
    smaller = {what: min(value, found.get(what, 0)) for what, value in kept.items()}
    return {what: value for what, value in smaller.items() if value > LIMITS[what]}


if __name__ == "__main__":
    main()

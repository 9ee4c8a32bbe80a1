from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

REPORT: dict[str, Any] = {
    "dependencies": [
        {"name": "good", "version": "1.0", "vulns": []},
        {"name": "own", "skip_reason": "Dependency not found on PyPI and could not be audited: own (1.0)"},
        {
            "name": "bad",
            "version": "2.0",
            "vulns": [
                {"id": "PYSEC-1", "fix_versions": ["2.1", "3.0"], "aliases": ["CVE-1"], "description": ""},
                {"id": "PYSEC-2", "fix_versions": [], "aliases": [], "description": ""},
            ],
        },
    ],
    "fixes": [],
}


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    path = Path(__file__).parents[1] / "scripts" / "audit.py"
    spec = spec_from_file_location("audit", path)
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_advisory_is_a_line_that_says_what_mends_it(audit: ModuleType) -> None:
    verdict = audit.verdict_of(REPORT)
    assert verdict.vulnerable == (
        "bad 2.0: PYSEC-1, mended in 2.1, 3.0",
        "bad 2.0: PYSEC-2, mended in no version yet",
    )
    assert (verdict.unknown, verdict.audited) == (("own",), 2)


def test_a_database_that_knows_nothing_has_audited_nothing(audit: ModuleType) -> None:
    skipped = [one for one in REPORT["dependencies"] if "skip_reason" in one]
    assert audit.verdict_of({"dependencies": skipped}).audited == 0


@pytest.mark.parametrize(("vulns", "exit_code"), [(0, 0), (1, 1)])
def test_it_fails_where_a_locked_version_is_vulnerable(
    audit: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], vulns: int, exit_code: int
) -> None:
    monkeypatch.setattr(audit, "_report_on", lambda lock: {"dependencies": REPORT["dependencies"][: 1 + 2 * vulns]})
    with pytest.raises(SystemExit) as ended:
        audit.main()
    assert ended.value.code == exit_code
    assert ("PYSEC-1" in capsys.readouterr().out) is bool(vulns)


def test_no_database_is_said_and_is_no_failure(
    audit: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit, "_report_on", lambda lock: None)
    with pytest.raises(SystemExit) as ended:
        audit.main()
    assert ended.value.code == 0
    assert audit.NOT_REACHED in capsys.readouterr().out

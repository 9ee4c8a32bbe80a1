"""Logs of a process of its own: what they look like, and what they never hold."""

import json
import subprocess
import sys
import textwrap


def logged(program: str, *, json_lines: bool = True) -> str:
    start = f"from server.logs import configure_logs\nconfigure_logs(json_lines={json_lines}, level=20)\n"
    code = start + textwrap.dedent(program)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr


def test_production_logs_one_json_object_a_line() -> None:
    lines = logged("""
        import logging, structlog
        structlog.get_logger("a.room").info("chat_opened", chat="c1", used=12)
        logging.getLogger("a.library").warning("%d things", 3)
    """).splitlines()
    ours, theirs = (json.loads(line) for line in lines)
    assert (ours["event"], ours["chat"], ours["used"], ours["level"]) == ("chat_opened", "c1", 12, "info")
    assert (theirs["event"], theirs["logger"], theirs["level"]) == ("3 things", "a.library", "warning")


def test_people_get_short_lines() -> None:
    line = logged('import structlog; structlog.get_logger("a.room").warning("odd", n=1)', json_lines=False)
    assert "odd" in line
    assert "{" not in line


def test_texts_and_secrets_are_kept_out() -> None:
    text = logged("""
        import structlog
        log = structlog.get_logger("a.room")
        log.info("sent", text="canary", token="canary", api_key="canary", url="redis://:canary@host:1/0")
        try:
            raise OSError("cannot reach postgresql://user:canary@host/db")
        except OSError:
            log.exception("down")
    """)
    assert "canary" not in text
    assert "(kept out)@host/db" in text

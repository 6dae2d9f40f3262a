"""aiosmtpd's own suite, as its package ships it, against our sessions; see `upstream/`."""

import os
import re
import subprocess
import sys
from pathlib import Path

MODULES = ["test_smtp", "test_smtps", "test_starttls", "test_smtpsmuggling"]


def test_the_suite_passes_but_for_meant_differences(tmp_path: Path) -> None:
    here = Path(__file__).parent
    command = [sys.executable, "-m", "pytest", "-c", os.devnull, f"--rootdir={tmp_path}", "-q", "--timeout=60"]
    command += ["-W", "ignore", "-p", "adapter", "-p", "no:cacheprovider", "-p", "no:asyncio", "--tb=short", "-rX"]
    # How long the suite's tests may take is theirs to say, and they run one after the other: they share a port.
    command += ["--show-capture=no", "--pyargs", *(f"aiosmtpd.tests.{module}" for module in MODULES)]
    environment = os.environ | {"PYTHONPATH": str(here / "upstream"), "PYTEST_ADDOPTS": ""}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-2000:]
    passed = re.search(r"(\d+) passed, (\d+) xfailed", run.stdout)
    assert passed, run.stdout[-2000:]
    assert int(passed[1]) >= 220

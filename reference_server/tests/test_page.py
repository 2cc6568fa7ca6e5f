"""The operator's page, as a real browser shows it."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from .models import write_models
from .serving import Served, serving, tensor

TOKEN = "a-token-of-the-tests"
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
AWKWARD = "<img src=x onerror=alert(1)>"
ROUTES = '[routes]\nweights = { "2" = 3, "10" = 1 }\nsticky = { header = "user" }\n[cache]\n'


@pytest.fixture(scope="module")
def operated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of a model in two versions, asked twenty times, and one with an awkward name."""
    folder = tmp_path_factory.mktemp("page")
    write_models(folder / "models", "versioned/2", "versioned/10", "echo/1")
    (folder / "models/versioned/model.toml").write_text(ROUTES)
    (folder / "models/echo").rename(folder / "models" / AWKWARD)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERVESPEC_ADMIN_TOKEN", TOKEN)
        with serving(folder / "models", "--admin-port", "0", "--state", str(folder)) as server:
            server.becomes_ready()
            for _ in range(20):
                server.infer("versioned", tensor("x", [1], [1.0]))
            yield server


def seen(server: Served, profile: Path, token: str = "") -> str:
    """What a browser has made of the page after some seconds of its own time."""
    if BROWSER is None:
        pytest.skip("no Chromium on this machine")
    words = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
    words += ["--virtual-time-budget=5000", "--dump-dom"]
    address = f"http://{server.doors['admin']}/{token and '#token=' + token}"
    command = [BROWSER, *words, address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_browser_shows_versions_states_and_shares(operated: Served, tmp_path: Path) -> None:
    page = seen(operated, tmp_path, TOKEN)
    rows = re.findall(r"<tr><th[^>]*>(\d+)</th><td class=\"(\w+)\"[^>]*>.*?</tr>", page)
    assert rows == [("1", "ready"), ("2", "ready"), ("10", "ready")]
    assert "75.0 %" in page
    assert "25.0 %" in page
    assert "by weight, sticky by header user" in page
    assert re.search(r"the last \d+ s", page)


def test_a_name_is_shown_and_not_obeyed(operated: Served, tmp_path: Path) -> None:
    page = seen(operated, tmp_path, TOKEN)
    assert "&lt;img src=x onerror=alert(1)&gt;</h2>" in page
    assert AWKWARD not in page


@pytest.mark.parametrize("token", ["", "wrong"])
def test_without_the_token_it_asks_for_it_and_shows_nothing(
    operated: Served, tmp_path: Path, token: str
) -> None:
    page = seen(operated, tmp_path, token)
    assert '<form id="ask">' in page
    assert '<main id="models"></main>' in page
    assert "versioned" not in page


def test_the_page_loads_nothing_and_nothing_else_runs_in_it(operated: Served) -> None:
    answer = httpx.get(f"http://{operated.doors['admin']}/")
    assert not re.findall(r"(?:src|href)\s*=|url\(|@import|<link", answer.text)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; connect-src 'self'; script-src 'sha256-")
    assert "unsafe" not in policy

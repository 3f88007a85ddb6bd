"""A running `up`: what it offers, and that each part of it that is killed comes back."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import urllib.request
from collections.abc import Iterator

import pytest

from .conftest import processes_of, wait_until
from .up_process import Up, folder_without_sample, free_port, run_up

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site() -> Iterator[Up]:
    with folder_without_sample() as folder:
        up = Up(folder, free_port()).wait()
        yield up
        up.stop()
        assert processes_of(folder) == {}


def test_the_token_opens_the_api(site):
    credentials = json.loads((site.folder / "credentials.json").read_text())
    request = urllib.request.Request(
        f"{site.url}/api/v1/statistics/", headers={"Authorization": f"Token {credentials['token']}"}
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        assert response.status == 200


def test_a_second_up_says_where_the_first_is(site):
    second = run_up(site.folder, PORT=str(free_port()))
    assert second.returncode == 1
    assert f"already running on {site.folder}: {site.url}/" in second.stderr
    wait_until(site.is_ready)


def children_of(pid: int, word: str) -> set[int]:
    """Processes with a word in their command line whose parent this is."""
    command = ["ps", "-A", "-ww", "-o", "pid=,ppid=,command="]
    listing = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = (line.split(None, 2) for line in listing.stdout.splitlines())
    return {int(child) for child, parent, what in rows if int(parent) == pid and word in what}


@pytest.mark.parametrize("part", ["bin/postgres -D", "redis-server", "embedded postgres", "embedded redis"])
def test_a_server_comes_back(site, part):
    def running() -> set[int]:
        return {pid for pid, command in processes_of(site.folder).items() if part in command}

    (old,) = running()
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: len(running() - {old}) == 1 and site.is_ready(), timeout_s=40)
    wait_until(lambda: re.search(r"ended by itself; starting it again|lost its keeper; starting it again", site.said))


@pytest.mark.parametrize("part", ["gunicorn", "work interactive", "work index"])
def test_a_program_comes_back(site, part):
    def running() -> set[int]:
        return children_of(site.process.pid, part)

    (old,) = running()
    its_children = children_of(old, "")
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: len(running() - {old}) == 1 and site.is_ready(), timeout_s=40)
    assert "was killed by SIGKILL; starting again" in site.said
    wait_until(lambda: not its_children & {int(pid) for pid in processes_everywhere()})


def test_a_web_process_comes_back(site):
    (web,) = children_of(site.process.pid, "gunicorn")
    old = children_of(web, "gunicorn")
    assert len(old) == 2
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(children_of(web, "gunicorn") - old) == 2 and site.is_ready(), timeout_s=40)


def processes_everywhere() -> list[str]:
    return subprocess.run(["ps", "-A", "-o", "pid="], capture_output=True, text=True, check=True).stdout.split()

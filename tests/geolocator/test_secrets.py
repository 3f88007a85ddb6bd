from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor

from geolocator.embedded.secrets import secret_key, write_private


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_it_makes_a_key_once(tmp_path):
    key = secret_key(tmp_path / "data")
    assert len(key) >= 50
    assert secret_key(tmp_path / "data") == key
    assert secret_key(tmp_path / "other") != key


def test_only_the_owner_may_read_it(tmp_path):
    secret_key(tmp_path)
    assert mode_of(tmp_path / "secret_key") == 0o600


def test_racing_processes_agree(tmp_path):
    for number in range(20):
        with ThreadPoolExecutor(8) as pool:
            keys = set(pool.map(lambda _, folder=tmp_path / str(number): secret_key(folder), range(8)))
        assert len(keys) == 1
        assert [path.name for path in (tmp_path / str(number)).iterdir()] == ["secret_key"]


def test_write_private_replaces_the_whole_file(tmp_path):
    path = tmp_path / "credentials.json"
    path.write_text("something much longer than what follows")
    path.chmod(0o644)
    write_private(path, "{}")
    assert path.read_text() == "{}\n"
    assert mode_of(path) == 0o600

from __future__ import annotations

from pathlib import Path

import pytest

from geolocator.embedded.paths import postgres_socket, redis_socket, socket_dir


def test_it_puts_sockets_into_the_data_folder(tmp_path):
    folder = Path("/srv/geo/data")
    assert socket_dir(folder) == folder / "run"
    assert redis_socket(folder) == folder / "run" / "redis.sock"


@pytest.mark.parametrize("name", ["x" * 120, "a,b", "mit Leerzeichen", "Ölbild", "@abstract"])
def test_it_leaves_folders_that_no_socket_address_can_name(name):
    path = str(postgres_socket(Path("/srv") / name))
    assert path.startswith("/tmp/geolocator-")
    assert len(path) < 60


def test_it_takes_the_longest_path_that_fits():
    rest = len("/run/.s.PGSQL.5432")
    fits = Path("/" + "d" * (100 - rest - 1))
    assert len(str(postgres_socket(fits))) == 100
    assert socket_dir(fits) == fits / "run"
    assert socket_dir(Path(f"{fits}d")).parent == Path("/tmp")


def test_short_folders_differ_and_stay():
    one, two = Path("/srv/" + "a" * 120), Path("/srv/" + "b" * 120)
    assert socket_dir(one) == socket_dir(one)
    assert socket_dir(one) != socket_dir(two)


def test_it_sees_through_links(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert socket_dir(tmp_path / "link") == socket_dir(tmp_path / "real")

"""The real servers: started, shared, killed and found again."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import redis

from geolocator.embedded import EmbeddedServerError, ensure_servers
from geolocator.embedded.paths import redis_socket, socket_dir
from geolocator.embedded.probes import redis_answers
from geolocator.embedded.processes import is_running
from geolocator.embedded.server import log_path

from .conftest import PROJECT, connect, own_environment, process_id, processes_of, wait_until

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells of a parent's death on Linux only")

USER = """
import sys, pathlib
from geolocator.embedded import ensure_servers
with ensure_servers(pathlib.Path(sys.argv[1]), durable=sys.argv[2] == "durable"):
    print("up", flush=True)
    sys.stdin.readline()
"""


def start_user(data_dir: Path, *, durable: bool = False, **environment: str) -> subprocess.Popen[str]:
    """Another process that uses the servers until it gets a line, or is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", USER, str(data_dir), "durable" if durable else "quick"],
        cwd=PROJECT,
        env=own_environment(**environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


def value(data_dir: Path, sql: str) -> object:
    with connect(data_dir) as connection:
        row = connection.execute(sql).fetchone()
    assert row is not None
    return row[0]


def write(data_dir: Path, sql: str) -> None:
    with connect(data_dir) as connection:
        connection.execute(sql)


def postmaster(data_dir: Path) -> int:
    return process_id(data_dir, "bin/postgres -D")


def test_it_works(new_data_dir):
    data_dir = new_data_dir
    with ensure_servers(data_dir, durable=False):
        write(data_dir, "CREATE EXTENSION vector")
        assert value(data_dir, "SELECT '[1,2]'::halfvec <#> '[3,4]'") == -11
        assert value(data_dir, "SELECT lower('ÄÇŞ') || upper('é')") == "äçşÉ"
        assert redis.Redis(unix_socket_path=str(redis_socket(data_dir))).ping()
    assert processes_of(data_dir) == {}


def test_what_was_written_is_there_next_time(data_dir):
    with ensure_servers(data_dir):
        write(data_dir, "CREATE TABLE kept AS SELECT 7 AS number")
        redis.Redis(unix_socket_path=str(redis_socket(data_dir))).set("kept", "7")
    with ensure_servers(data_dir):
        assert value(data_dir, "SELECT number FROM kept") == 7
        assert redis.Redis(unix_socket_path=str(redis_socket(data_dir))).get("kept") == b"7"


def test_no_port_is_opened(data_dir):
    with ensure_servers(data_dir, durable=False):
        assert value(data_dir, "SHOW listen_addresses") == ""
        assert redis.Redis(unix_socket_path=str(redis_socket(data_dir))).config_get("port") == {"port": "0"}


def test_it_starts_only_what_is_asked_for(data_dir):
    with ensure_servers(data_dir, postgres=False):
        assert redis_answers(redis_socket(data_dir))
        assert not any("bin/postgres" in command for command in processes_of(data_dir).values())


@pytest.mark.parametrize("name", ["long-" + 20 * "folder", "with, comma and ‘quotes’"])
def test_it_works_where_a_socket_path_would_not(data_dir, name):
    folder = data_dir / name
    with ensure_servers(folder, durable=False):
        assert value(folder, "SELECT 1") == 1
        assert redis_answers(redis_socket(folder))
        assert socket_dir(folder).stat().st_mode & 0o077 == 0
    socket_dir(folder).rmdir()


@as_root
def test_root_runs_postgres_as_nobody(data_dir):
    with ensure_servers(data_dir, durable=False):
        status = Path(f"/proc/{postmaster(data_dir)}/status").read_text()
        assert f"Uid:\t{pwd.getpwnam('nobody').pw_uid}\t" in status
        assert "CapEff:\t0000000000000000" in status


@as_root
@on_linux
def test_nobody_reaches_a_folder_that_only_root_may_enter():
    with tempfile.TemporaryDirectory() as closed:  # mode 700, like /root
        folder = Path(closed) / "data"
        with ensure_servers(folder, durable=False):
            assert value(folder, "SELECT 1") == 1
            status = Path(f"/proc/{postmaster(folder)}/status").read_text()
            effective = int(status.split("CapEff:\t")[1].split()[0], 16)
            assert effective.bit_count() == 1


def test_a_killed_postgres_comes_back_with_its_data(data_dir):
    with ensure_servers(data_dir):
        write(data_dir, "CREATE TABLE kept AS SELECT 7 AS number")
        old = postmaster(data_dir)
        os.kill(old, signal.SIGKILL)
        wait_until(lambda: value(data_dir, "SELECT number FROM kept") == 7)
        assert postmaster(data_dir) != old
        assert "ended by itself; starting it again" in log_path("postgres", data_dir).read_text()


@on_linux
def test_it_waits_for_nobody_who_still_holds_the_shared_memory(data_dir):
    with ensure_servers(data_dir, durable=False), connect(data_dir) as connection:
        busy = connection.info.backend_pid
        connection.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 100000000000)")
        os.kill(postmaster(data_dir), signal.SIGKILL)
        wait_until(lambda: value(data_dir, "SELECT 1") == 1)
        assert not is_running(busy)
        assert "shared memory block" in log_path("postgres", data_dir).read_text()
        connection.close()


def test_a_killed_redis_comes_back_with_its_data(data_dir):
    with ensure_servers(data_dir, postgres=False):
        client = redis.Redis(unix_socket_path=str(redis_socket(data_dir)))
        client.set("kept", "7")
        wait_until(lambda: client.info("persistence")["aof_pending_bio_fsync"] == 0)
        os.kill(process_id(data_dir, "redis-server"), signal.SIGKILL)
        wait_until(lambda: client.get("kept") == b"7")


def test_a_broken_redis_log_is_put_aside(data_dir):
    with ensure_servers(data_dir, postgres=False):
        redis.Redis(unix_socket_path=str(redis_socket(data_dir))).set("some", "thing")
    log = data_dir / "redis" / "appendonly.aof"
    log.write_bytes(b"nonsense\r\n" + log.read_bytes())
    with ensure_servers(data_dir, postgres=False):
        assert redis_answers(redis_socket(data_dir))
    assert len(list(log.parent.glob("appendonly.broken-*"))) == 1


@on_linux
def test_servers_end_with_their_keeper_and_start_again(data_dir):
    with ensure_servers(data_dir, durable=False) as servers:
        old = postmaster(data_dir)
        os.kill(process_id(data_dir, "-m geolocator.embedded postgres"), signal.SIGKILL)
        wait_until(lambda: not servers.keepers_are_alive())
        servers.ensure()
        assert value(data_dir, "SELECT 1") == 1
        assert postmaster(data_dir) != old


def test_everything_killed_at_once_starts_again(data_dir):
    user = start_user(data_dir, durable=True)
    write(data_dir, "CREATE TABLE kept AS SELECT 7 AS number")
    for pid in [user.pid, *processes_of(data_dir)]:
        os.kill(pid, signal.SIGKILL)
    user.communicate()
    with ensure_servers(data_dir, durable=False):
        assert value(data_dir, "SELECT number FROM kept") == 7


@pytest.mark.parametrize("first_leaves_first", [True, False])
def test_the_last_of_two_users_ends_the_servers(data_dir, first_leaves_first):
    users = [start_user(data_dir), start_user(data_dir)]
    early, late = users if first_leaves_first else reversed(users)
    early.communicate("leave\n", timeout=20)
    assert value(data_dir, "SELECT 1") == 1
    assert redis_answers(redis_socket(data_dir))
    late.communicate("leave\n", timeout=20)
    assert processes_of(data_dir) == {}


def test_the_last_user_waits_for_a_keeper_that_is_slow_to_end(data_dir, tmp_path):
    """Where another user started it, too: that one cannot be asked."""
    (tmp_path / "sitecustomize.py").write_text("import atexit, time\natexit.register(time.sleep, 1.0)\n")
    first, last = start_user(data_dir, PYTHONPATH=str(tmp_path)), start_user(data_dir)
    first.communicate("leave\n", timeout=20)
    last.communicate("leave\n", timeout=20)
    assert processes_of(data_dir) == {}


def test_servers_end_when_their_only_user_is_killed(data_dir):
    user = start_user(data_dir)
    user.kill()
    user.communicate()
    wait_until(lambda: processes_of(data_dir) == {})


def test_many_users_come_and_go(data_dir):
    users = [start_user(data_dir) for _ in range(2)]
    for _ in range(4):
        users.append(start_user(data_dir))
        users.pop(0).communicate("leave\n", timeout=20)
        assert value(data_dir, "SELECT 1") == 1
    for user in users:
        user.communicate("leave\n", timeout=20)
    assert processes_of(data_dir) == {}


def test_a_lock_file_that_names_somebody_else_is_no_obstacle(data_dir):
    """After a restart of a container, the old number belongs to another process of the same user."""
    with ensure_servers(data_dir, durable=False):
        lock = (data_dir / "postgres/18/postmaster.pid").read_text()
        owner = (data_dir / "postgres/18").stat().st_uid
    innocent = subprocess.Popen(["sleep", "60"], user=owner if os.geteuid() == 0 else None)
    try:
        path = data_dir / "postgres/18/postmaster.pid"
        path.write_text(f"{innocent.pid}\n" + lock.split("\n", 1)[1])
        os.chown(path, owner, -1)
        (data_dir / "run/.s.PGSQL.5432.lock").write_text(f"{innocent.pid}\n" + lock.split("\n", 1)[1])
        with ensure_servers(data_dir, durable=False):
            assert value(data_dir, "SELECT 1") == 1
        assert innocent.poll() is None
    finally:
        innocent.kill()
        innocent.wait()


def test_an_interrupted_first_start_is_begun_again(new_data_dir):
    data_dir = new_data_dir
    unfinished = data_dir / "postgres" / "18.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    with ensure_servers(data_dir, durable=False):
        assert value(data_dir, "SELECT 1") == 1
    assert not unfinished.exists()


def test_it_says_why_a_server_does_not_start(data_dir):
    with ensure_servers(data_dir, durable=False):
        pass
    with (data_dir / "postgres/18/postgresql.conf").open("a") as configuration:
        configuration.write("no_such_setting = 1\n")
    with pytest.raises(EmbeddedServerError, match="no_such_setting"):
        ensure_servers(data_dir, durable=False)
    assert processes_of(data_dir) == {}


def test_strangers_do_not_get_in(data_dir):
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    with ensure_servers(data_dir, durable=False):
        command = ["ls", str(socket_dir(data_dir))]
        stranger = subprocess.run(command, user=54321, capture_output=True, text=True, check=False)
        assert stranger.returncode != 0
        assert "Permission denied" in stranger.stderr

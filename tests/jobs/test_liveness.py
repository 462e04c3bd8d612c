from __future__ import annotations

import subprocess
import sys

from tomotui.jobs.liveness import (
    identity_of,
    is_alive,
    kill_session,
    own_identity,
    session_members,
)


def test_a_process_is_known_by_more_than_its_number() -> None:
    me = own_identity()
    assert is_alive(me)
    assert not is_alive(me.replace(start_ticks=me.start_ticks + 1))
    assert not is_alive(me.replace(boot_id="another boot"))
    assert not is_alive(me.replace(host="another-host"))


def test_a_zombie_does_not_live() -> None:
    process = subprocess.Popen(["true"])
    identity = identity_of(process.pid)
    assert identity is not None
    while is_alive(identity):
        pass
    assert process.poll() == 0


def test_the_command_line_tells_a_process_from_another_of_its_number() -> None:
    # The words of a process are there for certain once it has said something itself.
    command = ["sh", "-c", "echo ready; read line", "sixty"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert identity_of(process.pid, argument="sixty") is not None
        assert identity_of(process.pid, argument="sixty-one") is None
        process.kill()


def test_what_a_dead_leader_left_behind_is_found_and_ended() -> None:
    script = "import subprocess; print(subprocess.Popen(['sleep', '60']).pid)"
    leader = subprocess.Popen(
        [sys.executable, "-c", f"{script}; input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert leader.stdout is not None
    left_behind = int(leader.stdout.readline())
    identity = identity_of(leader.pid)
    assert identity is not None
    leader.kill()
    leader.wait()
    assert not is_alive(identity)
    assert session_members(identity) == [left_behind]
    assert session_members(identity.replace(boot_id="another boot")) == []
    kill_session(identity, spare=left_behind)
    assert session_members(identity) == [left_behind]
    kill_session(identity)
    while session_members(identity):
        pass

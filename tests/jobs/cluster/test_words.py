"""What is asked of SLURM, what it answers, and what that means."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tomotui.jobs.cluster.array import ArrayFile, script_text
from tomotui.jobs.cluster.commands import is_passing, options_of
from tomotui.jobs.cluster.element import granted
from tomotui.jobs.cluster.profiles import Profile, ProfileError, read_profiles
from tomotui.jobs.cluster.states import JobState, elements, parse_sacct, parse_squeue
from tomotui.jobs.cluster.verdict import judge
from tomotui.jobs.slurm import environment
from tomotui.jobs.specification import ExitReport

EXAMPLE = """
default = "gpu"
[profiles.gpu]
partition = "gpu,long"
account = "lab one's"
time = "1-00:00:00"
gpus = "a100:2"
cpus = 8
memory = "64G"
array_limit = 20
extra = ["--constraint=(fast|big)&$HOME"]
setup = ["module load cuda"]
[profiles.cpu]
time = 90
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "config" / "tomotui"
    folder.mkdir(parents=True)
    return folder / "cluster.toml"


def test_profiles_of_the_project_go_before_ones_own(own: Path, tmp_path: Path) -> None:
    own.write_text(EXAMPLE)
    (tmp_path / "cluster.toml").write_text('default = "cpu"\n[profiles.cpu]\ntime = "10"\n')
    found = read_profiles(tmp_path)
    assert found.find("").time == "10"
    assert found.find("gpu").source == own
    assert found.find("gpu").words.startswith("partition gpu,long, account lab one's")
    assert read_profiles().find("").name == "gpu"
    with pytest.raises(ProfileError, match="there is no cluster profile big; there are: gpu, cpu"):
        found.find("big")


def test_without_profiles_the_cluster_decides(own: Path) -> None:
    assert options_of(read_profiles().find(""), wants_gpu=True) == []


def test_options_are_words_that_no_shell_reads(own: Path) -> None:
    own.write_text(EXAMPLE)
    profile = read_profiles().find("gpu")
    options = options_of(profile, wants_gpu=True)
    assert "--account=lab one's" in options
    assert "--gres=gpu:a100:2" in options
    assert options[-1] == "--constraint=(fast|big)&$HOME"
    assert not any("gres" in word for word in options_of(profile, wants_gpu=False))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[profiles.a]\ntime = 'soon'", r"profiles\.a\.time: 'soon' is not understood; write"),
        ("[profiles.a]\nmemory = '4 GB'", "write 64G"),
        ("[profiles.a]\ngpus = 'many'", "a number, or a kind and a number"),
        ("[profiles.a]\nparttion = 'x'", "parttion: there is no such entry; there are partition"),
        ("[profiles.a]\nextra = ['--array=1']", "--array=1 is set by tomotui itself"),
        ("[profiles.a]\nextra = ['nodes']", "is no option of sbatch"),
        ('[profiles.a]\naccount = "a\\nb"', "cannot be printed"),
        ("[profiles.'a b']\n", "a profile is called 'a b'"),
        ("default = 'b'\n[profiles.a]\n", "the default cluster profile b is not there"),
        ("[profiles.a\n", "cannot be read"),
        ("[profile.a]\n", "profile: there is no such entry"),
    ],
)
def test_what_is_wrong_in_a_profile_is_named(own: Path, text: str, named: str) -> None:
    own.write_text(text)
    with pytest.raises(ProfileError, match=named) as told:
        read_profiles().find("")
    assert "cluster.toml" in str(told.value)


def test_several_profiles_need_a_default(own: Path) -> None:
    own.write_text("[profiles.a]\n[profiles.b]\n")
    with pytest.raises(ProfileError, match="none is the default"):
        read_profiles().find("")


def test_a_script_takes_any_path_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "a %j $(touch x) 'q' \"d\" \\n;&"
    folder.mkdir()
    show = tmp_path / "show me"
    show.write_text('#!/bin/sh\nprintf \'%s\\n\' "$PWD" "$4"\n')
    show.chmod(0o755)
    text = script_text(folder / "tok.json", Profile(python=str(show), setup=("export A='b c'",)))
    script = tmp_path / "script"
    script.write_text(text)
    subprocess.run(["bash", script], env={"SLURM_ARRAY_TASK_ID": "7"}, check=True, cwd="/")
    assert (folder / "tok-7.txt").read_text().splitlines() == [
        str(folder),
        str(folder / "tok.json"),
    ]
    assert not list(tmp_path.rglob("x"))
    assert shlex.quote(str(show)) in text


def test_the_agents_own_job_does_not_limit_others() -> None:
    kept = environment(
        {
            "SLURM_MEM_PER_CPU": "1",
            "SLURM_CONF": "/etc/s.conf",
            "SQUEUE_FORMAT": "%i",
            "SBATCH_PARTITION": "x",
            "CUDA_VISIBLE_DEVICES": "3",
            "HOME": "/h",
        }
    )
    assert kept == {"SLURM_CONF": "/etc/s.conf", "HOME": "/h", "LC_ALL": "C"}


def test_what_was_granted() -> None:
    given = {"SLURM_CPUS_PER_TASK": "6", "CUDA_VISIBLE_DEVICES": "2,3"}
    on_gpu = ArrayFile(token="t", folders=("a",), wants_gpu=True)
    on_cpu = on_gpu.model_copy(update={"wants_gpu": False})
    assert granted(given, on_gpu) == {"threads": 6, "gpu": "2,3"}
    assert granted(given, on_cpu) == {"threads": 6, "gpu": ""}
    assert granted({"SLURM_CPUS_ON_NODE": "4"}, on_gpu) == {"threads": 4, "gpu": ""}


def test_what_can_be_shared_has_a_process_for_each_gpu_of_each_node(own: Path) -> None:
    own.write_text("[profiles.many]\nnodes = 3\ngpus = 2\n")
    profile = read_profiles().find("many")
    assert profile.words == "nodes 3, gpus 2"
    shared = options_of(profile, wants_gpu=True, is_shared=True)
    assert shared == ["--nodes=3", "--ntasks-per-node=1", "--gres=gpu:2"]
    assert options_of(profile, wants_gpu=True) == ["--gres=gpu:2"]
    array = ArrayFile(token="t", folders=("a",), wants_gpu=True, is_shared=True, nodes=3)
    given = {"SLURM_CPUS_PER_TASK": "8", "CUDA_VISIBLE_DEVICES": "0,1"}
    wanted = {"threads": 8, "gpu": "0,1", "processes": 2, "nodes": 3}
    assert granted(given, array) == wanted
    four = array.model_copy(update={"processes": 4})
    assert granted({"SLURM_CPUS_PER_TASK": "8"}, four)["processes"] == 4


@pytest.mark.parametrize(
    ("said", "passing"),
    [
        ("Batch job submission failed: Socket timed out on send/recv operation", True),
        ("Batch job submission failed: Unable to contact slurm controller (connect failure)", True),
        ("Slurm temporarily unable to accept job, sleeping and retrying", True),
        ("QOSMaxSubmitJobPerUserLimit; Batch job submission failed: Job violates accounting/QOS "
         "policy (job submit limit, user's size and/or time limits)", True),
        ("sbatch has not answered for 30 s", True),
        ("Batch job submission failed: Invalid account or account/partition combination", False),
        ("Memory specification can not be satisfied; Batch job submission failed: Requested node "
         "configuration is not available", False),
        ("Requested time limit is invalid (missing or exceeds some limit)", False),
        ("unrecognized option '--frobnicate'", False),
    ],
)  # fmt: skip
def test_refusals_that_pass_and_those_that_do_not(said: str, passing: bool) -> None:
    assert is_passing(said) == passing


def test_states_are_read_from_squeue() -> None:
    found = parse_squeue(
        "12_0|RUNNING|None|node[1-2]|tomotui-1-aa\n"
        "12_[3-5,8%2]|PENDING|(Priority)||tomotui-1-aa\n"
        "13|PENDING|ReqNodeNotAvail, UnavailableNodes:node1||a|b\n"
        "slurm_load_jobs error: nonsense\n"
    )
    assert [one.id for one in found] == ["12_0", "12_3", "12_4", "12_5", "12_8", "13"]
    assert found[0].words == "running on node[1-2]"
    assert found[1].words == "pending (Priority)"
    assert found[-1].name == "a|b"
    assert list(elements("7_[0-6:3]")) == ["7_0", "7_3", "7_6"]


def test_states_are_read_from_sacct() -> None:
    killed, cancelled, coming = parse_sacct(
        "12_0|FAILED|node1|0:9|n\n12_0.batch|FAILED|node1|0:9|n\n"
        "12_1|CANCELLED by 1000|None assigned|0:0|n\n12_[2-2]|PENDING|None assigned|0:0|n\n"
    )
    assert (killed.was_killed, killed.phase) == (True, "ended")
    assert (cancelled.state, cancelled.host) == ("CANCELLED", "")
    assert (coming.id, coming.phase) == ("12_2", "waiting")


def test_a_word_that_is_not_known_is_shown_and_ends_nothing() -> None:
    odd = JobState("1_0", "TELEPORTING", "None", "n1", "x")
    assert (odd.phase, odd.words) == ("running", "teleporting on n1")


def _judged(state: str, *, began: bool = True, printed: str = "", **more: Any) -> Any:
    report = more.pop("report", None)
    return judge(JobState("1_0", state, host="n1", **more), began, report, "big", printed)


@pytest.mark.parametrize(
    ("state", "cause"),
    [
        ("OUT_OF_MEMORY", "failed"),
        ("TIMEOUT", "failed"),
        ("DEADLINE", "failed"),
        ("COMPLETED", "failed"),
        ("NODE_FAIL", "interrupted"),
        ("PREEMPTED", "interrupted"),
        ("BOOT_FAIL", "interrupted"),
        ("CANCELLED", "cancelled"),
        ("FAILED", "killed"),
    ],
)
def test_each_end_has_a_cause(state: str, cause: str) -> None:
    assert _judged(state).cause == cause


def test_a_worker_that_ran_out_of_memory_is_not_tried_again() -> None:
    report = ExitReport(attempt=1, signal=9, reason="ran out of memory: killed by signal 9", at=0.0)
    assert _judged("FAILED", report=report).cause == "failed"
    killed = report.model_copy(update={"reason": "killed by signal 9"})
    assert _judged("FAILED", report=killed).cause == "killed"


def test_a_node_that_cannot_start_it_is_named() -> None:
    verdict = _judged("FAILED", began=False, reason="JobLaunchFailure")
    assert verdict.words == "n1 could not start slurm 1_0; see whether it has this folder"
    verdict = _judged("FAILED", began=False, printed="module: command not found")
    assert "could not start its worker: module: command not found." in verdict.words

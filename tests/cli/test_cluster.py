"""What the command line says of SLURM."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tomotui import doctor
from tomotui.project import Project
from tomotui.records import Tilt, TiltSeries

if TYPE_CHECKING:
    from conftest import Call

Program = Callable[[str, str], None]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Writes a program of the cluster's, for a user without profiles."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def write(name: str, lines: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{lines}\n")
        (folder / name).chmod(0o755)

    return write


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one series, for which nobody starts an agent."""
    monkeypatch.setattr("tomotui.jobs.submission.ensure_agent", lambda folder: None)
    with Project.create(tmp_path / "project") as project:
        tilt = Tilt(index=0, nominal_tilt_deg=0.0)
        project.add_records(
            [TiltSeries(name="ts_1", stack_path="s.mrc", width_px=8, height_px=8,
                        pixel_size_angstrom=10.0, tilts=(tilt,))]
        )  # fmt: skip
        return project.folder


def test_profiles_are_listed_and_checked_without_submitting(
    call: Call, program: Program, folder: Path
) -> None:
    assert "no profiles" in call.well("cluster", "profiles", "-p", folder).out
    (folder / "cluster.toml").write_text(
        'default = "cpu"\n[profiles.cpu]\ntime = 90\n[profiles.gpu]\npartition = "gone"\n'
    )
    program(
        "sbatch", 'case "$*" in *gone*) echo "sbatch: error: Invalid partition" >&2; exit 1;; esac'
    )
    said = call("cluster", "profiles", "--check", "--json", "-p", folder)
    assert said.code == 1
    assert [(one["name"], one["default"], one["problem"]) for one in said.json] == [
        ("cpu", True, ""),
        ("gpu", False, "Invalid partition"),
    ]
    said = call("cluster", "profiles", "-p", folder)
    assert "cpu (default)" in said.out
    assert "partition gone" in said.out


def test_a_job_runs_where_the_stage_ran_last(call: Call, program: Program, folder: Path) -> None:
    (folder / "cluster.toml").write_text("[profiles.cpu]\n[profiles.gpu]\n")
    program("sbatch", "exit 0")
    said = call.well("run", "align", "-p", folder, "--where", "slurm", "--profile", "gpu")
    assert "align on 1 tilt series through slurm, profile gpu" in said.out
    assert "profile gpu" in call.well("run", "align", "-p", folder).out
    assert "slurm" not in call.well("run", "ctf", "-p", folder).out
    call.well("run", "align", "-p", folder, "--where", "local")
    with Project.open(folder) as project:
        assert [(job.executor, job.profile) for job in project.jobs()] == [
            ("slurm", "gpu"),
            ("slurm", "gpu"),
            ("local", ""),
            ("local", ""),
        ]


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (("--where", "slurm", "--profile", "big"), 1, "there is no cluster profile big"),
        (("--where", "slurm"), 1, "none is the default (cpu, gpu)"),
        (("--where", "local", "--profile", "gpu"), 2, "--profile is for --where slurm"),
        (("--processes", "2"), 1, "align is done by one process."),
        (("--processes", "0"), 2, "--processes 0: give 1 or more"),
        (("--processes", "2", "--where", "slurm"), 2, "write nodes, gpus or processes into the"),
    ],
)
def test_wrong_places_submit_nothing(
    call: Call, program: Program, folder: Path, words: tuple[str, ...], code: int, named: str
) -> None:
    (folder / "cluster.toml").write_text("[profiles.cpu]\n[profiles.gpu]\n")
    program("sbatch", "exit 0")
    said = call("run", "align", "-p", folder, *words)
    assert said.code == code
    assert named in said.err
    with Project.open(folder) as project:
        assert project.jobs() == []


def test_several_processes_share_a_task_and_the_next_of_its_stage(call: Call, folder: Path) -> None:
    assert (
        "restore-train on 1 tilt series with 2 processes"
        in call.well("run", "restore-train", "-p", folder, "--processes", "2").out
    )
    assert "with 2 processes" in call.well("run", "restore-train", "-p", folder).out
    assert (
        "processes" not in call.well("run", "restore-train", "-p", folder, "--processes", "1").out
    )
    with Project.open(folder) as project:
        profiles = [job.profile for job in project.jobs()]
    assert profiles == ["2 processes", "2 processes", ""]


def test_the_doctor_asks_the_scheduler(program: Program) -> None:
    program("sbatch", "exit 0")
    program("sinfo", "echo 'main*|up|1:00:00|0/1/0/1|0/8/0/8|(null)'")
    check = doctor._slurm()
    assert (check.state, "up: main; no profiles yet" in check.text) == ("ok", True)
    assert "cluster.toml" in check.remedy
    program("sinfo", "echo 'slurm_load_partitions: Unable to contact' >&2; exit 1")
    check = doctor._slurm()
    assert (check.state, "Unable to contact" in check.text) == ("warn", True)

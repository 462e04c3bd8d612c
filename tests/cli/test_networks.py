"""Networks go from one project to another, and a strange file does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tomotui.cli.app import run
from tomotui.formats.networks import read_description
from tomotui.project import Project
from tomotui.records import Network, ParticleSet
from tomotui.stages.network_files import read_network, write_network

WEIGHTS = {"one": torch.arange(6.0).reshape(2, 3)}
DESCRIPTION = {"purpose": "pick", "species": [{"name": "ribosome", "diameter_angstrom": 250.0}]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Project.create(tmp_path / "project") as project:
        path = project.folder / "n.safetensors"
        write_network(path, WEIGHTS, DESCRIPTION)
        made = Network(name="sample", purpose="pick", path=path.name, species=("ribosome",))
        project.add_records([made])
        return project.folder


def test_a_network_is_used_in_another_project(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    Project.create(other).close()
    assert run(["export", "network", "-o", str(tmp_path / "out"), "-p", str(folder)]) == 0
    file = tmp_path / "out" / "pick-sample.safetensors"
    assert run(["import-network", str(file), "--name", "ribo", "-p", str(other)]) == 0
    with Project.open(other) as project:
        record = project.latest("network")
        assert isinstance(record, Network)
        assert (record.name, record.purpose, record.species) == ("ribo", "pick", ("ribosome",))
        weights, described = read_network(project.folder / record.path, "cpu")
    assert described == DESCRIPTION
    torch.testing.assert_close(weights["one"], WEIGHTS["one"])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 40,
        (2**60).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"{}",
        (4).to_bytes(8, "little") + b"nope",
        (30).to_bytes(8, "little") + b'{"__metadata__":{"tomotui":"1"}}'[:30],
    ],
)
def test_a_strange_file_is_refused_in_words(
    content: bytes, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strange = tmp_path / "strange.safetensors"
    strange.write_bytes(content)
    assert run(["import-network", str(strange), "-p", str(folder)]) == 1
    said = capsys.readouterr().err
    assert "is not a network of this program" in said
    assert "Traceback" not in said
    with Project.open(folder) as project:
        assert len(project.records("network")) == 1


def test_the_header_is_read_without_the_weights(folder: Path) -> None:
    assert read_description(folder / "n.safetensors") == DESCRIPTION


def test_a_set_learns_its_diameter(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Project.open(folder) as project:
        project.add_records([ParticleSet(name="ribosome")])
    words = ["particles", "change", "ribosome", "--diameter", "260", "--json", "-p", str(folder)]
    assert run(words) == 0
    assert json.loads(capsys.readouterr().out)["diameter"] == 260
    with Project.open(folder) as project:
        found = project.particle_set_named("ribosome")
        assert found is not None
        assert found.diameter_angstrom == 260
    assert run(["particles", "change", "ribosome", "-p", str(folder)]) == 2
    assert run(["particles", "change", "rib", "--diameter", "2", "-p", str(folder)]) == 2

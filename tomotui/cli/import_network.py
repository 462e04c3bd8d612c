"""Networks from files into the project."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tomotui.cli.errors import WrongWords
from tomotui.cli.options import JsonOption, ProjectOption, open_project, print_json
from tomotui.records import Network

FOLDER = "networks"


def import_network(
    file: Path,
    /,
    *,
    name: str = "",
    project: ProjectOption = None,
    json: JsonOption = False,
) -> int:
    """Take over a network that another project has trained.

    Example: `tomotui import-network pick-sample.safetensors --name ribosomes -p ~/data/cells`

    The file is copied. It holds numbers and words, and nothing that could run.

    Parameters
    ----------
    file
        As `tomotui export network` has written it.
    name
        Name in this project; that of the file by default.
    project
        Project folder; the present one by default.
    json
        Print JSON for scripts.
    """
    from tomotui.formats.networks import read_description

    file = file.expanduser()
    described = read_description(file)
    name = name or file.stem
    if not name.strip() or "/" in name:
        raise WrongWords(f"--name {name!r}: give a name without slashes")
    with open_project(project) as opened:
        made = Network(
            name=name,
            purpose=described["purpose"],
            path="",
            architecture="imported",
            species=tuple(str(one["name"]) for one in described.get("species", ())),
        )
        place = Path(FOLDER) / f"{made.uid}.safetensors"
        target = opened.folder / place
        target.parent.mkdir(exist_ok=True)
        unfinished = target.with_name(f".partial-{target.name}")
        try:
            shutil.copyfile(file, unfinished)
            os.replace(unfinished, target)
        finally:
            unfinished.unlink(missing_ok=True)
        opened.add_records([made.replace(path=str(place))])
    if json:
        print_json({"uid": made.uid, "name": name, "purpose": made.purpose})
    else:
        kinds = f" of {', '.join(made.species)}" if made.species else ""
        print(f"took over the network {name} for {made.purpose}{kinds}")
    return 0

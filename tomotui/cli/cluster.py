"""What jobs ask of SLURM, and whether it answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tomotui.cli.errors import WorkFailed
from tomotui.cli.options import JsonOption, ProjectOption, print_json, print_table


def profiles(
    *,
    project: ProjectOption = None,
    check: Annotated[bool, Parameter(name="--check")] = False,
    json: JsonOption = False,
) -> int:
    """List the profiles of cluster.toml, the project's before your own.

    Example: `tomotui cluster profiles --check -p ~/data/cells`

    Parameters
    ----------
    project
        Project folder; the present one by default.
    check
        Ask SLURM whether it would take a job of each; nothing is submitted.
    json
        Print JSON for scripts.
    """
    from tomotui.jobs.cluster.commands import would_take
    from tomotui.jobs.cluster.profiles import Profile, profile_files, read_profiles

    folder = (project or Path.cwd()).absolute()
    found = read_profiles(folder)
    listed = list(found.by_name.values()) or [Profile()]
    verdicts = [would_take(profile) if check else "" for profile in listed]
    usual = found.find("").name if len(listed) == 1 else found.default
    if json:
        print_json(
            [
                {
                    **profile.model_dump(mode="json"),
                    "default": profile.name == usual,
                    "problem": verdict,
                }
                for profile, verdict in zip(listed, verdicts, strict=True)
            ]
        )
    elif not found.by_name:
        files = " or ".join(str(path) for path in profile_files(folder))
        print(f"no profiles: jobs get what the cluster gives by default. Write some into {files}")
    else:
        head = ["profile", "asks for", "file", *(["slurm says"] if check else [])]
        rows = [
            [
                profile.name + (" (default)" if profile.name == usual else ""),
                profile.words,
                str(profile.source),
                *([verdict or "would be taken"] if check else []),
            ]
            for profile, verdict in zip(listed, verdicts, strict=True)
        ]
        print_table(head, rows)
    if any(verdicts):
        raise WorkFailed(f"SLURM would not take: {'; '.join(filter(None, verdicts))}")
    return 0

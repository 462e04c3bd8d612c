"""The words of ``tomotui import`` that are about movies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tomotui.cli.assignments import parse_assignments
from tomotui.cli.errors import WrongWords
from tomotui.records import JobRequest, Target

_OF_STACKS = ("copy_stack",)


@dataclass(frozen=True)
class MovieWords:
    """What was said that only movies have.

    Attributes
    ----------
    frames
        Folder of the movies.
    gain
        Gain reference.
    assignments
        Further parameters as ``key=value``.
    """

    frames: Path | None
    gain: Path | None
    assignments: Sequence[str]

    def are_meant(self, paths: Sequence[Path]) -> bool:
        """Return whether movies are to be taken in: said so, or told by mdocs.

        Raises
        ------
        WrongWords
            For mdocs beside stacks.
        """
        from tomotui.formats.movie_series import names_movies

        if self.frames is not None:
            return True
        mdocs = [path for path in paths if path.suffix.lower() == ".mdoc"]
        # Beside alignments of AreTomo the mdocs are of the stacks that it has made.
        folders = [path for path in paths if path.is_dir() and not any(path.glob("*.aln"))]
        for folder in folders:
            mdocs += [mdoc for mdoc in folder.glob("*.mdoc") if names_movies(mdoc)][:1]
        files = [path for path in paths if path not in mdocs and not path.is_dir()]
        if mdocs and files:
            raise WrongWords(
                f"{mdocs[0].name} and {files[0].name}: import stacks and mdocs of movies one "
                "after the other"
            )
        return bool(mdocs)

    def refuse(self) -> None:
        """Raise `WrongWords` when something was said that stacks do not have."""
        words = ["--gain"] if self.gain is not None else []
        words += ["--set"] if self.assignments else []
        if words:
            raise WrongWords(f"{', '.join(words)}: for movies; give their mdocs, or --frames")

    def request(
        self,
        paths: Sequence[Path],
        said: Mapping[str, Any],
        given: Mapping[str, Path | None],
        name: str | None,
    ) -> JobRequest:
        """Return the wish to take the movies in, one task a series.

        Parameters
        ----------
        said
            Parameters that imports share.
        given
            Files that only stacks have.
        """
        from tomotui.formats.movie_series import is_series_file, movie_series_name, series_files
        from tomotui.stages import get

        wrong = [f"--{key}" for key, path in given.items() if path is not None]
        fields = get("motion").parameters_type.model_fields
        wrong += [f"--{key.removesuffix('_stack')}" for key in said if key in _OF_STACKS]
        wrong += [
            f"--{key.removesuffix('_deg').replace('_', '-')}"
            for key in said
            if key not in fields and key not in _OF_STACKS
        ]
        if wrong:
            raise WrongWords(f"{', '.join(wrong)}: for stacks; here are movies")
        files = series_files(paths)
        odd = [file for file in files if not is_series_file(file)]
        if odd:
            raise WrongWords(
                f"{odd[0].name}: with --frames give mdocs, or tables with a line MOVIE TILT"
            )
        if name is not None and (len(files) > 1 or not name.strip() or "/" in name):
            raise WrongWords(f"--name {name}: one without slashes, for a single series")
        parameters = {**said, **parse_assignments(self.assignments, fields)}
        for key, path in (("frames", self.frames), ("gain", self.gain)):
            if path is not None:
                parameters[key] = str(path.expanduser().absolute())
        targets = tuple(
            Target(
                name=name or movie_series_name(file),
                parameters={"movies": str(file.absolute())},
            )
            for file in files
        )
        twice = {t.name for t in targets if sum(o.name == t.name for o in targets) > 1}
        if twice:
            raise WrongWords(f"two series would be called {min(twice)}; import them with --name")
        return JobRequest(stage="motion", parameters=parameters, targets=targets)

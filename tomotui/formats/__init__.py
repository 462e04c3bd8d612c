"""Outside file formats: one module each, and the only place where conventions are converted.

Images and volumes: ``mrc`` (``mrc_header`` knows the header), ``tiff``; ``stacks`` opens either
and looks for images that cannot be used. Metadata: ``mdoc``, ``tilts``. Alignments: ``imod``,
``aretomo``, ``relion``, or any of them by ``alignments``. Particles: ``particles_csv``,
``relion_particles``, ``dynamo``, ``eman``, ``imod_particles`` (models: ``imod_model``), ``copick``,
or any of them by ``particle_files``; ``known_tomograms`` says whose voxels a file counts in.
Import: ``pairing`` finds which files belong together, ``understanding`` says what they mean, as
an ``import_plan``, before anything is kept.

Everything that leaves this package follows the program's conventions (``geometry.tilt``); every
refusal is a :class:`FormatError` that names the file and the remedy.
"""

from __future__ import annotations

from tomotui.formats.errors import FormatError

__all__ = ["FormatError"]

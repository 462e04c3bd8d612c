"""Template matching by pyTME on given arrays, as a peer to measure against.

    PEER_PYTHON pytme_matching.py INPUT.npz N THREADS

To be run by a Python with pyTME (Maurer et al. 2024, github.com/KosinskiLab/pyTME). INPUT holds
``target``, ``template``, ``mask`` and ``rotations``, of which N are tried. Prints as JSON the
seconds of the search. Its scores are those under a spherical mask, without filters of the template
and without background correction, turned linearly: the least that it can do.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
from tme.analyzer import MaxScoreOverRotations
from tme.matching_data import MatchingData
from tme.matching_exhaustive import MATCHING_EXHAUSTIVE_REGISTER, match_exhaustive


def main() -> None:
    with np.load(sys.argv[1]) as file:
        kept = {name: file[name].astype(np.float32) for name in file.files}
    data = MatchingData(
        target=kept["target"],
        template=kept["template"],
        template_mask=kept["mask"],
        rotations=kept["rotations"][: int(sys.argv[2])],
    )
    setup, score = MATCHING_EXHAUSTIVE_REGISTER["FLCSphericalMask"]
    began = time.perf_counter()
    match_exhaustive(
        matching_data=data,
        matching_setup=setup,
        matching_score=score,
        callback_class=MaxScoreOverRotations,
        callback_class_args={"score_threshold": 0},
        job_schedule=(1, int(sys.argv[3])),
        interpolation_order=1,
    )
    print(json.dumps({"wall": time.perf_counter() - began}))


if __name__ == "__main__":
    main()

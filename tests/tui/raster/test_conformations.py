from __future__ import annotations

import threading

import numpy as np

from tests.tui.variation_project import DEVIATIONS, hinge
from tomotui.tui.raster.conformations import Conformation, Sculptor, Wish, Workshop


def sculptor() -> Sculptor:
    return Sculptor(hinge(), np.diag(2 * DEVIATIONS))


def test_all_conformations_have_one_frame_and_one_contour() -> None:
    one = sculptor()
    made = [one.make(Wish((x, 0.0), "here")) for x in (-4.0, 0.0, 4.0)]
    assert len({(each.values.shape, each.pixel_size_angstrom, each.level) for each in made}) == 1
    assert all((each.values > each.level).any() for each in made)
    # The arm, turned by 60 degrees at the end, is still inside of the frame.
    assert one.radius_angstrom > 80
    fine = one.make(Wish((0.0, 0.0)).finer())
    assert fine.values.shape == (48, 48, 48)
    assert fine.radius_angstrom == made[1].radius_angstrom


def test_of_many_wishes_the_newest_is_made() -> None:
    made: list[tuple[Wish, Conformation]] = []
    begun, may_go_on, done = threading.Event(), threading.Event(), threading.Event()

    class Slow(Sculptor):
        def make(self, wish: Wish) -> Conformation:
            begun.set()
            assert may_go_on.wait(5)
            return super().make(wish)

    def deliver(sculptor: Sculptor, wish: Wish, conformation: Conformation) -> None:
        made.append((wish, conformation))
        if wish.label == "last":
            done.set()

    shop, slow = Workshop(deliver), Slow(hinge(), np.eye(2))
    shop.request(slow, Wish((0.0, 0.0), "first"))
    assert begun.wait(5)
    for number in range(20):
        shop.request(slow, Wish((float(number), 0.0), "between"))
    shop.request(slow, Wish((1.0, 0.0), "last"))
    assert shop.is_busy
    may_go_on.set()
    assert done.wait(5)
    shop.close()
    assert [wish.label for wish, _ in made] == ["first", "last"]

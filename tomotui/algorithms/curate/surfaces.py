"""Particles on closed membranes that were traced as contours, or as points all over.

The points become a mesh of triangles: their convex hull, or what a ball wraps that rolls over
them where the membrane is not convex. Between its corners the mesh is rounded by Phong tessellation
(Boubekeur and Alexa, 2008), so that few points suffice; places are spread over it evenly by Lloyd's
relaxation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import ConvexHull, Delaunay, QhullError, cKDTree

from tomotui.algorithms.curate.cleaning import doubles
from tomotui.algorithms.curate.curves import along_curve

Floats = NDArray[np.float64]
Wholes = NDArray[np.int64]

_ROUNDING = 0.75
"""How far a triangle is rounded; three quarters is what the method's authors found smoothest."""
_CANDIDATES, _FIRST = 40, 12
"""Places to choose from for each place wanted, and those to begin with."""
_RELAXATIONS, _HASTE = 20, 1.6
"""Steps of the relaxation, and how far beyond the middles they go."""
_THROWN_APART = 0.87
"""Least distance, as a share of the spacing, of places thrown at random that the relaxation then
brings to the spacing (as measured on a sphere)."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles of a surface.

    Attributes
    ----------
    corners
        ``[n, 3]``, Angstrom.
    faces
        ``[m, 3]`` corners of each triangle, counter-clockwise as seen from outside.
    """

    corners: Floats
    faces: Wholes

    def face_normals(self) -> Floats:
        """Return the normals of the triangles, as long as twice their areas."""
        a, b, c = (self.corners[self.faces[:, i]] for i in range(3))
        return np.cross(b - a, c - a)

    def normals(self) -> Floats:
        """Return unit normals at the corners: the mean of the triangles there, by area."""
        summed = np.zeros_like(self.corners)
        for i in range(3):
            np.add.at(summed, self.faces[:, i], self.face_normals())
        lengths = np.linalg.norm(summed, axis=1, keepdims=True)
        return summed / np.where(lengths > 0, lengths, 1.0)


def mesh_of_contours(
    contours: Sequence[Floats], spacing_angstrom: float, alpha_angstrom: float | None = None
) -> Mesh:
    """Return the surface that contours lie on.

    Parameters
    ----------
    contours
        Closed ones, ``[n, 3]`` each, of several slices: the surface ends at the first and the
        last, for what closes it there was not seen. A single one: points all over the surface.
    spacing_angstrom
        How densely contours are filled up.
    alpha_angstrom
        Radius of a ball that rolls over the points from outside: just too great to fall in
        between them, so that it reaches into the surface's dents. ``None`` for the convex hull.

    Raises
    ------
    ValueError
        When the points span no volume.
    """
    if len(contours) == 1:
        points = np.unique(contours[0], axis=0)
        return _mesh(points, alpha_angstrom)
    filled = [along_curve(one, spacing_angstrom, is_closed=True)[0] for one in contours]
    owners = np.repeat(np.arange(len(filled)), [len(one) for one in filled])
    mesh = _mesh(np.concatenate(filled), alpha_angstrom)
    of = owners[mesh.faces]
    is_lid = (of == of[:, :1]).all(axis=1)
    return Mesh(mesh.corners, mesh.faces[~is_lid])


def over_surface(mesh: Mesh, spacing_angstrom: float, seed: int = 0) -> tuple[Floats, Floats]:
    """Return places spread evenly over a surface, and the directions outward there.

    Parameters
    ----------
    spacing_angstrom
        From a place to its nearest ones, about.

    Returns
    -------
    Places and unit normals, ``[m, 3]`` each.
    """
    random = np.random.default_rng(seed)
    sizes = np.linalg.norm(mesh.face_normals(), axis=1)
    n_wanted = max(1, round(sizes.sum() / 2 / (spacing_angstrom**2 * np.sqrt(0.75))))
    places, normals = _thrown(mesh, sizes, _CANDIDATES * n_wanted, random)
    apart = _THROWN_APART * spacing_angstrom
    first = places[: _FIRST * n_wanted]
    chosen = first[~doubles(first, np.arange(len(first)), apart)]
    for _ in range(_RELAXATIONS):
        nearest = np.asarray(cKDTree(chosen).query(places)[1])
        counts = np.bincount(nearest, minlength=len(chosen))
        means = [np.bincount(nearest, column, len(chosen)) for column in places.T]
        middles = np.stack(means, axis=1) / np.maximum(counts, 1)[:, None]
        step = _HASTE * (middles - chosen)
        chosen = chosen + np.where(counts[:, None] > 0, step, 0.0)
    # Means lie below a curved surface: back onto it.
    at = np.asarray(cKDTree(places).query(chosen)[1])
    return places[at], normals[at]


def _thrown(
    mesh: Mesh, sizes: Floats, n: int, random: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return places thrown evenly at a rounded mesh, and the normals there."""
    faces = mesh.faces[random.choice(len(mesh.faces), n, p=sizes / sizes.sum())]
    u, v = random.random((2, n))
    weights = np.stack([1 - np.sqrt(u), np.sqrt(u) * (1 - v), np.sqrt(u) * v], axis=1)
    corners, normals = mesh.corners[faces], mesh.normals()[faces]
    flat = np.einsum("nk,nki->ni", weights, corners)
    heights = np.einsum("nki,nki->nk", flat[:, None] - corners, normals)
    on_planes = flat[:, None] - heights[:, :, None] * normals
    rounded = np.einsum("nk,nki->ni", weights, on_planes)
    directions = np.einsum("nk,nki->ni", weights, normals)
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    return (1 - _ROUNDING) * flat + _ROUNDING * rounded, directions / lengths


def _mesh(points: Floats, alpha: float | None) -> Mesh:
    if len(points) < 4:
        raise ValueError(f"a surface of {len(points)} points; give 4 or more that are not flat")
    try:
        faces, inside = _hull(points) if alpha is None else _wrapped(points, alpha)
    except QhullError as error:
        raise ValueError("the points lie in a plane; trace contours in several slices") from error
    mesh = Mesh(points, faces)
    outward = np.einsum("ni,ni->n", mesh.face_normals(), points[faces[:, 0]] - inside)
    turned = np.where((outward < 0)[:, None], faces[:, [0, 2, 1]], faces)
    return Mesh(points, turned)


def _hull(points: Floats) -> tuple[Wholes, Floats]:
    """Return the triangles of the convex hull, and a point inside for each."""
    faces = ConvexHull(points).simplices.astype(np.int64)
    return faces, np.broadcast_to(points.mean(axis=0), (len(faces), 3))


def _wrapped(points: Floats, alpha: float) -> tuple[Wholes, Floats]:
    """Return the triangles at which a ball stops that comes from outside, and points inside.

    The points are filled with tetrahedra; the ball passes a triangle into the next one where the
    circle through its corners is wider than itself.
    """
    filled = Delaunay(points)
    cells, across = filled.simplices.astype(np.int64), filled.neighbors.astype(np.int64)
    outside = len(cells)
    # Face i of a cell is the one opposite its corner i; -1 is no neighbour.
    faces = np.stack([np.delete(cells, i, axis=1) for i in range(4)], axis=1)
    beyond = np.where(across < 0, outside, across)
    is_open = _circumradii(points[faces]) > alpha
    here = np.broadcast_to(np.arange(len(cells))[:, None], beyond.shape)
    links = (np.ones(int(is_open.sum())), (here[is_open], beyond[is_open]))
    graph = coo_array(links, shape=(outside + 1, outside + 1))
    labels = connected_components(graph, directed=False)[1]
    is_out = labels == labels[outside]
    at_border = ~is_out[here] & is_out[beyond]
    if not at_border.any():
        raise ValueError(f"alpha {alpha:g} A is smaller than the distances of the points")
    return faces[at_border], points[cells[at_border]]


def _circumradii(corners: Floats) -> Floats:
    """Return the radius of the circle through the corners of triangles, ``[..., 3, 3]``."""
    a, b, c = (corners[..., i, :] - corners[..., i - 1, :] for i in range(3))
    lengths = np.prod([np.linalg.norm(side, axis=-1) for side in (a, b, c)], axis=0)
    areas = np.linalg.norm(np.cross(a, b), axis=-1)
    radii: Floats = lengths / np.maximum(2 * areas, 1e-12)
    return radii

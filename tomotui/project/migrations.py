"""The tables of the project file, as the steps that made them.

A step is never changed once it was released: a later change of the tables is a new function after
the last, and a further entry of `STEPS`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tomotui.project.errors import ProjectError

if TYPE_CHECKING:
    from tomotui.project.sqlite import SqliteDatabase

APPLICATION_ID = 0x746F6D6F
"""Marks an SQLite file as a project of this program (``tomo`` in ASCII)."""


def known_version() -> int:
    """Return how many steps this program knows; a file keeps it as ``user_version``."""
    return len(STEPS)


def migrate(connection: sqlite3.Connection, path: Path, read_only: bool = False) -> None:
    """Bring the tables up to date; all steps are one transaction.

    Raises
    ------
    ProjectError
        When a step is pending and the file was opened read-only.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version >= known_version():
        return
    if read_only:
        raise ProjectError(
            f"{path} was written by an older tomotui and must be brought up to date first.",
            f"Open it once in the screens: tomotui {path.parent}",
        )
    # Only a project that is made or brought up to date pays for the library.
    from tomotui.project.sqlite import Migrations, SqliteDatabase

    steps = Migrations("tomotui")
    for step in STEPS:
        steps()(step)
    db = SqliteDatabase(connection, execute_plugins=False)
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have migrated while this one waited for the lock; apply() looks
        # again.
        steps.apply(db)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(steps.applied(db))}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def m001_tables(db: SqliteDatabase) -> None:
    """Make all tables of the first version."""
    for statement in (*_RECORD_TABLES, *_JOB_TABLES, *_PARTICLE_TABLES):
        db.execute(statement)


def m002_recipe_steps(db: SqliteDatabase) -> None:
    """Let a job know its place in a recipe, and which of the jobs before it need not succeed."""
    # As JSON; empty where there is none.
    db.execute("ALTER TABLE jobs ADD COLUMN step TEXT NOT NULL DEFAULT ''")
    db.execute("ALTER TABLE job_dependencies ADD COLUMN optional INTEGER NOT NULL DEFAULT 0")


def m003_searches(db: SqliteDatabase) -> None:
    """Let particles know how they came and where to look first, and decisions what they saw."""
    for column in (
        "source TEXT NOT NULL DEFAULT 'import'",
        "uncertainty REAL",
        "priority REAL",
    ):
        db.execute(f"ALTER TABLE particles ADD COLUMN {column}")
    db.execute("ALTER TABLE decisions ADD COLUMN score REAL")
    # Where a particle was before it was moved, and where to; empty for judgements.
    for axis in "xyz":
        db.execute(f"ALTER TABLE decisions ADD COLUMN {axis}_angstrom REAL")
        db.execute(f"ALTER TABLE decisions ADD COLUMN previous_{axis}_angstrom REAL")


def m004_audits(db: SqliteDatabase) -> None:
    """Let decisions know whether somebody looked, and keep the random samples of audits."""
    # 0 for what a threshold decided.
    db.execute("ALTER TABLE decisions ADD COLUMN seen INTEGER NOT NULL DEFAULT 1")
    db.execute(
        """CREATE TABLE audits (
            set_uid TEXT PRIMARY KEY REFERENCES particle_sets(uid) ON DELETE CASCADE,
            json TEXT NOT NULL CHECK (json_valid(json))
        ) STRICT"""
    )


def m005_averages(db: SqliteDatabase) -> None:
    """Let particles know what they were made from, and sets and maps what made them."""
    # Not a reference: a candidate that nobody judged makes room for those of a later search.
    db.execute("ALTER TABLE particles ADD COLUMN origin_uid TEXT")
    db.execute("ALTER TABLE particle_sets ADD COLUMN made_by TEXT NOT NULL DEFAULT 'picks'")
    db.execute("ALTER TABLE maps ADD COLUMN n_particles INTEGER")
    db.execute("ALTER TABLE maps ADD COLUMN made_by TEXT NOT NULL DEFAULT ''")


def m006_variation(db: SqliteDatabase) -> None:
    """Keep how particles differ: classes, and landscapes of conformations."""
    for table, number in (("classifications", "n_classes"), ("landscapes", "n_coordinates")):
        db.execute(
            f"""CREATE TABLE {table} (
                uid TEXT PRIMARY KEY REFERENCES records(uid) ON DELETE CASCADE,
                name TEXT NOT NULL,
                particle_set_uid TEXT NOT NULL,
                path TEXT NOT NULL,
                {number} INTEGER NOT NULL
            ) STRICT"""
        )


def m007_profiles(db: SqliteDatabase) -> None:
    """Let a job know what it asks of a cluster."""
    db.execute("ALTER TABLE jobs ADD COLUMN profile TEXT NOT NULL DEFAULT ''")


def m008_tasks_by_job(db: SqliteDatabase) -> None:
    """Let the state of a job of thousands of tasks be told without reading them."""
    db.execute("CREATE INDEX tasks_by_job ON tasks(job_id, status, started_at)")


_RECORD_TABLES = (
    """CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT""",
    """CREATE TABLE datasets (
        name TEXT PRIMARY KEY,
        created_at REAL NOT NULL
    ) STRICT""",
    # Every record, whole, as JSON. `revision` grows when a record is edited in place.
    """CREATE TABLE records (
        id INTEGER PRIMARY KEY,
        uid TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL,
        series_uid TEXT REFERENCES records(uid) ON DELETE CASCADE,
        name TEXT,
        job_id INTEGER REFERENCES jobs(id) ON DELETE SET NULL,
        task_id INTEGER REFERENCES tasks(id) ON DELETE SET NULL,
        created_at REAL NOT NULL,
        revision INTEGER NOT NULL DEFAULT 1,
        json TEXT NOT NULL CHECK (json_valid(json))
    ) STRICT""",
    "CREATE INDEX records_by_kind ON records(kind, series_uid, id)",
    "CREATE INDEX records_by_name ON records(kind, name, id)",
    "CREATE INDEX records_by_series ON records(series_uid)",
    "CREATE INDEX records_by_job ON records(job_id)",
    "CREATE INDEX records_by_task ON records(task_id)",
    # The columns below are what people ask about when they query the file themselves.
    """CREATE TABLE tilt_series (
        uid TEXT PRIMARY KEY REFERENCES records(uid) ON DELETE CASCADE,
        name TEXT NOT NULL,
        dataset TEXT NOT NULL REFERENCES datasets(name),
        stack_path TEXT NOT NULL,
        n_tilts INTEGER NOT NULL,
        pixel_size_angstrom REAL NOT NULL
    ) STRICT""",
    "CREATE INDEX tilt_series_by_name ON tilt_series(name)",
    "CREATE INDEX tilt_series_by_dataset ON tilt_series(dataset, name)",
    """CREATE TABLE tilts (
        series_uid TEXT NOT NULL REFERENCES tilt_series(uid) ON DELETE CASCADE,
        "index" INTEGER NOT NULL,
        nominal_tilt_deg REAL NOT NULL,
        dose_e_per_a2 REAL,
        prior_dose_e_per_a2 REAL,
        excluded INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (series_uid, "index")
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE alignments (
        uid TEXT PRIMARY KEY REFERENCES records(uid) ON DELETE CASCADE,
        series_uid TEXT NOT NULL REFERENCES tilt_series(uid) ON DELETE CASCADE,
        source TEXT NOT NULL,
        axis_deg REAL NOT NULL,
        residual_angstrom REAL,
        score REAL,
        verdict TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX alignments_by_series ON alignments(series_uid)",
    """CREATE TABLE ctfs (
        uid TEXT PRIMARY KEY REFERENCES records(uid) ON DELETE CASCADE,
        series_uid TEXT NOT NULL REFERENCES tilt_series(uid) ON DELETE CASCADE,
        handedness INTEGER,
        handedness_score REAL
    ) STRICT""",
    "CREATE INDEX ctfs_by_series ON ctfs(series_uid)",
    """CREATE TABLE tomograms (
        uid TEXT PRIMARY KEY REFERENCES records(uid) ON DELETE CASCADE,
        series_uid TEXT NOT NULL REFERENCES tilt_series(uid) ON DELETE CASCADE,
        alignment_uid TEXT NOT NULL,
        path TEXT NOT NULL,
        pixel_size_angstrom REAL NOT NULL,
        method TEXT NOT NULL,
        thickness_angstrom REAL,
        restored INTEGER NOT NULL
    ) STRICT""",
    "CREATE INDEX tomograms_by_series ON tomograms(series_uid)",
    """CREATE TABLE maps (
        uid TEXT PRIMARY KEY REFERENCES records(uid) ON DELETE CASCADE,
        name TEXT NOT NULL,
        path TEXT NOT NULL,
        pixel_size_angstrom REAL NOT NULL,
        symmetry TEXT NOT NULL,
        resolution_angstrom REAL,
        particle_set_uid TEXT
    ) STRICT""",
    """CREATE TABLE networks (
        uid TEXT PRIMARY KEY REFERENCES records(uid) ON DELETE CASCADE,
        name TEXT NOT NULL,
        purpose TEXT NOT NULL,
        path TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE links (
        child_uid TEXT NOT NULL REFERENCES records(uid) ON DELETE CASCADE,
        parent_uid TEXT NOT NULL REFERENCES records(uid) ON DELETE CASCADE,
        job_id INTEGER REFERENCES jobs(id) ON DELETE SET NULL,
        PRIMARY KEY (child_uid, parent_uid)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX links_by_parent ON links(parent_uid)",
)
"""Records of every kind, their parts and their provenance."""

_JOB_TABLES = (
    # AUTOINCREMENT: a number once given, and its folder, is never given again.
    """CREATE TABLE jobs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        stage TEXT NOT NULL,
        status TEXT NOT NULL,
        parameters TEXT NOT NULL CHECK (json_valid(parameters)),
        executor TEXT NOT NULL,
        label TEXT NOT NULL,
        folder TEXT NOT NULL,
        progress REAL NOT NULL DEFAULT 0,
        created_at REAL NOT NULL,
        started_at REAL,
        finished_at REAL,
        error TEXT NOT NULL DEFAULT '',
        version TEXT NOT NULL DEFAULT ''
    ) STRICT""",
    """CREATE TABLE job_dependencies (
        job_id INTEGER NOT NULL REFERENCES jobs(id) ON DELETE CASCADE,
        after_job_id INTEGER NOT NULL REFERENCES jobs(id) ON DELETE CASCADE,
        PRIMARY KEY (job_id, after_job_id)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX job_dependencies_by_after ON job_dependencies(after_job_id)",
    # `overrides` is what differs for this target, `parameters` the whole set it runs with.
    """CREATE TABLE tasks (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        job_id INTEGER NOT NULL REFERENCES jobs(id) ON DELETE CASCADE,
        stage TEXT NOT NULL,
        target TEXT NOT NULL,
        status TEXT NOT NULL,
        attempt INTEGER NOT NULL DEFAULT 1,
        overrides TEXT NOT NULL CHECK (json_valid(overrides)),
        parameters TEXT NOT NULL CHECK (json_valid(parameters)),
        folder TEXT NOT NULL,
        progress REAL NOT NULL DEFAULT 0,
        eta_seconds REAL,
        message TEXT NOT NULL DEFAULT '',
        error TEXT NOT NULL DEFAULT '',
        device TEXT NOT NULL DEFAULT '',
        host TEXT NOT NULL DEFAULT '',
        pid INTEGER,
        started_at REAL,
        finished_at REAL,
        heartbeat_at REAL,
        cancel_requested INTEGER NOT NULL DEFAULT 0,
        event_offset INTEGER NOT NULL DEFAULT 0,
        summary TEXT NOT NULL DEFAULT '',
        UNIQUE (job_id, target)
    ) STRICT""",
    "CREATE INDEX tasks_by_status ON tasks(status)",
    "CREATE INDEX tasks_by_target ON tasks(target, stage, id)",
    """CREATE TABLE events (
        id INTEGER PRIMARY KEY,
        job_id INTEGER NOT NULL REFERENCES jobs(id) ON DELETE CASCADE,
        task_id INTEGER NOT NULL REFERENCES tasks(id) ON DELETE CASCADE,
        kind TEXT NOT NULL,
        at REAL NOT NULL,
        attempt INTEGER NOT NULL,
        message TEXT NOT NULL,
        data TEXT NOT NULL CHECK (json_valid(data))
    ) STRICT""",
    "CREATE INDEX events_by_job ON events(job_id, id)",
    "CREATE INDEX events_by_task ON events(task_id, id)",
    """CREATE TABLE metrics (
        task_id INTEGER NOT NULL REFERENCES tasks(id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        step REAL NOT NULL,
        value REAL NOT NULL,
        unit TEXT NOT NULL DEFAULT '',
        at REAL NOT NULL,
        job_id INTEGER NOT NULL REFERENCES jobs(id) ON DELETE CASCADE,
        PRIMARY KEY (task_id, name, step)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX metrics_by_job ON metrics(job_id, name, step)",
)
"""Jobs, their tasks, and what the tasks have said."""

_PARTICLE_TABLES = (
    """CREATE TABLE particle_sets (
        uid TEXT PRIMARY KEY REFERENCES records(uid) ON DELETE CASCADE,
        name TEXT NOT NULL,
        species TEXT NOT NULL,
        diameter_angstrom REAL,
        symmetry TEXT NOT NULL,
        parent_uid TEXT
    ) STRICT""",
    """CREATE TABLE particles (
        id INTEGER PRIMARY KEY,
        uid TEXT NOT NULL UNIQUE,
        set_uid TEXT NOT NULL REFERENCES particle_sets(uid) ON DELETE CASCADE,
        tomogram_uid TEXT NOT NULL REFERENCES tomograms(uid) ON DELETE CASCADE,
        x_angstrom REAL NOT NULL,
        y_angstrom REAL NOT NULL,
        z_angstrom REAL NOT NULL,
        rot_deg REAL,
        tilt_deg REAL,
        psi_deg REAL,
        score REAL,
        decision TEXT NOT NULL DEFAULT 'undecided',
        class_number INTEGER,
        half INTEGER
    ) STRICT""",
    "CREATE INDEX particles_by_set ON particles(set_uid, tomogram_uid)",
    "CREATE INDEX particles_by_tomogram ON particles(tomogram_uid)",
    # One `batch` is one act of a person; `undoes` names the batch that it takes back.
    """CREATE TABLE decisions (
        id INTEGER PRIMARY KEY,
        batch INTEGER NOT NULL,
        undoes INTEGER,
        particle_uid TEXT NOT NULL REFERENCES particles(uid) ON DELETE CASCADE,
        verdict TEXT NOT NULL,
        previous TEXT NOT NULL,
        class_number INTEGER,
        previous_class INTEGER,
        user TEXT NOT NULL,
        session TEXT NOT NULL,
        at REAL NOT NULL
    ) STRICT""",
    "CREATE INDEX decisions_by_particle ON decisions(particle_uid, id)",
    "CREATE INDEX decisions_by_session ON decisions(session, batch)",
    "CREATE INDEX decisions_by_undoes ON decisions(undoes)",
)
"""Particles, and the log of what people decided about them."""

STEPS: tuple[Callable[[SqliteDatabase], None], ...] = (
    m001_tables,
    m002_recipe_steps,
    m003_searches,
    m004_audits,
    m005_averages,
    m006_variation,
    m007_profiles,
    m008_tasks_by_job,
)
"""In the order in which they are taken."""

"""A self-test on simulated truth: every stage, through the jobs that users run, judged in numbers.

``scenes`` makes the small series and the project, ``checks`` runs one stage after the other and
says what it reached, and ``judges`` compares with what is known to be true. Nothing here does the
science of a stage, and no stage knows of it.
"""

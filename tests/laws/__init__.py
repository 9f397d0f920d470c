"""Exact laws of the loop, each seen from outside: a scenario in, a run out, nothing else.

Every law stands here once, at two sizes: light for every change, full under the marker `laws` (`pytest -m laws`, two
workers with `-n 2`). How they are judged stands in `judge`.
"""

"""Engines in several processes, on one machine or many, behind one service: Ray Serve carries what is asked.

The application, the library and the defence stay in one process; only `Engine` is filled differently. Ray is
imported in `serves`, `clusters` and `router` alone.
"""

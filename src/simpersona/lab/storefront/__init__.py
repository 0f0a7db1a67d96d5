"""A real online store for one shop of the lab: django-oscar on SQLite, in a process of its own.

`launch.LabStore` is the only door. Django is never imported by the process that opens it.
"""

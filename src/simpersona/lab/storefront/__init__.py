"""A working online store for shops of the lab: django-oscar on SQLite, served by a separate process.

`launch.LabStore` (one shop) and `launch.LabStores` (many) are the entry points. The process that calls them never
imports Django.
"""

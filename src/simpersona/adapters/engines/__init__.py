"""Engines that compute tables (DuckDB, Spark) and play visits (Ray)."""

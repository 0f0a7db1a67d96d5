"""What computes tables and plays visits: DuckDB, Spark, Ray."""

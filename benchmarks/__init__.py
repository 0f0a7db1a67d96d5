"""What the package costs and how well its personas fare, measured on generated data: `python -m benchmarks`."""

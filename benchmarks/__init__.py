"""What the package costs and how good its personas are, measured on generated data: `python -m benchmarks`."""

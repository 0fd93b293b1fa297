"""The rules, as plain functions over plain data: observe, apply, due. No input, output, clock, chance or concurrency."""

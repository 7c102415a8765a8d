"""Measurements of the product against its limits, in the same run. Never asserted in tests."""

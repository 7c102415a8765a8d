"""The tests: their folders are those of `latent`, `support` is what several share, and no test imports another."""

import pytest

pytest.register_assert_rewrite("tests.support")  # its assertions show what they compared, as those of tests do

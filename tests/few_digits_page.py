"""The page on 1,000 digits and 20 ways: what its sections measure takes seconds and not most of a minute."""

from pathlib import Path

from latent import data, smoothness

digits, labels = data.evaluation_digits()
data.evaluation_digits = lambda: (digits[:1000], labels[:1000])
smoothness.Ways.of.__func__.__kwdefaults__["n_pairs"] = 20

__file__ = str(Path(__file__).parents[1] / "streamlit_app.py")
exec(compile(Path(__file__).read_text(encoding="utf-8"), __file__, "exec"))

"""The page for Streamlit Community Cloud, which installs the requirements.txt beside the script that it starts.

``streamlit run deploy/community-cloud/streamlit_app.py`` from the root shows the page of the root itself.
"""

import sys
from pathlib import Path

import streamlit as st

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # Streamlit adds the folder of this file only

st.navigation([st.Page(ROOT / "streamlit_app.py")], position="hidden").run()

"""The page's own rooms, the only ones beside the script that import Streamlit."""

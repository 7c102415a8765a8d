"""Parts of sections that are too large for the section itself."""

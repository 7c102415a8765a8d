"""What several tests share, one noun a file: no test imports another."""

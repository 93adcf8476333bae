"""The explorer: everything here shows, nothing here computes what the codec computes."""

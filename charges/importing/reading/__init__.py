"""From what was delivered to chunks of rows: files found, unpacked, cut; nothing is judged yet."""

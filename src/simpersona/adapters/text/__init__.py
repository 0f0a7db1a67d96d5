"""Text files as records: packed or not, in any encoding, with any line ends, as lines, CSV or JSON documents."""

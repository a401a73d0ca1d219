"""Files: pictures in every format with what they carry, and the one way to write a file whole."""

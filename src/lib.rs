//! Give a command-line tool a background daemon that nobody has to start, stop or think about.

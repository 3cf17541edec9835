"""What answering takes inside a process, with the sources in memory."""

"""The science on tensors: no files, no database, no terminal, no global state."""

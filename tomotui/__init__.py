"""tomotui: cryo-electron tomography in the terminal, from raw tilt series to structures."""

__version__ = "0.1.0"

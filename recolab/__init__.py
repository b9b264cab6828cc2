"""recolab: real-time, personalised e-commerce recommendation with large sequence models."""

__version__ = "0.1.0"
